package dev.litefleet.replica.history;

import static java.nio.file.StandardCopyOption.ATOMIC_MOVE;
import static java.nio.file.StandardCopyOption.REPLACE_EXISTING;
import static java.nio.file.StandardOpenOption.READ;

import dev.litefleet.replica.LockPage;
import dev.litefleet.replica.Point;
import dev.litefleet.replica.Position;
import dev.litefleet.replica.ReplicaException.Corrupt;
import dev.litefleet.replica.ReplicaException.DiskFull;
import dev.litefleet.replica.ReplicaException.InconsistentStore;
import dev.litefleet.replica.ReplicaException.PointNotExact;
import dev.litefleet.replica.ReplicaException.TooLarge;
import dev.litefleet.replica.history.EntryBodies.Located;
import dev.litefleet.replica.history.RestorePlan.Step;
import dev.litefleet.replica.log.Entry;
import dev.litefleet.replica.log.FenceObject;
import dev.litefleet.replica.log.SegmentReader;
import dev.litefleet.replica.log.SlotObject;
import dev.litefleet.replica.log.Tasks;
import dev.litefleet.replica.ltx.DatabaseChecksum;
import dev.litefleet.replica.ltx.LtxHeader;
import dev.litefleet.replica.ltx.LtxReader;
import dev.litefleet.replica.ltx.PageFrame;
import dev.litefleet.replica.objects.ObjectStore;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Plan to verified local database file.
///
/// Never re-encodes. The indexes of all files are read first, newest first, and give every page to
/// the newest file that has it; then the ranges that hold such pages are read in parallel, decoded
/// and written to their place, each page once. What is verified at the end is the database checksum
/// that the newest object carries: it covers every page that was used, however many objects they
/// came from. Files of other writers carry none; those are read whole, to verify their own.
public final class Hydrator {
    /// @param databaseBytesMax largest database that is accepted
    /// @param rangeBytes most bytes asked for in one request; a hydration holds `inFlight` times
    ///   this in memory, and 1 MiB each for writing
    /// @param inFlight requests at a time
    public record Limits(long databaseBytesMax, int rangeBytes, int inFlight) {
        public static final Limits DEFAULT = new Limits(64L << 30, 4 << 20, 5);

        public Limits {
            if (databaseBytesMax < 512 || rangeBytes < 1 << 17 || inFlight < 1 || inFlight > 64) {
                throw new IllegalArgumentException(
                        "bad limits: %d bytes, ranges of %d, %d in flight"
                                .formatted(databaseBytesMax, rangeBytes, inFlight));
            }
        }
    }

    /// Plans that one hydration tries; each costs a listing.
    static final int PLANS_MAX = 3;

    private static final Logger log = LoggerFactory.getLogger(Hydrator.class);

    // Reading on over frames that are not wanted is cheaper than another request.
    /// Less than this is what a full disk has left: a write takes what there is before it fails.
    private static final long FULL_BYTES = 64 << 10;

    private static final int GAP_BYTES_MAX = 256 << 10;
    private static final long KEPT_BYTES_MAX = 32 << 20;

    private final ObjectStore store;
    private final RestorePlan plan;
    private final Path temporary;
    private final Limits limits;
    private final Tasks tasks;
    private final Progress progress;
    private @Nullable HeldCopies copies; // the calling thread's, when first needed
    private long bytesRead; // guarded by this
    private long bytesTotal; // guarded by this

    /// @param bytesRead what earlier attempts have read
    private Hydrator(
            ObjectStore store,
            RestorePlan plan,
            Path temporary,
            Limits limits,
            Tasks tasks,
            Progress progress,
            long bytesRead) {
        this.store = store;
        this.plan = plan;
        this.temporary = temporary;
        this.limits = limits;
        this.tasks = tasks;
        this.progress = progress;
        this.bytesRead = bytesRead;
        this.bytesTotal = bytesRead + plan.bytes();
    }

