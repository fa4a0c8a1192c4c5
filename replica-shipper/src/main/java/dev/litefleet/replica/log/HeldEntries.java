package dev.litefleet.replica.log;

import com.fasterxml.jackson.core.JsonProcessingException;
import dev.litefleet.replica.ReplicaException.Corrupt;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.objects.ObjectStore;
import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// Entries of one tenant that were copied out of shared segments, because a hold needs them longer
/// than the others: `history/<min>-<max>.zip` beside the tenant's index. The archive is a segment's
/// in every respect but its comment and where its blobs lie. Layout: `FORMAT.md`. Thread-safe.
public final class HeldEntries {
    private final ObjectStore store;
    private final SlotArchive archive;
    private final List<Entry> entries;

    private HeldEntries(ObjectStore store, SlotArchive archive, List<Entry> entries) {
        this.store = store;
        this.archive = archive;
        this.entries = entries;
    }

    /// Where copies of a tenant's entries lie, archives and bodies alike.
    public static String folder(TenantKey tenant) {
        return tenant.prefix() + "history/";
    }

    /// The key of an archive.
    public static String key(TenantKey tenant, Txid min, Txid max) {
        return folder(tenant) + min + "-" + max + ".zip";
    }

    /// The key of a body that is too large for an archive.
    public static String blobKey(TenantKey tenant, Entry entry) {
        return folder(tenant) + entry.min() + "-" + entry.max() + ".ltx";
    }

    /// The bytes of an archive. Equal arguments give equal bytes.
    ///
    /// @param bodies of one tenant, following one another without a gap; those with a blob keep
    ///   their body at [#blobKey]
    public static byte[] encode(List<Segment.Body> bodies) {
        TenantKey tenant = bodies.getFirst().entry().tenant();
        var moved = new ArrayList<Segment.Body>(bodies.size());
        Txid next = bodies.getFirst().entry().min();
        for (Segment.Body body : bodies) {
            Entry entry = body.entry();
            if (!entry.tenant().equals(tenant) || !entry.min().equals(next)) {
                throw new IllegalArgumentException("held entries do not follow: " + entry);
            }
            next = entry.max().next();
            moved.add(
                    entry.blob() == null
                            ? body
                            : new Segment.Body(
                                    entry.inBlob(new Entry.Blob(blobKey(tenant, entry))),
                                    new byte[0]));
        }
        var comment =
                new SlotJson.HeldComment(
                        Segment.FORMAT,
                        tenant.tenant().name(),
                        tenant.lineage().ulid(),
                        bodies.getFirst().entry().min().toString(),
                        bodies.getLast().entry().max().toString(),
                        SlotArchive.UNSEALED);
        return Segment.archive(SlotJson.write(comment), moved);
    }

    /// The archive of a range, by one ranged request (two for a large index), or nothing if it is
    /// not there.
    ///
    /// @throws Corrupt if it is not what its name says
    /// @throws dev.litefleet.replica.ReplicaException.UnsupportedFormat if a newer version wrote it
    public static Optional<HeldEntries> read(
            ObjectStore store, TenantKey tenant, Txid min, Txid max) {
        return SlotArchive.read(store, key(tenant, min, max))
                .map(archive -> of(store, tenant, min, max, archive));
    }

    private static HeldEntries of(
            ObjectStore store, TenantKey tenant, Txid min, Txid max, SlotArchive archive) {
        try {
            archive.checkFormat();
            var comment = SlotJson.read(archive.comment(), SlotJson.HeldComment.class);
            if (!comment.tenant().equals(tenant.tenant().name())
                    || !comment.lineage().equals(tenant.lineage().ulid())
                    || !comment.min().equals(min.toString())
                    || !comment.max().equals(max.toString())) {
                throw new Corrupt(archive.key(), archive.size(), "held entries belong elsewhere");
            }
            var entries = new ArrayList<Entry>(archive.entries().size());
            long covered = min.value() - 1;
            for (SlotArchive.Member member : archive.entries()) {
                Entry entry = SegmentReader.entry(folder(tenant), archive, member);
                if (!entry.tenant().equals(tenant) || entry.min().value() != covered + 1) {
                    throw new Corrupt(archive.key(), member.offset(), "held entries do not follow");
                }
                covered = entry.max().value();
                entries.add(entry);
            }
            if (covered != max.value()) {
                throw new Corrupt(archive.key(), archive.size(), "held entries end too early");
            }
            return new HeldEntries(store, archive, List.copyOf(entries));
        } catch (JsonProcessingException | IllegalArgumentException malformed) {
            throw new Corrupt(
                    archive.key(), archive.size(), "object does not make sense", malformed);
        }
    }

    /// Ascending, without a gap.
    public List<Entry> entries() {
        return entries;
    }

    /// The LTX file of an entry, as [SegmentReader#ltx] gives it. The caller closes it.
    ///
    /// @param entry one of [#entries]
    public InputStream ltx(Entry entry) {
        Entry.Blob blob = entry.blob();
        if (blob != null) {
            return store.open(blob.key(), 0)
                    .orElseThrow(() -> new Corrupt(blob.key(), 0, "held body is missing"));
        }
        int place = entries.indexOf(entry);
        if (place < 0) {
            throw new IllegalArgumentException("not an entry of this archive: " + entry);
        }
        return new ByteArrayInputStream(archive.content(store, archive.entries().get(place)));
    }

    @Override
    public String toString() {
        return "held entries " + archive.key();
    }
}
