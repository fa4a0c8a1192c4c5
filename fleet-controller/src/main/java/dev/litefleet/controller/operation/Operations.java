package dev.litefleet.controller.operation;

import static dev.litefleet.controller.catalog.Waiting.await;

import dev.litefleet.controller.catalog.Begun;
import dev.litefleet.controller.catalog.Cancellation;
import dev.litefleet.controller.catalog.Catalog;
import dev.litefleet.controller.catalog.IdempotencyKey;
import dev.litefleet.controller.catalog.OperationKind;
import dev.litefleet.controller.catalog.OperationRow;
import dev.litefleet.replica.ReplicaException.Fenced;
import dev.litefleet.replica.log.Tasks;
import dev.litefleet.replica.sqlite.DatabaseFile;
import dev.litefleet.service.Overloaded;
import dev.litefleet.service.Problem;
import dev.litefleet.service.Refused;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.LongAdder;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Long pieces of work: written down before they start, run behind the caller, taken up again by
/// the next controller if this one dies. Thread-safe.
public final class Operations {
    private static final Logger log = LoggerFactory.getLogger(Operations.class);

    /// Operations that may be under way; more are refused.
    private static final int RUNNING_MAX = 256;

    /// Databases that are copied at the same time; the other operations wait.
    private static final int COPYING_MAX = 4;

    /// Between two attempts to write down how an operation ended.
    private static final Duration AGAIN = Duration.ofSeconds(5);

    /// How far an operation is.
    ///
    /// @param done bytes
    /// @param total bytes, as far as that is known
    public record Progress(long done, long total) {}

    private final Catalog catalog;
    private final Copies copies;
    private final Tasks tasks;
    private final Tasks.Guard guard;
    private final Semaphore copying = new Semaphore(COPYING_MAX);
    private final AtomicInteger working =
            new AtomicInteger(); // cancelled ones too, until they stop
    private final Map<String, Progress> progress = new ConcurrentHashMap<>();
    private final Map<Outcome, LongAdder> outcomes = new ConcurrentHashMap<>();

    /// How operations ended.
    ///
    /// @param outcome `succeeded`, `failed` or `cancelled`
    public record Outcome(OperationKind kind, String outcome) {}

    /// The operation was cancelled: its work ends where it stands.
    private static final class Cancelled extends RuntimeException {
        Cancelled(String id) {
            super("operation " + id + " was cancelled");
        }
    }

    public Operations(Catalog catalog, Copies copies, Tasks tasks) {
        this.catalog = catalog;
        this.copies = copies;
        this.tasks = tasks;
        this.guard = tasks.guard();
    }

    /// Takes up what a predecessor has left. Once, before anything else.
    public void resume() {
        await(tasks, catalog.runningOperations()).forEach(this::start);
    }

    /// Writes the operation down and starts it, unless it may not be. Blocks.
    ///
    /// @param etag that the tenant must have; 0 for any
    /// @throws Overloaded if too many run
    public Begun begin(OperationRow operation, Optional<IdempotencyKey> repeat, long etag) {
        if (working.get() >= RUNNING_MAX) {
            throw new Overloaded("operations", RUNNING_MAX);
        }
        Begun begun = await(tasks, catalog.begin(operation, repeat, etag));
        if (begun instanceof Begun.Started(var row)) {
            start(row);
        }
        return begun;
    }

    private void start(OperationRow operation) {
        progress.put(operation.id(), new Progress(0, 0));
        working.incrementAndGet();
        tasks.start(operation.id(), () -> run(operation));
    }

    /// The top of a background task: the one place that may catch everything.
    private void run(OperationRow operation) {
        try {
            copying.acquire();
            try {
                if (progress.containsKey(operation.id())) {
                    act(operation);
                }
            } finally {
                copying.release();
            }
        } catch (InterruptedException stopped) {
            Thread.currentThread().interrupt();
        } catch (Catalog.Ended | Fenced ended) {
            // The next controller finds it running and begins it anew.
            log.atInfo().addKeyValue("op", operation.id()).log("operation was left to a successor");
        } catch (RuntimeException | Error failure) {
            // Of a cancelled one whatever broke off is of no interest.
            if (progress.containsKey(operation.id())) {
                fail(operation, failure);
            }
        } finally {
            copies.clean(operation);
            working.decrementAndGet();
            over(operation.id());
        }
    }

