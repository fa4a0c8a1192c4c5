package dev.litefleet.observer.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.litefleet.observer.testing.LivingFleet;
import dev.litefleet.observer.testing.LivingFleet.Resident;
import dev.litefleet.replica.Lineage;
import dev.litefleet.replica.TenantId;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.history.DerivedFile;
import dev.litefleet.replica.history.LineageHistory;
import dev.litefleet.replica.history.Snapshotter;
import dev.litefleet.replica.objects.ObjectStore;
import dev.litefleet.replica.objects.StoreUrl;
import dev.litefleet.replica.sqlite.Sqlite;
import dev.litefleet.testing.S3FaultServer;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Pattern;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine;

/// The commands as a shell runs them, on fleets whose processes are all dead.
final class ObserveCommandTest {
    private static final String VALUES =
            "select 1 as a, 2.5 as b, 'x,\"y' as c, x'00ff' as d, null as e,"
                    + " 9007199254740993 as f, '' as g, -9223372036854775808 as h, 'i' as a";

    private record Ran(int code, String out, String err) {}

    @TempDir Path folder;

    private String url = "";
    private Path stored = Path.of("");

    @BeforeEach
    void live() throws IOException {
        Sqlite.load(folder.resolve("lib"));
        stored = folder.resolve("store");
        url = StoreUrl.of(stored).toString();
        try (ObjectStore store = StoreUrl.of(stored).open()) {
            fleet(store);
        }
    }

    private Resident fleet(ObjectStore store) throws IOException {
        Path databases = Files.createTempDirectory(folder, "databases");
        try (var living = new LivingFleet(store, databases, 11)) {
            living.tables();
            living.tenant("fresh");
            living.tenant("gone").live(1).drain();
            living.catalog()
                    .commit(
                            "update tenants set state = 'deleted', deleted_at = 1"
                                    + " where id = 'gone'")
                    .flush();
            Resident one = living.tenant("agent-1", "team=research", "env=dev");
            one.commit("create table n (v)").live(3).drain();
            one.commit("insert into n values (5)").flush();
            one.commit("insert into n values (6)").flush();
            return one;
        }
    }

    @Test
    void lsIsATableForPeople() {
        Ran ls = run("ls", "--store", url);

        assertThat(ls.code()).isZero();
        assertThat(ls.out().lines().map(line -> line.replaceAll(" {2,}", "|")))
                .element(0)
                .isEqualTo("ID|STATE|DURABLE TXID|LAST COMMIT AT|BYTES|LABELS");
        assertThat(ls.out().lines().skip(1).map(line -> line.replaceAll(" {2,}", "|")))
                .satisfiesExactly(
                        one ->
                                assertThat(one)
                                        .matches(
                                                "agent-1\\|active\\|6\\|2026-01-01T00:0.:..\\....Z"
                                                        + "\\|\\d+\\|env=dev,team=research"),
                        fresh -> assertThat(fresh).matches("fresh\\|active\\|0\\|-\\|0"));
    }

    @Test
    void lsFiltersAndSaysWhatItLeftOut() throws IOException {
        assertThat(ids("ls", "--store", url, "--all")).containsExactly("agent-1", "fresh", "gone");
        assertThat(ids("ls", "--store", url, "--prefix", "fr")).containsExactly("fresh");
        assertThat(ids("ls", "--store", url, "-l", "team=research")).containsExactly("agent-1");
        assertThat(ids("ls", "--store", url, "-l", "team=sales")).isEmpty();
        assertThat(run("ls", "--store", url, "--limit", "1").err())
                .contains("1 more; use --prefix, -l or --limit");
    }

    private List<String> ids(String... args) throws IOException {
        String[] json = Arrays.copyOf(args, args.length + 2);
        json[args.length] = "-o";
        json[args.length + 1] = "json";
        JsonNode rows = new ObjectMapper().readTree(run(json).out());
        return rows.findValuesAsText("id");
    }

