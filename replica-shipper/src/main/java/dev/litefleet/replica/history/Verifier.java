package dev.litefleet.replica.history;

import dev.litefleet.replica.LockPage;
import dev.litefleet.replica.ReplicaException;
import dev.litefleet.replica.ReplicaException.Corrupt;
import dev.litefleet.replica.ReplicaException.DiskFull;
import dev.litefleet.replica.ReplicaException.InconsistentStore;
import dev.litefleet.replica.ReplicaException.UnsupportedFormat;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.history.EntryBodies.Located;
import dev.litefleet.replica.history.HistoryIndex.Range;
import dev.litefleet.replica.history.Verification.Kind;
import dev.litefleet.replica.history.Verification.Problem;
import dev.litefleet.replica.log.Entry;
import dev.litefleet.replica.log.SegmentReader;
import dev.litefleet.replica.log.SlotObject;
import dev.litefleet.replica.log.Tasks;
import dev.litefleet.replica.ltx.DatabaseChecksum;
import dev.litefleet.replica.ltx.LtxHeader;
import dev.litefleet.replica.ltx.LtxReader;
import dev.litefleet.replica.objects.ListedObject;
import dev.litefleet.replica.objects.ObjectStore;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/// Walks a lineage from its first commit to its last and believes nothing of it.
///
/// A rolling database checksum goes from state to state. Every derived file is read to its verified
/// end and applied, in thought, to a state that it may follow: the result must be the checksum that
/// the file claims. So a file that is sound in itself, but belongs elsewhere, lacks a page or has
/// one too many, is found. Every log entry that is left is applied in the same way. All that is
/// said about the checksum of one TXID, by files, index and entries, must agree; that is what makes
/// overlapping files equal.
///
/// Reads only. Holds 8 bytes per page of the database, 12 per page of the file at hand, one history
/// object of each kind, and about 50 bytes per page that one drain changed.
public final class Verifier {
    /// Most problems in a report; a lost folder would be as many as it has objects.
    public static final int PROBLEMS_MAX = 1_000;

    private static final int WIDTH = 8;

    /// What is to be verified.
    ///
    /// @param tail entries of open logs behind the derived files, read before this call
    /// @param floor the last TXID known to have been durable, [Txid#NONE] if nothing is known
    /// @param readEntries whether log entries are read too: one or two requests each
    public record Scope(TenantKey tenant, List<IndexPoint> tail, Txid floor, boolean readEntries) {
        public Scope {
            tail = List.copyOf(tail);
        }
    }

    /// A checksum that an object claims, or that its content has.
    private record Claim(long value, String key) {}

    /// The pages of a file or an entry.
    @SuppressWarnings("ArrayRecordComponent") // Handed on, never compared.
    private record Pages(LtxHeader header, int count, int[] pgnos, long[] sums) {}

    private final ObjectStore store;
    private final Scope scope;
    private final TenantKey tenant;
    private final Tasks tasks;
    private final Progress progress;
    private final LinkedHashSet<Problem> problems = new LinkedHashSet<>();
    private final LinkedHashSet<String> notChecked = new LinkedHashSet<>();
    private final TreeMap<Txid, Claim> claims = new TreeMap<>();
    private final Map<String, List<IndexPoint>> indexRead = new HashMap<>(); // the last two
    private final Set<String> unreadable = new HashSet<>();
    private final Set<DerivedFile> sound = new HashSet<>();
    private final HeldCopies held;
    private List<DerivedFile> files = List.of();
    private List<Range> index = List.of();
    private @Nullable Overlay overlay; // where the entries being read lead
    private long bytesTotal;
    private long bytesRead;
    private long points;
    private long entries;
    private long entriesGone;
    private int foreign;

    private Verifier(ObjectStore store, Scope scope, Tasks tasks, Progress progress) {
        this.store = store;
        this.scope = scope;
        this.tenant = scope.tenant();
        this.tasks = tasks;
        this.progress = progress;
        this.held = HeldCopies.list(store, tenant);
    }

    /// Costs a LIST per 1,000 objects, one streamed request per derived file, one per history
    /// object, and with `readEntries` one per segment and per entry. A damaged object is a problem
    /// in the report, not an exception.
    ///
    /// @throws dev.litefleet.replica.objects.StoreException if the store does not answer
    public static Verification verify(
            ObjectStore store, Scope scope, Tasks tasks, Progress progress) {
        return new Verifier(store, scope, tasks, progress).run();
    }

