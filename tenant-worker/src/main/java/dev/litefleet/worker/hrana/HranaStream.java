package dev.litefleet.worker.hrana;

import dev.litefleet.replica.TenantId;
import dev.litefleet.worker.tenant.StreamId;
import dev.litefleet.worker.tenant.StreamState;
import org.jspecify.annotations.Nullable;

/// One client's logical connection, as this worker knows it between two requests: which baton it
/// holds and which texts it has stored. Its transaction lives in the tenant.
///
/// At most one request has the stream at a time; between [#enter] and [#leave] the texts and the
/// state are that request's own.
final class HranaStream {
    private static final int BYTES = 200;

    final TenantId tenant;
    final long number;

    /// The assignment under which the tenant was here; under another one the stream is another's.
    final long assignment;

    private long sequence; // guarded by this; of the last baton
    private boolean entered; // guarded by this
    private boolean held; // of the request that has the stream
    private @Nullable StoredTexts texts; // of the request that has the stream

    HranaStream(TenantId tenant, long number, long assignment, long sequence) {
        this.tenant = tenant;
        this.number = number;
        this.assignment = assignment;
        this.sequence = sequence;
        this.entered = true;
    }

    /// Takes the stream for the request that brought the baton with this number.
    synchronized void enter(long brought) {
        if (brought != sequence) {
            throw new HranaFailure(
                    new HranaError(
                            400, "BATON_REUSED", "Received a baton that has already been used"));
        }
        if (entered) {
            throw new HranaFailure(
                    new HranaError(
                            400,
                            "STREAM_BUSY",
                            "Received a baton that is already in use by another request"));
        }
        entered = true;
    }

    /// The baton that the answer carries. From here on the one the request brought is used up, but
    /// the next request can only enter after [#leave].
    synchronized Baton next(boolean stateful) {
        sequence++;
        return new Baton(number, sequence, stateful);
    }

    synchronized void leave() {
        entered = false;
    }

    StreamId id() {
        return new StreamId(number, held);
    }

    void state(StreamState after) {
        held = after == StreamState.HELD;
    }

    boolean stateful() {
        return held || (texts != null && !texts.isEmpty());
    }

    StoredTexts texts() {
        if (texts == null) {
            texts = new StoredTexts();
        }
        return texts;
    }

    /// Memory that the stream costs, roughly.
    int bytes() {
        return BYTES + (texts == null ? 0 : 2 * texts.chars());
    }
}
