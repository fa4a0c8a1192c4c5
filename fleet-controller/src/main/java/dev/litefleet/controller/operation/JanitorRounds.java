package dev.litefleet.controller.operation;

import static dev.litefleet.controller.catalog.Waiting.await;
import static java.nio.charset.StandardCharsets.UTF_8;

import dev.litefleet.controller.catalog.Catalog;
import dev.litefleet.controller.catalog.SessionRow;
import dev.litefleet.controller.lease.ControllerChain;
import dev.litefleet.replica.ReplicaException.Fenced;
import dev.litefleet.replica.TenantId;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.history.HistoryWindows;
import dev.litefleet.replica.history.Janitor;
import dev.litefleet.replica.history.JanitorReport;
import dev.litefleet.replica.history.LineageState;
import dev.litefleet.replica.history.LogState;
import dev.litefleet.replica.history.OpenPart;
import dev.litefleet.replica.log.LogName;
import dev.litefleet.replica.log.SessionId;
import dev.litefleet.replica.log.Tasks;
import dev.litefleet.replica.objects.ObjectStore;
import dev.litefleet.worker.control.Wire;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.Consumer;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Runs the janitor from time to time, with what the catalog knows. One round at a time.
public final class JanitorRounds {
    private static final Logger log = LoggerFactory.getLogger(JanitorRounds.class);

    /// Most objects that one round plans to delete.
    private static final int OBJECTS_MAX = 1_000_000;

    /// Closed sessions of which one round asks whether their logs have gone.
    private static final int SESSIONS_MAX = 500;

    private static final Duration AGAIN_MIN = Duration.ofMinutes(1);
    private static final Duration AGAIN_MAX = Duration.ofHours(1);

    private final Catalog catalog;
    private final ControllerChain chain;
    private final ObjectStore store;
    private final HistoryWindows windows;
    private final Duration every;
    private final Path tmp;
    private final Tasks tasks;
    private final InstantSource clock;
    private final RandomGenerator random;
    private final Totals totals = new Totals();
    private String forgottenUpTo = ""; // the round's

    /// What the rounds of this process did, for metrics. Thread-safe.
    public static final class Totals {
        private final LongAdder failures = new LongAdder();
        private final LongAdder rounds = new LongAdder();
        private final LongAdder objects = new LongAdder();
        private final LongAdder bytes = new LongAdder();
        private volatile long lastMillis;
        private volatile @Nullable JanitorReport last;

        private void ran(JanitorReport report, Instant at) {
            rounds.increment();
            objects.add(report.erased().objects() + report.erased().versions());
            bytes.add(report.erased().bytes());
            last = report;
            lastMillis = at.toEpochMilli();
        }

        public long rounds() {
            return rounds.sum();
        }

        public long failures() {
            return failures.sum();
        }

        /// Versions included.
        public long objects() {
            return objects.sum();
        }

        public long bytes() {
            return bytes.sum();
        }

        /// When the last round ended well, Unix milliseconds; 0 if none did.
        public long lastMillis() {
            return lastMillis;
        }

        /// Of the last round; nothing if there was none.
        public Optional<JanitorReport> last() {
            return Optional.ofNullable(last);
        }
    }

    /// [JanitorReport] as JSON in the catalog.
    record Said(
            long objects,
            long bytes,
            long versions,
            long refused,
            long planned,
            long copied,
            long uploads,
            long kept,
            long held,
            boolean more,
            List<String> problems,
            long tookMillis) {
        static Said of(JanitorReport report, Duration took) {
            return new Said(
                    report.erased().objects(),
                    report.erased().bytes(),
                    report.erased().versions(),
                    report.erased().refused(),
                    report.planned(),
                    report.copied(),
                    report.uploads(),
                    report.kept(),
                    report.held(),
                    report.more(),
                    report.problems(),
                    took.toMillis());
        }
    }

    private final Consumer<OpenPart> endPart;

    /// @param store with the rights to delete
    /// @param windows the fleet's
    /// @param every from the end of a round to the beginning of the next one
    /// @param endPart is given parts whose writers should end them, because they hold what was
    ///   deleted
    public JanitorRounds(
            Catalog catalog,
            ControllerChain chain,
            ObjectStore store,
            HistoryWindows windows,
            Duration every,
            Path tmp,
            Tasks tasks,
            InstantSource clock,
            RandomGenerator random,
            Consumer<OpenPart> endPart) {
        this.catalog = catalog;
        this.chain = chain;
        this.store = store;
        this.windows = windows;
        this.every = every;
        this.tmp = tmp;
        this.tasks = tasks;
        this.clock = clock;
        this.random = random;
        this.endPart = endPart;
    }

    /// Starts a background task that ends with the catalog.
    public void start() {
        tasks.start("janitor", this::rounds);
    }

