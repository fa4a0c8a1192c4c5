package dev.litefleet.observer.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.litefleet.observer.testing.LivingFleet;
import dev.litefleet.observer.testing.LivingFleet.Resident;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.objects.ObjectStore;
import dev.litefleet.replica.objects.StoreUrl;
import dev.litefleet.replica.sqlite.Sqlite;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

/// No lock-in: what is ejected is read by Litestream, named by `LITEFLEET_TEST_LITESTREAM`, and by
/// ourselves as a stranger's replica.
final class EjectCommandTest {
    private static final String LITESTREAM = System.getenv("LITEFLEET_TEST_LITESTREAM");

    private record Ran(int code, String out, String err) {}

    @TempDir Path folder;

    private String url = "";
    private Path stored = Path.of("");
    private TreeMap<Txid, byte[]> images = new TreeMap<>();
    private TreeMap<Txid, Long> times = new TreeMap<>();
    private byte[] other = {};
    private String replica = "";

    @BeforeEach
    void live() throws IOException {
        Sqlite.load(folder.resolve("lib"));
        stored = folder.resolve("store");
        url = StoreUrl.of(stored).toString();
        Path databases = Files.createDirectory(folder.resolve("databases"));
        try (ObjectStore store = StoreUrl.of(stored).open();
                var living = new LivingFleet(store, databases, 12)) {
            living.tables();
            living.tenant("fresh");
            Resident one = living.tenant("agent-1").live(4).drain().live(3).drain();
            one.live(3).flush();
            Resident two = living.tenant("agent-2").live(2).drain();
            images = new TreeMap<>(one.images());
            times = new TreeMap<>(one.times());
            other = two.images().lastEntry().getValue();
            replica = one.key().prefix();
        }
    }

    /// The tail was in a log only.
    @Test
    void litestreamRestoresWhatWasEjectedAndSoDoWe() throws Exception {
        Path out = folder.resolve("out");

        Ran ejected = run("eject", "--store", url, "--all", "-o", out.toString());

        assertThat(ejected.code()).as(ejected.err()).isZero();
        assertThat(ejected.err()).contains("fresh has no commit yet");
        assertThat(out.resolve("agent-1.db")).hasBinaryContent(images.lastEntry().getValue());
        assertThat(out.resolve("agent-2.db")).hasBinaryContent(other);
        assertThat(
                        Files.getLastModifiedTime(
                                        out.resolve(
                                                "agent-1/ltx/1/0000000000000001-0000000000000004.ltx"))
                                .toMillis())
                .isEqualTo(times.get(new Txid(4)));
        assertThat(pulled(out, "agent-1")).isEqualTo(images.lastEntry().getValue());
        if (LITESTREAM == null) {
            System.out.println(
                    "skipped: ejected folder: LITEFLEET_TEST_LITESTREAM names no binary");
        }
        assumeTrue(LITESTREAM != null);
        assertThat(litestream("file://" + out.resolve("agent-1")))
                .hasBinaryContent(images.lastEntry().getValue());
        assertThat(litestream("-txid", new Txid(4).toString(), "file://" + out.resolve("agent-1")))
                .hasBinaryContent(images.get(new Txid(4)));
        assertThat(
                        litestream(
                                "-config",
                                out.resolve("litestream.yml").toString(),
                                out.resolve("agent-2.db").toString()))
                .hasBinaryContent(other);
    }

    /// A state in the middle; nothing after it is in the folder.
    @Test
    void pointIsEjectedWithNothingBeyondIt() throws Exception {
        Path out = folder.resolve("out");

        Ran ejected = run("eject", "--store", url, "agent-1@6", "-o", out.toString());

        assertThat(ejected.code()).as(ejected.err()).isZero();
        assertThat(out.resolve("agent-1.db")).hasBinaryContent(images.get(new Txid(6)));
        assertThat(names(out.resolve("agent-1")))
                .containsExactly(
                        "ltx/1/0000000000000001-0000000000000004.ltx",
                        "ltx/9/0000000000000001-0000000000000006.ltx");
        assertThat(pulled(out, "agent-1")).isEqualTo(images.get(new Txid(6)));
        // The URL of the replica itself.
        assertThat(pulled(out.resolve("agent-1"), "replica")).isEqualTo(images.get(new Txid(6)));
    }

