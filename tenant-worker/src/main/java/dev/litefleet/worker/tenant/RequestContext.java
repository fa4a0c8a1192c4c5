package dev.litefleet.worker.tenant;

import org.jspecify.annotations.Nullable;

/// One request on its way through a tenant: who asks, and whether somebody still waits.
///
/// Thread-safe.
public final class RequestContext {
    private final @Nullable String actor;
    private final @Nullable String traceparent;
    private final @Nullable String requestId;
    private final boolean readOnly;
    private @Nullable Runnable onCancel; // guarded by this
    private volatile boolean cancelled;

    /// The texts go into the history of the commits that the request makes; the edge cuts them to
    /// [dev.litefleet.replica.log.Commit#TEXT_LENGTH_MAX].
    public RequestContext(
            @Nullable String actor, @Nullable String traceparent, @Nullable String requestId) {
        this(actor, traceparent, requestId, false);
    }

    /// @param readOnly whether the token gives no right to write: a statement that is not
    ///   [dev.litefleet.replica.sqlite.GatedStatement#readonly] fails with `SQLITE_READONLY`
    public RequestContext(
            @Nullable String actor,
            @Nullable String traceparent,
            @Nullable String requestId,
            boolean readOnly) {
        this.actor = actor;
        this.traceparent = traceparent;
        this.requestId = requestId;
        this.readOnly = readOnly;
    }

    /// A request that nobody in particular made.
    public static RequestContext anonymous() {
        return new RequestContext(null, null, null);
    }

    public @Nullable String actor() {
        return actor;
    }

    public @Nullable String traceparent() {
        return traceparent;
    }

    public @Nullable String requestId() {
        return requestId;
    }

    public boolean readOnly() {
        return readOnly;
    }

    /// The client went away: what runs is interrupted, what waits is dropped, the stream's
    /// transaction is rolled back. Any thread; repeating it does nothing.
    public void cancel() {
        Runnable action;
        synchronized (this) {
            if (cancelled) {
                return;
            }
            cancelled = true;
            action = onCancel;
        }
        if (action != null) {
            action.run();
        }
    }

    public boolean cancelled() {
        return cancelled;
    }

    /// What to do at cancellation, at once if it has come already.
    void onCancel(Runnable action) {
        synchronized (this) {
            onCancel = action;
            if (!cancelled) {
                return;
            }
        }
        action.run();
    }
}