    private Verification run() {
        list();
        readIndex();
        walk();
        contiguous();
        indexed();
        Txid last = tailEnd(LineageHistory.coverage(files));
        if (last.compareTo(scope.floor()) < 0) {
            report(
                    Kind.LOST_COMMITS,
                    tenant.prefix(),
                    0,
                    "commits up to %s were durable, objects end at %s"
                            .formatted(scope.floor(), last));
        }
        if (foreign > 0) {
            notChecked.add(
                    foreign
                            + " files carry no database checksum (Litestream wrote them): each was"
                            + " verified by its own checksum, and against the others");
        }
        if (!scope.readEntries()) {
            notChecked.add("log entries were not read");
        }
        var first = Reach.states(Reach.items(files, List.of()));
        return new Verification(
                tenant,
                first.isEmpty() ? Txid.NONE : first.first(),
                last,
                files.size(),
                points,
                entries,
                entriesGone,
                bytesRead,
                problems.stream().limit(PROBLEMS_MAX).toList(),
                List.copyOf(notChecked));
    }

    // What is there

    private void list() {
        List<ListedObject> objects = store.listAll(tenant.prefix()).toList();
        var known = new ArrayList<DerivedFile>();
        for (ListedObject object : objects) {
            Optional<DerivedFile> file = DerivedFile.of(tenant, object);
            if (file.isPresent()) {
                known.add(file.get());
            } else if (DerivedFile.named(tenant, object.key())) {
                report(
                        Kind.CORRUPT,
                        object.key(),
                        object.size(),
                        "truncated: shorter than any LTX file");
            }
        }
        known.sort(DerivedFile.BY_RANGE);
        files = known;
        index = HistoryIndex.list(store, tenant);
        bytesTotal = files.stream().mapToLong(DerivedFile::size).sum();
        bytesTotal += index.stream().mapToLong(Range::size).sum();
        long strangers =
                objects.stream()
                        .filter(object ->
                                !DerivedFile.named(tenant, object.key())
                                        && !HistoryIndex.named(tenant, object.key())
                                        && HeldCopies.range(tenant, object.key()).isEmpty())
                        .count();
        if (strangers > 0) {
            notChecked.add(strangers + " other objects lie below " + tenant.prefix());
        }
    }

    /// Every history object by itself, each against its neighbours, and against what overlaps it.
    private void readIndex() {
        var last = new TreeMap<Txid, IndexPoint>(); // of the object that reaches furthest
        for (Range range : index) {
            List<IndexPoint> object = read(range);
            IndexPoint before = last.isEmpty() ? null : last.lastEntry().getValue();
            boolean furthest = before == null || range.max().compareTo(before.max()) > 0;
            for (IndexPoint point : object) {
                IndexPoint same = last.get(point.max());
                if (same != null && !same.equals(point)) {
                    report(
                            Kind.INCONSISTENT,
                            range.key(),
                            0,
                            "another history object says something else about " + point.max());
                }
                follows(before, point, range.key());
                if (same == null) {
                    points++;
                }
                before = point;
            }
            if (furthest && !object.isEmpty()) {
                last.clear();
                object.forEach(point -> last.put(point.max(), point));
            }
            progressed(range.size());
        }
    }

    /// Checksum before = checksum after of the predecessor.
    private void follows(@Nullable IndexPoint before, IndexPoint point, String key) {
        if (before != null
                && before.max().next().equals(point.min())
                && before.checksumAfter() != point.checksumBefore()) {
            report(
                    Kind.INCONSISTENT,
                    key,
                    0,
                    "commit %s was made on database checksum %016x, the one before it left %016x"
                            .formatted(
                                    point.min(), point.checksumBefore(), before.checksumAfter()));
        }
    }

    /// Empty if the object cannot be read, which is reported once.
    private List<IndexPoint> read(Range range) {
        if (unreadable.contains(range.key())) {
            return List.of();
        }
        List<IndexPoint> object = indexRead.get(range.key());
        if (object == null) {
            try {
                object = HistoryIndex.read(store, range);
            } catch (ReplicaException broken) {
                report(broken, range.key());
                unreadable.add(range.key());
                return List.of();
            }
            if (indexRead.size() >= 2) {
                indexRead.clear();
            }
            indexRead.put(range.key(), object);
        }
        return object;
    }