    /// The top of a background task: the one place that may catch everything.
    private void rounds() {
        Duration pause = AGAIN_MIN;
        while (true) {
            try {
                awaitDue();
                round();
                pause = AGAIN_MIN;
            } catch (Catalog.Ended | Fenced ended) {
                return; // Our successor will do it.
            } catch (RuntimeException failure) {
                totals.failures.increment();
                log.atError().setCause(failure).log("janitor failed, will try again");
                tasks.sleep(pause);
                pause =
                        pause.multipliedBy(2).compareTo(AGAIN_MAX) > 0
                                ? AGAIN_MAX
                                : pause.multipliedBy(2);
            }
        }
    }

    /// Restarts of the controller do not put it off: the catalog knows when it last ran.
    private void awaitDue() {
        Instant due = await(tasks, catalog.lastCleaning()).plus(every);
        Duration left = Duration.between(clock.instant(), due);
        if (left.isPositive()) {
            tasks.sleep(left.compareTo(every) > 0 ? every : left);
        }
    }

    /// One round, now.
    ///
    /// @throws dev.litefleet.replica.objects.StoreException if the store does not answer
    public JanitorReport round() {
        long began = tasks.nanos();
        Instant known = clock.instant();
        // Durable before anything is deleted: whoever has a successor stops here. Until then the
        // catalog is complete; a process that stands still after it may miss what is said later.
        await(tasks, catalog.cleaningBegins());
        JanitorReport report =
                Janitor.run(
                        store,
                        new Janitor.Config(windows.exact(), OBJECTS_MAX),
                        facts(),
                        known,
                        tmp,
                        tasks,
                        clock,
                        random);
        report.toEnd().forEach(this::end);
        report.problems()
                .forEach(problem ->
                        log.atError()
                                .addKeyValue("problem", problem)
                                .log("janitor needs a person"));
        log.atInfo()
                .addKeyValue("objects", report.erased().objects())
                .addKeyValue("bytes", report.erased().bytes())
                .addKeyValue("versions", report.erased().versions())
                .addKeyValue("refused", report.erased().refused())
                .addKeyValue("planned", report.planned())
                .addKeyValue("kept", report.kept())
                .addKeyValue("copied", report.copied())
                .addKeyValue("uploads", report.uploads())
                .addKeyValue("took", Duration.ofNanos(tasks.nanos() - began))
                .log("janitor ran");
        Duration took = Duration.ofNanos(tasks.nanos() - began);
        await(tasks, catalog.cleaned(new String(Wire.write(Said.of(report, took)), UTF_8)));
        totals.ran(report, clock.instant());
        tidy();
        return report;
    }

    public Totals totals() {
        return totals;
    }

    /// The catalog is bounded: what nobody will ask for goes.
    private void tidy() {
        while (await(tasks, catalog.prune())) {
            // The rest of it, one transaction after the other.
        }
        // Beginning where the last round ended, so that logs that stay do not hold up the others.
        List<SessionRow> sessions = await(tasks, catalog.forgettable(forgottenUpTo, SESSIONS_MAX));
        for (SessionRow session : sessions) {
            if (Janitor.isTrimmed(store, session.log())) {
                await(tasks, catalog.forget(session.id()));
            }
        }
        forgottenUpTo = sessions.size() < SESSIONS_MAX ? "" : sessions.getLast().id().ulid();
    }

    private void end(OpenPart part) {
        endPart.accept(part);
        log.atInfo()
                .addKeyValue("log", part.log())
                .addKeyValue("part", part.part())
                .log("a worker is asked to end a part that holds a deleted tenant");
    }

    private Janitor.Facts facts() {
        Set<SessionId> closedControllers = chain.closedSessions();
        return new Janitor.Facts(
                name -> log(name, closedControllers),
                this::lineage,
                await(tasks, catalog.lastDeletion()));
    }

    private LogState log(LogName name, Set<SessionId> closedControllers) {
        if (name.worker().equals(LogName.CONTROLLER)) {
            return closedControllers.contains(name.session())
                    ? new LogState.Closed()
                    : new LogState.Unknown();
        }
        return await(tasks, catalog.session(name.session()))
                .filter(session -> session.worker().equals(name.worker()))
                .<LogState>map(session ->
                        switch (session.state()) {
                            case CLOSED -> new LogState.Closed();
                            case LIVE, FENCING -> new LogState.Open(session.part());
                        })
                .orElseGet(LogState.Unknown::new);
    }

    private LineageState lineage(TenantKey key) {
        // The catalog does not know itself; it has one lineage for ever.
        return key.tenant().equals(TenantId.CATALOG)
                ? new LineageState.Named(windows, List.of(), Optional.empty())
                : await(tasks, catalog.lineage(key, windows));
    }
}
