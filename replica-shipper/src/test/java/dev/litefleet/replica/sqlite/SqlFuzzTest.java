package dev.litefleet.replica.sqlite;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Hostile SQL by the thousand against the sandbox as tenants meet it, and over damaged images as
/// the observer's `query` may: the process lives, and touches nothing but its own files. More by
/// `-Dfuzz.sql=1000000`, another run by `-Dfuzz.seed=`.
final class SqlFuzzTest {
    private static final Pattern COUNTS =
            Pattern.compile("answered (\\d+) refused (\\d+) failed (\\d+)");

    @TempDir private Path folder;

    @Test
    void nothingThatATenantCanSayEndsTheProcessOrLeavesItsFiles() throws Exception {
        int statements = Integer.getInteger("fuzz.sql", 3000);
        Path corpus = folder.resolve("corpus");
        Files.write(
                corpus,
                Stream.concat(
                                SqlGateTest.allowed().map(line -> line.split("\\|", 2)[1].strip()),
                                SqlGateTest.refused())
                        .map(SqlGateTest::unescape)
                        .map(line -> line.replace('\n', ' ').replace('\r', ' '))
                        // Half a character cannot be written.
                        .map(line -> new String(line.getBytes(UTF_8), UTF_8))
                        .toList());
        Path cwd = Files.createDirectory(folder.resolve("cwd"));
        Path output = Files.createTempFile("sql-fuzz", ".out");
        var builder =
                new ProcessBuilder(
                                List.of(
                                        Path.of(System.getProperty("java.home"), "bin", "java")
                                                .toString(),
                                        "--enable-native-access=ALL-UNNAMED",
                                        "-XX:+UseSerialGC",
                                        "-XX:TieredStopAtLevel=1",
                                        "-XX:-CreateCoredumpOnCrash",
                                        "-XX:ErrorFile=" + output + ".hs_err",
                                        "-Xmx256m",
                                        "-cp",
                                        absolute(System.getProperty("java.class.path")),
                                        SqlFuzz.class.getName(),
                                        Long.getLong("fuzz.seed", 1).toString(),
                                        String.valueOf(statements),
                                        folder.toString(),
                                        corpus.toString()))
                        .directory(cwd.toFile())
                        .redirectErrorStream(true)
                        .redirectOutput(output.toFile());
        builder.environment().put("JAVA_FUZZ_ENVIRONMENT", "secret");
        Process child = builder.start();
        boolean ended = child.waitFor(60 + statements / 20, TimeUnit.SECONDS);
        child.destroyForcibly();

        String said = Files.readString(output);
        assertThat(ended && child.exitValue() == 0).as(said).isTrue();
        Matcher counts = COUNTS.matcher(said);
        assertThat(counts.find()).as(said).isTrue();
        // Not vacuous: plenty of each kind.
        for (int i = 1; i <= 3; i++) {
            assertThat(Integer.parseInt(counts.group(i))).as(said).isGreaterThan(statements / 20);
        }
        System.out.println(counts.group());
        Files.delete(output);
    }

    private static String absolute(String classPath) {
        return Stream.of(classPath.split(java.io.File.pathSeparator))
                .map(entry -> Path.of(entry).toAbsolutePath().toString())
                .reduce((a, b) -> a + java.io.File.pathSeparator + b)
                .orElseThrow();
    }
}