    // The walk

    /// From state to state, by the shortest steps there are.
    private void walk() {
        var rest = new ArrayList<>(files);
        var bad = new HashSet<DerivedFile>();
        DatabaseChecksum state = null; // of `at`; unknown behind a gap or damage
        Txid at = Txid.NONE;
        if (!files.isEmpty()) {
            state = new DatabaseChecksum(pageSize());
        }
        while (true) {
            DerivedFile step = null;
            Pages stepPages = null;
            for (DerivedFile file : List.copyOf(rest)) {
                if (file.min().compareTo(at.next()) > 0) {
                    break; // They are sorted.
                }
                if (file.max().compareTo(at) <= 0 && !file.isWhole()) {
                    // No state lies inside its range: by itself only.
                    rest.remove(file);
                    apply(file, null, bad);
                    continue;
                }
                if (!bad.contains(file) && rest.remove(file)) {
                    Pages pages = apply(file, file.isWhole() ? empty() : state, bad);
                    boolean shorter = step == null || file.max().compareTo(step.max()) < 0;
                    if (pages != null && file.max().compareTo(at) > 0 && shorter) {
                        step = file;
                        stepPages = pages;
                    }
                }
            }
            // Files that were verified at an earlier state may still be the way on.
            DerivedFile known = stepFrom(at, bad);
            if (known != null && (step == null || known.max().compareTo(step.max()) < 0)) {
                step = known;
                stepPages = null;
            }
            Txid target = step == null ? nextEnd(at) : step.max();
            DatabaseChecksum byEntries = target == null ? null : entries(at, target, state);
            if (target != null && step != null) {
                state = after(step, stepPages, state);
                at = target;
            } else if (target != null && byEntries != null) {
                state = byEntries;
                at = target;
            } else {
                DerivedFile next = beyond(at, bad);
                if (next == null) {
                    tail(at, state);
                    return;
                }
                state = next.isWhole() ? after(next, null, null) : null;
                at = end(next);
            }
        }
    }

    /// The state after a sound file.
    ///
    /// @param pages null if they are not at hand
    /// @param state before it, or null; changed
    private @Nullable DatabaseChecksum after(
            DerivedFile step, @Nullable Pages pages, @Nullable DatabaseChecksum state) {
        DerivedFile file = step;
        if (state == null && !file.isWhole()) {
            // Back to a known state where a snapshot has one.
            Optional<DerivedFile> whole =
                    files.stream()
                            .filter(one -> one.isWhole() && one.max().equals(step.max()))
                            .filter(sound::contains)
                            .findFirst();
            if (whole.isEmpty()) {
                return null;
            }
            file = whole.get();
        }
        DatabaseChecksum from = state == null || file.isWhole() ? empty() : state;
        applied(from, pages == null || !file.equals(step) ? pages(file) : pages);
        return from;
    }

    private DatabaseChecksum empty() {
        return new DatabaseChecksum(pageSize());
    }

    private int pageSize;

    /// Of the first file whose header can be read.
    private int pageSize() {
        for (int i = 0; pageSize == 0 && i < files.size(); i++) {
            try {
                pageSize = OpenFile.header(store, files.get(i)).pageSize();
            } catch (ReplicaException _) {
                // Reported when its turn comes.
            }
        }
        return pageSize == 0 ? 512 : pageSize;
    }

    /// The shortest step from a state among files that were found sound.
    private @Nullable DerivedFile stepFrom(Txid at, Set<DerivedFile> bad) {
        DerivedFile step = null;
        for (DerivedFile file : files) {
            if (file.min().compareTo(at.next()) <= 0
                    && file.max().compareTo(at) > 0
                    && !bad.contains(file)
                    && (step == null || file.max().compareTo(step.max()) < 0)) {
                step = file;
            }
        }
        return step;
    }

    /// Where the entries from `at` on may lead, if no file does: the next end of a damaged file.
    private @Nullable Txid nextEnd(Txid at) {
        return files.stream()
                .map(DerivedFile::max)
                .filter(max -> max.compareTo(at) > 0)
                .min(Txid::compareTo)
                .orElse(null);
    }