    /// The same where objects may go meanwhile: what a listing showed is deleted once something
    /// larger covers it. When the state cannot be had from `plan`, `again` looks once more, up to
    /// [#PLANS_MAX] plans in all, and as long as it finds others. Each attempt is verified alone;
    /// nothing of one gets into the next.
    ///
    /// @param again from a listing of its own; may fail as [RestorePlan#of]
    public static Hydrated hydrate(
            ObjectStore store,
            RestorePlan plan,
            Supplier<RestorePlan> again,
            Path target,
            Limits limits,
            Tasks tasks,
            Progress progress) {
        RestorePlan way = plan;
        for (int plans = 1; ; plans++) {
            try {
                return hydrate(store, way, target, limits, tasks, progress);
            } catch (Corrupt | PointNotExact gone) {
                RestorePlan other = plans == PLANS_MAX ? way : again.get();
                if (other.steps().equals(way.steps())) {
                    throw gone;
                }
                way = other;
            }
        }
    }

    /// Makes `target` the database of `plan`, replacing what is there; nobody may have it open. The
    /// work is done in a file beside it, which is durable before it gets the name and is removed on
    /// failure. Costs one to three requests per file for its index, and one per range of pages.
    ///
    /// What looks damaged is read once more: a bit may have flipped on its way. If it still is, and
    /// the same state can be made of other objects, it is. What a newer version wrote is never gone
    /// around.
    ///
    /// @throws Corrupt naming the object that is damaged and without which there is no way
    /// @throws PointNotExact if a segment that the plan needs is gone and no hold has copied it
    /// @throws TooLarge if the database is over `limits`
    /// @throws DiskFull if it does not fit on the disk; nothing is left of it there
    /// @throws dev.litefleet.replica.objects.StoreException as the store
    /// @throws UncheckedIOException if the disk fails
    public static Hydrated hydrate(
            ObjectStore store,
            RestorePlan plan,
            Path target,
            Limits limits,
            Tasks tasks,
            Progress progress) {
        RestorePlan way = plan;
        Corrupt first = null;
        String suspect = "";
        long bytesRead = 0;
        while (true) {
            Path temporary = target.resolveSibling(target.getFileName() + ".hydrating");
            var hydrator = new Hydrator(store, way, temporary, limits, tasks, progress, bytesRead);
            try {
                return hydrator.into(target);
            } catch (Corrupt damaged) {
                first = earlier(first, damaged);
                if (damaged.key().equals(suspect)) {
                    way = around(way, damaged).orElseThrow(thrown(first));
                }
                suspect = damaged.key();
                bytesRead = hydrator.bytesRead();
            }
        }
    }

    private static Corrupt earlier(@Nullable Corrupt first, Corrupt damaged) {
        if (first == null) {
            return damaged;
        }
        first.addSuppressed(damaged);
        return first;
    }

    private static Supplier<Corrupt> thrown(Corrupt first) {
        return () -> first;
    }

    private static Optional<RestorePlan> around(RestorePlan way, Corrupt damaged) {
        Optional<RestorePlan> other = way.without(damaged.key());
        log.atWarn()
                .addKeyValue("tenant", way.tenant())
                .addKeyValue("txid", way.target())
                .addKeyValue("key", damaged.key())
                .addKeyValue("problem", damaged.getMessage())
                .log(
                        other.isPresent()
                                ? "an object is damaged, the state is made of others"
                                : "an object is damaged and nothing else covers it");
        return other;
    }

    private Hydrated into(Path target) {
        try {
            Hydrated hydrated = run();
            Files.move(temporary, target, ATOMIC_MOVE, REPLACE_EXISTING);
            syncFolder(target.toAbsolutePath().getParent());
            return hydrated;
        } catch (IOException failed) {
            throw full(target)
                    ? new DiskFull("database " + plan.tenant(), failed)
                    : new UncheckedIOException("cannot write " + target, failed);
        } catch (UncheckedIOException failed) {
            throw full(target) ? new DiskFull("database " + plan.tenant(), failed) : failed;
        } finally {
            deleteLeftOver(temporary);
        }
    }

    /// Whether the disk is what a write failed for. While the file that did not fit is still there:
    /// the JDK says it in words only, of the system's language.
    private static boolean full(Path target) {
        try {
            return free(target) < FULL_BYTES;
        } catch (IOException gone) {
            return false;
        }
    }

