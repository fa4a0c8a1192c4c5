package dev.litefleet.bench;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.BufferedInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.Socket;
import java.net.URI;
import java.time.Duration;
import java.util.ArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongFunction;
import org.HdrHistogram.ConcurrentHistogram;
import org.HdrHistogram.Histogram;

/// A closed loop of HTTP/1.1 requests over kept connections, one platform thread each. Small on
/// purpose: the generator shares two cores with what it measures, so it costs the same few
/// microseconds a request for every server.
final class HttpLoad {
    /// What a run gave.
    ///
    /// @param latencies microseconds
    record Result(double requestsPerSecond, Histogram latencies, long failures) {
        double p50Millis() {
            return latencies.getValueAtPercentile(50) / 1000.0;
        }

        double p99Millis() {
            return latencies.getValueAtPercentile(99) / 1000.0;
        }
    }

    private final URI url;
    private final String token;
    private final LongFunction<String> body;

    /// @param token bearer token, empty for none
    /// @param body of request number n
    HttpLoad(URI url, String token, LongFunction<String> body) {
        this.url = url;
        this.token = token;
        this.body = body;
    }

    Result run(int connections, Duration warmup, Duration time) {
        var latencies = new ConcurrentHistogram(60_000_000, 3);
        var failures = new AtomicLong();
        var counted = new AtomicLong();
        var number = new AtomicLong();
        var ready = new CountDownLatch(connections);
        var threads = new ArrayList<Thread>();
        long[] start = new long[1];
        var go = new CountDownLatch(1);
        for (int i = 0; i < connections; i++) {
            threads.add(
                    Thread.ofPlatform()
                            .start(() -> {
                                try (Socket socket = new Socket(url.getHost(), url.getPort())) {
                                    socket.setTcpNoDelay(true);
                                    var in =
                                            new BufferedInputStream(
                                                    socket.getInputStream(), 64 << 10);
                                    OutputStream out = socket.getOutputStream();
                                    ready.countDown();
                                    go.await();
                                    long from = start[0] + warmup.toNanos();
                                    long until = from + time.toNanos();
                                    long before = System.nanoTime();
                                    while (before < until) {
                                        out.write(request(number.getAndIncrement()));
                                        int status = read(in);
                                        long after = System.nanoTime();
                                        if (before >= from) {
                                            latencies.recordValue(
                                                    Math.min(60_000_000, (after - before) / 1000));
                                            counted.incrementAndGet();
                                            if (status != 200) {
                                                failures.incrementAndGet();
                                            }
                                        }
                                        before = after;
                                    }
                                } catch (IOException e) {
                                    throw new UncheckedIOException(e);
                                } catch (InterruptedException e) {
                                    Thread.currentThread().interrupt();
                                }
                            }));
        }
        try {
            ready.await();
            start[0] = System.nanoTime();
            go.countDown();
            for (Thread thread : threads) {
                thread.join();
            }
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
        return new Result(counted.get() / (time.toNanos() / 1e9), latencies, failures.get());
    }

    /// One request outside any measurement; returns the body.
    String once(long n) {
        try (Socket socket = new Socket(url.getHost(), url.getPort())) {
            socket.getOutputStream().write(request(n));
            var in = new BufferedInputStream(socket.getInputStream());
            var text = new StringBuilder();
            int status = read(in, text);
            if (status / 100 != 2) {
                throw new IllegalStateException(url + " answered " + status + ": " + text);
            }
            return text.toString();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private byte[] request(long n) {
        byte[] content = body.apply(n).getBytes(UTF_8);
        String head =
                "POST "
                        + url.getRawPath()
                        + " HTTP/1.1\r\nhost: "
                        + url.getAuthority()
                        + "\r\ncontent-type: application/json\r\n"
                        + (token.isEmpty() ? "" : "authorization: Bearer " + token + "\r\n")
                        + "content-length: "
                        + content.length
                        + "\r\n\r\n";
        byte[] start = head.getBytes(ISO_8859_1);
        byte[] whole = new byte[start.length + content.length];
        System.arraycopy(start, 0, whole, 0, start.length);
        System.arraycopy(content, 0, whole, start.length, content.length);
        return whole;
    }

    private static int read(InputStream in) throws IOException {
        return read(in, null);
    }

    /// Reads one response to its end; enough of HTTP/1.1 for the servers measured here.
    private static int read(InputStream in, @org.jspecify.annotations.Nullable StringBuilder body)
            throws IOException {
        String status = line(in);
        int length = 0;
        boolean chunked = false;
        for (String header = line(in); !header.isEmpty(); header = line(in)) {
            String lower = header.toLowerCase(java.util.Locale.ROOT);
            if (lower.startsWith("content-length:")) {
                length = Integer.parseInt(lower.substring(15).trim());
            } else if (lower.startsWith("transfer-encoding:") && lower.contains("chunked")) {
                chunked = true;
            }
        }
        if (!chunked) {
            skip(in, length, body);
        } else {
            for (int chunk = size(line(in)); chunk > 0; chunk = size(line(in))) {
                skip(in, chunk, body);
                line(in);
            }
            line(in);
        }
        return Integer.parseInt(status.substring(9, 12));
    }

    private static int size(String line) {
        int end = line.indexOf(';');
        return Integer.parseInt(end < 0 ? line.trim() : line.substring(0, end).trim(), 16);
    }

    private static void skip(
            InputStream in, int bytes, @org.jspecify.annotations.Nullable StringBuilder body)
            throws IOException {
        if (body != null) {
            body.append(new String(in.readNBytes(bytes), UTF_8));
        } else {
            in.skipNBytes(bytes);
        }
    }

    private static String line(InputStream in) throws IOException {
        var line = new StringBuilder(64);
        for (int c = in.read(); c != '\n'; c = in.read()) {
            if (c < 0) {
                throw new EOFException("server closed the connection");
            }
            if (c != '\r') {
                line.append((char) c);
            }
        }
        return line.toString();
    }
}
