package dev.litefleet.controller;

import static java.util.Objects.requireNonNull;

import dev.litefleet.controller.catalog.Catalog;
import dev.litefleet.controller.lease.ControllerChain;
import dev.litefleet.controller.lease.ControllerChain.Epoch;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.log.CommitLog;
import dev.litefleet.replica.log.CommitLogConfig;
import dev.litefleet.replica.log.LogEnd;
import dev.litefleet.replica.log.SelfCheck;
import dev.litefleet.replica.log.Slot;
import dev.litefleet.replica.log.Tasks;
import dev.litefleet.replica.objects.ObjectStore;
import dev.litefleet.replica.objects.StoreException.Denied;
import dev.litefleet.replica.objects.StoreException.Unavailable;
import dev.litefleet.worker.tenant.Shipping;
import dev.litefleet.worker.tenant.ShippingConfig;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.Comparator;
import java.util.concurrent.CompletableFuture;
import java.util.random.RandomGenerator;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The log that this controller writes: one for each epoch that it claims, one after the other.
/// Thread-safe; [#begin], [#prepare] and [#follow] one after the other.
final class EpochLog {
    private static final Logger log = LoggerFactory.getLogger(EpochLog.class);

    private static final Duration CLOSE_MAX = Duration.ofSeconds(10);
    private static final Duration AGAIN_MIN = Duration.ofMillis(200);
    private static final Duration AGAIN_MAX = Duration.ofSeconds(5);

    private record Open(
            Epoch epoch, CommitLog commits, CompletableFuture<LogEnd> end, long began) {}

    private final ControllerChain chain;
    private final ObjectStore store;
    private final Path folder;
    private final Path tmp;
    private final Tasks tasks;
    private final InstantSource clock;
    private final RandomGenerator random;
    private volatile @Nullable Open open;
    private volatile @Nullable Open next;
    private volatile boolean leaving;

    /// @param folder for the catalog's files, one folder for each epoch; empty
    EpochLog(
            ControllerChain chain,
            ObjectStore store,
            Path folder,
            Path tmp,
            Tasks tasks,
            InstantSource clock,
            RandomGenerator random) {
        this.chain = chain;
        this.store = store;
        this.folder = folder;
        this.tmp = tmp;
        this.tasks = tasks;
        this.clock = clock;
        this.random = random;
    }

    /// Settles all earlier epochs and opens the log of this one.
    Catalog.Beginning begin(Epoch epoch) {
        Txid floor = chain.settlePredecessors(epoch);
        return enter(opened(epoch), floor);
    }

    private Catalog.Beginning enter(Open now, Txid floor) {
        open = now;
        return new Catalog.Beginning(
                folder(now.epoch),
                floor,
                new Shipping(now.commits, store, tmp, tasks, clock, ShippingConfig.DEFAULT),
                now.end);
    }

    private Open opened(Epoch epoch) {
        // The log may end before there is anybody to hear of it.
        var end = new CompletableFuture<LogEnd>();
        var commits =
                new CommitLog(
                        store,
                        epoch.log(),
                        CommitLogConfig.DEFAULT,
                        tasks,
                        clock,
                        random,
                        end::complete);
        commits.open();
        return new Open(epoch, commits, end, tasks.nanos());
    }

    /// Opens the log of our next epoch, while the present one is still written. If that fails, the
    /// epoch must never be followed: what was sent may be in its first slot.
    void prepare(Epoch epoch) {
        next = opened(epoch);
    }

    /// Stops writing the present log, whose every commit is durable, settles it, and goes on in the
    /// one that [#prepare] opened. There is no way back once this has begun, so it goes on while
    /// the store does not answer.
    Catalog.Beginning follow() {
        Open ours = requireNonNull(next, "nothing is prepared");
        current().commits.close(CLOSE_MAX);
        long pause = AGAIN_MIN.toNanos();
        while (true) {
            try {
                Txid floor = chain.settlePredecessors(ours.epoch);
                next = null;
                return enter(ours, floor);
            } catch (Unavailable | Denied silent) {
                if (leaving) {
                    throw silent;
                }
                log.atWarn().setCause(silent).log("store does not answer, will try again");
                tasks.sleep(Duration.ofNanos(pause / 2 + random.nextLong(pause)));
                pause = Math.min(2 * pause, AGAIN_MAX.toNanos());
            }
        }
    }

    /// Whether the present log is to be followed by another.
    boolean due(Duration age, int slots) {
        Open now = current();
        return now.commits.slots() >= slots || tasks.nanos() - now.began >= age.toNanos();
    }

    SelfCheck selfCheck() {
        return current().commits.selfCheck();
    }

    /// Nothing is tried again from here on.
    void leaving() {
        leaving = true;
    }

    /// Marks the present epoch closed, so that a successor need not wait.
    void leave() {
        Open now = current();
        now.commits.close(CLOSE_MAX);
        Slot durable = now.commits.durable();
        chain.leave(now.epoch, durable);
    }

    /// Removes the files of an epoch that is over.
    void forget(Epoch epoch) {
        Path gone = folder(epoch);
        try (Stream<Path> files = Files.walk(gone)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(file);
            }
        } catch (IOException | UncheckedIOException left) {
            // The next start empties the folder.
            log.atWarn().setCause(left).log("files of an old epoch were not removed");
        }
    }

    private Path folder(Epoch epoch) {
        return folder.resolve(Long.toString(epoch.number()));
    }

    private Open current() {
        return requireNonNull(open, "no epoch has begun");
    }
}
