package dev.litefleet.replica.sim;

import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.log.Commit;
import dev.litefleet.replica.log.CommitLog;
import dev.litefleet.replica.log.SelfCheck;
import dev.litefleet.replica.log.Slot;
import dev.litefleet.replica.log.WrongLog;
import java.time.Duration;

/// What a session needs of a commit log, so that a wrong one can take the right one's place.
interface SessionLog {
    void open();

    long append(Commit commit, boolean sync, CommitLog.WhenDurable whenDurable);

    void flush();

    boolean awaitDurable(long sequence, Duration max);

    SelfCheck selfCheck();

    Slot durable();

    long pendingBytes();

    void drained(TenantKey tenant, Txid through);

    /// The one that production code writes.
    static SessionLog of(CommitLog log) {
        return new SessionLog() {
            @Override
            public void open() {
                log.open();
            }

            @Override
            public long append(Commit commit, boolean sync, CommitLog.WhenDurable whenDurable) {
                return log.append(commit, sync, whenDurable);
            }

            @Override
            public void flush() {
                log.flush();
            }

            @Override
            public boolean awaitDurable(long sequence, Duration max) {
                return log.awaitDurable(sequence, max);
            }

            @Override
            public SelfCheck selfCheck() {
                return log.selfCheck();
            }

            @Override
            public Slot durable() {
                return log.durable();
            }

            @Override
            public long pendingBytes() {
                return log.pendingBytes();
            }

            @Override
            public void drained(TenantKey tenant, Txid through) {
                log.drained(tenant, through);
            }
        };
    }

    /// One that goes wrong.
    static SessionLog of(WrongLog log) {
        return new SessionLog() {
            @Override
            public void open() {
                log.open();
            }

            @Override
            public long append(Commit commit, boolean sync, CommitLog.WhenDurable whenDurable) {
                return log.append(commit, whenDurable);
            }

            @Override
            public void flush() {}

            @Override
            public boolean awaitDurable(long sequence, Duration max) {
                return log.awaitDurable(sequence, max);
            }

            @Override
            public SelfCheck selfCheck() {
                return log.selfCheck();
            }

            @Override
            public Slot durable() {
                return log.durable();
            }

            @Override
            public long pendingBytes() {
                return log.pendingBytes();
            }

            @Override
            public void drained(TenantKey tenant, Txid through) {
                log.drained(tenant, through);
            }
        };
    }
}
