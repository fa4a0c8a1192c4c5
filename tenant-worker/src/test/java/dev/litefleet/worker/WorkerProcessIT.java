package dev.litefleet.worker;

import static org.assertj.core.api.Assertions.assertThat;

import dev.litefleet.replica.log.Fence;
import dev.litefleet.replica.log.LogName;
import dev.litefleet.replica.log.SessionId;
import dev.litefleet.replica.log.Slot;
import dev.litefleet.replica.log.ThreadTasks;
import dev.litefleet.replica.objects.ObjectStore;
import dev.litefleet.replica.objects.StoreUrl;
import dev.litefleet.service.Keys;
import dev.litefleet.worker.control.HeartbeatReply;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

/// `litefleet worker` as a process of its own: what it prints, when it ends, and how.
final class WorkerProcessIT {
    private static final Pattern READY =
            Pattern.compile(
                    "litefleet worker w-1 ready \\[address=http://127\\.0\\.0\\.1:[0-9]+,"
                            + " session=([0-9A-Z]{26})\\]");

    @TempDir Path folder;
    private Keys keys;
    private ScriptedController controller;
    private Process process;
    private BufferedReader out;
    private String session;

    @BeforeEach
    void prepare() {
        keys = Keys.open(folder.resolve("secrets"), new SecureRandom());
        controller = new ScriptedController(keys);
    }

    @AfterEach
    void end() {
        if (process != null) {
            process.destroyForcibly();
        }
        controller.close();
    }

    @Test
    void closedParentPipeStopsItAndItReleases() throws Exception {
        start("--parent-pipe");
        String worker = controller.registrations.take().address();
        assertThat(controller.assign(worker, session, "acme").accepted()).isTrue();

        process.getOutputStream().close();

        assertThat(process.waitFor(30, TimeUnit.SECONDS)).isTrue();
        assertThat(process.exitValue()).isZero();
        assertThat(controller.releases).extracting("tenant").containsExactly("acme");
    }

    @Test
    void terminatedItExitsWith0() throws Exception {
        start();

        process.destroy();

        assertThat(process.waitFor(30, TimeUnit.SECONDS)).isTrue();
        assertThat(process.exitValue()).isZero();
    }

    @Test
    void fencedItExitsWith3() throws Exception {
        start();
        try (ObjectStore store = store()) {
            Fence.close(
                    store,
                    new LogName("w-1", new SessionId(session)),
                    Slot.FIRST,
                    "test",
                    2,
                    new ThreadTasks(),
                    new SplittableRandom(1));
        }

        controller.status = HeartbeatReply.CLOSED;

        assertThat(process.waitFor(30, TimeUnit.SECONDS)).isTrue();
        assertThat(process.exitValue()).isEqualTo(3);
    }

    @Test
    void killedAndRestartedItNamesTheDeadSession() throws Exception {
        start();
        controller.registrations.take();
        String dead = session;
        process.destroyForcibly().waitFor();

        start();

        assertThat(controller.registrations.take().previousSession()).isEqualTo(dead);
    }

    @Test
    void badSettingsExitWith2() {
        assertThat(execute("--name", "W_1")).isEqualTo(2);
        assertThat(execute("--name", "w-1", "--set", "log.lingr=1s")).isEqualTo(2);
        assertThat(execute("--name", "w-1", "--store", "ftp://x")).isEqualTo(2);
        assertThat(execute("--name", "w-1", "--secrets", folder.resolve("none").toString()))
                .isEqualTo(2);
        assertThat(execute()).isEqualTo(2);
    }

    private int execute(String... more) {
        var arguments = new ArrayList<>(List.of(more));
        for (String[] one :
                new String[][] {
                    {"--data", folder.toString()},
                    {"--store", "file://" + folder.resolve("store")},
                    {"--controller", controller.url().toString()},
                    {"--secrets", folder.resolve("secrets").toString()}
                }) {
            if (!arguments.contains(one[0])) {
                arguments.addAll(List.of(one));
            }
        }
        return new CommandLine(new WorkerCommand()).execute(arguments.toArray(String[]::new));
    }

    private void start(String... more) throws IOException {
        var command =
                new ArrayList<>(
                        List.of(
                                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                                "--enable-native-access=ALL-UNNAMED",
                                "-Xmx128m",
                                "-XX:TieredStopAtLevel=1",
                                "-XX:+UseSerialGC",
                                "-cp",
                                System.getProperty("java.class.path"),
                                WorkerCommand.class.getName(),
                                "--name",
                                "w-1",
                                "--data",
                                folder.toString(),
                                "--store",
                                "file://" + folder.resolve("store"),
                                "--controller",
                                controller.url().toString(),
                                "--secrets",
                                folder.resolve("secrets").toString()));
        command.addAll(List.of(more));
        process =
                new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
        out = process.inputReader(StandardCharsets.UTF_8);
        var seen = new ArrayList<String>();
        for (String line = out.readLine(); line != null; line = out.readLine()) {
            Matcher ready = READY.matcher(line);
            if (ready.matches()) {
                session = ready.group(1);
                return;
            }
            seen.add(line);
        }
        throw new AssertionError("never ready: " + seen);
    }

    private ObjectStore store() {
        return StoreUrl.parse("file://" + folder.resolve("store")).open();
    }
}
