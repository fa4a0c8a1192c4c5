package dev.litefleet.worker.hrana;

/// A whole request that fails: nothing of it is answered in band.
final class HranaFailure extends RuntimeException {
    private final transient HranaError error;

    HranaFailure(HranaError error) {
        super(error.message(), null, false, false);
        this.error = error;
    }

    /// The client broke the protocol: 400.
    static HranaFailure protocol(String message) {
        return new HranaFailure(new HranaError(400, "HRANA_PROTO_ERROR", message));
    }

    HranaError error() {
        return error;
    }
}
