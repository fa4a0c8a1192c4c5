package dev.litefleet.worker.tenant;

import dev.litefleet.replica.Txid;
import dev.litefleet.replica.history.LineageStart;
import dev.litefleet.replica.objects.ObjectStore;
import dev.litefleet.replica.objects.StoreUrl;
import dev.litefleet.replica.sqlite.StatementResult;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.lang.management.MemoryPoolMXBean;
import java.lang.management.MemoryType;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.time.Instant;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/// A process that commits one large transaction, releases its tenant and opens it again from the
/// store: a child of [LargeTransactionTest], which gives it little heap.
///
/// Arguments: a store's URL, an empty folder, MiB to write, bytes of a page. Prints one line: a
/// digest of what was written, one of what came back, MiB of the highest use of the heap after a
/// collection and before, seconds until the answer and in all.
public final class LargeTransaction {
    private static final int ROW_BYTES = 16_000;

    private LargeTransaction() {}

    public static void main(String[] args) {
        long bytes = Long.parseLong(args[2]) << 20;
        ShippingConfig d = ShippingConfig.DEFAULT;
        var config =
                new ShippingConfig(
                        Duration.ofMinutes(20),
                        Duration.ofMinutes(20),
                        d.lagBytesMax(),
                        d.workerLagBytesMax(),
                        d.drainQuiet(),
                        d.drainEvery(),
                        d.drainWalBytes(),
                        d.drainSlots(),
                        4 * bytes,
                        2 * bytes);
        var quota = new Quota(64L << 30, 1_000_000, Duration.ofMinutes(20));
        long start = System.nanoTime();
        long answered;
        String written;
        String read;
        try (ObjectStore store = StoreUrl.parse(args[0]).open()) {
            Txid floor = begin(store, Path.of(args[1]), Integer.parseInt(args[3]));
            try (var session =
                    new TestSession(Path.of(args[1]), store, config, TenantConfig.DEFAULT)) {
                Tenant tenant = session.assign("acme", Durability.SYNC, 1, floor, quota);
                long rows = bytes / ROW_BYTES / 4;
                StreamId stream = session.stream();
                patiently(TestSession.send(tenant, stream, "begin"));
                for (int i = 0; i < 4; i++) {
                    patiently(
                            TestSession.send(
                                    tenant,
                                    TestSession.held(stream),
                                    "with recursive n(i) as (select 1 union all select i + 1 from n"
                                            + " limit "
                                            + rows
                                            + ") insert into t select randomblob("
                                            + ROW_BYTES
                                            + ") from n"));
                }
                patiently(TestSession.send(tenant, TestSession.held(stream), "commit"));
                answered = System.nanoTime();
                written = digest(tenant);
                floor = session.tenants.release(tenant.id(), 1).join().last();
            }
            Path other = Path.of(args[1]).resolve("other");
            try (var session = new TestSession(other, store, config, TenantConfig.DEFAULT)) {
                Tenant tenant = session.assign("acme", Durability.SYNC, 2, floor, quota);
                read = digest(tenant);
            }
        }
        long peak = 0;
        for (MemoryPoolMXBean pool : ManagementFactory.getMemoryPoolMXBeans()) {
            if (pool.getType() == MemoryType.HEAP) {
                peak += pool.getPeakUsage().getUsed();
            }
        }
        System.out.printf(
                "%s %s %d %d %d%n",
                written,
                read,
                peak >> 20,
                TimeUnit.NANOSECONDS.toSeconds(answered - start),
                TimeUnit.NANOSECONDS.toSeconds(System.nanoTime() - start));
        System.exit(0);
    }

    /// Begins the tenant's lineage with a database of such pages, as an import does.
    private static Txid begin(ObjectStore store, Path folder, int pageSize) {
        Path file = folder.resolve("begin.db");
        try (Connection db = DriverManager.getConnection("jdbc:sqlite:" + file);
                Statement sql = db.createStatement()) {
            sql.execute("pragma page_size = " + pageSize);
            sql.execute("create table t(x)");
            int pages = Math.toIntExact(Files.size(file) / pageSize);
            LineageStart.write(
                    store,
                    TestSession.key("acme"),
                    new Txid(1),
                    Instant.EPOCH,
                    new LineageStart.Image(file, pageSize, pages),
                    folder);
            Files.delete(file);
        } catch (SQLException | IOException failed) {
            throw new IllegalStateException("cannot begin a database", failed);
        }
        return new Txid(1);
    }

    /// Rows, bytes, and a sum over some bytes of each row.
    private static String digest(Tenant tenant) {
        return TestSession.column(
                        run(
                                tenant,
                                "select count(*) || ':' || sum(length(x)) || ':' || sum(rowid *"
                                        + " unicode(hex(substr(x, 1 + rowid % 15000, 1)))) from t"))
                .getFirst();
    }

    private static StatementResult run(Tenant tenant, String sql) {
        Answer answer = patiently(TestSession.send(tenant, null, sql));
        return TestSession.result(answer.replies().getFirst());
    }

    private static Answer patiently(CompletableFuture<Answer> future) {
        Answer answer = future.orTimeout(20, TimeUnit.MINUTES).join();
        answer.replies().forEach(TestSession::result);
        return answer;
    }
}
