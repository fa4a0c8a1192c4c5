package dev.litefleet.worker.hrana;

import io.vertx.core.Vertx;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpHeaders;
import io.vertx.core.http.HttpServerRequest;
import java.util.function.Consumer;

/// Collects a request's body, at most so many bytes in at most so much time. Confined to the
/// request's event loop.
final class Body {
    /// A body that is announced to be at most this long arrives with its headers or not at all: the
    /// connection's idle limit is enough for it, and the hot path sets no timer.
    private static final int SMALL_BYTES = 16 << 10;

    private static final long NO_TIMER = -1;

    private final Vertx vertx;
    private final int bytesMax;
    private final Consumer<byte[]> whole;
    private final Consumer<HranaFailure> failed;
    private long timer = NO_TIMER;
    private Buffer bytes = Buffer.buffer();
    private boolean over;

    private Body(Vertx vertx, int bytesMax, Consumer<byte[]> whole, Consumer<HranaFailure> failed) {
        this.vertx = vertx;
        this.bytesMax = bytesMax;
        this.whole = whole;
        this.failed = failed;
    }

    /// @param whole is given the body
    /// @param failed is given 413 or 408; the rest of the body may still be on its way
    static void read(
            HttpServerRequest request,
            Vertx vertx,
            HranaConfig config,
            Consumer<byte[]> whole,
            Consumer<HranaFailure> failed) {
        var body = new Body(vertx, config.bodyBytesMax(), whole, failed);
        long announced = announced(request);
        if (announced > body.bytesMax) {
            body.fail(body.tooLarge());
            return;
        }
        if (announced < 0 || announced > SMALL_BYTES) {
            body.timer = vertx.setTimer(config.bodyMax().toMillis(), _ -> body.fail(slow()));
        }
        request.handler(body::more);
        request.endHandler(_ -> body.end());
        request.exceptionHandler(_ -> body.finish());
    }

    private static long announced(HttpServerRequest request) {
        String length = request.getHeader(HttpHeaders.CONTENT_LENGTH);
        try {
            return length == null ? -1 : Long.parseLong(length);
        } catch (NumberFormatException unreadable) {
            throw HranaFailure.protocol("unreadable content-length");
        }
    }

    private void more(Buffer chunk) {
        if (over) {
            return;
        }
        if (bytes.length() + chunk.length() > bytesMax) {
            fail(tooLarge());
        } else if (bytes.length() == 0) {
            bytes = chunk;
        } else {
            bytes = bytes.appendBuffer(chunk);
        }
    }

    private void end() {
        if (!over) {
            finish();
            whole.accept(bytes.getBytes());
        }
    }

    private void fail(HranaFailure failure) {
        if (!over) {
            finish();
            bytes = Buffer.buffer();
            failed.accept(failure);
        }
    }

    private void finish() {
        over = true;
        if (timer != NO_TIMER) {
            vertx.cancelTimer(timer);
        }
    }

    private HranaFailure tooLarge() {
        return new HranaFailure(
                new HranaError(
                        413,
                        "BODY_TOO_LARGE",
                        "The request's body is larger than " + bytesMax + " bytes"));
    }

    private static HranaFailure slow() {
        return new HranaFailure(
                new HranaError(408, "BODY_TIMEOUT", "The request's body did not arrive in time"));
    }
}
