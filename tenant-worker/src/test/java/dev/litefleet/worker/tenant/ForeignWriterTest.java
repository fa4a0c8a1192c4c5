package dev.litefleet.worker.tenant;

import static dev.litefleet.worker.tenant.TestSession.column;
import static dev.litefleet.worker.tenant.TestSession.send;
import static dev.litefleet.worker.tenant.TestSession.sql;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.litefleet.replica.ReplicaException;
import dev.litefleet.replica.ReplicaException.HistoryIncomplete;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.objects.ObjectStore;
import dev.litefleet.testing.S3FaultServer;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.DriverManager;
import java.util.List;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// A store that shows a worker what is not so: another program's files under a tenant's prefix, and
/// a listing that lags.
final class ForeignWriterTest {
    private final S3FaultServer server = S3FaultServer.start();

    @TempDir private Path folder;

    @AfterEach
    void close() {
        server.close();
    }

    /// `litestream replicate` knows no condition: it writes where it is pointed. What it wrote is
    /// told from ours by the database checksum, which its files lack: either the tenant stops, in
    /// words, or what it serves is what it was; never theirs, and never a mixture.
    @ParameterizedTest(name = "{0} commits of litestream''s, {1} of ours")
    @CsvSource({"2, 6", "6, 6", "20, 6", "20, 1"})
    void historyThatLitestreamWroteOverIsNeverServed(int theirs, int ours) throws Exception {
        String litestream = System.getenv("LITEFLEET_TEST_LITESTREAM");
        if (litestream == null) {
            System.out.println("skipped: no litestream binary in LITEFLEET_TEST_LITESTREAM");
        }
        assumeTrue(litestream != null);
        Txid durable;
        try (var bucket = open();
                var session = new TestSession(folder.resolve("w-1"), bucket)) {
            Tenant tenant = session.assign("acme");
            sql(tenant, "create table t(x)");
            for (int i = 1; i < ours; i++) {
                sql(tenant, "insert into t values ('ours')");
            }
            durable = session.tenants.release(tenant.id(), 1).join().last();
        }
        List<String> before = server.keys("fleet");
        Path db = folder.resolve("other.db");
        try (var connection = DriverManager.getConnection("jdbc:sqlite:" + db);
                var other = connection.createStatement()) {
            other.execute("pragma journal_mode=wal");
            for (int i = 0; i < theirs; i++) {
                other.execute(i == 0 ? "create table t(x)" : "insert into t values ('theirs')");
                replicate(litestream, db);
            }
        }
        assertThat(server.keys("fleet")).hasSizeGreaterThan(before.size());

        try (var bucket = open();
                var session = new TestSession(folder.resolve("w-2"), bucket)) {
            Tenant tenant = session.assign("acme", Durability.SYNC, 2, durable);
            var answer = send(tenant, null, "select x from t");
            try {
                assertThat(column(TestSession.result(TestSession.get(answer).replies().getFirst())))
                        .hasSize(ours - 1)
                        .doesNotContain("theirs");
                assertThat(theirs).isLessThanOrEqualTo(ours);
            } catch (CompletionException refused) {
                assertThat(refused)
                        .hasCauseInstanceOf(ReplicaException.class)
                        .rootCause()
                        .hasMessageContaining("another program")
                        .hasMessageContaining(TestSession.key("acme").prefix());
            }
        }
    }

    /// A listing that does not show the newest files yet: the tenant waits for them, in an error,
    /// and is itself again when they are shown.
    @Test
    void staleListingRefusesTheTenantUntilItShowsEverything() {
        Txid durable;
        try (var bucket = open();
                var session = new TestSession(folder.resolve("w-1"), bucket)) {
            Tenant tenant = session.assign("acme");
            sql(tenant, "create table t(x)");
            for (int i = 1; i <= 3; i++) {
                sql(tenant, "insert into t values (" + i + ")");
            }
            durable = session.tenants.release(tenant.id(), 1).join().last();
        }
        try (var bucket = open();
                var session = new TestSession(folder.resolve("w-2"), bucket)) {
            // More than the drain's two objects and the first slot of this session.
            server.delayListing(6);
            Tenant tenant = session.assign("acme", Durability.SYNC, 2, durable);

            assertThatThrownBy(() -> TestSession.get(send(tenant, null, "select x from t")))
                    .hasRootCauseInstanceOf(HistoryIncomplete.class)
                    .hasMessageContaining("needed=" + durable);

            server.delayListing(0);
            await().until(() -> answered(tenant));
            assertThat(column(tenant, "select x from t")).containsExactly("1", "2", "3");
            sql(tenant, "insert into t values (4)");
        }
    }

    private static boolean answered(Tenant tenant) {
        try {
            TestSession.get(send(tenant, null, "select 1"));
            return true;
        } catch (CompletionException refused) {
            return false;
        }
    }

    private ObjectStore open() {
        return server.url("fleet").open(S3FaultServer.CREDENTIALS);
    }

    private void replicate(String litestream, Path db) throws IOException, InterruptedException {
        String prefix = TestSession.key("acme").prefix();
        String url =
                "s3://fleet/%s?endpoint=%s&region=us-east-1&forcePathStyle=true"
                        .formatted(
                                prefix.substring(0, prefix.length() - 1),
                                URI.create(server.endpoint()));
        Path output = folder.resolve("output");
        var builder =
                new ProcessBuilder(
                                litestream,
                                "replicate",
                                "-once",
                                "-force-snapshot",
                                db.toString(),
                                url)
                        .redirectErrorStream(true)
                        .redirectOutput(output.toFile());
        builder.environment().remove("AWS_CA_BUNDLE");
        builder.environment()
                .put("LITESTREAM_ACCESS_KEY_ID", S3FaultServer.CREDENTIALS.accessKey());
        builder.environment()
                .put("LITESTREAM_SECRET_ACCESS_KEY", S3FaultServer.CREDENTIALS.secretKey());
        Process process = builder.start();
        boolean ended = process.waitFor(60, TimeUnit.SECONDS);
        process.destroyForcibly();
        assertThat(ended && process.exitValue() == 0).as(Files.readString(output)).isTrue();
    }
}
