package dev.litefleet.replica.history;

import static java.nio.file.StandardWatchEventKinds.ENTRY_MODIFY;
import static org.assertj.core.api.Assertions.assertThat;

import dev.litefleet.testing.S3FaultServer;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.WatchKey;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.sqlite.SQLiteConfig;

/// Litestream 0.5 as a judge of what we write: its newest state of a folder in a store, as a
/// database file.
sealed interface LitestreamRestore {
    /// Restores to a new file.
    ///
    /// @param replica `s3://bucket/prefix?endpoint=…`
    /// @param folder for the file and what else is written
    Path restore(String replica, Path folder) throws IOException, InterruptedException;

    /// What this machine has of it: the command line tool, the SQLite extension from npm, both or
    /// nothing.
    static List<LitestreamRestore> found() {
        var found = new ArrayList<LitestreamRestore>();
        String binary = System.getenv("LITEFLEET_TEST_LITESTREAM");
        if (binary != null) {
            found.add(new CommandLine(binary));
        }
        Path extension =
                Path.of(
                        "src/test/litestream/node_modules/litestream-vfs-linux-amd64",
                        "litestream-vfs.so");
        if (Files.exists(extension)) {
            found.add(new Extension(extension.toAbsolutePath()));
        }
        if (found.isEmpty()) {
            System.out.println(
                    "skipped: litestream oracle: LITEFLEET_TEST_LITESTREAM names no binary, and npm"
                            + " has no extension for this machine");
        }
        return found;
    }

    /// `litestream restore`.
    record CommandLine(String binary) implements LitestreamRestore {
        @Override
        public Path restore(String replica, Path folder) throws IOException, InterruptedException {
            return restore(replica, folder, List.of());
        }

        /// @param options more of them, as `-txid`
        Path restore(String replica, Path folder, List<String> options)
                throws IOException, InterruptedException {
            Path target = Files.createTempDirectory(folder, "theirs").resolve("their.db");
            var command = new ArrayList<>(List.of(binary, "restore", "-o", target.toString()));
            command.addAll(options);
            command.add(replica);
            String output = run(command, Map.of(), target.resolveSibling("output"));
            assertThat(target).as(output).exists();
            return target;
        }

        @Override
        public String toString() {
            return "litestream restore";
        }
    }

    /// The extension's "hydration", which is the code of `litestream restore`; in a JVM of its own,
    /// because Go's runtime stays in a process that has loaded it.
    record Extension(Path library) implements LitestreamRestore {
        @Override
        public Path restore(String replica, Path folder) throws IOException, InterruptedException {
            Path target = Files.createTempDirectory(folder, "theirs").resolve("their.db");
            Path log = target.resolveSibling("litestream.log");
            String output =
                    run(
                            List.of(
                                    Path.of(System.getProperty("java.home"), "bin", "java")
                                            .toString(),
                                    "--enable-native-access=ALL-UNNAMED",
                                    "-Xmx64m",
                                    "-cp",
                                    System.getProperty("java.class.path"),
                                    Hydration.class.getName(),
                                    library.toString(),
                                    log.toString()),
                            Map.of(
                                    "LITESTREAM_REPLICA_URL",
                                    replica,
                                    "LITESTREAM_HYDRATION_ENABLED",
                                    "true",
                                    "LITESTREAM_HYDRATION_PATH",
                                    target.toString(),
                                    "LITESTREAM_LOG_LEVEL",
                                    "DEBUG",
                                    "LITESTREAM_LOG_FILE",
                                    log.toString()),
                            target.resolveSibling("output"));
            // Its progress says 100 after a failure too.
            assertThat(log).as(output).content().contains("hydration complete");
            return target;
        }

        @Override
        public String toString() {
            return "litestream's extension";
        }
    }

    /// Opens the replica through the extension and reads until its log says how the hydration went.
    final class Hydration {
        private static final long PATIENCE_SECONDS = 100;

        private Hydration() {}

        public static void main(String[] args) throws Exception {
            var config = new SQLiteConfig();
            config.enableLoadExtension(true);
            try (var connection = config.createConnection("jdbc:sqlite::memory:");
                    var statement = connection.prepareStatement("select load_extension(?, ?)")) {
                statement.setString(1, args[0]);
                statement.setString(2, "sqlite3_litestreamvfs_init");
                statement.executeQuery().close();
                hydrate(Path.of(args[1]));
            }
        }

        private static void hydrate(Path log)
                throws SQLException, IOException, InterruptedException {
            try (var changes = log.getFileSystem().newWatchService();
                    var connection =
                            new SQLiteConfig()
                                    .createConnection("jdbc:sqlite:file:x.db?vfs=litestream");
                    var statement = connection.createStatement()) {
                log.getParent().register(changes, ENTRY_MODIFY);
                statement.executeQuery("select count(*) from sqlite_schema").close();
                WatchKey change;
                do {
                    String said = Files.readString(log);
                    if (said.contains("hydration complete") || said.contains("hydration failed")) {
                        return;
                    }
                    change = changes.poll(PATIENCE_SECONDS, TimeUnit.SECONDS);
                } while (change != null && change.reset());
            }
        }
    }

    private static String run(List<String> command, Map<String, String> environment, Path output)
            throws IOException, InterruptedException {
        var builder =
                new ProcessBuilder(command)
                        .redirectErrorStream(true)
                        .redirectOutput(output.toFile());
        builder.environment().remove("AWS_CA_BUNDLE");
        builder.environment()
                .put("LITESTREAM_ACCESS_KEY_ID", S3FaultServer.CREDENTIALS.accessKey());
        builder.environment()
                .put("LITESTREAM_SECRET_ACCESS_KEY", S3FaultServer.CREDENTIALS.secretKey());
        builder.environment().putAll(environment);
        Process process = builder.start();
        boolean ended = process.waitFor(120, TimeUnit.SECONDS);
        process.destroyForcibly();
        assertThat(ended && process.exitValue() == 0).as(Files.readString(output)).isTrue();
        return Files.readString(output);
    }

    /// A replica's URL in Litestream's spelling.
    static String url(String bucketAndPrefix, String endpoint) {
        return "s3://%s?endpoint=%s&region=us-east-1&forcePathStyle=true"
                .formatted(bucketAndPrefix, URI.create(endpoint));
    }
}
