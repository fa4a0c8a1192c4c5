package dev.litefleet.service;

import io.vertx.core.Vertx;
import io.vertx.core.http.HttpConnection;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.http.HttpServerResponse;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/// Closes connections on which the next request does not begin in time. A server's idle limit is
/// not enough: a head that trickles, a byte at a time, is never idle.
///
/// Counts from the opening of a connection, and from the end of the last answer on it; so a request
/// and its answer may take as long as they need.
public final class HeadDeadline {
    private final Vertx vertx;
    private final long millis;
    private final Map<HttpConnection, Watch> watches = new ConcurrentHashMap<>();

    /// @param max from which on a connection is closed; at twice this it certainly is. 1 ms or more
    public HeadDeadline(Vertx vertx, Duration max) {
        this.vertx = vertx;
        this.millis = max.toMillis();
    }

    /// @return to be run when the connection has been closed
    public Runnable opened(HttpConnection connection) {
        var watch = new Watch(connection);
        watches.put(connection, watch);
        watch.arm();
        return () -> {
            watches.remove(connection);
            vertx.cancelTimer(watch.timer);
        };
    }

    /// A whole head has arrived.
    public void request(HttpServerRequest request) {
        Watch watch = watches.get(request.connection());
        if (watch != null) {
            watch.last = request.response();
            watch.seenEnded = false;
        }
    }

    private final class Watch {
        private final HttpConnection connection;
        private volatile @Nullable HttpServerResponse last;
        private volatile boolean seenEnded; // and no request since
        private volatile long timer;

        private Watch(HttpConnection connection) {
            this.connection = connection;
        }

        private void arm() {
            timer = vertx.setTimer(millis, _ -> look());
        }

        private void look() {
            HttpServerResponse answer = last;
            if (answer == null || seenEnded) {
                connection.close();
                return;
            }
            seenEnded = answer.ended() || answer.closed();
            arm();
        }
    }
}
