package dev.litefleet.worker.tenant;

import java.time.Duration;

/// Settings of the tenants of a worker.
///
/// @param hibernateAfter idle time after which a tenant is closed
/// @param residentsMax tenants open at once; above it the least recently used are closed. An open
///   tenant costs 0.3 to 0.5 MB and 6 to 9 file descriptors
/// @param assignedMax tenants that the controller may place here, hibernated ones included: these
///   cost a few hundred bytes and, until they are evicted, their file
/// @param requestsMax requests of one tenant inside at once, waiting ones included; more are
///   refused
/// @param readersMax connections of one tenant that read outside transactions
/// @param transactionsMax connections of one tenant that a stream may hold: open transactions and
///   changed session settings
/// @param idleContended how long a transaction that holds the write permit may be idle while
///   another request waits for it
/// @param idleMax how long any transaction may be idle
/// @param transactionAgeMax how old a transaction may become, idle or not
/// @param permitWaitMax how long a write waits for the permit before it is told `SQLITE_BUSY`
/// @param responseBytesMax size of all rows of one answer that is not a cursor
/// @param cursorIdleMax how long a cursor's client may leave rows unread
/// @param diskReserveBytes free space of the volume below which hibernated tenants' files are
///   evicted, and then writes are refused
/// @param quarantineBytesMax space for what a fenced session could not ship
public record TenantConfig(
        Duration hibernateAfter,
        int residentsMax,
        int assignedMax,
        int requestsMax,
        int readersMax,
        int transactionsMax,
        Duration idleContended,
        Duration idleMax,
        Duration transactionAgeMax,
        Duration permitWaitMax,
        long responseBytesMax,
        Duration cursorIdleMax,
        long diskReserveBytes,
        long quarantineBytesMax) {
    public static final TenantConfig DEFAULT =
            new TenantConfig(
                    Duration.ofMinutes(10),
                    2000,
                    100_000,
                    1000,
                    4,
                    32,
                    Duration.ofSeconds(5),
                    Duration.ofSeconds(60),
                    Duration.ofMinutes(5),
                    Duration.ofSeconds(30),
                    10 << 20,
                    Duration.ofSeconds(30),
                    256L << 20,
                    256L << 20);

    public TenantConfig {
        positive("hibernate_after", hibernateAfter);
        positive("residents_max", residentsMax);
        positive("assigned_max", assignedMax);
        positive("requests_max", requestsMax);
        positive("readers_max", readersMax);
        positive("transactions_max", transactionsMax);
        positive("idle_contended", idleContended);
        positive("idle_max", idleMax);
        positive("transaction_age_max", transactionAgeMax);
        positive("permit_wait_max", permitWaitMax);
        positive("response_bytes_max", responseBytesMax);
        positive("cursor_idle_max", cursorIdleMax);
        positive("quarantine_bytes_max", quarantineBytesMax);
        if (diskReserveBytes < 0) {
            throw new IllegalArgumentException(
                    "disk_reserve_bytes is negative: " + diskReserveBytes);
        }
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
