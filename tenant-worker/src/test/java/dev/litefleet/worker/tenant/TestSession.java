package dev.litefleet.worker.tenant;

import static org.assertj.core.api.Assertions.assertThat;

import dev.litefleet.replica.Lineage;
import dev.litefleet.replica.TenantId;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.log.CommitLog;
import dev.litefleet.replica.log.CommitLogConfig;
import dev.litefleet.replica.log.Fence;
import dev.litefleet.replica.log.LogEnd;
import dev.litefleet.replica.log.LogName;
import dev.litefleet.replica.log.SessionId;
import dev.litefleet.replica.log.Slot;
import dev.litefleet.replica.log.ThreadTasks;
import dev.litefleet.replica.objects.ObjectStore;
import dev.litefleet.replica.sqlite.SqlFailure;
import dev.litefleet.replica.sqlite.SqlValue;
import dev.litefleet.replica.sqlite.StatementResult;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// One worker session as the process wires it, without HTTP: a real commit log on some store, real
/// SQLite files, and tenants.
final class TestSession implements AutoCloseable {
    static final Lineage LINEAGE = new Lineage("01KAHV5W6Q4R9T8Y7ZXCVBNM00");
    private static final Duration PATIENCE = Duration.ofSeconds(20);

    final ThreadTasks tasks = new ThreadTasks();
    final LogName name;
    final CommitLog log;
    final Shipping shipping;
    final Tenants tenants;
    final CompletableFuture<LogEnd> ended = new CompletableFuture<>();
    private final SplittableRandom random;
    private long streams;

    /// Settings under which nothing drains or hibernates by itself.
    static final ShippingConfig SHIPPING = ShippingConfig.DEFAULT;

    static ShippingConfig gateMax(Duration gateMax) {
        ShippingConfig d = ShippingConfig.DEFAULT;
        return new ShippingConfig(
                gateMax,
                d.lagMax(),
                d.lagBytesMax(),
                d.workerLagBytesMax(),
                d.drainQuiet(),
                d.drainEvery(),
                d.drainWalBytes(),
                d.drainSlots(),
                d.walBytesMax(),
                d.transactionBytesMax());
    }

    TestSession(Path folder, ObjectStore store) {
        this(folder, store, SHIPPING, TenantConfig.DEFAULT);
    }

    TestSession(Path folder, ObjectStore store, ShippingConfig config, TenantConfig tenantConfig) {
        this(folder, store, config, tenantConfig, InstantSource.system());
    }

    TestSession(
            Path folder,
            ObjectStore store,
            ShippingConfig config,
            TenantConfig tenantConfig,
            InstantSource clock) {
        this(folder, store, config, tenantConfig, clock, 64 << 20);
    }

    /// @param scanBytesMin from which size on a file that was not closed may be used again
    TestSession(
            Path folder,
            ObjectStore store,
            ShippingConfig config,
            TenantConfig tenantConfig,
            InstantSource clock,
            long scanBytesMin) {
        this(folder, store, config, tenantConfig, clock, scanBytesMin, Duration.ofMillis(20));
    }

    /// One whose log does not send what nobody waits for.
    static TestSession lingering(Path folder, ObjectStore store) {
        return new TestSession(
                folder,
                store,
                SHIPPING,
                TenantConfig.DEFAULT,
                InstantSource.system(),
                64 << 20,
                Duration.ofHours(1));
    }

    private TestSession(
            Path folder,
            ObjectStore store,
            ShippingConfig config,
            TenantConfig tenantConfig,
            InstantSource clock,
            long scanBytesMin,
            Duration linger) {
        this.random = new SplittableRandom(System.nanoTime());
        this.name = new LogName("w-1", SessionId.create(InstantSource.system(), random));
        var holder = new CompletableFuture<Tenants>();
        this.log =
                new CommitLog(
                        store,
                        name,
                        CommitLogConfig.DEFAULT.withLinger(linger),
                        tasks,
                        clock,
                        random.split(),
                        end -> {
                            holder.join().fenced(end);
                            ended.complete(end);
                        });
        log.open();
        this.shipping = new Shipping(log, store, folder.resolve("tmp"), tasks, clock, config);
        this.tenants = new Tenants(folder, shipping, tenantConfig, scanBytesMin);
        holder.complete(tenants);
    }

