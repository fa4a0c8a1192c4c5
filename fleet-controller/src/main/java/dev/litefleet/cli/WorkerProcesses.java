package dev.litefleet.cli;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/// The workers of `litefleet up`: child processes, so that isolation and `kill -9` are real. One
/// that ends is started again, after a pause that doubles from 200 ms to 5 s while it keeps ending
/// within 30 s. A child ends by itself when the pipe from us closes, so a killed `up` leaves no
/// orphan.
final class WorkerProcesses implements AutoCloseable {
    private static final Duration PAUSE_MIN = Duration.ofMillis(200);
    private static final Duration PAUSE_MAX = Duration.ofSeconds(5);
    private static final Duration SETTLED = Duration.ofSeconds(30);
    private static final Duration STOP_MAX = Duration.ofSeconds(60);
    private static final int BAD_SETTINGS = 2;

    private final DataDirectory data;
    private final List<String> arguments;
    private final Consumer<String> notice;
    private final LongSupplier ticker;
    private final CountDownLatch stopping = new CountDownLatch(1);
    private final List<Thread> watchers = new ArrayList<>();

    /// @param arguments of every worker beyond its name and data folder
    /// @param notice lines for the person at the terminal
    /// @param ticker monotonic nanoseconds
    WorkerProcesses(
            DataDirectory data,
            List<String> arguments,
            Consumer<String> notice,
            LongSupplier ticker) {
        this.data = data;
        this.arguments = arguments;
        this.notice = notice;
        this.ticker = ticker;
    }

    /// Starts `w-1` to `w-<count>`.
    void start(int count) {
        for (int i = 1; i <= count; i++) {
            String name = "w-" + i;
            watchers.add(
                    Thread.ofPlatform().name("watch-" + name).daemon().start(() -> watch(name)));
        }
    }

    private void watch(String name) {
        Duration pause = PAUSE_MIN;
        while (stopping.getCount() > 0) {
            long started = ticker.getAsLong();
            Integer code = runOnce(name);
            if (code == null || stopping.getCount() == 0) {
                return;
            }
            if (code == BAD_SETTINGS) {
                notice.accept(name + " refused its settings; see logs/" + name + ".log");
                return;
            }
            boolean settled = ticker.getAsLong() - started > SETTLED.toNanos();
            pause = settled ? PAUSE_MIN : min(pause.multipliedBy(2), PAUSE_MAX);
            notice.accept("%s ended with code %d; starting it again".formatted(name, code));
            if (stopped(settled ? PAUSE_MIN : pause)) {
                return;
            }
        }
    }

    /// @return its exit code; null if we were told to stop meanwhile
    private @Nullable Integer runOnce(String name) {
        Process process = spawn(name);
        try {
            while (!process.waitFor(100, TimeUnit.MILLISECONDS)) {
                if (stopping.getCount() == 0) {
                    end(process);
                    return null;
                }
            }
            return process.exitValue();
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
            process.destroyForcibly();
            return null;
        }
    }

    /// Closing the pipe asks the worker to drain and leave.
    private static void end(Process process) throws InterruptedException {
        try {
            process.getOutputStream().close();
        } catch (IOException _) {
            // It is gone already.
        }
        if (!process.waitFor(STOP_MAX.toMillis(), TimeUnit.MILLISECONDS)) {
            process.destroyForcibly();
        }
    }

    private Process spawn(String name) {
        Path log = data.resolve("logs").resolve(name + ".log");
        try {
            Files.createDirectories(log.getParent());
            return new ProcessBuilder(command(name))
                    .redirectErrorStream(true)
                    .redirectOutput(ProcessBuilder.Redirect.appendTo(log.toFile()))
                    .start();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private List<String> command(String name) {
        var command = new ArrayList<String>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        for (String flag : ManagementFactory.getRuntimeMXBean().getInputArguments()) {
            // Two processes must not write the class archive at once; workers only read it.
            if (!flag.equals("-XX:+AutoCreateSharedArchive") && !flag.startsWith("-agentlib")) {
                command.add(flag);
            }
        }
        command.addAll(List.of("-cp", System.getProperty("java.class.path")));
        command.addAll(List.of(Litefleet.class.getName(), "worker", "--name", name));
        command.addAll(List.of("--data", data.path().toString()));
        command.addAll(arguments);
        return command;
    }

    private boolean stopped(Duration pause) {
        try {
            return stopping.await(pause.toMillis(), TimeUnit.MILLISECONDS);
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
            return true;
        }
    }

    /// Asks all of them to drain and leave, and waits for it.
    @Override
    public void close() {
        stopping.countDown();
        for (Thread watcher : watchers) {
            try {
                watcher.join(STOP_MAX.plusSeconds(5));
            } catch (InterruptedException _) {
                Thread.currentThread().interrupt();
                return;
            }
        }
    }

    private static Duration min(Duration a, Duration b) {
        return a.compareTo(b) < 0 ? a : b;
    }
}
