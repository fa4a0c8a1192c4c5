package dev.litefleet.journey;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.litefleet.journey.LocalFleet.Tenant;
import dev.litefleet.testing.RealStores.RealStore;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;

/// A controller and workers as processes of their own, each as on a machine of its own: with its
/// data folder, its clock, its failpoints and its environment. Nobody but the test starts them
/// again. All of them end with this JVM, however it ends.
final class Machines implements AutoCloseable {
    /// How long anything may take that a fleet does by itself.
    static final Duration SOON = Duration.ofSeconds(60);

    private static final int KILLED = 128 + 9;
    private static final int FENCED = 3;

    private final Path dir;
    private final String store;
    private final Map<String, String> credentials;
    private final List<Failpoint> points;
    private final Path agent;
    private final int port = LocalFleet.freePort();
    private final FleetClient client;
    private final Map<String, Machine> machines = new LinkedHashMap<>();
    private final Machine controller;
    private final List<String> ends = new CopyOnWriteArrayList<>(); // seen by the supervisor

    /// Starts a controller.
    ///
    /// @param options of the controller beyond its folders, store and port
    Machines(Path dir, RealStore store, List<Failpoint> points, String... options) {
        this(dir, store.url().toString(), store.environment(), points, options);
    }

    Machines(
            Path dir,
            String store,
            Map<String, String> credentials,
            List<Failpoint> points,
            String... options) {
        this.dir = dir;
        this.store = store;
        this.credentials = credentials;
        this.points = points;
        this.agent = FailpointJar.write(dir.resolve("failpoints.jar"));
        this.client =
                new FleetClient("http://127.0.0.1:" + port, dir.resolve("controller/admin.key"));
        var arguments =
                new ArrayList<>(List.of("controller", "--data", folder("controller").toString()));
        arguments.addAll(List.of("--secrets", secrets().toString(), "--store", store));
        arguments.addAll(List.of("--port", String.valueOf(port)));
        arguments.addAll(List.of(options));
        controller = new Machine("controller", arguments, "litefleet controller ready");
    }

    /// A worker that is not started yet.
    ///
    /// @param settings like `log.linger=0.1s`
    Machine worker(String name, String... settings) {
        return worker(name, folder(name), settings);
    }

    /// @param data its data folder
    Machine worker(String name, Path data, String... settings) {
        var arguments = new ArrayList<>(List.of("worker", "--name", name));
        arguments.addAll(List.of("--data", data.toString(), "--store", store));
        arguments.addAll(List.of("--controller", "http://127.0.0.1:" + (port + 1)));
        arguments.addAll(List.of("--secrets", secrets().toString()));
        for (String setting : settings) {
            arguments.addAll(List.of("--set", setting));
        }
        return new Machine(name, arguments, "litefleet worker " + name + " ready");
    }

    Machine controller() {
        return controller;
    }

    FleetClient client() {
        return client;
    }

    private Path secrets() {
        return dir.resolve("secrets");
    }

