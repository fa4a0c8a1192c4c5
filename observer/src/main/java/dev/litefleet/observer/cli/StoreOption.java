package dev.litefleet.observer.cli;

import dev.litefleet.replica.objects.ObjectStore;
import dev.litefleet.replica.objects.StoreUrl;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;
import picocli.CommandLine.Spec.Target;

/// Which object store a command reads.
final class StoreOption {
    private static final Path LOCAL = Path.of("litefleet-data", "store");

    @Option(
            names = "--store",
            paramLabel = "URL",
            description =
                    "file:///dir or s3://bucket/prefix?endpoint=&region=&pathStyle=true (default:"
                            + " LITEFLEET_STORE, then ./litefleet-data/store).")
    private @Nullable String url;

    @Spec(Target.MIXEE)
    private @Nullable CommandSpec command;

    /// @throws ParameterException if there is none to be found
    ObjectStore open() {
        String chosen = url != null ? url : System.getenv("LITEFLEET_STORE");
        if (chosen == null && Files.isDirectory(LOCAL)) {
            chosen = LOCAL.toAbsolutePath().toUri().toString();
        }
        if (chosen == null) {
            throw wrong("which store? give --store URL or set LITEFLEET_STORE");
        }
        try {
            // Also because reading must not make a store where a typing error points to.
            return StoreUrl.parse(chosen).openForReading();
        } catch (IllegalArgumentException unreadable) {
            throw wrong(String.valueOf(unreadable.getMessage()));
        }
    }

    private ParameterException wrong(String problem) {
        return new ParameterException(Objects.requireNonNull(command).commandLine(), problem);
    }
}
