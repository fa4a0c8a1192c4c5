package dev.litefleet.worker;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import dev.litefleet.replica.objects.StoreUrl;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The black-box suite of the conformance folder, which is not part of this repository, against a
/// worker on a directory store: no `must` and no `should` may fail.
final class HranaCheckIT {
    private static final String SCRIPT = "shared/conformance/hrana-check.mjs";

    @TempDir Path folder;

    @Test
    void conformanceSuitePasses() throws IOException, InterruptedException {
        Path script = script();
        try (var running =
                new RunningWorker(
                        folder,
                        () -> StoreUrl.parse("file://" + folder.resolve("store")).open(),
                        Map.of())) {
            running.assign("acme");

            Process check =
                    new ProcessBuilder(
                                    "node",
                                    script.toString(),
                                    running.worker.address() + "/t/acme",
                                    running.token("rw", "acme"))
                            .redirectErrorStream(true)
                            .start();
            String report =
                    new String(check.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            boolean ended = check.waitFor(60, TimeUnit.SECONDS);
            System.out.println(report);

            assertThat(ended).isTrue();
            assertThat(report).contains(" 0 must fail, 0 should fail");
        }
    }

    /// Beside the repository, at whatever depth the build runs.
    private static Path script() {
        Path here = Path.of("").toAbsolutePath();
        Path found =
                Stream.iterate(here, dir -> dir != null, Path::getParent)
                        .map(dir -> dir.resolve(SCRIPT))
                        .filter(Files::isReadable)
                        .findFirst()
                        .orElse(null);
        if (found == null) {
            System.out.println("skipped: no " + SCRIPT + " beside " + here);
        }
        assumeThat(found).as("conformance suite").isNotNull();
        boolean node = onPath("node");
        if (!node) {
            System.out.println("skipped: no node on the PATH");
        }
        assumeThat(node).as("node on the PATH").isTrue();
        return found;
    }

    private static boolean onPath(String program) {
        return Stream.of(System.getenv("PATH").split(":"))
                .anyMatch(dir -> Files.isExecutable(Path.of(dir, program)));
    }
}