    /// Where to go on when nothing leads on from `at`: a whole file, or the next one behind.
    private @Nullable DerivedFile beyond(Txid at, Set<DerivedFile> bad) {
        DerivedFile next = null;
        for (DerivedFile file : files) {
            boolean whole = file.isWhole() && file.max().compareTo(at) > 0;
            boolean behind = file.min().compareTo(at.next()) > 0;
            if (!bad.contains(file)
                    && (whole || behind)
                    && (next == null || end(file).compareTo(end(next)) < 0)) {
                next = file;
            }
        }
        return next;
    }

    private static Txid end(DerivedFile file) {
        return file.isWhole() ? file.max() : new Txid(file.min().value() - 1);
    }

    /// Reads a file to its end and compares what it makes of `state` with what it claims.
    ///
    /// @param state null if none is known that it may follow
    /// @return its pages; null if it is bad
    private @Nullable Pages apply(
            DerivedFile file, @Nullable DatabaseChecksum state, Set<DerivedFile> bad) {
        try {
            Pages pages = pages(file);
            progressed(file.size());
            LtxHeader header = pages.header();
            if (header.pageSize() != pageSize()) {
                throw new Corrupt(file.key(), 8, "page size differs: " + header.pageSize());
            }
            long claimed = header.nodeId();
            if (state != null) {
                Overlay over = new Overlay(state);
                int lacking =
                        over.apply(header.commit(), pages.count(), pages.pgnos(), pages.sums());
                if (lacking > 0) {
                    throw new Corrupt(
                            file.key(),
                            LtxHeader.BYTES,
                            "it grows the database and lacks page " + lacking);
                }
                if (claimed == 0) {
                    claimed = over.value;
                } else if (over.value != claimed) {
                    throw new Corrupt(
                            file.key(),
                            72,
                            "its pages make database checksum %016x, its header says %016x"
                                    .formatted(over.value, claimed));
                }
            }
            foreign += header.nodeId() == 0 ? 1 : 0;
            if (claimed != 0) {
                claim(file.max(), claimed, file.key());
            }
            sound.add(file);
            return pages;
        } catch (ReplicaException broken) {
            report(broken, file.key());
            bad.add(file);
            return null;
        }
    }

    private Pages pages(DerivedFile file) {
        InputStream in =
                store.open(file.key(), 0)
                        .orElseThrow(() -> new Corrupt(file.key(), 0, "derived file vanished"));
        try (var ltx = new LtxReader(file.key(), in)) {
            LtxHeader header = ltx.header();
            if (!header.min().equals(file.min()) || !header.max().equals(file.max())) {
                throw new Corrupt(
                        file.key(), 16, "header says " + header.min() + "-" + header.max());
            }
            return pages(ltx);
        }
    }

    private static Pages pages(LtxReader ltx) {
        int[] pgnos = new int[64];
        long[] sums = new long[64];
        int count = 0;
        while (ltx.next()) {
            if (count == pgnos.length) {
                pgnos = Arrays.copyOf(pgnos, 2 * count);
                sums = Arrays.copyOf(sums, 2 * count);
            }
            pgnos[count] = ltx.pgno();
            sums[count++] =
                    DatabaseChecksum.page(ltx.pgno(), ltx.page(), 0, ltx.header().pageSize());
        }
        return new Pages(ltx.header(), count, pgnos, sums);
    }

    private static void applied(DatabaseChecksum state, Pages pages) {
        int commit = pages.header().commit();
        state.truncate(Math.min(commit, state.pages()));
        for (int i = 0; i < pages.count(); i++) {
            state.set(pages.pgnos()[i], pages.sums()[i]);
        }
        grown(state, commit);
    }

    private static void grown(DatabaseChecksum state, int commit) {
        if (state.pages() < commit) {
            state.apply(commit, new int[0], new byte[0]); // The lock page is the last one.
        }
    }

    /// A state with changes that are not made in it.
    private static final class Overlay {
        private final DatabaseChecksum state;
        private final Map<Integer, Long> changed = new HashMap<>();
        private int pages;
        private long value;

        Overlay(DatabaseChecksum state) {
            this.state = state;
            this.pages = state.pages();
            this.value = state.value();
        }

