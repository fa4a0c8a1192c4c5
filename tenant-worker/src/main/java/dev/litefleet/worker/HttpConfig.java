package dev.litefleet.worker;

import static dev.litefleet.service.Config.check;

import java.time.Duration;

/// The `http` section of a worker's settings: its one port, for tenants and for the controller.
///
/// @param host address to bind
/// @param port to bind; 0 takes a free one
/// @param advertise `http://host:port` under which gateway and controller reach this worker; empty
///   for `host` and the port that was bound
/// @param idle a connection on which nothing moves, or no next request has arrived, for this long
///   is closed
/// @param headerBytesMax all headers of a request
/// @param requestLineBytesMax the request line
/// @param connectionsMax open connections; more are closed at once
public record HttpConfig(
        String host,
        int port,
        String advertise,
        Duration idle,
        int headerBytesMax,
        int requestLineBytesMax,
        int connectionsMax) {
    public static final String HOST = "127.0.0.1";
    public static final int PORT = 0;
    public static final String ADVERTISE = "";
    public static final Duration IDLE = Duration.ofSeconds(75);
    public static final int HEADER_BYTES_MAX = 8 << 10;
    public static final int REQUEST_LINE_BYTES_MAX = 4 << 10;
    public static final int CONNECTIONS_MAX = 4096;

    public HttpConfig {
        check(port >= 0 && port <= 65535, "http.port is not a port", port);
        check(
                advertise.isEmpty() || advertise.matches("http://[^/]+"),
                "http.advertise must be http://host:port",
                advertise);
        // Vert.x takes whole seconds.
        check(idle.toSeconds() >= 1, "http.idle is under 1 s", idle);
        check(
                headerBytesMax >= 1 << 10 && headerBytesMax <= 1 << 20,
                "http.header-bytes-max is not in 1 KiB to 1 MiB",
                headerBytesMax);
        check(
                requestLineBytesMax >= 256 && requestLineBytesMax <= 1 << 16,
                "http.request-line-bytes-max is not in 256 B to 64 KiB",
                requestLineBytesMax);
        check(connectionsMax >= 1, "http.connections-max must be positive", connectionsMax);
    }
}
