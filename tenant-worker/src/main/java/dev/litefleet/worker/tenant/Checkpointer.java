package dev.litefleet.worker.tenant;

import dev.litefleet.replica.ReplicaException;
import dev.litefleet.replica.log.LogEnded;
import dev.litefleet.replica.objects.StoreException;
import dev.litefleet.replica.sqlite.SqlFailure;
import dev.litefleet.worker.tenant.ShippedDatabase.Checkpoint;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Drains one open tenant when it is due, and then checkpoints it.
///
/// A checkpoint needs the write permit at a moment when every commit is durable and drained. A
/// quiet tenant has many such moments: the checkpointer takes the permit like anybody else, looks,
/// and gives it back if the moment is not right. A tenant that never stops writing has none; when
/// its WAL has grown to an eighth of its limit the checkpointer keeps the permit and makes one.
///
/// One round at a time; a round waits on a virtual thread and calls SQLite on the tenant's queue.
final class Checkpointer implements WritePermit.Claim {
    private static final Logger log = LoggerFactory.getLogger(Checkpointer.class);
    private static final Duration RETRY = Duration.ofSeconds(5);
    private static final Duration AGAIN = Duration.ofSeconds(1);
    private static final int FORCED_FRACTION = 8;

    private final OpenTenant tenant;
    private boolean running; // guarded by this
    private boolean owed; // guarded by this; a checkpoint that could not be done
    private volatile long notBefore = Long.MIN_VALUE; // ticker nanoseconds

    Checkpointer(OpenTenant tenant) {
        this.tenant = tenant;
    }

    /// Starts a round if one is due.
    ///
    /// @return when to ask again
    long due(long now) {
        ShippedDatabase database = tenant.database();
        boolean checkpoint;
        synchronized (this) {
            checkpoint = owed;
        }
        if (!checkpoint && !database.undrained()) {
            return Deadlines.NEVER;
        }
        if (now < notBefore) {
            return notBefore;
        }
        if (checkpoint || database.drainDue()) {
            request();
            return now + AGAIN.toNanos();
        }
        return database.drainLook(now);
    }

    /// Starts a round, unless one runs.
    void request() {
        synchronized (this) {
            if (running) {
                return;
            }
            running = true;
        }
        tenant.shipping().tasks().start("drain " + tenant.id(), this::round);
    }

    private void round() {
        try {
            settle();
            tenant.mergeIfDue();
            if (tenant.permit().take(this, Deadlines.NEVER)) {
                granted();
            }
        } catch (StoreException | TenantException | LogEnded later) {
            log.atWarn()
                    .addKeyValue("tenant", tenant.id())
                    .addKeyValue("reason", later.getMessage())
                    .log("drain was put off");
            end(true, RETRY);
        } catch (RuntimeException broken) {
            end(false, RETRY);
            tenant.broken(broken);
        }
    }

    /// Waits until what is committed now is durable, and drains it. On a virtual thread.
    ///
    /// @throws StoreException if the store does not take it
    /// @throws TenantException.OutcomeUnknown if it does not become durable in time
    void settle() {
        ShippedDatabase database = tenant.database();
        if (!database.undrained()) {
            return;
        }
        tenant.shipping().log().flush();
        CompletableFuture<Void> durable = database.gate(database.announced());
        tenant.gateAwaited(tenant.now() + tenant.shipping().config().gateMax().toNanos());
        try {
            durable.join();
        } catch (CompletionException failed) {
            if (failed.getCause() instanceof TenantException reason) {
                throw reason;
            }
            throw failed;
        }
        long before = database.drainedBytes();
        database.drain();
        if (database.drainedBytes() > before) {
            tenant.drained(database.drainedBytes() - before);
        }
    }

    @Override
    public Object owner() {
        return this;
    }

    @Override
    public void granted() {
        tenant.queue().submit(this::checkpoint);
    }

    @Override
    public void expired() {
        // The tenant has stopped.
        end(false, RETRY);
    }

    private void checkpoint() {
        ShippedDatabase database = tenant.database();
        try {
            switch (database.checkpoint()) {
                case COMPLETE -> giveBack(false, Duration.ZERO);
                case HELD_BY_READER -> giveBack(true, AGAIN);
                case NOT_YET -> {
                    if (mustForce(database)) {
                        tenant.shipping().tasks().start("drain " + tenant.id(), this::force);
                    } else {
                        giveBack(false, Duration.ZERO);
                    }
                }
            }
        } catch (ReplicaException broken) {
            giveBack(false, RETRY);
            tenant.broken(broken);
        } catch (SqlFailure failed) {
            // Never again if it may have lost something: a second fsync would say yes to it.
            giveBack(!OpenTenant.losesFile(failed), RETRY);
            lost(failed);
        } catch (RuntimeException failed) {
            log.atWarn()
                    .addKeyValue("tenant", tenant.id())
                    .setCause(failed)
                    .log("checkpoint failed");
            giveBack(true, RETRY);
        }
    }

    private void lost(SqlFailure failed) {
        try {
            tenant.fileMayHaveFailed(failed);
            log.atWarn()
                    .addKeyValue("tenant", tenant.id())
                    .setCause(failed)
                    .log("checkpoint failed");
        } catch (TenantException stopped) {
            // It hydrates with the next request.
        }
    }

    private boolean mustForce(ShippedDatabase database) {
        return database.walBytes() >= tenant.shipping().config().walBytesMax() / FORCED_FRACTION;
    }

    /// Holding the permit: nothing is committed meanwhile.
    private void force() {
        try {
            settle();
            tenant.queue()
                    .submit(() -> {
                        boolean again = true;
                        try {
                            again = tenant.database().checkpoint() != Checkpoint.COMPLETE;
                        } catch (SqlFailure failed) {
                            lost(failed);
                        } catch (ReplicaException broken) {
                            tenant.broken(broken);
                        } finally {
                            giveBack(again, AGAIN);
                        }
                    });
        } catch (StoreException | TenantException | LogEnded later) {
            giveBack(true, RETRY);
        } catch (RuntimeException broken) {
            giveBack(false, RETRY);
            tenant.broken(broken);
        }
    }

    private void giveBack(boolean again, Duration pause) {
        tenant.permit().giveBack(this);
        end(again, pause);
    }

    private void end(boolean again, Duration pause) {
        notBefore = tenant.now() + pause.toNanos();
        synchronized (this) {
            running = false;
            owed = again;
        }
        if (again || tenant.database().undrained()) {
            tenant.lookWithin(pause.isZero() ? AGAIN : pause);
        }
    }
}