        /// Makes one more change.
        ///
        /// @return a page by which the database grew and that is not among the pages; 0 if none is
        int apply(int commit, int count, int[] pgnos, long[] sums) {
            for (int pgno = commit + 1; pgno <= pages; pgno++) {
                set(pgno, 0);
            }
            int before = Math.min(pages, commit);
            int lock = LockPage.of(state.pageSize());
            int expected = before + 1 == lock ? before + 2 : before + 1;
            int lacking = 0;
            for (int i = 0; i < count; i++) {
                set(pgnos[i], sums[i]);
                if (pgnos[i] > before && lacking == 0) {
                    lacking = pgnos[i] == expected ? 0 : expected;
                    expected += expected + 1 == lock ? 2 : 1;
                }
            }
            pages = commit;
            return lacking == 0 && expected <= commit ? expected : lacking;
        }

        private void set(int pgno, long sum) {
            Long earlier = changed.put(pgno, sum);
            long old = earlier != null ? earlier : state.sum(pgno);
            value = (value ^ old ^ sum) | DatabaseChecksum.EMPTY;
        }

        /// Makes the changes in the state itself.
        DatabaseChecksum made() {
            state.truncate(Math.min(pages, state.pages()));
            new TreeMap<>(changed)
                    .forEach((pgno, sum) -> {
                        if (pgno <= pages && sum != 0) {
                            state.set(pgno, sum);
                        }
                    });
            grown(state, pages);
            return state;
        }
    }

    // Entries

    /// Reads the entries that lead from one state to another, as far as they are left.
    ///
    /// @return the state they lead to, if they are all there and sound; `state` is not changed
    ///   otherwise
    private @Nullable DatabaseChecksum entries(
            Txid at, Txid target, @Nullable DatabaseChecksum state) {
        if (!scope.readEntries()) {
            return null;
        }
        var points = new ArrayList<IndexPoint>();
        Txid reached = at;
        for (IndexPoint point : pointsBetween(at, target)) {
            if (point.min().equals(reached.next())) {
                points.add(point);
                reached = point.max();
            }
        }
        DatabaseChecksum end = entries(points, state);
        return reached.equals(target) ? end : null;
    }

    private List<IndexPoint> pointsBetween(Txid from, Txid to) {
        var found = new TreeMap<Txid, IndexPoint>();
        for (Range range : index) {
            boolean overlaps = range.max().compareTo(from) > 0 && range.min().compareTo(to) <= 0;
            if (overlaps && !containedInAnother(range, from, to)) {
                for (IndexPoint point : read(range)) {
                    if (point.min().compareTo(from) > 0 && point.max().compareTo(to) <= 0) {
                        found.put(point.max(), point);
                    }
                }
            }
        }
        for (IndexPoint point : scope.tail()) {
            if (point.min().compareTo(from) > 0 && point.max().compareTo(to) <= 0) {
                found.put(point.max(), point);
            }
        }
        return List.copyOf(found.values());
    }

    /// Whether a sound object of the index that was read last has all of it.
    private boolean containedInAnother(Range range, Txid from, Txid to) {
        for (Range other : index) {
            if (!other.equals(range)
                    && indexRead.containsKey(other.key())
                    && other.min().compareTo(from.next()) <= 0
                    && other.max().compareTo(to) >= 0) {
                return true;
            }
        }
        return false;
    }

    /// @return the state after the last, null if it is not known
    private @Nullable DatabaseChecksum entries(
            List<IndexPoint> points, @Nullable DatabaseChecksum state) {
        List<Located> located = located(points);
        boolean all = located.size() == points.size();
        var keys = new HashMap<Txid, String>();
        located.forEach(one -> keys.put(one.entry().max(), one.log().key()));
        // What comes behind an entry that is gone or damaged is verified by itself.
        overlay = state == null || !all ? null : new Overlay(state);
        EntryBodies.forEach(
                tasks,
                WIDTH,
                located,
                body -> {
                    if (!applied(body, overlay, keys)) {
                        overlay = null;
                    }
                });
        return overlay == null ? null : overlay.made();
    }