    @Test
    void lsAsJsonHasTheNamesOfTheApi() throws IOException {
        JsonNode row =
                new ObjectMapper().readTree(run("ls", "--store", url, "-o", "json").out()).get(0);

        assertThat(row.propertyStream().map(Map.Entry::getKey))
                .containsExactly(
                        "id", "state", "durable_txid", "last_commit_at", "bytes", "labels");
        assertThat(row.get("durable_txid").textValue()).isEqualTo("0000000000000006");
    }

    @Test
    void queryPrintsATable() {
        assertThat(query(VALUES, "table"))
                .isEqualTo(
                        """
                        a  b    c     d        e     f                 g  h                     a
                        1  2.5  x,"y  x'00ff'  NULL  9007199254740993     -9223372036854775808  i
                        """);
        assertThat(query("select char(27) || '[2J' || char(155) || char(8238) as x", "table"))
                .isEqualTo("x\n [2J\n");
        assertThat(query("select printf('%.100c', 'y') as x", "table"))
                .isEqualTo("x\n" + "y".repeat(79) + "…\n");
    }

    @Test
    void queryPrintsCsv() {
        assertThat(query(VALUES, "csv"))
                .isEqualTo(
                        "a,b,c,d,e,f,g,h,a\r\n1,2.5,\"x,\"\"y\",x'00ff',,9007199254740993,\"\","
                                + "-9223372036854775808,i\r\n");
    }

    @Test
    void queryPrintsJsonThatLosesNothing() throws IOException {
        assertThat(new ObjectMapper().readTree(query(VALUES, "json")))
                .isEqualTo(
                        new ObjectMapper()
                                .readTree(
                                        """
                                        [{"a":1,"b":2.5,"c":"x,\\\"y","d":{"base64":"AP8="},"e":null,
                                          "f":"9007199254740993","g":"","h":"-9223372036854775808",
                                          "a:1":"i"}]\
                                        """));
    }

    private String query(String sql, String format) {
        Ran ran = run("query", "agent-1", sql, "--store", url, "-o", format);
        assertThat(ran.code()).as(ran.err()).isZero();
        return ran.out();
    }

    @ParameterizedTest
    @CsvSource({
        "agent-1, 6",
        "agent-1@latest, 6",
        "agent-1@6, 6",
        "agent-1@0000000000000005, 5",
        "agent-1@~1, 5"
    })
    void queryReadsThePointUpToTheLastDurableCommit(String at, int newest) {
        Ran ran = run("query", at, "select max(v) from n", "--store", url, "-o", "csv");

        assertThat(ran.out()).isEqualTo("max(v)\r\n" + newest + "\r\n");
    }

    @Test
    void rowsBeyondTheLimitAreSaidToBeMissing() {
        Ran ran = run("query", "agent-1", "select v from n", "--store", url, "--limit", "1");

        assertThat(ran.code()).isZero();
        assertThat(ran.out()).isEqualTo("v\n5\n");
        assertThat(ran.err()).contains("stopped at 1 rows; use --limit");
    }

