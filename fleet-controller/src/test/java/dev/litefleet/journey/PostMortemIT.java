package dev.litefleet.journey;

import static org.assertj.core.api.Assertions.assertThat;

import dev.litefleet.journey.LocalFleet.Answer;
import dev.litefleet.journey.LocalFleet.Tenant;
import dev.litefleet.testing.RealStores.RealStore;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.DriverManager;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// The third journey: with everything but the store killed, a tenant is pulled as it was after any
/// of its transactions.
final class PostMortemIT {
    private static final int COMMITS = 60;

    @TempDir Path dir;

    static Stream<RealStore> stores() {
        return FailoverIT.stores();
    }

    @ParameterizedTest
    @MethodSource("stores")
    void pullAtATxidEqualsTheStateTheClientRecorded(RealStore store) throws Exception {
        var recorded = new TreeMap<String, List<String>>();
        try (LocalFleet fleet =
                LocalFleet.start(
                        dir.resolve("data"),
                        store.environment(),
                        "--store",
                        store.url().toString())) {
            Tenant tenant = fleet.provision("agent-7f3a");
            run(fleet, tenant, recorded);
            // Half of the history is drained by a clean stop, the rest only in the logs.
            assertThat(fleet.stop()).isZero();
            fleet.restart();
            run(fleet, tenant, recorded);
            fleet.killEverything();
        }

        int checked = 0;
        for (var state : recorded.entrySet()) {
            if (checked++ % 15 == 0 || state.getKey().equals(recorded.lastKey())) {
                String point = state.getKey().replaceFirst("^0+", "");
                Path file = dir.resolve("at-" + point + ".db");
                String printed =
                        observe(store, "pull", "agent-7f3a@" + point, "-o", file.toString());
                assertThat(printed).contains("quick_check ok").contains("sha256 ");
                assertThat(rows(file)).as("state at " + point).isEqualTo(state.getValue());
            }
        }
        Path latest = dir.resolve("latest.db");
        observeInAProcess(store, "pull", "agent-7f3a", "-o", latest.toString());
        assertThat(rows(latest)).isEqualTo(recorded.lastEntry().getValue());
        assertThat(
                        observe(
                                store,
                                "query",
                                "agent-7f3a@~1",
                                "select count(*) as n from t",
                                "-o",
                                "csv"))
                .isEqualToNormalizingNewlines(
                        "n\n" + recorded.lowerEntry(recorded.lastKey()).getValue().size() + "\n");
        assertThat(observe(store, "ls")).contains("agent-7f3a");
    }

    private static void run(LocalFleet fleet, Tenant tenant, TreeMap<String, List<String>> recorded)
            throws Exception {
        var random = new SplittableRandom(recorded.size());
        List<String> model =
                new ArrayList<>(recorded.isEmpty() ? List.of() : recorded.lastEntry().getValue());
        record(fleet.execute(tenant, "create table if not exists t(x text)"), model, recorded);
        for (int i = 0; i < COMMITS; i++) {
            String row = "row-" + recorded.size();
            if (!model.isEmpty() && random.nextInt(4) == 0) {
                String gone = model.remove(random.nextInt(model.size()));
                record(fleet.execute(tenant, "delete from t where x = ?", gone), model, recorded);
            } else {
                model.add(row);
                record(fleet.execute(tenant, "insert into t values (?)", row), model, recorded);
            }
        }
    }

    private static void record(
            Answer answer, List<String> model, Map<String, List<String>> recorded) {
        assertThat(answer.ok()).as(answer.body()).isTrue();
        recorded.put(answer.txid().orElseThrow(), model.stream().sorted().toList());
    }

    private static List<String> rows(Path file) throws Exception {
        var rows = new ArrayList<String>();
        try (var db = DriverManager.getConnection("jdbc:sqlite:" + file);
                var sql = db.createStatement();
                var found = sql.executeQuery("select x from t order by x")) {
            while (found.next()) {
                rows.add(found.getString(1));
            }
        }
        return rows;
    }

    private static String observe(RealStore store, String... arguments) {
        return Observe.run(store.url().toString(), store.environment(), arguments);
    }

    /// The command as a person would run it, in a process of its own.
    private String observeInAProcess(RealStore store, String... arguments) throws Exception {
        var command = Jvm.command();
        command.add("observe");
        command.addAll(List.of(arguments));
        command.addAll(List.of("--store", store.url().toString()));
        Path out = Files.createTempFile(dir, "out", ".txt");
        Path err = Files.createTempFile(dir, "err", ".txt");
        var builder =
                new ProcessBuilder(command)
                        .redirectOutput(out.toFile())
                        .redirectError(err.toFile());
        builder.environment().putAll(store.environment());
        int code = builder.start().waitFor();
        assertThat(code).as(Files.readString(out) + Files.readString(err)).isZero();
        return Files.readString(out);
    }
}
