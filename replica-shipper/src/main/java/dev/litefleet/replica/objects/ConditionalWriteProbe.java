package dev.litefleet.replica.objects;

import dev.litefleet.replica.objects.PutResult.Created;
import dev.litefleet.replica.objects.StoreException.Misconfigured;
import dev.litefleet.replica.objects.StoreException.Unavailable;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;

/// Tries out whether a store lets exactly one writer create a key, before any commit depends on it.
/// Several that speak S3's language accept the condition and ignore it, or check it and then write.
///
/// A passed probe is evidence, not proof: it finds the stores that do not know the condition, and
/// most of those that race.
public final class ConditionalWriteProbe {
    /// How many writers race for one key.
    public static final int RACERS = 32;

    /// How many keys they race for.
    public static final int ROUNDS = 5;

    /// How often a racer without an answer tries again: Amazon answers 409 to many at a time.
    private static final int ATTEMPTS_MAX = 6;

    private static final Duration PAUSE = Duration.ofMillis(20);

    /// What became of one racer.
    ///
    /// @param created whether the store said so
    /// @param unsure whether an attempt had no answer, and so may have been the one
    @SuppressWarnings("ArrayRecordComponent") // Carried to one reader and never compared.
    private record Racer(byte[] body, boolean created, boolean unsure) {}

    private final ObjectStore store;
    private final String folder;
    private final AtomicInteger requests = new AtomicInteger();

    private ConditionalWriteProbe(ObjectStore store, String folder) {
        this.store = store;
        this.folder = folder;
    }

    /// Writes, reads, lists and deletes a few small objects under `probe/<ulid>/`.
    ///
    /// @param ulid never used before
    /// @throws Misconfigured if the store is unsuitable, naming what it did
    /// @throws StoreException.Denied naming the permission that is missing
    /// @throws StoreException if it could not be tried out
    public static ProbeReport run(ObjectStore store, String ulid, InstantSource clock) {
        var probe = new ConditionalWriteProbe(store, "probe/" + ulid + "/");
        Instant start = clock.instant();
        Duration skew;
        try {
            // A read goes first: it is repeated, so a wrong clock is found out and allowed for.
            AccessProbe.needs("s3:ListBucket", () -> store.list(probe.folder, "", 1));
            probe.requests.incrementAndGet();
            probe.create();
            for (int round = 1; round <= ROUNDS; round++) {
                probe.race("race-" + round);
            }
            skew = probe.read(clock);
        } catch (StoreException failure) {
            try {
                probe.clear();
            } catch (StoreException left) {
                failure.addSuppressed(left);
            }
            throw failure;
        }
        probe.clear();
        return new ProbeReport(
                Duration.between(start, clock.instant()), probe.requests.get(), skew);
    }

    private void create() {
        String key = folder + "create";
        expect(
                AccessProbe.needs("s3:PutObject", () -> put(key, body("first"))),
                "create " + key,
                "occupied, though the key was free");
        AccessProbe.run(store, key, folder + "absent");
        requests.addAndGet(3);
        expect(
                !put(key, body("second")),
                "create again " + key,
                "created, though the key was taken: If-None-Match is ignored");
        expect(
                Arrays.equals(get(key), body("first")),
                "get " + key,
                "other bytes than were created: a refused write took effect");
    }

    private void race(String name) {
        String key = folder + name;
        List<Racer> racers = together(key);
        byte[] stored = get(key);
        List<Racer> winners = racers.stream().filter(Racer::created).toList();
        expect(
                winners.size() <= 1,
                "race for " + key,
                "created to %d of %d concurrent writers".formatted(winners.size(), RACERS));
        // Without a winner it must be one whose answer was lost.
        List<Racer> possible =
                winners.isEmpty() ? racers.stream().filter(Racer::unsure).toList() : winners;
        expect(
                possible.stream().anyMatch(racer -> Arrays.equals(racer.body(), stored)),
                "race for " + key,
                "stored the bytes of a writer that was refused");
    }

    private Duration read(InstantSource clock) {
        String key = folder + "read";
        byte[] bytes = body("0123456789");
        put(key, bytes);
        Instant now = clock.instant();
        expect(Arrays.equals(get(key), bytes), "get " + key, "not what was written just before");
        byte[] range = store.getRange(key, 3, 4).orElse(new byte[0]);
        expect(Arrays.equals(range, body("3456")), "get range of " + key, "other bytes");
        byte[] tail = store.getTail(key, 4).map(TailRead::bytes).orElse(new byte[0]);
        expect(Arrays.equals(tail, body("6789")), "get tail of " + key, "other bytes");
        List<ListedObject> listed = store.list(key, "", 2).objects();
        expect(
                listed.size() == 1 && listed.getFirst().key().equals(key),
                "list " + key,
                "not what was written just before");
        requests.addAndGet(3);
        return Duration.between(now, listed.getFirst().modified());
    }

    private List<Racer> together(String key) {
        var start = new CountDownLatch(1);
        try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
            var running = new ArrayList<Future<Racer>>();
            for (int racer = 1; racer <= RACERS; racer++) {
                byte[] body = body("racer " + racer);
                running.add(
                        threads.submit(() -> {
                            start.await();
                            return run(key, body);
                        }));
            }
            start.countDown();
            var racers = new ArrayList<Racer>();
            for (Future<Racer> racer : running) {
                racers.add(racer.get());
            }
            return racers;
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
            throw new Unavailable("race for " + key, "interrupted", interrupted);
        } catch (ExecutionException failure) {
            if (failure.getCause() instanceof StoreException refused) {
                throw refused;
            }
            throw new IllegalStateException(failure);
        }
    }

    private Racer run(String key, byte[] body) {
        boolean unsure = false;
        for (int attempt = 1; ; attempt++) {
            try {
                return new Racer(body, put(key, body), unsure);
            } catch (Unavailable failure) {
                if (attempt == ATTEMPTS_MAX) {
                    throw failure;
                }
                unsure = true;
            }
            LockSupport.parkNanos(PAUSE.toNanos() << attempt);
        }
    }

    private boolean put(String key, byte[] body) {
        requests.incrementAndGet();
        return store.putIfAbsent(key, ObjectBody.of(body)) instanceof Created;
    }

    private byte[] get(String key) {
        requests.incrementAndGet();
        return store.get(key).orElse(new byte[0]);
    }

    private void clear() {
        requests.incrementAndGet();
        List<ListedObject> left = store.list(folder, "", ObjectStore.LIST_MAX).objects();
        for (ListedObject object : left) {
            requests.incrementAndGet();
            AccessProbe.needs(
                    "s3:DeleteObject",
                    () -> {
                        store.delete(object.key());
                        return true;
                    });
        }
    }

    private static void expect(boolean holds, String request, String answer) {
        if (!holds) {
            throw new Misconfigured(request, answer, null);
        }
    }

    private static byte[] body(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }
}
