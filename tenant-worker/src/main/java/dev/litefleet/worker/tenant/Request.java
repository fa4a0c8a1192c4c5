package dev.litefleet.worker.tenant;

/// A request that wants into a tenant, which may have to be opened first. A pipeline or a cursor.
interface Request extends Runnable {
    /// The tenant is open and counts this request in, until [OpenTenant#left].
    void begin(OpenTenant open);

    /// The tenant cannot be opened. Nothing was executed.
    void reject(RuntimeException failure);
}
