package dev.litefleet.testing;

import dev.litefleet.replica.objects.ListPage;
import dev.litefleet.replica.objects.ListedObject;
import dev.litefleet.replica.objects.ObjectBody;
import dev.litefleet.replica.objects.ObjectStore;
import dev.litefleet.replica.objects.PutResult;
import dev.litefleet.replica.objects.StoreException;
import dev.litefleet.replica.objects.StoreException.Denied;
import dev.litefleet.replica.objects.StoreException.Unavailable;
import dev.litefleet.replica.objects.TailRead;
import java.io.InputStream;
import java.net.SocketTimeoutException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/// Another store that fails on request, in the ways a network fails: requests that never arrive,
/// answers that never come back, writes that land long after their sender gave up. Written by hand:
/// it keeps real state, so tests assert on outcomes, not on calls.
///
/// Faults asked for are used up in order, one per request they apply to. No thread waits inside
/// unless [#holdPuts] was called.
public final class FlakyObjectStore implements ObjectStore {
    /// What becomes of one put.
    private enum Fate {
        /// Never arrives.
        LOST,
        /// Takes effect; its sender sees a timeout.
        ANSWER_LOST,
        /// Its sender sees a timeout now; it takes effect at [#land].
        LATE
    }

    private final ObjectStore store;
    private final Deque<Fate> nextPuts = new ArrayDeque<>(); // guarded by this
    private final Deque<Function<String, StoreException>> nextRequests =
            new ArrayDeque<>(); // guarded by this
    private final List<Runnable> late = new ArrayList<>(); // guarded by this
    private boolean down; // guarded by this
    private int bitFlips; // guarded by this
    private int readsBeforeFlips;
    private @Nullable CountDownLatch gate; // guarded by this
    private @Nullable RandomGenerator chance; // guarded by this
    private int percent; // guarded by this
    private volatile Consumer<String> beforePut = _ -> {};
    private volatile Consumer<String> beforeRead = _ -> {};
    private volatile Consumer<String> beforeList = _ -> {};
    private volatile Consumer<String> afterPut = _ -> {};

    public FlakyObjectStore() {
        this(new MemoryObjectStore());
    }

    public FlakyObjectStore(ObjectStore store) {
        this.store = store;
    }

    /// The store beneath, without the faults.
    public ObjectStore calm() {
        return store;
    }

    /// The next put takes effect but its caller sees a timeout.
    public synchronized void loseNextAnswer() {
        nextPuts.add(Fate.ANSWER_LOST);
    }

    /// The next put has no effect and its caller sees a timeout.
    public synchronized void loseNextPut() {
        nextPuts.add(Fate.LOST);
    }

    /// The next put's caller sees a timeout, and the put takes effect only at [#land].
    public synchronized void delayNextPut() {
        nextPuts.add(Fate.LATE);
    }

    /// Lets the delayed puts arrive, in the order they were sent. Each is still conditional.
    public void land() {
        List<Runnable> arriving;
        synchronized (this) {
            arriving = List.copyOf(late);
            late.clear();
        }
        arriving.forEach(Runnable::run);
    }

    /// The next `count` requests of any kind are answered 503 and have no effect.
    public synchronized void failNext(int count) {
        for (int i = 0; i < count; i++) {
            nextRequests.add(request -> new Unavailable(request, "503 SlowDown", null));
        }
    }

    /// The next request of any kind is answered 403 and has no effect.
    public synchronized void denyNext() {
        nextRequests.add(request -> new Denied(request, "403 AccessDenied", null));
    }

    /// The next request of any kind fails like this and has no effect.
    ///
    /// @param failure gets the request, verb and key
    public synchronized void failNext(Function<String, StoreException> failure) {
        nextRequests.add(failure);
    }

    /// Until told otherwise no request gets through.
    public synchronized void down(boolean down) {
        this.down = down;
    }

    /// The next read that returns at least one byte has one bit wrong.
    public synchronized void flipBitInNextRead() {
        bitFlips++;
    }

    /// The same after `reads` reads that are right.
    public synchronized void flipBitAfter(int reads) {
        readsBeforeFlips = reads;
        bitFlips++;
    }

    /// Whether a bit that was asked for has been flipped.
    public synchronized boolean hasFlipped() {
        return bitFlips == 0;
    }

    /// From now on puts wait before they take effect, until [#releasePuts].
    public synchronized void holdPuts() {
        if (gate == null) {
            gate = new CountDownLatch(1);
        }
    }

