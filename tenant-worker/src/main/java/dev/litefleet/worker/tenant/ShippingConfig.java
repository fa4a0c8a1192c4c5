package dev.litefleet.worker.tenant;

import java.time.Duration;

/// Settings of how commits reach the store, and what happens while they cannot.
///
/// @param gateMax how long an answer waits for its commits to become durable; then the outcome is
///   unknown
/// @param lagMax how old an acknowledged commit of an async tenant may get before it is durable
/// @param lagBytesMax page bytes of one tenant that may wait for the store; then its writes wait
/// @param workerLagBytesMax the same over all tenants of the worker
/// @param drainQuiet a tenant without commits for this long is drained, unless its last drain is
///   younger than `drainEvery`
/// @param drainEvery least time between drains of a tenant that is written all the time, and the
///   longest a commit stays undrained; each drain costs two PUTs
/// @param drainWalBytes undrained bytes of WAL after which a drain starts at once
/// @param drainSlots slots of the log after a tenant's first undrained commit after which a drain
///   starts at once: recovery reads no more than this
/// @param walBytesMax size of one tenant's WAL at which its writes are refused
/// @param transactionBytesMax WAL that one transaction may write: an explicit one that has written
///   more is rolled back at its COMMIT, a statement that has is stopped while it runs. Below 8 MiB
///   it is looked at late: what SQLite's page cache holds does not count
public record ShippingConfig(
        Duration gateMax,
        Duration lagMax,
        long lagBytesMax,
        long workerLagBytesMax,
        Duration drainQuiet,
        Duration drainEvery,
        long drainWalBytes,
        long drainSlots,
        long walBytesMax,
        long transactionBytesMax) {
    public static final ShippingConfig DEFAULT =
            new ShippingConfig(
                    Duration.ofSeconds(30),
                    Duration.ofSeconds(5),
                    8 << 20,
                    64 << 20,
                    Duration.ofSeconds(30),
                    Duration.ofSeconds(300),
                    4 << 20,
                    1000,
                    512L << 20,
                    256L << 20);

    public ShippingConfig {
        positive("gate_max", gateMax);
        positive("lag_max", lagMax);
        positive("drain_quiet", drainQuiet);
        positive("drain_every", drainEvery);
        positive("lag_bytes_max", lagBytesMax);
        positive("worker_lag_bytes_max", workerLagBytesMax);
        positive("drain_wal_bytes", drainWalBytes);
        positive("drain_slots", drainSlots);
        positive("wal_bytes_max", walBytesMax);
        positive("transaction_bytes_max", transactionBytesMax);
        if (transactionBytesMax > walBytesMax) {
            throw new IllegalArgumentException(
                    "transaction_bytes_max is above wal_bytes_max: %d > %d"
                            .formatted(transactionBytesMax, walBytesMax));
        }
    }

    /// Pages of the largest commit that is shipped, in bytes. Beyond the limit of transactions,
    /// which is looked at now and then: a commit that went past it between two looks is in the
    /// database, and ships.
    long captureBytesMax() {
        return Math.max(64L << 20, Math.multiplyExact(4L, transactionBytesMax));
    }

    private static void positive(String setting, Duration value) {
        if (!value.isPositive()) {
            throw new IllegalArgumentException(setting + " is not positive: " + value);
        }
    }

    private static void positive(String setting, long value) {
        if (value <= 0) {
            throw new IllegalArgumentException(setting + " is not positive: " + value);
        }
    }
}