    @Test
    void folderMustBeEmptyAndOneWayBeChosen() throws Exception {
        Path out = Files.createDirectory(folder.resolve("out"));
        assertThat(run("eject", "--store", url, "-o", out.toString()).code()).isEqualTo(2);
        assertThat(run("eject", "--store", url, "nobody", "-o", out.toString()).code())
                .isEqualTo(3);
        Files.writeString(out.resolve("mine"), "x");

        assertThat(run("eject", "--store", url, "agent-1", "-o", out.toString()).code())
                .isEqualTo(5);
    }

    /// Both layouts, at any depth, named as their folders are.
    @Test
    void replicasOfAnybodyAreTenants() throws Exception {
        Path strangers = folder.resolve("strangers");
        copy(stored.resolve(replica), strangers.resolve("backup/My_App.db"), false);
        copy(stored.resolve(replica), strangers.resolve("deep/er/My-App.db"), true);
        String store = StoreUrl.of(strangers).toString();

        Ran ls = run("ls", "--store", store, "-o", "csv");

        assertThat(ls.code()).as(ls.err()).isZero();
        assertThat(ls.out())
                .contains("my-app-db,replica,0000000000000007", "path=backup/My_App.db")
                .contains("my-app-db-2,replica,0000000000000007", "path=deep/er/My-App.db");
        for (String name : List.of("my-app-db", "my-app-db-2")) {
            assertThat(pulled(strangers, name)).isEqualTo(images.get(new Txid(7)));
            assertThat(pulled(strangers, name + "@4")).isEqualTo(images.get(new Txid(4)));
            // Times are the files' own, whatever the copy's are.
            Instant then = Instant.ofEpochMilli(times.get(new Txid(4)));
            assertThat(pulled(strangers, name + "@" + then)).isEqualTo(images.get(new Txid(4)));
        }
    }

    /// As Litestream itself lays them out, or with our level folders.
    private static void copy(Path from, Path to, boolean folders) throws IOException {
        for (Path file : files(from)) {
            String name = from.relativize(file).toString();
            if (name.startsWith("000")) {
                Path target = to.resolve(folders ? "ltx/" + name.substring(3) : name);
                Files.createDirectories(target.getParent());
                Files.copy(file, target);
            }
        }
    }

    private static List<Path> files(Path of) throws IOException {
        try (Stream<Path> walk = Files.walk(of)) {
            return walk.filter(Files::isRegularFile).sorted().toList();
        }
    }

    private static List<String> names(Path of) throws IOException {
        return files(of).stream().map(file -> of.relativize(file).toString()).toList();
    }

    private byte[] pulled(Path store, String point) throws IOException {
        Path target = Files.createTempDirectory(folder, "pulled").resolve("db");
        Ran pull =
                run(
                        "pull",
                        "--store",
                        StoreUrl.of(store).toString(),
                        point,
                        "-o",
                        target.toString());
        assertThat(pull.code()).as(pull.err()).isZero();
        return Files.readAllBytes(target);
    }

    private Path litestream(String... arguments) throws IOException, InterruptedException {
        Path target = Files.createTempDirectory(folder, "theirs").resolve("db");
        var command = new ArrayList<>(List.of(LITESTREAM, "restore", "-o", target.toString()));
        command.addAll(List.of(arguments));
        Path output = target.resolveSibling("output");
        Process process =
                new ProcessBuilder(command)
                        .redirectErrorStream(true)
                        .redirectOutput(output.toFile())
                        .start();
        assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
        assertThat(process.exitValue()).as(Files.readString(output)).isZero();
        return target;
    }

    private static Ran run(String... args) {
        var out = new StringWriter();
        var err = new StringWriter();
        int code =
                new CommandLine(new ObserveCommand())
                        .setCaseInsensitiveEnumValuesAllowed(true)
                        .setOut(new PrintWriter(out))
                        .setErr(new PrintWriter(err))
                        .execute(args);
        return new Ran(code, out.toString(), err.toString());
    }
}
