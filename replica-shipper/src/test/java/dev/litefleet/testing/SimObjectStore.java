package dev.litefleet.testing;

import dev.litefleet.replica.log.Tasks;
import dev.litefleet.replica.objects.ListPage;
import dev.litefleet.replica.objects.ListedObject;
import dev.litefleet.replica.objects.ObjectBody;
import dev.litefleet.replica.objects.ObjectStore;
import dev.litefleet.replica.objects.PutResult;
import dev.litefleet.replica.objects.StoreException;
import dev.litefleet.replica.objects.StoreException.Denied;
import dev.litefleet.replica.objects.StoreException.Unavailable;
import dev.litefleet.replica.objects.TailRead;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.function.BiConsumer;
import java.util.function.Supplier;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/// An object store behind a bad network, in a simulated world. A linearizable map; every request
/// takes virtual time on its way there and back, and the seed decides what becomes of it:
/// delivered, lost, answered into the void, delivered twice, delivered minutes after its sender
/// gave up, or refused. A put is on its way by itself, so it lands also when its sender has died.
public final class SimObjectStore implements ObjectStore {
    private static final Duration TIMEOUT = Duration.ofSeconds(2);

    private final SimTasks world;
    private final SimTasks.Node network;
    private final MemoryObjectStore store;
    private final RandomGenerator random;
    private final int faultPercent;
    private final BiConsumer<String, byte[]> sending;
    private boolean calm;

    /// @param faultPercent share of the requests that meet a fault, 0 to 100
    /// @param sending hears key and bytes of every put when it is sent; must not wait
    public SimObjectStore(SimTasks world, int faultPercent, BiConsumer<String, byte[]> sending) {
        this.world = world;
        this.network = world.node("network");
        this.store = new MemoryObjectStore(world.clock());
        this.random = world.fork();
        this.faultPercent = faultPercent;
        this.sending = sending;
    }

    /// The objects, without the network.
    public MemoryObjectStore objects() {
        return store;
    }

    /// No more faults from here on; what is on its way still arrives.
    public void calm() {
        calm = true;
    }

    private static final class Answer {
        private @Nullable PutResult result;
    }

    @Override
    public PutResult putIfAbsent(String key, ObjectBody body) {
        byte[] bytes = bytes(body);
        sending.accept(key, bytes);
        String request = "put " + key;
        Fault fault = fault();
        switch (fault) {
            case REFUSED -> {
                travel();
                throw refusal(request);
            }
            case LOST -> {
                world.sleep(TIMEOUT);
                throw timeout(request);
            }
            case LATE -> {
                deliver(key, bytes, Duration.ofMillis(random.nextInt(120_000)), null, null);
                world.sleep(TIMEOUT);
                throw timeout(request);
            }
            case TWICE ->
                    deliver(key, bytes, Duration.ofMillis(random.nextInt(60_000)), null, null);
            case ANSWER_LOST, NONE -> {}
        }
        var answer = new Answer();
        Tasks.Guard arrived = network.guard();
        deliver(key, bytes, delay(), answer, arrived);
        long deadline = world.nanos() + TIMEOUT.toNanos();
        arrived.lock();
        try {
            while (answer.result == null && world.nanos() < deadline) {
                arrived.await(Duration.ofNanos(deadline - world.nanos()));
            }
        } finally {
            arrived.unlock();
        }
        if (fault == Fault.ANSWER_LOST || answer.result == null) {
            world.sleep(TIMEOUT);
            throw timeout(request);
        }
        return answer.result;
    }

    private void deliver(
            String key,
            byte[] bytes,
            Duration after,
            @Nullable Answer answer,
            Tasks.@Nullable Guard arrived) {
        network.start(
                "put",
                () -> {
                    world.sleep(after);
                    PutResult result = store.putIfAbsent(key, ObjectBody.of(bytes));
                    world.record(key + result);
                    if (answer == null || arrived == null) {
                        return;
                    }
                    travel();
                    arrived.lock();
                    answer.result = result;
                    arrived.signalAll();
                    arrived.unlock();
                });
    }

    @Override
    public Optional<byte[]> get(String key) {
        return read("get " + key, () -> store.get(key));
    }

    @Override
    public Optional<byte[]> getRange(String key, long offset, int length) {
        return read("get " + key, () -> store.getRange(key, offset, length));
    }

    @Override
    public Optional<TailRead> getTail(String key, int length) {
        return read("get " + key, () -> store.getTail(key, length));
    }

    @Override
    public Optional<InputStream> open(String key, long offset) {
        return read("get " + key, () -> store.open(key, offset));
    }

    @Override
    public Optional<ListedObject> head(String key) {
        return read("head " + key, () -> store.head(key));
    }

    @Override
    public ListPage list(String prefix, String startAfter, int limit) {
        return read("list " + prefix, () -> store.list(prefix, startAfter, limit));
    }

    @Override
    public List<String> folders(String prefix) {
        return read("list " + prefix, () -> store.folders(prefix));
    }

    @Override
    public void delete(String key) {
        read(
                "delete " + key,
                () -> {
                    store.delete(key);
                    return key;
                });
    }

    @Override
    public void close() {}

    private <T> T read(String request, Supplier<T> action) {
        travel();
        T result = action.get();
        world.record(request);
        travel();
        return switch (fault()) {
            case NONE, TWICE, LATE -> result;
            case REFUSED -> throw refusal(request);
            case LOST, ANSWER_LOST -> throw timeout(request);
        };
    }

    private enum Fault {
        NONE,
        REFUSED,
        LOST,
        ANSWER_LOST,
        LATE,
        TWICE
    }

    private Fault fault() {
        return calm || random.nextInt(100) >= faultPercent
                ? Fault.NONE
                : Fault.values()[1 + random.nextInt(Fault.values().length - 1)];
    }

    private void travel() {
        world.sleep(delay());
    }

    /// Mostly a few milliseconds, now and then much longer.
    private Duration delay() {
        return Duration.ofMillis(random.nextInt(random.nextInt(20) == 0 ? 1500 : 20));
    }

    private StoreException refusal(String request) {
        return random.nextInt(4) == 0
                ? new Denied(request, "403 ExpiredToken", null)
                : new Unavailable(request, "503 SlowDown", null);
    }

    private static Unavailable timeout(String request) {
        return new Unavailable(request, "timeout", null);
    }

    private static byte[] bytes(ObjectBody body) {
        try (InputStream in = body.open()) {
            return in.readAllBytes();
        } catch (IOException impossible) {
            throw new UncheckedIOException(impossible);
        }
    }
}
