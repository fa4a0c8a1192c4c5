package dev.litefleet.replica.history;

import dev.litefleet.replica.ReplicaException.HistoryIncomplete;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.objects.ObjectStore;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;

/// A tenant's derived files, as one listing showed them.
public final class LineageHistory {
    private final TenantKey tenant;
    private final List<DerivedFile> files;
    private final Txid coverage;

    private LineageHistory(TenantKey tenant, List<DerivedFile> files) {
        this.tenant = tenant;
        this.files = files;
        this.coverage = coverage(files);
    }

    /// One LIST request per 1,000 files.
    public static LineageHistory list(ObjectStore store, TenantKey tenant) {
        // The level folders are 0000 to 0009; `history/` and whatever else lies there is left out.
        List<DerivedFile> files =
                store.listAll(tenant.prefix() + "000")
                        .flatMap(object -> DerivedFile.of(tenant, object).stream())
                        .sorted(DerivedFile.BY_RANGE)
                        .toList();
        return new LineageHistory(tenant, files);
    }

    /// The greatest n such that every TXID from 1 to n is in some file, [Txid#NONE] if there is
    /// none. Never the highest TXID listed: what lies beyond a gap cannot be restored. Overlaps do
    /// no harm; a dead owner's late file makes one.
    public static Txid coverage(List<DerivedFile> files) {
        long covered = 0;
        for (DerivedFile file : files.stream().sorted(DerivedFile.BY_RANGE).toList()) {
            if (file.min().value() > covered + 1) {
                break;
            }
            covered = Math.max(covered, file.max().value());
        }
        return new Txid(covered);
    }

    /// What of it lies before or at `end`.
    LineageHistory upTo(Txid end) {
        return new LineageHistory(
                tenant, files.stream().filter(file -> file.max().compareTo(end) <= 0).toList());
    }

    public TenantKey tenant() {
        return tenant;
    }

    /// By range.
    public List<DerivedFile> files() {
        return files;
    }

    /// See [#coverage(List)].
    public Txid coverage() {
        return coverage;
    }

    /// The file that ends at [#coverage], the smallest if there are several.
    public Optional<DerivedFile> last() {
        return files.stream()
                .filter(file -> file.max().equals(coverage))
                .min(Comparator.comparingLong(DerivedFile::size));
    }

    /// @throws HistoryIncomplete if the files end before `floor`, the last TXID that is known to
    ///   have been durable
    public LineageHistory requireCoverage(Txid floor) {
        if (coverage.compareTo(floor) < 0) {
            throw new HistoryIncomplete(tenant, coverage, floor);
        }
        return this;
    }
}