    private boolean applied(EntryBodies.Body body, @Nullable Overlay over, Map<Txid, String> keys) {
        Entry entry = body.entry();
        String key = keys.getOrDefault(entry.max(), tenant.prefix());
        try (LtxReader ltx = body.open()) {
            Pages pages = pages(ltx);
            entries++;
            progressed(entry.bytes());
            if (pages.count() != entry.pages()
                    || pages.header().nodeId() != entry.checksumAfter()) {
                throw new Corrupt(key, 0, "entry " + entry.max() + " is not what its comment says");
            }
            if (over == null) {
                return false;
            }
            int lacking = over.apply(entry.commit(), pages.count(), pages.pgnos(), pages.sums());
            if (lacking > 0 || over.value != entry.checksumAfter()) {
                throw new Corrupt(
                        key,
                        0,
                        "the pages of entry %s make database checksum %016x, its comment says %016x"
                                .formatted(entry.max(), over.value, entry.checksumAfter()));
            }
            return true;
        } catch (ReplicaException broken) {
            report(broken, key);
            return false;
        }
    }

    /// The entries that are left, each compared with what the index says of it.
    private List<Located> located(List<IndexPoint> points) {
        List<LogRef> slots = points.stream().map(IndexPoint::log).distinct().toList();
        Map<LogRef, Object> found = new ConcurrentHashMap<>();
        Parallel.run(
                tasks,
                "verify-segment",
                WIDTH,
                slots.size(),
                i -> {
                    LogRef slot = slots.get(i);
                    try {
                        SegmentReader.read(store, slot.log(), slot.slot())
                                .ifPresent(object -> found.put(slot, object));
                    } catch (ReplicaException broken) {
                        found.put(slot, broken);
                    }
                });
        var located = new ArrayList<Located>();
        for (IndexPoint point : points) {
            claim(point.max(), point.checksumAfter(), "the history index of " + point.max());
            try {
                Optional<Located> entry = located(point, found.get(point.log()));
                entry.ifPresent(located::add);
                entriesGone += entry.isEmpty() ? 1 : 0;
            } catch (ReplicaException broken) {
                report(broken, point.log().key());
            }
        }
        return located;
    }

    private Optional<Located> located(IndexPoint point, @Nullable Object found) {
        String key = point.log().key();
        return switch (found) {
            case null -> held.find(point);
            case ReplicaException broken -> throw broken;
            case SegmentReader segment -> Optional.of(entry(segment, point));
            case SlotObject fence ->
                    throw new InconsistentStore(
                            key, "a fence, %s, where an entry should be".formatted(fence.body()));
            default -> throw new IllegalStateException("found " + found);
        };
    }

    private Located entry(SegmentReader segment, IndexPoint point) {
        String key = point.log().key();
        for (Entry entry : segment.entries()) {
            if (entry.tenant().equals(tenant) && entry.max().equals(point.max())) {
                if (!IndexPoint.of(point.log(), entry).equals(point)) {
                    throw new InconsistentStore(
                            key,
                            "entry %s is not what the index says of it".formatted(point.max()));
                }
                return Located.in(segment, point.log(), entry);
            }
        }
        throw new InconsistentStore(key, "no entry " + point.max() + " of " + tenant);
    }

    /// Verifies the entries behind the derived files.
    private void tail(Txid at, @Nullable DatabaseChecksum state) {
        var behind = new ArrayList<IndexPoint>();
        Txid reached = at;
        for (IndexPoint point : scope.tail()) {
            if (point.min().equals(reached.next())) {
                behind.add(point);
                reached = point.max();
            }
        }
        if (scope.readEntries() && !behind.isEmpty()) {
            entries(behind, state);
        }
    }

    private Txid tailEnd(Txid coverage) {
        Txid last = coverage;
        for (IndexPoint point : scope.tail()) {
            if (point.min().compareTo(last.next()) <= 0 && point.max().compareTo(last) > 0) {
                last = point.max();
            }
        }
        return last;
    }

    // What is missing

    private void contiguous() {
        long reached = 0;
        for (DerivedFile file : files) {
            if (file.min().value() > reached + 1) {
                gap(Kind.GAP, tenant.prefix(), reached + 1, file.min().value() - 1);
            }
            reached = Math.max(reached, file.max().value());
        }
        for (int level = DerivedFile.LEVEL_DRAIN; level <= 3; level++) {
            holes(level);
        }
        beyondFiles(reached);
    }