    private Path folder(String name) {
        try {
            return Files.createDirectories(dir.resolve(name));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /// `count` tenants with an empty table `rows`.
    List<Tenant> provision(String prefix, int count, String body) throws Exception {
        var tenants = new ArrayList<Tenant>();
        for (int i = 0; i < count; i++) {
            Tenant tenant = client.provision(prefix + i, body);
            var made = client.execute(tenant, "create table rows(id text)");
            assertThat(made.ok()).as(made.body()).isTrue();
            // Else the death of an async tenant's worker may take the table along.
            await().atMost(SOON).until(() -> client.execute(tenant, "select 1").durable());
            tenants.add(tenant);
        }
        return tenants;
    }

    /// `litefleet observe verify --all`: chains, checksums, contiguity and SQLite's own check of
    /// what is in the store.
    void verifyStore() {
        Observe.run(store, credentials, "verify", "--all");
    }

    /// How often supervised machines have left because their log was fenced. They may leave for no
    /// other reason.
    int fencedEnds() {
        assertThat(ends).allMatch(end -> end.endsWith(" " + FENCED));
        return ends.size();
    }

    @Override
    public void close() throws Exception {
        for (Machine machine : machines.values()) {
            machine.kill();
        }
    }

    /// One process, or its place while it is dead.
    final class Machine {
        private final String name;
        private final List<String> arguments;
        private final String ready;
        private final Path control;
        private final Map<String, String> environment = new LinkedHashMap<>(credentials);
        private volatile Process process;
        private long logBegins;
        private boolean supervised; // guarded by this
        private boolean stopped; // by the test; guarded by this

        private Machine(String name, List<String> arguments, String ready) {
            this.name = name;
            this.arguments = arguments;
            this.ready = ready;
            this.control = folder(name + ".control");
            try {
                Files.write(
                        control.resolve("points"), points.stream().map(Failpoint::line).toList());
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
            machines.put(name, this);
        }

        String name() {
            return name;
        }

        /// From its next start on.
        Machine with(String variable, String value) {
            environment.put(variable, value);
            return this;
        }

        Machine without(String variable) {
            environment.remove(variable);
            return this;
        }

        /// From its next start on it is started again when it leaves by itself, as a supervisor
        /// does: also while the test waits for something else.
        synchronized Machine supervised() {
            supervised = true;
            return this;
        }

        private synchronized void left(Process ended) {
            if (ended == process && !stopped && ended.exitValue() != KILLED) {
                ends.add(name + " " + ended.exitValue());
                launch();
            }
        }

        /// Starts it unless somebody else has, and does not wait.
        synchronized void launchIfDead() {
            if (!alive()) {
                launch();
            }
        }

        /// Starts it and waits until it says that it is ready.
        Machine start() {
            launch();
            return awaitReady();
        }

        /// Starts it and does not wait.
        synchronized Machine launch() {
            var command = Jvm.command("-Xmx256m", "-javaagent:" + agent + "=" + control);
            command.addAll(arguments);
            try {
                logBegins = Files.exists(logFile()) ? Files.size(logFile()) : 0;
                var builder =
                        new ProcessBuilder(command)
                                .redirectErrorStream(true)
                                .redirectOutput(
                                        ProcessBuilder.Redirect.appendTo(logFile().toFile()));
                builder.environment().putAll(environment);
                stopped = false;
                Process started = builder.start();
                process = started;
                if (supervised) {
                    started.onExit().thenAccept(this::left);
                }
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
            return this;
        }

        Machine awaitReady() {
            await(name + ": " + logFile())
                    .atMost(SOON)
                    .pollInterval(Duration.ofMillis(20))
                    .until(() -> {
                        if (!process.isAlive()) {
                            throw new IllegalStateException(
                                    name + " ended with " + process.exitValue() + ": " + log());
                        }
                        return log().contains(ready);
                    });
            return this;
        }

        private Path logFile() {
            return dir.resolve(name + ".log");
        }

        /// What it has printed since its last start.
        String log() {
            try {
                byte[] all = Files.readAllBytes(logFile());
                int from = (int) logBegins;
                return new String(
                        all, from, all.length - from, java.nio.charset.StandardCharsets.UTF_8);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }

        boolean alive() {
            return process != null && process.isAlive();
        }

        ProcessHandle process() {
            return process.toHandle();
        }

        CompletableFuture<Process> onExit() {
            return process.onExit();
        }

        int exitValue() {
            return process.exitValue();
        }

        /// `kill -9`, and waits for the end.
        void kill() throws InterruptedException {
            Process killed;
            synchronized (this) {
                stopped = true;
                killed = process;
            }
            if (killed != null) {
                killed.destroyForcibly();
                assertThat(killed.waitFor(SOON.toSeconds(), TimeUnit.SECONDS)).isTrue();
            }
        }

        /// The process dies the `nth` time it comes to `point`, counted from now.
        void arm(Failpoint point, int nth) throws IOException {
            Files.deleteIfExists(control.resolve(point.name() + ".hit"));
            Path armed = control.resolve(point.name() + ".new");
            Files.writeString(armed, String.valueOf(nth));
            Files.move(
                    armed,
                    control.resolve(point.name() + ".armed"),
                    java.nio.file.StandardCopyOption.ATOMIC_MOVE);
        }

        void disarm(Failpoint point) throws IOException {
            Files.deleteIfExists(control.resolve(point.name() + ".armed"));
        }

        /// Whether it died at `point`, and nowhere else.
        boolean diedAt(Failpoint point) {
            return Files.exists(control.resolve(point.name() + ".hit")) && wasKilled();
        }

        /// Whether it ended by signal 9, and not by itself.
        boolean wasKilled() {
            return !process.isAlive() && process.exitValue() == KILLED;
        }

        /// Moves the clock that it sees. Takes effect within moments if a clock was set before it
        /// started, and at its next start otherwise.
        void clock(Duration ahead) throws IOException {
            Path file = control.resolve("clock.new");
            Files.writeString(file, String.valueOf(ahead.toMillis()));
            Files.move(
                    file,
                    control.resolve("clock"),
                    java.nio.file.StandardCopyOption.ATOMIC_MOVE,
                    java.nio.file.StandardCopyOption.REPLACE_EXISTING);
        }

        /// What is on the machine's disk is gone. It must be dead.
        void loseDisk() throws IOException {
            LocalFleet.deleteFolder(dir.resolve(name));
            Files.createDirectories(dir.resolve(name));
        }
    }
}