    private static long free(Path file) throws IOException {
        Path folder = file.toAbsolutePath().getParent();
        return Files.getFileStore(folder == null ? file : folder).getUsableSpace();
    }

    private static void deleteLeftOver(Path temporary) {
        try {
            Files.deleteIfExists(temporary);
        } catch (IOException failed) {
            throw new UncheckedIOException("cannot remove " + temporary, failed);
        }
    }

    private static void syncFolder(@Nullable Path folder) throws IOException {
        if (folder != null) {
            try (var directory = FileChannel.open(folder, READ)) {
                directory.force(true);
            }
        }
    }

    private Hydrated run() throws IOException {
        List<OpenFile> files = openFiles();
        End end = end(files);
        checkSize(end);
        try (var image = new ImageFile(temporary, end.pageSize(), end.commit())) {
            List<Wanted> wanted = claim(files, image, end);
            if (end.checksum() != 0) {
                readRanges(wanted, image);
            } else {
                readWhole(wanted, image);
            }
            DatabaseChecksum sums = image.checksum();
            if (end.checksum() != 0 && sums.value() != end.checksum()) {
                throw whoIsDamaged(files, end, sums.value());
            }
            image.sync();
            return new Hydrated(
                    new Position(plan.target(), sums.value()),
                    sums,
                    end.pageSize(),
                    end.commit(),
                    end.millis(),
                    bytesRead(),
                    end.checksum() != 0);
        }
    }

    /// What the newest object says about the database.
    ///
    /// @param checksum 0 if its writer did not say
    private record End(String key, int pageSize, int commit, long checksum, long millis) {}

    private End end(List<OpenFile> files) {
        return switch (plan.steps().getLast()) {
            case Step.ApplyFile(var file) -> {
                LtxHeader last = files.getLast().header();
                yield new End(
                        file.key(),
                        last.pageSize(),
                        last.commit(),
                        last.nodeId(),
                        last.timestampMillis());
            }
            case Step.ApplyEntry(var entry) ->
                    new End(
                            entry.log().key(),
                            entry.pageSize(),
                            entry.commit(),
                            entry.checksumAfter(),
                            entry.lastMillis());
        };
    }

    private List<OpenFile> openFiles() {
        List<DerivedFile> files = new ArrayList<>();
        for (Step step : plan.steps()) {
            if (step instanceof Step.ApplyFile(var file)) {
                files.add(file);
            }
        }
        var opened = new OpenFile[files.size()];
        var kept = new long[1]; // guarded by this
        Parallel.run(
                tasks,
                "hydrate-index",
                limits.inFlight(),
                opened.length,
                i -> {
                    OpenFile file = OpenFile.open(store, files.get(i));
                    progressed(file.bytesRead());
                    synchronized (this) {
                        kept[0] += file.whole() == null ? 0 : file.file().size();
                        opened[i] = kept[0] <= KEPT_BYTES_MAX ? file : file.withoutBytes();
                    }
                });
        return List.of(opened);
    }

    private void checkSize(End end) throws IOException {
        long bytes = (long) end.commit() * end.pageSize();
        if (bytes > limits.databaseBytesMax()) {
            throw new TooLarge(
                    "database " + plan.tenant(),
                    bytes,
                    "databaseBytesMax",
                    limits.databaseBytesMax());
        }
        long free = free(temporary);
        if (bytes > free) {
            throw new DiskFull("database " + plan.tenant(), bytes, free);
        }
    }

    /// The frames of a file that no newer object replaces.
    ///
    /// @param frames positions in the file's index
    private record Wanted(OpenFile file, BitSet frames) {}

    /// Gives every page to the newest step that has it. Entries, of which no index can be read, are
    /// decoded and written at once; of files only the frames are chosen.
    private List<Wanted> claim(List<OpenFile> files, ImageFile image, End end) {
        var claimed = new BitSet();
        int lock = LockPage.of(end.pageSize());
        if (lock <= end.commit()) {
            claimed.set(lock);
        }
        var wanted = new ArrayList<Wanted>();
        var entries = new ArrayList<IndexPoint>();
        int file = files.size();
        for (Step step : plan.steps().reversed()) {
            switch (step) {
                case Step.ApplyEntry(var entry) -> entries.add(entry);
                case Step.ApplyFile(_) -> {
                    apply(entries, image, claimed, end);
                    entries.clear();
                    file--;
                    wanted.add(claim(files.get(file), claimed, end));
                }
            }
        }
        apply(entries, image, claimed, end);
        int missing = claimed.nextClearBit(1);
        if (missing <= end.commit()) {
            throw new Corrupt(end.key(), 0, "page " + missing + " is in no file of the history");
        }
        return wanted;
    }