    public synchronized void releasePuts() {
        if (gate != null) {
            gate.countDown();
            gate = null;
        }
    }

    /// From now on this share of all requests fails, and of the puts each third is lost, loses its
    /// answer or is late.
    ///
    /// @param percent 0 to 100
    public synchronized void shake(RandomGenerator random, int percent) {
        this.chance = random;
        this.percent = percent;
    }

    /// Runs in the caller's thread before a put takes effect; may itself use the calm store, as a
    /// rival that comes between.
    public void beforePut(Consumer<String> key) {
        beforePut = key;
    }

    /// Runs in the caller's thread before bytes of a key are read; may itself use the calm store.
    public void beforeRead(Consumer<String> key) {
        beforeRead = key;
    }

    /// Runs in the caller's thread before objects under a prefix are listed.
    public void beforeList(Consumer<String> prefix) {
        beforeList = prefix;
    }

    /// Runs in the caller's thread after a put took effect and before it is answered.
    public void afterPut(Consumer<String> key) {
        afterPut = key;
    }

    @Override
    public PutResult putIfAbsent(String key, ObjectBody body) {
        String request = "put " + key;
        arrive(request, true);
        beforePut.accept(key);
        Fate fate = nextFate();
        if (fate == Fate.LOST) {
            throw timeout(request);
        }
        if (fate == Fate.LATE) {
            synchronized (this) {
                late.add(() -> store.putIfAbsent(key, body));
            }
            throw timeout(request);
        }
        PutResult result = store.putIfAbsent(key, body);
        afterPut.accept(key);
        if (fate == Fate.ANSWER_LOST) {
            throw timeout(request);
        }
        return result;
    }

    @Override
    public Optional<byte[]> get(String key) {
        arrive("get " + key, false);
        beforeRead.accept(key);
        return store.get(key).map(this::flip);
    }

    @Override
    public Optional<byte[]> getRange(String key, long offset, int length) {
        arrive("get " + key, false);
        beforeRead.accept(key);
        return store.getRange(key, offset, length).map(this::flip);
    }

    @Override
    public Optional<TailRead> getTail(String key, int length) {
        arrive("get " + key, false);
        beforeRead.accept(key);
        return store.getTail(key, length)
                .map(tail -> new TailRead(flip(tail.bytes()), tail.size()));
    }

    @Override
    public Optional<InputStream> open(String key, long offset) {
        arrive("get " + key, false);
        beforeRead.accept(key);
        return store.open(key, offset);
    }

    @Override
    public Optional<ListedObject> head(String key) {
        arrive("head " + key, false);
        return store.head(key);
    }

    @Override
    public ListPage list(String prefix, String startAfter, int limit) {
        arrive("list " + prefix, false);
        beforeList.accept(prefix);
        return store.list(prefix, startAfter, limit);
    }

    @Override
    public List<String> folders(String prefix) {
        arrive("list " + prefix, false);
        return store.folders(prefix);
    }

    @Override
    public void delete(String key) {
        arrive("delete " + key, false);
        store.delete(key);
    }

    @Override
    public void close() {
        releasePuts();
        store.close();
    }

    private void arrive(String request, boolean put) {
        CountDownLatch held;
        synchronized (this) {
            var failure = nextRequests.poll();
            if (failure != null) {
                throw failure.apply(request);
            }
            if (down) {
                throw timeout(request);
            }
            if (!put && chance != null && chance.nextInt(100) < percent) {
                throw timeout(request);
            }
            held = put ? gate : null;
        }
        if (held != null) {
            try {
                held.await();
            } catch (InterruptedException interrupted) {
                Thread.currentThread().interrupt();
                throw new Unavailable(request, "interrupted", interrupted);
            }
        }
    }

    private synchronized @Nullable Fate nextFate() {
        Fate asked = nextPuts.poll();
        if (asked != null || chance == null || chance.nextInt(100) >= percent) {
            return asked;
        }
        return Fate.values()[chance.nextInt(Fate.values().length)];
    }

    private synchronized byte[] flip(byte[] bytes) {
        if (bitFlips > 0 && bytes.length > 0 && readsBeforeFlips-- <= 0) {
            bitFlips--;
            byte[] damaged = bytes.clone();
            damaged[bytes.length / 2] ^= 1;
            return damaged;
        }
        return bytes;
    }

    private static Unavailable timeout(String request) {
        return new Unavailable(request, "timeout", new SocketTimeoutException("timeout"));
    }
}