    @ParameterizedTest
    @CsvSource({
        "query nobody 'select 1', 3, no tenant has the id nobody",
        "query agent-1@7 'select 1', 3, its last commit is @6",
        "query agent-1@~6 'select 1', 3, its last commit is @6",
        "query agent-1@2020-01-01T00:00:00Z 'select 1', 3, its last commit is @6",
        "query fresh 'select 1', 3, has no commit yet",
        "query agent-1@yesterday 'select 1', 2, not a point",
        "query Agent_1 'select 1', 2, DNS label",
        "query agent-1 'select 1' --limit 0, 2, --limit must be 1 to",
        "query agent-1 'select 1' --seconds 0, 2, --seconds must be 1 to",
        "query agent-1 'select 1' -o yaml, 2, yaml",
        "query agent-1, 2, SQL",
        "query agent-1 'delete from n', 1, only reads",
        "query agent-1 'select nope', 1, no such column",
        "pull nobody -o x.db, 3, no tenant",
        "pull agent-1@7 -o x.db, 3, last commit is @6",
        "pull agent-1, 2, -o"
    })
    void endsWithACodeAndALine(String command, int code, String words) {
        var args = new ArrayList<String>();
        var parts = Pattern.compile("'([^']*)'|(\\S+)").matcher(command);
        while (parts.find()) {
            args.add(parts.group(1) != null ? parts.group(1) : parts.group(2));
        }
        args.add("--store");
        args.add(url);

        Ran ran = run(args.toArray(String[]::new));

        assertThat(ran.err()).contains(words);
        assertThat(ran.code()).isEqualTo(code);
        assertThat(ran.out()).isEmpty();
        assertThat(Path.of("x.db")).doesNotExist();
    }

    @ParameterizedTest
    @ValueSource(strings = {"ftp://x", "s3://", "file://"})
    void urlThatIsNoneIsWrongUsage(String wrong) {
        assertThat(run("ls", "--store", wrong).code()).isEqualTo(2);
    }

    @Test
    void missingDirectoryIsNotMade() {
        Path typo = folder.resolve("stroe");

        assertThat(run("ls", "--store", StoreUrl.of(typo).toString()).code()).isEqualTo(1);
        assertThat(typo).doesNotExist();
    }

    @Test
    void pullGivesAWholeVerifiedFile() throws Exception {
        Path file = folder.resolve("case.db");

        Ran pull = run("pull", "agent-1@5", "-o", file.toString(), "--store", url);

        assertThat(pull.code()).as(pull.err()).isZero();
        byte[] bytes = Files.readAllBytes(file);
        String sha256 =
                HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
        assertThat(pull.out())
                .startsWith("ok   " + file)
                .contains(" txn 5  2026-01-01T00:0")
                .contains("sha256 " + sha256)
                .contains("page checksum ok  quick_check ok");
    }

    @Test
    void pullReplacesOnlyWhenForcedAndNeverBesideAWal() throws IOException {
        Path file = Files.writeString(folder.resolve("case.db"), "mine");
        String[] pull = {"pull", "agent-1", "-o", file.toString(), "--store", url};

        assertThat(run(pull).code()).isEqualTo(5);
        assertThat(file).hasContent("mine");

        String[] forced = Arrays.copyOf(pull, pull.length + 1);
        forced[pull.length] = "--force";
        Path wal = Files.createFile(folder.resolve("case.db-wal"));
        assertThat(run(forced).code()).isEqualTo(5);
        assertThat(file).hasContent("mine");

        Files.delete(wal);
        assertThat(run(forced).code()).isZero();
        assertThat(file).binaryContent().startsWith("SQLite format 3".getBytes());
    }

