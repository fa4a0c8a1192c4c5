package dev.litefleet.replica.history;

import dev.litefleet.replica.Lineage;
import dev.litefleet.replica.TenantId;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.log.Commit;
import dev.litefleet.replica.log.LogName;
import dev.litefleet.replica.log.SessionId;
import dev.litefleet.replica.log.Slot;
import dev.litefleet.replica.objects.ObjectStore;
import dev.litefleet.testing.RoughHistory;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;

/// A rough history whose commits are drained into a store as a worker does it, without a log: every
/// commit is an entry of a slot of its own that nobody wrote.
final class DrainedLife {
    static final TenantKey TENANT =
            new TenantKey(new TenantId("agent-7f3a"), new Lineage("01J00000000000000000000000"));
    static final LogName LOG = new LogName("w-1", new SessionId("01J0000000000000000000000A"));

    private final RoughHistory history;
    private final ObjectStore store;
    private final Path tmp;
    private final ChangedPages changed;
    private final List<byte[]> places = new ArrayList<>();
    private final List<IndexPoint> points = new ArrayList<>();
    private final TreeMap<Txid, byte[]> images = new TreeMap<>();
    private boolean keepsImages = true;

    DrainedLife(RoughHistory history, ObjectStore store, Path tmp) {
        this.history = history;
        this.store = store;
        this.tmp = tmp;
        this.changed = new ChangedPages(history.pageSize(), 0);
    }

    void keepNoImages() {
        keepsImages = false;
        history.keepNoImage();
    }

    /// Random commits.
    void live(int commits) {
        for (int i = 0; i < commits; i++) {
            take(history.next());
        }
    }

    /// A commit of the test's own.
    void commit(String... sql) {
        take(history.commit(sql));
    }

    /// One drain of all commits since the last one.
    DrainInput drain() {
        DrainInput input = input();
        Drain.write(store, history.tenant(), input, tmp);
        drained();
        return input;
    }

    DrainInput input() {
        return new DrainInput(
                history.pageSize(),
                changed.commitBefore(),
                changed.commit(),
                points.getFirst().min(),
                points.getLast().max(),
                changed.source((place, page) ->
                        System.arraycopy(places.get((int) place), 0, page, 0, history.pageSize())),
                points.getLast().lastMillis(),
                points.getLast().checksumAfter(),
                points);
    }

    void drained() {
        changed.clear();
        points.clear();
        places.clear();
    }

    /// Drains after every few commits, until there are so many files.
    void drains(int files, int commitsEach) {
        for (int i = 0; i < files; i++) {
            live(commitsEach);
            drain();
        }
    }

    RoughHistory history() {
        return history;
    }

    TenantKey tenant() {
        return history.tenant();
    }

    LineageHistory listed() {
        return LineageHistory.list(store, tenant());
    }

    /// The database after every commit so far.
    TreeMap<Txid, byte[]> images() {
        return images;
    }

    /// A commit of this history that the test made itself.
    void take(Commit commit) {
        long[] at = new long[commit.pgnos().length];
        for (int i = 0; i < at.length; i++) {
            at[i] = places.size();
            byte[] page = new byte[commit.pageSize()];
            System.arraycopy(commit.pages(), i * commit.pageSize(), page, 0, commit.pageSize());
            places.add(page);
        }
        changed.commit(commit.commitPages(), commit.pgnos(), at);
        points.add(point(commit));
        if (keepsImages) {
            images.put(commit.txid(), history.image());
        }
    }

    static IndexPoint point(Commit commit) {
        return new IndexPoint(
                commit.txid(),
                commit.txid(),
                commit.millis(),
                commit.millis(),
                commit.pageSize(),
                commit.commitPages(),
                commit.pgnos().length,
                commit.pages().length,
                new LogRef(LOG, new Slot(1, commit.txid().value())),
                commit.checksumBefore(),
                commit.checksumAfter(),
                commit.actor(),
                commit.traceparent(),
                commit.requestId());
    }
}