    private void over(String id) {
        progress.remove(id);
        guard.lock();
        guard.signalAll();
        guard.unlock();
    }

    private void count(OperationKind kind, String outcome) {
        outcomes.computeIfAbsent(new Outcome(kind, outcome), _ -> new LongAdder()).increment();
    }

    /// Ends an operation as failed, `CANCELLED`, if its last commit is still to come: that one
    /// changes nothing then. What it has written so far is named by nobody, and the janitor takes
    /// it. Its thread may go on for a while, to no effect. Blocks.
    public Cancellation cancel(String id) {
        Cancellation answer = await(tasks, catalog.cancel(id));
        if (answer instanceof Cancellation.Done(var operation)) {
            over(id);
            count(operation.kind(), "cancelled");
            log.atInfo()
                    .addKeyValue("op", id)
                    .addKeyValue("kind", operation.kind().word())
                    .addKeyValue("tenant", operation.target())
                    .log("operation was cancelled");
        }
        return answer;
    }

    /// How many work, those included that were cancelled and have not stopped yet.
    public int working() {
        return working.get();
    }

    /// How many ended in some way since this process began.
    public long ended(Outcome how) {
        LongAdder count = outcomes.get(how);
        return count == null ? 0 : count.sum();
    }

    private void act(OperationRow operation) {
        long began = tasks.nanos();
        switch (operation.kind()) {
            case FORK -> copies.fork(operation, (done, total) -> at(operation, done, total));
            case IMPORT -> copies.importFile(operation);
            case RESTORE -> copies.restore(operation, (done, total) -> at(operation, done, total));
        }
        count(operation.kind(), "succeeded");
        log.atInfo()
                .addKeyValue("op", operation.id())
                .addKeyValue("kind", operation.kind().word())
                .addKeyValue("tenant", operation.target())
                .addKeyValue("took", Duration.ofNanos(tasks.nanos() - began))
                .log("operation succeeded");
    }

    private void at(OperationRow operation, long done, long total) {
        if (progress.replace(operation.id(), new Progress(done, total)) == null) {
            throw new Cancelled(operation.id());
        }
    }

    private void fail(OperationRow operation, Throwable failure) {
        Problem problem = problem(failure);
        count(operation.kind(), "failed");
        (problem.status() == 500 ? log.atError().setCause(failure) : log.atInfo())
                .addKeyValue("op", operation.id())
                .addKeyValue("kind", operation.kind().word())
                .addKeyValue("tenant", operation.target())
                .addKeyValue("code", problem.code())
                .log("operation failed");
        try {
            while (!recorded(operation, problem)) {
                tasks.sleep(AGAIN);
            }
        } catch (Catalog.Ended | Fenced ended) {
            log.atDebug().setCause(ended).log("operation was left to a successor");
        }
    }

    /// An operation that the catalog takes for a running one bars others of its tenant.
    private boolean recorded(OperationRow operation, Problem problem) {
        try {
            await(tasks, catalog.failed(operation, problem));
            return true;
        } catch (Refused | Overloaded silent) {
            log.atWarn()
                    .addKeyValue("op", operation.id())
                    .setCause(silent)
                    .log("end of an operation was not recorded, will try again");
            return false;
        }
    }

    /// What a failed operation tells its client.
    private static Problem problem(Throwable failure) {
        return switch (failure) {
            case FleetException refusal -> refusal.problem();
            case DatabaseFile.Unusable file ->
                    new Problem(
                            422,
                            file.reason().name(),
                            String.valueOf(file.getMessage()),
                            false,
                            file.findings().stream()
                                    .map(finding -> new Problem.FieldError("", finding))
                                    .toList());
            default -> Problem.of(failure);
        };
    }

    /// The operation as it is now, or as it is when it has ended, whichever is first of that and
    /// `max`. Blocks.
    public Optional<OperationRow> settled(String id, Duration max) {
        long deadline = tasks.nanos() + max.toNanos();
        guard.lock();
        try {
            long left = deadline - tasks.nanos();
            while (progress.containsKey(id) && left > 0) {
                guard.await(Duration.ofNanos(left));
                left = deadline - tasks.nanos();
            }
        } finally {
            guard.unlock();
        }
        return await(tasks, catalog.operation(id));
    }

    /// How far an operation is; nothing if it does not run here.
    public Optional<Progress> progress(String id) {
        return Optional.ofNullable(progress.get(id));
    }
}