    private static Wanted claim(OpenFile file, BitSet claimed, End end) {
        checkPageSize(end, file.file().key(), file.header());
        var index = file.index();
        var frames = new BitSet(index.size());
        for (int i = 0; i < index.size() && index.pgno(i) <= end.commit(); i++) {
            if (!claimed.get(index.pgno(i))) {
                claimed.set(index.pgno(i));
                frames.set(i);
            }
        }
        return new Wanted(file, frames);
    }

    /// @param points newest first
    private void apply(List<IndexPoint> points, ImageFile image, BitSet claimed, End end) {
        List<LogRef> slots = points.stream().map(IndexPoint::log).distinct().toList();
        var segments = new ConcurrentHashMap<LogRef, SegmentReader>();
        Parallel.run(
                tasks,
                "hydrate-segment",
                limits.inFlight(),
                slots.size(),
                i -> segment(slots.get(i)).ifPresent(found -> segments.put(slots.get(i), found)));
        List<Located> entries =
                points.stream().map(point -> located(segments.get(point.log()), point)).toList();
        EntryBodies.forEach(
                tasks,
                limits.inFlight(),
                entries,
                body -> {
                    apply(body, image, claimed, end);
                    progressed(body.entry().bytes());
                });
    }

    private static void apply(EntryBodies.Body body, ImageFile image, BitSet claimed, End end) {
        try (var ltx = body.open();
                var writer = image.writer()) {
            checkPageSize(end, end.key(), ltx.header());
            while (ltx.next()) {
                if (ltx.pgno() <= end.commit() && !claimed.get(ltx.pgno())) {
                    claimed.set(ltx.pgno());
                    writer.page(ltx.pgno(), ltx.page());
                }
            }
        }
    }

    /// Nothing if it has been deleted.
    private Optional<SegmentReader> segment(LogRef slot) {
        Optional<SlotObject> object = SegmentReader.read(store, slot.log(), slot.slot());
        if (object.isEmpty()) {
            return Optional.empty();
        }
        return switch (object.get()) {
            case SegmentReader segment -> Optional.of(segment);
            case FenceObject fence ->
                    throw new InconsistentStore(
                            slot.key(), "a fence by " + fence.by() + " where an entry should be");
        };
    }

    private Located located(@Nullable SegmentReader segment, IndexPoint point) {
        if (segment == null) {
            return copied(point);
        }
        for (Entry entry : segment.entries()) {
            if (entry.tenant().equals(plan.tenant()) && entry.max().equals(point.max())) {
                return Located.in(segment, point.log(), entry);
            }
        }
        throw new InconsistentStore(
                point.log().key(), "no entry " + point.max() + " of " + plan.tenant());
    }

    /// The copy that a hold made of an entry before its segment went.
    private Located copied(IndexPoint point) {
        if (copies == null) {
            copies = HeldCopies.list(store, plan.tenant());
        }
        return copies.find(point)
                .orElseThrow(() ->
                        new PointNotExact(
                                new Point.At(plan.target()), plan.before(), plan.after()));
    }

    private static void checkPageSize(End end, String key, LtxHeader header) {
        if (header.pageSize() != end.pageSize()) {
            throw new Corrupt(key, 8, "page size differs: " + header.pageSize());
        }
    }

    /// A stretch of a file that is read in one request.
    ///
    /// @param from position of its first frame in the index
    /// @param to position after its last
    private record Range(Wanted wanted, int from, int to) {
        long offset() {
            return wanted.file().index().offset(from);
        }

        int length() {
            var index = wanted.file().index();
            return (int) (index.offset(to - 1) + index.length(to - 1) - offset());
        }
    }

