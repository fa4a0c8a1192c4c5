package dev.litefleet.replica.history;

import dev.litefleet.replica.Position;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.log.Entry;
import dev.litefleet.replica.log.SegmentReader;
import dev.litefleet.replica.ltx.LtxHeader;
import dev.litefleet.replica.objects.ObjectStore;
import java.util.Optional;

/// The newest state that derived files hold, without its pages.
///
/// @param position its TXID and database checksum; the checksum is 0 if the file's writer left none
/// @param pageSize in bytes
/// @param pages of the database
/// @param millis time of its last commit, Unix milliseconds
public record LineageEnd(Position position, int pageSize, int pages, long millis) {
    /// One request for the header of one file; none if the lineage is empty.
    ///
    /// @throws dev.litefleet.replica.ReplicaException.Corrupt if that file is damaged
    public static Optional<LineageEnd> of(ObjectStore store, LineageHistory history) {
        return history.last()
                .map(file -> {
                    LtxHeader header = OpenFile.header(store, file);
                    return new LineageEnd(
                            new Position(header.max(), header.nodeId()),
                            header.pageSize(),
                            header.commit(),
                            header.timestampMillis());
                });
    }

    /// What the log says of the commit that ends a lineage.
    ///
    /// @param log the segment that holds it
    public record Logged(LogRef log, Entry entry) {}

    /// Looks the commit up in the history index, and then in its segment: one LIST of the index,
    /// one GET of its last object and one of the end of the segment, no pages.
    ///
    /// @return nothing if the index has no such entry, or its segment is gone
    /// @throws dev.litefleet.replica.ReplicaException.Corrupt if one of them is damaged
    public Optional<Logged> logged(ObjectStore store, TenantKey tenant) {
        return HistoryIndex.points(store, tenant, position.txid(), position.txid()).stream()
                .filter(point -> point.max().equals(position.txid()))
                .findFirst()
                .flatMap(point -> logged(store, tenant, point));
    }

    private static Optional<Logged> logged(ObjectStore store, TenantKey tenant, IndexPoint point) {
        return SegmentReader.read(store, point.log().log(), point.log().slot()).stream()
                .filter(SegmentReader.class::isInstance)
                .flatMap(slot -> ((SegmentReader) slot).entries().stream())
                .filter(entry -> entry.tenant().equals(tenant) && entry.max().equals(point.max()))
                .findFirst()
                .map(entry -> new Logged(point.log(), entry));
    }
}
