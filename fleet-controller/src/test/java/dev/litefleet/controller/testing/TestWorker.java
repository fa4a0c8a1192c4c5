package dev.litefleet.controller.testing;

import dev.litefleet.replica.Lineage;
import dev.litefleet.replica.TenantId;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.log.CommitLog;
import dev.litefleet.replica.log.LogEnd;
import dev.litefleet.replica.log.LogEnded;
import dev.litefleet.replica.log.LogName;
import dev.litefleet.replica.log.SessionId;
import dev.litefleet.replica.log.Tasks;
import dev.litefleet.replica.objects.ListedObject;
import dev.litefleet.replica.objects.ObjectStore;
import dev.litefleet.replica.sqlite.SqliteLimits;
import dev.litefleet.replica.sqlite.Watchdog;
import dev.litefleet.worker.control.Assignment;
import dev.litefleet.worker.control.AssignmentReply;
import dev.litefleet.worker.control.Heartbeat;
import dev.litefleet.worker.control.Registration;
import dev.litefleet.worker.control.Release;
import dev.litefleet.worker.control.ReleaseRequest;
import dev.litefleet.worker.tenant.LocalDatabase;
import dev.litefleet.worker.tenant.RequestContext;
import dev.litefleet.worker.tenant.ShippedDatabase;
import dev.litefleet.worker.tenant.Shipping;
import dev.litefleet.worker.tenant.ShippingConfig;
import dev.litefleet.worker.tenant.TenantException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/// The least worker there can be: real databases, shipped by a real log, under the rules W6 and W8,
/// without HTTP, readers or hibernation. It is killed by not calling it any more.
public final class TestWorker implements AutoCloseable {
    private record Held(TenantKey key, long number, ShippedDatabase database) {}

    private final String name;
    private final String address;
    private final SessionId session;
    private final Path folder;
    private final Shipping shipping;
    private final Watchdog watchdog;
    private final ExecutorService thread =
            Executors.newSingleThreadExecutor(Thread.ofPlatform().daemon().factory());
    private final CompletableFuture<LogEnd> ended = new CompletableFuture<>();
    private final Map<TenantId, Held> held = new HashMap<>(); // the thread's
    private final Map<TenantId, Long> seen = new HashMap<>(); // the thread's
    private int opened; // the thread's

    public TestWorker(
            String name,
            String address,
            ObjectStore store,
            Path folder,
            Tasks tasks,
            InstantSource clock,
            RandomGenerator random) {
        this.name = name;
        this.address = address;
        this.session = SessionId.create(clock, random);
        this.folder = folder.resolve(session.ulid());
        this.watchdog = new Watchdog(tasks::nanos);
        CommitLog log =
                TestLog.open(
                        store, new LogName(name, session), tasks, clock, random, ended::complete);
        this.shipping = new Shipping(log, store, folder, tasks, clock, ShippingConfig.DEFAULT);
        ended.thenRun(() -> on(this::stop));
    }

    private Void stop() {
        held.values().forEach(tenant -> tenant.database.stop("fenced"));
        return null;
    }

    public SessionId session() {
        return session;
    }

    public LogName log() {
        return shipping.log().name();
    }

    public String address() {
        return address;
    }

    /// How its log ended; not done while it has not.
    public CompletableFuture<LogEnd> ended() {
        return ended;
    }

    public Registration registration(@Nullable SessionId previous) {
        return new Registration(
                name,
                session.ulid(),
                address,
                1,
                previous == null ? null : previous.ulid(),
                1000,
                "test");
    }

    public Heartbeat heartbeat() {
        return new Heartbeat(
                name,
                session.ulid(),
                shipping.log().durable().part(),
                shipping.log().durable().number(),
                0,
                0,
                true,
                0);
    }

    /// What the answer to a heartbeat may ask for.
    public void endPart(int part) {
        shipping.log().endPart(part);
    }

