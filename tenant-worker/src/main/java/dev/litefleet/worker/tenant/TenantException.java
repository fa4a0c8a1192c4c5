package dev.litefleet.worker.tenant;

import org.jspecify.annotations.Nullable;

/// A request that failed as a whole, classed by what the caller should do about it.
public abstract sealed class TenantException extends RuntimeException {
    private TenantException(String message, @Nullable Throwable cause) {
        super(message, cause);
    }

    /// A stable name of the class, for answers to clients.
    public abstract String code();

    /// This worker does not have the tenant. Nothing was executed; ask the controller.
    public static final class NotHere extends TenantException {
        public NotHere(String tenant) {
            super("tenant is not here [tenant=" + tenant + "]", null);
        }

        @Override
        public String code() {
            return "TENANT_NOT_HERE";
        }
    }

    /// Whether what the request did is in the history, or ever will be, is not known. Its stream is
    /// gone.
    public static final class OutcomeUnknown extends TenantException {
        public static final String CODE = "OUTCOME_UNKNOWN";

        public OutcomeUnknown(String why) {
            super("outcome is unknown: " + why, null);
        }

        @Override
        public String code() {
            return CODE;
        }
    }

    /// As much as may wait for the store waits already. Nothing was executed; try later.
    public static final class StoreUnavailable extends TenantException {
        public StoreUnavailable(String why) {
            super("object store is unavailable: " + why, null);
        }

        @Override
        public String code() {
            return "STORE_UNAVAILABLE";
        }
    }

    /// The stream's transaction or settings are gone: it was idle too long, or the tenant moved.
    /// Begin a new stream.
    public static final class StreamExpired extends TenantException {
        public StreamExpired() {
            super("the stream has expired due to inactivity", null);
        }

        @Override
        public String code() {
            return "STREAM_EXPIRED";
        }
    }

    /// The stream has a request under way; one at a time.
    public static final class StreamBusy extends TenantException {
        public StreamBusy() {
            super("the stream has a request under way", null);
        }

        @Override
        public String code() {
            return "STREAM_BUSY";
        }
    }

    /// The client went away. Nobody is left to tell.
    public static final class Cancelled extends TenantException {
        public Cancelled() {
            super("the request was cancelled", null);
        }

        @Override
        public String code() {
            return "CANCELLED";
        }
    }

    /// The tenant cannot be opened, or stopped because its files or its history are not what they
    /// must be. A person must look; the cause says at what.
    public static final class Broken extends TenantException {
        public Broken(String tenant, Throwable cause) {
            super("tenant failed [tenant=" + tenant + "]: " + cause.getMessage(), cause);
        }

        @Override
        public String code() {
            return "TENANT_FAILED";
        }
    }
}
