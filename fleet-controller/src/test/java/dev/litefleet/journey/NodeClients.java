package dev.litefleet.journey;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/// The unmodified npm clients of `src/test/clients`, installed by Maven before the integration
/// tests.
final class NodeClients {
    private static final Path FOLDER = Path.of("src", "test", "clients").toAbsolutePath();

    private NodeClients() {}

    /// Runs a script to its end and returns what it printed.
    static String run(String script, String... arguments) throws Exception {
        assertThat(FOLDER.resolve("node_modules"))
                .as("npm packages; `mvn verify` installs them, or: npm ci in " + FOLDER)
                .exists();
        return node(FOLDER.resolve(script), arguments);
    }

    static String node(Path script, String... arguments) throws IOException, InterruptedException {
        var command = new ArrayList<>(List.of("node", script.toString()));
        command.addAll(List.of(arguments));
        Path output = Files.createTempFile("litefleet-node", ".log");
        Process process =
                new ProcessBuilder(command)
                        .directory(FOLDER.toFile())
                        .redirectErrorStream(true)
                        .redirectOutput(output.toFile())
                        .start();
        boolean ended = process.waitFor(120, TimeUnit.SECONDS);
        process.destroyForcibly();
        String printed = Files.readString(output);
        Files.delete(output);
        assertThat(ended && process.exitValue() == 0).as(printed).isTrue();
        return printed;
    }
}