    /// A level has no holes, unless retention made them between a hold and the window: then the
    /// index has none of their commits either, but for those that share an object with what stayed
    /// (a day's).
    private void holes(int level) {
        long reached = -1;
        for (DerivedFile file : files) {
            if (file.level() != level) {
                continue;
            }
            if (reached >= 0 && file.min().value() > reached + 1) {
                long min = reached + 1;
                long max = file.min().value() - 1;
                boolean shared = beginsAtAnchor(max, file);
                boolean named =
                        index.stream()
                                .filter(range ->
                                        range.min().value() <= max && range.max().value() >= min)
                                .anyMatch(range ->
                                        !shared
                                                || (range.min().value() >= min
                                                        && range.max().value() <= max));
                if (named) {
                    gap(
                            Kind.MISSING_FILE,
                            DerivedFile.key(tenant, level, new Txid(min), new Txid(max)),
                            min,
                            max);
                }
            }
            reached = Math.max(reached, file.max().value());
        }
    }

    /// Whether a window that retention knows of may begin here: its anchor, a whole file, ends in
    /// the hole's last state or inside the file behind it.
    private boolean beginsAtAnchor(long lastMissing, DerivedFile behind) {
        return files.stream()
                .anyMatch(file ->
                        file.isWhole()
                                && file.max().value() >= lastMissing
                                && file.max().compareTo(behind.max()) < 0);
    }

    /// A drain writes its file before its index.
    private void beyondFiles(long reached) {
        long named = index.stream().mapToLong(range -> range.max().value()).max().orElse(0);
        if (named > reached
                && LineageHistory.list(store, tenant).coverage().value() < named) { // Not a race.
            gap(
                    Kind.MISSING_FILE,
                    DerivedFile.key(tenant, 1, new Txid(reached + 1), new Txid(named)),
                    reached + 1,
                    named);
        }
    }

    /// Every drain has its commits in the index.
    private void indexed() {
        if (files.isEmpty()) {
            return;
        }
        boolean ours = files.stream().anyMatch(file -> file.level() == DerivedFile.LEVEL_DRAIN);
        if (index.isEmpty() && (foreign > 0 || !ours)) {
            notChecked.add("there is no history index: only the ends of files are points");
            return;
        }
        List<Range> now = HistoryIndex.list(store, tenant); // A drain may have ended meanwhile.
        for (DerivedFile file : files) {
            if (file.level() != DerivedFile.LEVEL_DRAIN) {
                continue;
            }
            long reached = file.min().value() - 1;
            for (Range range : now) {
                if (range.min().value() <= reached + 1) {
                    reached = Math.max(reached, range.max().value());
                }
            }
            if (reached < file.max().value()) {
                gap(
                        Kind.MISSING_INDEX,
                        HistoryIndex.key(tenant, new Txid(reached + 1), file.max()),
                        reached + 1,
                        file.max().value());
            }
        }
    }

    private void gap(Kind kind, String key, long min, long max) {
        report(kind, key, 0, "commits %s-%s".formatted(new Txid(min), new Txid(max)));
    }

    // Reporting

    private void claim(Txid txid, long value, String key) {
        Claim other = claims.putIfAbsent(txid, new Claim(value, key));
        if (other != null && other.value() != value) {
            report(
                    Kind.INCONSISTENT,
                    key,
                    0,
                    "database checksum after %s is %016x here and %016x in %s"
                            .formatted(txid, value, other.value(), other.key()));
        }
        // Of a long index only what files may contradict is kept.
        if (claims.size() > 100_000) {
            claims.pollFirstEntry();
        }
    }

    private void report(ReplicaException broken, String key) {
        String text = String.valueOf(broken.getMessage()).replaceFirst(" \\[key=.*]$", "");
        switch (broken) {
            case Corrupt corrupt -> report(Kind.CORRUPT, corrupt.key(), corrupt.offset(), text);
            case UnsupportedFormat _ -> report(Kind.UNSUPPORTED, key, 0, text);
            case InconsistentStore _ -> report(Kind.INCONSISTENT, key, 0, text);
            case DiskFull here -> throw here; // Says nothing of what is in the store.
            default -> report(Kind.CORRUPT, key, 0, text);
        }
    }

    private void report(Kind kind, String key, long offset, String text) {
        if (problems.size() <= PROBLEMS_MAX) {
            problems.add(new Problem(kind, key, offset, text));
        }
    }

    private void progressed(long bytes) {
        bytesRead += bytes;
        progress.at(bytesRead, Math.max(bytesRead, bytesTotal));
    }
}
