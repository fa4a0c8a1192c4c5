package dev.litefleet.controller.operation;

import dev.litefleet.replica.sqlite.DatabaseFile;
import dev.litefleet.replica.sqlite.DatabaseFile.Reason;
import dev.litefleet.replica.sqlite.DatabaseFile.Unusable;
import dev.litefleet.replica.sqlite.Sqlite;
import dev.litefleet.replica.sqlite.SqliteLimits;
import dev.litefleet.worker.control.Wire;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/// Looks at a database file from outside in a process of its own. SQLite is asked to read whatever
/// a stranger has put into the pages: if that brings the process down, or makes it take all memory,
/// it is not the controller. Starting it costs about half a second.
public final class FileCheck {
    private static final Duration CHECK_MAX = Duration.ofMinutes(10);
    private static final Duration GRACE = Duration.ofSeconds(30);

    /// What the process found.
    ///
    /// @param reason null if the file can become a tenant
    record Verdict(
            int pageSize,
            int pages,
            @Nullable String reason,
            @Nullable String message,
            @Nullable List<String> findings) {}

    private FileCheck() {}

    /// Blocks until the other process has read the whole file, at most 10 minutes.
    ///
    /// @throws Unusable if the file cannot become a tenant
    public static DatabaseFile run(Path file) {
        Path answer = file.resolveSibling(file.getFileName() + ".check");
        try {
            Process process = start(file, answer);
            try {
                if (!process.waitFor(CHECK_MAX.plus(GRACE).toMillis(), TimeUnit.MILLISECONDS)) {
                    throw new Unusable(
                            Reason.CHECK_TIMEOUT, "the file was not checked in time", List.of());
                }
            } finally {
                process.destroyForcibly();
            }
            if (process.exitValue() != 0) {
                throw new Unusable(
                        Reason.DATABASE_CORRUPT,
                        "SQLite cannot read the file; the process that tried ended with code "
                                + process.exitValue(),
                        List.of());
            }
            return database(Wire.read(Files.readAllBytes(answer), Verdict.class));
        } catch (IOException failed) {
            throw new UncheckedIOException("cannot check " + file.getFileName(), failed);
        } catch (InterruptedException stopped) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while checking a file", stopped);
        } finally {
            answer.toFile().delete();
        }
    }

    private static DatabaseFile database(Verdict verdict) {
        if (verdict.reason() != null) {
            throw new Unusable(
                    Reason.valueOf(verdict.reason()),
                    String.valueOf(verdict.message()),
                    verdict.findings() == null ? List.of() : verdict.findings());
        }
        return new DatabaseFile(verdict.pageSize(), verdict.pages());
    }

    private static Process start(Path file, Path answer) throws IOException {
        var builder =
                new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "--enable-native-access=ALL-UNNAMED",
                        "-XX:+UseSerialGC",
                        "-XX:TieredStopAtLevel=1",
                        "-Xmx128m",
                        "-cp",
                        System.getProperty("java.class.path"),
                        FileCheck.class.getName(),
                        file.toString(),
                        answer.toString());
        builder.redirectInput(ProcessBuilder.Redirect.from(Path.of("/dev/null").toFile()));
        builder.redirectError(ProcessBuilder.Redirect.DISCARD);
        return builder.redirectOutput(ProcessBuilder.Redirect.DISCARD).start();
    }

    /// The other process: the file, and where its verdict belongs (libraries may log on standard
    /// output).
    public static void main(String[] args) throws IOException {
        Path tmp = Files.createTempDirectory("litefleet-check-");
        Verdict verdict;
        try {
            Sqlite.load(tmp);
            DatabaseFile file =
                    DatabaseFile.check(
                            Path.of(args[0]), SqliteLimits.DEFAULT, CHECK_MAX, System::nanoTime);
            verdict = new Verdict(file.pageSize(), file.pages(), null, null, null);
        } catch (Unusable unusable) {
            verdict =
                    new Verdict(
                            0,
                            0,
                            unusable.reason().name(),
                            unusable.getMessage(),
                            unusable.findings());
        } finally {
            delete(tmp);
        }
        Files.write(Path.of(args[1]), Wire.write(verdict));
    }

    private static void delete(Path folder) throws IOException {
        try (var files = Files.list(folder)) {
            for (Path file : files.toList()) {
                Files.deleteIfExists(file);
            }
        }
        Files.deleteIfExists(folder);
    }
}
