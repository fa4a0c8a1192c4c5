package dev.litefleet.replica.history;

import dev.litefleet.replica.ReplicaException.Corrupt;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.history.EntryBodies.Located;
import dev.litefleet.replica.log.Entry;
import dev.litefleet.replica.log.HeldEntries;
import dev.litefleet.replica.log.Segment;
import dev.litefleet.replica.ltx.LtxReader;
import dev.litefleet.replica.objects.ListedObject;
import dev.litefleet.replica.objects.ObjectBody;
import dev.litefleet.replica.objects.ObjectStore;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// What holds have copied out of shared segments for one lineage, and the copying. For one thread
/// at a time.
final class HeldCopies {
    /// A copy as a listing shows it: an archive of entries, or one body too large for one.
    record Range(Txid min, Txid max, String key) {
        boolean holds(Txid from, Txid to) {
            return min.compareTo(from) <= 0 && max.compareTo(to) >= 0;
        }
    }

    /// Most entries, and bytes of bodies, in one archive.
    private static final int ENTRIES_MAX = 4096;

    private static final long BYTES_MAX = 16 << 20;

    private static final Pattern NAME =
            Pattern.compile("([0-7][0-9a-f]{15})-([0-7][0-9a-f]{15})\\.(zip|ltx)");

    private final ObjectStore store;
    private final TenantKey tenant;
    private final List<Range> archives;
    private final Map<Range, HeldEntries> read = new HashMap<>();

    private HeldCopies(ObjectStore store, TenantKey tenant, List<Range> archives) {
        this.store = store;
        this.tenant = tenant;
        this.archives = archives;
    }

    /// One LIST request per 1,000 objects of the tenant's index.
    static HeldCopies list(ObjectStore store, TenantKey tenant) {
        return of(store, tenant, store.listAll(HeldEntries.folder(tenant)).toList());
    }

    /// What a listing of the lineage, or of its index, shows.
    static HeldCopies of(ObjectStore store, TenantKey tenant, List<ListedObject> objects) {
        return new HeldCopies(
                store,
                tenant,
                objects.stream()
                        .filter(object -> object.key().endsWith(".zip"))
                        .flatMap(object -> range(tenant, object.key()).stream())
                        .toList());
    }

    /// The range of a copy; nothing for other keys.
    static Optional<Range> range(TenantKey tenant, String key) {
        String folder = HeldEntries.folder(tenant);
        Matcher name = NAME.matcher(key.startsWith(folder) ? key.substring(folder.length()) : "");
        if (!name.matches()) {
            return Optional.empty();
        }
        Txid min = Txid.parse(name.group(1));
        Txid max = Txid.parse(name.group(2));
        return min.value() < 1 || max.compareTo(min) < 0
                ? Optional.empty()
                : Optional.of(new Range(min, max, key));
    }

    /// Whether an archive says that it holds the entry.
    boolean hold(Entry entry) {
        return archives.stream().anyMatch(range -> range.holds(entry.min(), entry.max()));
    }

    /// The copy of an entry.
    ///
    /// @throws Corrupt if an archive is not what its name says
    Optional<Located> find(IndexPoint point) {
        for (Range range : archives) {
            if (range.holds(point.min(), point.max())) {
                HeldEntries copy = read.computeIfAbsent(range, this::open);
                for (Entry entry : copy.entries()) {
                    if (entry.min().equals(point.min()) && entry.max().equals(point.max())) {
                        return Optional.of(new Located(copy::ltx, point.log(), entry));
                    }
                }
            }
        }
        return Optional.empty();
    }

    private HeldEntries open(Range range) {
        return HeldEntries.read(store, tenant, range.min(), range.max())
                .orElseThrow(() -> new Corrupt(range.key(), 0, "held entries vanished"));
    }

    /// Copies entries that no archive holds yet: one archive for each unbroken row of them, or
    /// several if it is long. Every body is verified on its way. May be repeated: objects that are
    /// there already are left alone.
    ///
    /// @param entries of one tenant, ascending
    /// @param tmp folder for temporary files of the largest body's size
    /// @return archives written, or found
    /// @throws dev.litefleet.replica.ReplicaException if a body is damaged or gone
    static int copy(ObjectStore store, TenantKey tenant, List<Located> entries, Path tmp) {
        int archives = 0;
        var row = new ArrayList<Segment.Body>();
        long bytes = 0;
        for (Located located : entries) {
            Entry entry = located.entry();
            boolean follows =
                    row.isEmpty() || row.getLast().entry().max().next().equals(entry.min());
            if (!follows || row.size() == ENTRIES_MAX || bytes > BYTES_MAX) {
                archives += write(store, tenant, row);
                bytes = 0;
            }
            row.add(body(store, tenant, located, tmp));
            bytes += row.getLast().ltx().length;
        }
        return archives + write(store, tenant, row);
    }

    private static int write(ObjectStore store, TenantKey tenant, List<Segment.Body> row) {
        if (row.isEmpty()) {
            return 0;
        }
        Entry first = row.getFirst().entry();
        Entry last = row.getLast().entry();
        store.putIfAbsent(
                HeldEntries.key(tenant, first.min(), last.max()),
                // Without the commits' time: retention goes by when the copy was made.
                ObjectBody.of(HeldEntries.encode(row)));
        row.clear();
        return 1;
    }

    private static Segment.Body body(
            ObjectStore store, TenantKey tenant, Located located, Path tmp) {
        Entry entry = located.entry();
        try (InputStream in = located.bodies().apply(entry)) {
            if (entry.blob() == null) {
                byte[] ltx = in.readAllBytes();
                verify(located, new ByteArrayInputStream(ltx));
                return new Segment.Body(entry, ltx);
            }
            Path copy = Files.createTempFile(tmp, "held-", ".ltx");
            try {
                Files.copy(in, copy, StandardCopyOption.REPLACE_EXISTING);
                verify(located, Files.newInputStream(copy));
                store.putIfAbsent(HeldEntries.blobKey(tenant, entry), ObjectBody.ofFile(copy));
            } finally {
                Files.deleteIfExists(copy);
            }
            return new Segment.Body(entry, new byte[0]);
        } catch (IOException failed) {
            throw new UncheckedIOException("cannot copy " + entry, failed);
        }
    }

    /// What is kept because somebody relies on it must not turn out damaged when it is used.
    private static void verify(Located located, InputStream in) {
        try (var ltx = new LtxReader(located.log().key() + "#" + located.entry().max(), in)) {
            while (ltx.next()) {
                // Reading is verifying.
            }
        }
    }
}