    /// W6: a number that is not greater than every one seen for the tenant is refused for ever.
    public AssignmentReply assign(Assignment message) {
        return on(() -> {
            var tenant = new TenantId(message.tenant());
            Held now = held.get(tenant);
            if (!message.session().equals(session.ulid())) {
                return AssignmentReply.refused("another session is meant");
            }
            if (now != null && now.number == message.number()) {
                return AssignmentReply.taken();
            }
            if (message.number() <= seen.getOrDefault(tenant, 0L)) {
                return AssignmentReply.gone("number was seen");
            }
            seen.put(tenant, message.number());
            var key = new TenantKey(tenant, new Lineage(message.lineage()));
            LocalDatabase local =
                    LocalDatabase.hydrate(
                            folder.resolve("db-" + opened++),
                            key,
                            Txid.parse(message.txidFloor()),
                            shipping);
            held.put(
                    tenant,
                    new Held(
                            key,
                            message.number(),
                            ShippedDatabase.open(local, shipping, SqliteLimits.DEFAULT, watchdog)));
            return AssignmentReply.taken();
        });
    }

    /// W8, all of it.
    public Optional<Release> release(ReleaseRequest message) {
        return on(() -> {
            var tenant = new TenantId(message.tenant());
            Held now = held.get(tenant);
            if (!message.session().equals(session.ulid())
                    || now == null
                    || now.number != message.number()) {
                return Optional.empty();
            }
            shipping.log().flush();
            now.database.gate(now.database.announced()).join();
            Txid last = now.database.drain();
            now.database.close();
            held.remove(tenant);
            return Optional.of(
                    new Release(
                            tenant.name(),
                            session.ulid(),
                            now.number,
                            now.key.lineage().ulid(),
                            last.toString()));
        });
    }

    /// The release of a tenant it holds, as a stopping worker makes it by itself.
    public Optional<Release> release(TenantId tenant) {
        long number = on(() -> held.containsKey(tenant) ? held.get(tenant).number : 0L);
        return release(new ReleaseRequest(tenant.name(), session.ulid(), number, 0));
    }

    /// Adds a row in sync durability.
    ///
    /// @return whether it was acknowledged; false also if the worker does not have the tenant
    public boolean write(TenantId tenant, String row) {
        ShippedDatabase database =
                on(() -> Optional.ofNullable(held.get(tenant))).map(Held::database).orElse(null);
        if (database == null) {
            return false;
        }
        try {
            CompletableFuture<Void> gate =
                    on(() -> {
                        database.connection()
                                .exec(
                                        "create table if not exists log(line text primary key);"
                                                + " insert into log values ('"
                                                + row
                                                + "')");
                        return database.gate(database.capture(true, RequestContext.anonymous()));
                    });
            gate.join();
            return true;
        } catch (LogEnded ended) {
            return false;
        } catch (CompletionException unknown) {
            if (unknown.getCause() instanceof TenantException.OutcomeUnknown) {
                return false;
            }
            throw unknown;
        }
    }

    /// All rows in order, separated by spaces.
    public String rows(TenantId tenant) {
        return on(() ->
                held.get(tenant)
                        .database
                        .connection()
                        .queryText(
                                "select coalesce(group_concat(line, ' '), '') from"
                                        + " (select line from log order by line)"));
    }

    /// Drains everything, and removes the segments of the first parts as a janitor would.
    ///
    /// @param named by the catalog; the parts before it may go
    /// @param parts how many of them go
    public void trim(int named, int parts) {
        on(() -> {
            held.values().forEach(tenant -> tenant.database.drain());
            return null;
        });
        for (int part = 1; part <= Math.min(parts, named - 1); part++) {
            String prefix = shipping.log().name().prefix() + "%04x/".formatted(part);
            // All but its fence, which is the last.
            List<String> keys =
                    shipping.store().listAll(prefix).map(ListedObject::key).sorted().toList();
            keys.subList(0, keys.size() - 1).forEach(shipping.store()::delete);
        }
    }

    public boolean has(TenantId tenant) {
        return on(() -> held.containsKey(tenant));
    }

    // SQLite is called on platform threads only, and one after the other.
    private <T> T on(Callable<T> work) {
        try {
            return thread.submit(work).get();
        } catch (ExecutionException failed) {
            if (failed.getCause() instanceof RuntimeException failure) {
                throw failure;
            }
            throw new IllegalStateException(failed.getCause());
        } catch (InterruptedException stopped) {
            throw new IllegalStateException(stopped);
        }
    }

    @Override
    public void close() {
        on(() -> {
            held.values().forEach(tenant -> tenant.database.close());
            return null;
        });
        thread.shutdown();
        shipping.log().close(Duration.ofSeconds(1));
        watchdog.close();
    }
}