    private void readRanges(List<Wanted> wanted, ImageFile image) {
        List<Range> ranges = wanted.stream().flatMap(file -> ranges(file).stream()).toList();
        synchronized (this) {
            bytesTotal = bytesRead;
            ranges.stream()
                    .filter(range -> range.wanted().file().whole() == null)
                    .forEach(range -> bytesTotal += range.length());
        }
        Parallel.run(
                tasks,
                "hydrate",
                limits.inFlight(),
                ranges.size(),
                i -> {
                    Range range = ranges.get(i);
                    decode(range, image);
                    progressed(range.wanted().file().whole() == null ? range.length() : 0);
                });
    }

    private List<Range> ranges(Wanted wanted) {
        var index = wanted.file().index();
        var ranges = new ArrayList<Range>();
        int from = wanted.frames().nextSetBit(0);
        int last = from;
        while (last >= 0) {
            int next = wanted.frames().nextSetBit(last + 1);
            boolean ends =
                    next < 0
                            || index.offset(next) - index.offset(last) > GAP_BYTES_MAX
                            || index.offset(next) + index.length(next) - index.offset(from)
                                    > limits.rangeBytes();
            if (ends) {
                ranges.add(new Range(wanted, from, last + 1));
                from = next;
            }
            last = next;
        }
        return ranges;
    }

    private void decode(Range range, ImageFile image) {
        OpenFile file = range.wanted().file();
        String key = file.file().key();
        var index = file.index();
        byte[] bytes = file.read(store, range.offset(), range.length());
        byte[] page = new byte[file.header().pageSize()];
        try (var writer = image.writer()) {
            BitSet frames = range.wanted().frames();
            for (int i = range.from(); i >= 0 && i < range.to(); i = frames.nextSetBit(i + 1)) {
                int at = (int) (index.offset(i) - range.offset());
                int pgno = PageFrame.decode(key, bytes, at, index.length(i), index.offset(i), page);
                if (pgno != index.pgno(i)) {
                    throw new Corrupt(
                            key,
                            index.offset(i),
                            "page %d stands where the index says %d"
                                    .formatted(pgno, index.pgno(i)));
                }
                writer.page(pgno, page);
            }
        }
    }

    /// For files whose writer left no database checksum: only their own checksum can be verified,
    /// and that needs every byte.
    private void readWhole(List<Wanted> wanted, ImageFile image) {
        Parallel.run(
                tasks,
                "hydrate",
                limits.inFlight(),
                wanted.size(),
                i -> {
                    Wanted one = wanted.get(i);
                    try (var ltx = openWhole(one.file().file());
                            var writer = image.writer()) {
                        for (int frame = 0; ltx.next(); frame++) {
                            if (one.frames().get(frame)) {
                                writer.page(ltx.pgno(), ltx.page());
                            }
                        }
                    }
                    progressed(one.file().file().size());
                });
    }

    private LtxReader openWhole(DerivedFile file) {
        InputStream in =
                store.open(file.key(), 0)
                        .orElseThrow(() -> new Corrupt(file.key(), 0, "derived file vanished"));
        return new LtxReader(file.key(), in);
    }

    /// The database checksum tells that something is wrong, the files' own checksums tell what.
    /// Among ours a file that states none is somebody else's, however whole it is.
    private Corrupt whoIsDamaged(List<OpenFile> files, End end, long found) {
        for (OpenFile file : files) {
            if (file.header().nodeId() == 0) {
                return new Corrupt(
                        file.file().key(), 0, "another program's file among those of litefleet");
            }
        }
        for (OpenFile file : files) {
            try (var ltx = openWhole(file.file())) {
                while (ltx.next()) {
                    // Reading is verifying.
                }
            } catch (Corrupt damaged) {
                return damaged;
            }
        }
        return new Corrupt(
                end.key(),
                0,
                "database checksum differs after %s: %016x instead of %016x"
                        .formatted(plan.target(), found, end.checksum()));
    }

    private void progressed(long bytes) {
        synchronized (this) {
            bytesRead += bytes;
            progress.at(bytesRead, Math.max(bytesRead, bytesTotal));
        }
    }

    private synchronized long bytesRead() {
        return bytesRead;
    }
}
