package dev.litefleet.bench;

import dev.litefleet.bench.Children.Fleet;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ParentCommand;

/// `./litefleet up` of a built checkout, from the launcher's start to `/readyz`.
@Command(name = "start", description = "Start of a built fleet until it is ready.")
final class StartBench implements Callable<Integer> {
    @ParentCommand private @Nullable Bench bench;

    @Override
    public Integer call() throws Exception {
        Bench settings = java.util.Objects.requireNonNull(bench);
        Path folder = Files.createTempDirectory("litefleet-bench");
        var start = new Figures("./litefleet up, warm, to ready", "s");
        for (int run = 0; run <= settings.runs; run++) {
            try (Fleet fleet = Fleet.start(settings.home(), folder.resolve("fleet"), Map.of())) {
                // The first start makes the class archive and the keys.
                if (run > 0) {
                    start.add(fleet.readyAfter().toNanos() / 1e9);
                }
                new ProcessBuilder("kill", "-INT", String.valueOf(fleet.process().pid()))
                        .start()
                        .waitFor();
                if (!fleet.process().waitFor(60, TimeUnit.SECONDS)) {
                    throw new IllegalStateException("up does not stop");
                }
            }
        }
        System.out.println(start);
        System.out.println("target: 6 s");
        return 0;
    }
}