    static TenantKey key(String tenant) {
        return new TenantKey(new TenantId(tenant), LINEAGE);
    }

    Tenant assign(String tenant) {
        return assign(tenant, Durability.SYNC);
    }

    Tenant assign(String tenant, Durability durability) {
        return assign(tenant, durability, 1, Txid.NONE);
    }

    Tenant assign(String tenant, Durability durability, long number, Txid floor) {
        return assign(tenant, durability, number, floor, Quota.DEFAULT);
    }

    Tenant assign(String tenant, Durability durability, long number, Txid floor, Quota quota) {
        assertThat(
                        tenants.assign(
                                new TenantAssignment(
                                        key(tenant), number, floor, durability, quota, 0)))
                .isEqualTo(new Assigned.Taken());
        return tenants.find(new TenantId(tenant)).orElseThrow();
    }

    /// The tenant after another session had it.
    Tenant assignAfter(
            String tenant, Durability durability, long number, Txid floor, String previousSession) {
        assertThat(
                        tenants.assign(
                                new TenantAssignment(
                                        key(tenant),
                                        number,
                                        floor,
                                        durability,
                                        Quota.DEFAULT,
                                        0,
                                        previousSession)))
                .isEqualTo(new Assigned.Taken());
        return tenants.find(new TenantId(tenant)).orElseThrow();
    }

    /// A name for a stream of one client.
    StreamId stream() {
        return new StreamId(++streams, false);
    }

    static StreamId held(StreamId stream) {
        return new StreamId(stream.number(), true);
    }

    static Stmt stmt(String sql, SqlValue... args) {
        return new Stmt(sql, List.of(args), List.of(), true);
    }

    static StreamRequest execute(String sql, SqlValue... args) {
        return new StreamRequest.Execute(stmt(sql, args));
    }

    static CompletableFuture<Answer> send(
            Tenant tenant, @Nullable StreamId stream, String... statements) {
        return tenant.run(
                stream,
                Stream.of(statements).map(sql -> execute(sql)).toList(),
                RequestContext.anonymous());
    }

    /// Runs statements and waits for the answer.
    static Answer run(Tenant tenant, @Nullable StreamId stream, String... statements) {
        return get(send(tenant, stream, statements));
    }

    static Answer run(Tenant tenant, StreamRequest... requests) {
        return get(tenant.run(null, List.of(requests), RequestContext.anonymous()));
    }

    static <T> T get(CompletableFuture<T> future) {
        return future.orTimeout(PATIENCE.toMillis(), TimeUnit.MILLISECONDS).join();
    }

    /// Runs one statement that must succeed.
    static StatementResult sql(Tenant tenant, String sql, SqlValue... args) {
        Answer answer = run(tenant, execute(sql, args));
        return result(answer.replies().getFirst());
    }

    static StatementResult result(StreamReply reply) {
        if (reply instanceof StreamReply.Failed(var failure)) {
            throw new AssertionError(failure.code() + ": " + failure.message(), failure);
        }
        return ((StreamReply.Executed) reply).result();
    }

    static SqlFailure failure(StreamReply reply) {
        return ((StreamReply.Failed) reply).failure();
    }

    /// The first column of a query, as text.
    static List<String> column(Tenant tenant, String sql) {
        return column(sql(tenant, sql));
    }

    static List<String> column(StatementResult result) {
        var values = new ArrayList<String>();
        for (SqlValue[] row : result.rows()) {
            values.add(
                    switch (row[0]) {
                        case SqlValue.Null() -> "null";
                        case SqlValue.Int(long number) -> Long.toString(number);
                        case SqlValue.Real(double number) -> Double.toString(number);
                        case SqlValue.Text(String text) -> text;
                        case SqlValue.Blob(byte[] bytes) -> bytes.length + " bytes";
                    });
        }
        return values;
    }

    /// Closes this session's log as a controller would.
    ///
    /// @param way to the store, which may be another than the session's own
    Fence.Closed fence(ObjectStore way) {
        return Fence.close(way, name, Slot.FIRST, "01KAHV5W6Q4R9T8Y7ZXCVBNM99", 2, tasks, random);
    }

    @Override
    public void close() {
        tenants.close();
        log.close(Duration.ofSeconds(1));
    }
}
