package dev.litefleet.worker.tenant;

import static dev.litefleet.worker.tenant.TestSession.execute;

import com.sun.management.OperatingSystemMXBean;
import dev.litefleet.replica.objects.ObjectStore;
import dev.litefleet.replica.objects.StoreUrl;
import dev.litefleet.replica.sqlite.SqlValue;
import dev.litefleet.testing.MemoryObjectStore;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Supplier;

/// What one request costs a tenant, without HTTP: processor time and throughput of point selects
/// and single-row inserts with 16 requests under way. Arguments: seconds, and `file` for a
/// directory store instead of one in memory.
final class TenantBench {
    private static final int CLIENTS = 16;

    private TenantBench() {}

    public static void main(String[] arguments) throws IOException {
        int seconds = arguments.length > 0 ? Integer.parseInt(arguments[0]) : 5;
        Path folder = Files.createTempDirectory("tenant-bench");
        ObjectStore store =
                arguments.length > 1
                        ? StoreUrl.parse("file://" + folder.resolve("store")).open()
                        : new MemoryObjectStore();
        try (var session = new TestSession(folder.resolve("w"), store)) {
            for (Durability durability : chosen()) {
                Tenant tenant = session.assign("t-" + durability.ordinal(), durability);
                TestSession.sql(tenant, "create table t(k integer primary key, v text)");
                TestSession.sql(
                        tenant,
                        "insert into t with recursive n(i) as (select 1 union all select i + 1 from"
                                + " n limit 10000) select i, 'value ' || i from n");
                var random = new SplittableRandom(1);
                Supplier<List<StreamRequest>> select =
                        () ->
                                List.of(
                                        execute(
                                                "select v from t where k = ?",
                                                new SqlValue.Int(1 + random.nextInt(10000))),
                                        new StreamRequest.Close());
                Supplier<List<StreamRequest>> insert =
                        () ->
                                List.of(
                                        execute(
                                                "insert into t(v) values (?)",
                                                new SqlValue.Text("some value of a row")),
                                        new StreamRequest.Close());
                for (int round = 0; round < 2; round++) {
                    measure(durability + " select", tenant, select, seconds);
                    measure(durability + " insert", tenant, insert, seconds);
                }
            }
        }
    }

    // -Ddurability=ASYNC measures one only.
    private static List<Durability> chosen() {
        String only = System.getProperty("durability");
        return only == null ? List.of(Durability.values()) : List.of(Durability.valueOf(only));
    }

    private static void measure(
            String what, Tenant tenant, Supplier<List<StreamRequest>> requests, int seconds) {
        var system = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
        var done = new AtomicLong();
        long cpu = system.getProcessCpuTime();
        long began = System.nanoTime();
        long until = began + Duration.ofSeconds(seconds).toNanos();
        var clients = new CompletableFuture<?>[CLIENTS];
        for (int i = 0; i < CLIENTS; i++) {
            clients[i] = client(tenant, requests, until, done);
        }
        CompletableFuture.allOf(clients).join();
        double took = System.nanoTime() - began;
        System.out.printf(
                "%-14s %8.0f/s %6.1f us cpu%n",
                what,
                done.get() / took * 1e9,
                (system.getProcessCpuTime() - cpu) / 1e3 / done.get());
    }

    private static CompletableFuture<Void> client(
            Tenant tenant, Supplier<List<StreamRequest>> requests, long until, AtomicLong done) {
        var end = new CompletableFuture<Void>();
        next(tenant, requests, until, done, end);
        return end;
    }

    private static void next(
            Tenant tenant,
            Supplier<List<StreamRequest>> requests,
            long until,
            AtomicLong done,
            CompletableFuture<Void> end) {
        if (System.nanoTime() > until) {
            end.complete(null);
            return;
        }
        tenant.run(null, requests.get(), RequestContext.anonymous())
                .whenComplete((answer, failure) -> {
                    if (failure != null) {
                        end.completeExceptionally(failure);
                        return;
                    }
                    done.incrementAndGet();
                    next(tenant, requests, until, done, end);
                });
    }
}
