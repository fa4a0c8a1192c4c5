package dev.litefleet.observer.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.litefleet.observer.testing.LivingFleet;
import dev.litefleet.observer.testing.LivingFleet.Resident;
import dev.litefleet.replica.objects.ObjectStore;
import dev.litefleet.replica.objects.StoreUrl;
import dev.litefleet.replica.sqlite.Sqlite;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine;

/// `observe verify` as a shell runs it, on a fleet whose processes are all dead.
final class VerifyCommandTest {
    private record Ran(int code, String out, String err) {}

    @TempDir Path folder;

    private Path stored = Path.of("");
    private String url = "";

    @BeforeEach
    void live() throws IOException {
        Sqlite.load(folder.resolve("lib"));
        stored = folder.resolve("store");
        url = StoreUrl.of(stored).toString();
        Path databases = Files.createDirectories(folder.resolve("databases"));
        try (ObjectStore store = StoreUrl.of(stored).open();
                var living = new LivingFleet(store, databases, 11)) {
            living.tables();
            living.tenant("fresh");
            Resident one = living.tenant("agent-1").live(3).drain();
            one.live(4).drain();
            one.live(2).flush();
            living.tenant("agent-2").live(3).drain();
            living.tenant("gone").live(2).drain();
            living.catalog()
                    .commit(
                            "update tenants set state = 'deleted', deleted_at = 1"
                                    + " where id = 'gone'")
                    .flush();
        }
    }

    /// Its objects are being erased.
    @Test
    void allLeavesOutWhatIsDeleted() throws IOException {
        for (Path object : objects("gone").toList()) {
            Files.delete(object);
        }

        Ran ran = run("verify", "--all");

        assertThat(ran.code()).as(ran.out() + ran.err()).isZero();
        assertThat(ran.out()).doesNotContain("gone  lineage");
    }

    @Test
    void wholeHistoryEndsWithZero() {
        Ran ran = run("verify", "agent-1", "--points", "4");

        assertThat(ran.code()).as(ran.out() + ran.err()).isZero();
        assertThat(ran.out())
                .startsWith("ok   agent-1  lineage ")
                .contains("last txn 9  2 files  7 points  9 entries (0 gone)  5 restored");
    }

    @Test
    void allMeansTheCatalogToo() {
        Ran ran = run("verify", "--all");

        assertThat(ran.code()).as(ran.out() + ran.err()).isZero();
        assertThat(ran.out().lines().map(line -> line.split(" +")[1]))
                .containsExactly("_catalog", "agent-1", "agent-2", "fresh");
    }

    @Test
    void verifyingChangesNothing() throws IOException {
        TreeMap<String, Long> before = files();

        run("verify", "--all", "--points", "2");

        assertThat(files()).isEqualTo(before);
    }

    @ParameterizedTest
    @ValueSource(strings = {"/0001/", "/history/"})
    void damageEndsWithEightAndIsNamed(String where) throws IOException {
        Path object = objects("agent-1").filter(o -> o.toString().contains(where)).toList().get(1);
        byte[] bytes = Files.readAllBytes(object);
        bytes[bytes.length / 2] ^= 4;
        Files.write(object, bytes);
        String key = stored.relativize(object).toString();

        Ran ran = run("verify", "--all");

        assertThat(ran.code()).isEqualTo(8);
        assertThat(ran.out()).contains("BAD  agent-1").contains("CORRUPT  " + key).contains("do: ");
        assertThat(ran.out()).contains("ok   agent-2").contains("ok   _catalog");
        JsonNode json = new ObjectMapper().readTree(run("verify", "agent-1", "-o", "json").out());
        assertThat(json.get(0).get("whole").booleanValue()).isFalse();
        assertThat(json.get(0).get("problems").findValuesAsText("key")).contains(key);
    }

    @Test
    void damagedTailIsNamed() throws IOException {
        List<Path> segments;
        try (var walk = Files.walk(stored.resolve("log/w-1"))) {
            segments = walk.filter(Files::isRegularFile).sorted().toList();
        }
        Path last = segments.getLast();
        byte[] bytes = Files.readAllBytes(last);
        bytes[bytes.length - 10] ^= 1;
        Files.write(last, bytes);

        Ran ran = run("verify", "agent-1");

        assertThat(ran.code()).isEqualTo(8);
        assertThat(ran.out()).contains("CORRUPT  " + stored.relativize(last));
    }

    @Test
    void missingFileIsNamedAndItsStateIsNotServed() throws IOException {
        Files.delete(
                objects("agent-1")
                        .filter(o -> o.toString().contains("/0001/"))
                        .findFirst()
                        .orElseThrow());

        Ran ran = run("verify", "agent-1");

        assertThat(ran.code()).isEqualTo(8);
        assertThat(ran.out()).contains("GAP  tenants/agent-1/");
    }

    @ParameterizedTest
    @CsvSource({
        "verify, 2, TENANT",
        "verify agent-1 --all, 2, TENANT",
        "verify agent-1 --points -1, 2, --points must be 0",
        "verify Agent_1, 2, DNS label",
        "verify nobody, 3, no tenant has the id nobody",
        "verify agent-1 -o yaml, 2, yaml"
    })
    void endsWithACodeAndALine(String command, int code, String words) {
        Ran ran = run(command.split(" "));

        assertThat(ran.code()).isEqualTo(code);
        assertThat(ran.err()).contains(words);
        assertThat(ran.out()).isEmpty();
    }

    private Stream<Path> objects(String tenant) throws IOException {
        try (var walk = Files.walk(stored.resolve("tenants").resolve(tenant))) {
            return walk.filter(Files::isRegularFile).sorted().toList().stream();
        }
    }

    private TreeMap<String, Long> files() throws IOException {
        var found = new TreeMap<String, Long>();
        try (var walk = Files.walk(stored)) {
            for (Path path : walk.toList()) {
                found.put(path.toString(), Files.getLastModifiedTime(path).toMillis());
            }
        }
        return found;
    }

    private Ran run(String... args) {
        var out = new StringWriter();
        var err = new StringWriter();
        String[] all = java.util.Arrays.copyOf(args, args.length + 2);
        all[args.length] = "--store";
        all[args.length + 1] = url;
        int code =
                new CommandLine(new ObserveCommand())
                        .setCaseInsensitiveEnumValuesAllowed(true)
                        .setOut(new PrintWriter(out))
                        .setErr(new PrintWriter(err))
                        .execute(all);
        return new Ran(code, out.toString(), err.toString());
    }
}