    @Test
    void readingChangesNothingInADirectory() throws IOException {
        TreeMap<String, Long> before = files();

        run("ls", "--store", url);
        query("select 1", "csv");
        run("pull", "agent-1", "-o", folder.resolve("case.db").toString(), "--store", url);

        assertThat(files()).isEqualTo(before);
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

    @Test
    void readingCredentialsSufficeOnS3() throws IOException {
        System.setProperty("aws.accessKeyId", S3FaultServer.CREDENTIALS.accessKey());
        System.setProperty("aws.secretAccessKey", S3FaultServer.CREDENTIALS.secretKey());
        try (var server = S3FaultServer.start()) {
            StoreUrl where = server.url("bucket/fleet");
            try (ObjectStore store = where.open(S3FaultServer.CREDENTIALS)) {
                fleet(store);
            }
            server.clearRequests();
            server.when(
                    request -> request.verb().equals("PUT") || request.verb().equals("DELETE"),
                    new S3FaultServer.Fault.Refuse(403, "AccessDenied"),
                    Integer.MAX_VALUE);
            String s3 = where.toString();

            assertThat(run("ls", "--store", s3).code()).isZero();
            assertThat(run("query", "agent-1", "select max(v) from n", "--store", s3).out())
                    .isEqualTo("max(v)\n6\n");
            String file = folder.resolve("case.db").toString();
            assertThat(run("pull", "agent-1", "-o", file, "--store", s3).code()).isZero();
            assertThat(run("verify", "--all", "--store", s3).code()).isZero();
            String ejected = folder.resolve("ejected").toString();
            assertThat(run("eject", "agent-1", "-o", ejected, "--store", s3).err()).isEmpty();

            assertThat(server.requests())
                    .extracting(S3FaultServer.Request::verb)
                    .isSubsetOf("GET", "HEAD", "LIST");
            server.when(
                    _ -> true,
                    new S3FaultServer.Fault.Refuse(403, "AccessDenied"),
                    Integer.MAX_VALUE);
            assertThat(run("ls", "--store", s3).code()).isEqualTo(4);
        } finally {
            System.clearProperty("aws.accessKeyId");
            System.clearProperty("aws.secretAccessKey");
        }
    }

    /// Between the observer's listing and its first read the janitor deletes what a whole file has
    /// come to cover. What is pulled is the same state, by another plan; with nothing left that
    /// leads there it is an error that names the object, and no file.
    @Test
    void pullOutlivesWhatTheJanitorDeletesMeanwhile() throws IOException {
        System.setProperty("aws.accessKeyId", S3FaultServer.CREDENTIALS.accessKey());
        System.setProperty("aws.secretAccessKey", S3FaultServer.CREDENTIALS.secretKey());
        try (var server = S3FaultServer.start()) {
            StoreUrl where = server.url("bucket/fleet");
            var merged = new TreeMap<String, byte[]>();
            try (ObjectStore store = where.open(S3FaultServer.CREDENTIALS)) {
                fleet(store);
                TenantKey tenant = key(store);
                String url = where.toString();
                String calm = folder.resolve("calm.db").toString();
                assertThat(run("pull", "agent-1", "-o", calm, "--store", url).code()).isZero();
                LineageHistory history = LineageHistory.list(store, tenant);
                var drained = history.files().stream().map(DerivedFile::key).toList();
                Snapshotter.write(store, history, folder);
                LineageHistory.list(store, tenant).files().stream()
                        .map(DerivedFile::key)
                        .filter(key -> !drained.contains(key))
                        .forEach(key -> {
                            merged.put(key, store.get(key).orElseThrow());
                            store.delete(key);
                        });
                assertThat(merged).isNotEmpty();
                server.before(
                        request ->
                                request.verb().equals("GET")
                                        && drained.contains(
                                                request.key().substring("fleet/".length())),
                        () -> {
                            merged.forEach(
                                    (key, bytes) -> server.put("bucket", "fleet/" + key, bytes));
                            drained.forEach(key -> server.remove("bucket", "fleet/" + key));
                        });
                String raced = folder.resolve("raced.db").toString();

                Ran pull = run("pull", "agent-1", "-o", raced, "--store", url);

                assertThat(pull.err()).isEmpty();
                assertThat(Path.of(raced)).hasSameBinaryContentAs(Path.of(calm));
                merged.keySet().forEach(store::delete);
                Path none = folder.resolve("none.db");
                Ran gone = run("pull", "agent-1", "-o", none.toString(), "--store", url);
                assertThat(gone.code()).isNotZero();
                assertThat(gone.err()).contains("litefleet: ");
                assertThat(none).doesNotExist();
            }
        } finally {
            System.clearProperty("aws.accessKeyId");
            System.clearProperty("aws.secretAccessKey");
        }
    }

    private static TenantKey key(ObjectStore store) {
        String lineage = store.folders("tenants/agent-1/").getFirst();
        return new TenantKey(new TenantId("agent-1"), new Lineage(lineage));
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
