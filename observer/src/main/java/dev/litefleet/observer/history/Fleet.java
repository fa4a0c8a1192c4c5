package dev.litefleet.observer.history;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.litefleet.replica.FormatNumber;
import dev.litefleet.replica.Lineage;
import dev.litefleet.replica.Point;
import dev.litefleet.replica.ReplicaException.Corrupt;
import dev.litefleet.replica.TenantId;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.history.History;
import dev.litefleet.replica.history.Hydrator;
import dev.litefleet.replica.history.IndexPoint;
import dev.litefleet.replica.history.LineageSpan;
import dev.litefleet.replica.history.LitestreamReplicas;
import dev.litefleet.replica.history.Progress;
import dev.litefleet.replica.history.Timeline;
import dev.litefleet.replica.log.LogName;
import dev.litefleet.replica.log.SessionId;
import dev.litefleet.replica.log.Tasks;
import dev.litefleet.replica.objects.ListedObject;
import dev.litefleet.replica.objects.ObjectStore;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.BiFunction;
import org.jspecify.annotations.Nullable;

/// A fleet as its object store alone shows it, with read-only credentials and whoever else is dead.
///
/// The catalog is a tenant like any other: its lineage stands in `fleet.json`, its undrained tail
/// in the logs of the controllers without a `closed.json`. A store without `fleet.json` is taken
/// for a bucket of Litestream replicas: one lineage per folder, no logs, and whatever names the
/// folders have.
public final class Fleet {
    /// Newest format of `fleet.json` and of controllers' objects that this version reads.
    private static final int FORMAT = 1;

    /// A tenant as the catalog has it.
    ///
    /// @param state hibernated, active or deleted; `replica` in a store without a catalog
    /// @param spans its lineages, oldest first; the last one is `key`'s
    /// @param floor the last TXID that the catalog knows to have been durable; there may be later
    ///   ones
    /// @param log of the session that it is assigned to, if that one is not closed
    /// @param held whether there are holds: then parts of its lineages stay without the rest
    public record Tenant(
            TenantKey key,
            List<LineageSpan> spans,
            String state,
            Map<String, String> labels,
            Txid floor,
            Optional<LogName> log,
            boolean held) {
        public Tenant {
            spans = List.copyOf(spans);
        }
    }

    private static final int AT_ONCE = 16;
    private static final String NAMES = "fleet.json";
    private static final String CHAIN = "controller/";
    private static final String CLOSED = ".closed.json";
    private static final ObjectMapper JSON = new ObjectMapper();

    @JsonIgnoreProperties(ignoreUnknown = true)
    private record FleetJson(@JsonProperty("catalog_lineage") String catalogLineage) {}

    @JsonIgnoreProperties(ignoreUnknown = true)
    private record EpochJson(String session) {}

    private final ObjectStore store;
    private final Tasks tasks;
    private final Map<TenantId, Tenant> tenants;
    private final Map<LogName, Map<TenantKey, List<IndexPoint>>> tails = new ConcurrentHashMap<>();

    private final @Nullable Catalog catalog;

    /// The catalog as a tenant, and what the logs of controllers hold of it.
    private record Catalog(Tenant tenant, List<IndexPoint> tail) {}

    private Fleet(
            ObjectStore store,
            Tasks tasks,
            Map<TenantId, Tenant> tenants,
            @Nullable Catalog catalog) {
        this.store = store;
        this.tasks = tasks;
        this.tenants = tenants;
        this.catalog = catalog;
    }

    /// @param folder for the copy of the catalog; must exist, is not cleaned up
    /// @param now for the catalog's own plan; any time will do, its latest state is read
    public static Fleet open(ObjectStore store, Path folder, Tasks tasks, Instant now) {
        Optional<byte[]> names = store.get(NAMES);
        if (names.isPresent()) {
            Catalog catalog = catalog(store, tasks, names.get());
            return new Fleet(store, tasks, tenants(store, catalog, folder, tasks, now), catalog);
        }
        Map<TenantId, Tenant> replicas = replicas(store);
        return replicas.isEmpty() ? foreign(store, tasks) : new Fleet(store, tasks, replicas, null);
    }

    private static Fleet foreign(ObjectStore store, Tasks tasks) {
        LitestreamReplicas found = LitestreamReplicas.find(store);
        var tenants = new HashMap<TenantId, Tenant>();
        found.tenants()
                .forEach((key, path) ->
                        tenants.put(key.tenant(), replica(key, Map.of("path", path))));
        return new Fleet(found, tasks, tenants, null);
    }

    /// What the histories are to be read from: the store itself, or its replicas as if they were
    /// ours.
    public ObjectStore store() {
        return store;
    }

    /// In order of their ids.
    public List<Tenant> tenants() {
        return tenants.values().stream()
                .sorted(Comparator.comparing(tenant -> tenant.key().tenant().name()))
                .toList();
    }

    public Optional<Tenant> tenant(TenantId id) {
        return Optional.ofNullable(tenants.get(id));
    }

    /// The tenant's history over all its lineages, up to its last durable commit.
    public History history(Tenant tenant) {
        return History.read(
                store, tenant.key().tenant(), tenant.spans(), tail(tenant), tenant.floor());
    }

    /// The catalog itself, if the store has one.
    public Optional<Tenant> catalog() {
        return Optional.ofNullable(catalog).map(Catalog::tenant);
    }

    /// Entries that are durable in open logs, and may not be drained.
    ///
    /// @throws dev.litefleet.replica.ReplicaException if a log cannot be read
    public List<IndexPoint> tail(Tenant tenant) {
        if (catalog != null && tenant.equals(catalog.tenant())) {
            return catalog.tail();
        }
        return tenant.log()
                .map(log -> tail(log).getOrDefault(tenant.key(), List.of()))
                .orElse(List.of());
    }

    /// The current lineage of [#history].
    public Timeline timeline(Tenant tenant) {
        return history(tenant).current();
    }

    /// Something about the histories of many tenants, in their order, several at a time. Every log
    /// is read once; the histories cost what `reading` asks of them and one LIST each.
    public <T> List<T> timelines(List<Tenant> wanted, BiFunction<Tenant, Timeline, T> reading) {
        wanted.stream().flatMap(tenant -> tenant.log().stream()).distinct().forEach(this::tail);
        var each = new ArrayList<Callable<T>>();
        wanted.forEach(tenant -> each.add(() -> reading.apply(tenant, timeline(tenant))));
        try (var pool = Executors.newFixedThreadPool(AT_ONCE, Thread.ofVirtual().factory())) {
            var answers = new ArrayList<T>();
            for (Future<T> answer : pool.invokeAll(each)) {
                answers.add(answer.get());
            }
            return answers;
        } catch (ExecutionException failed) {
            throw failed.getCause() instanceof RuntimeException cause
                    ? cause
                    : new IllegalStateException(failed.getCause());
        } catch (InterruptedException stopped) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while reading histories", stopped);
        }
    }

    /// Read once per log: all tenants of a worker share one.
    private Map<TenantKey, List<IndexPoint>> tail(LogName log) {
        return tails.computeIfAbsent(log, name -> Timeline.tail(store, name, tasks));
    }

    private static Map<TenantId, Tenant> replicas(ObjectStore store) {
        var tenants = new HashMap<TenantId, Tenant>();
        for (String id : store.folders("tenants/")) {
            for (String lineage : store.folders("tenants/" + id + "/")) {
                try {
                    var key = new TenantKey(new TenantId(id), new Lineage(lineage));
                    tenants.put(key.tenant(), replica(key, Map.of()));
                } catch (IllegalArgumentException _) {
                    // Somebody else's folder: not a tenant of ours, and not our business.
                }
            }
        }
        return tenants;
    }

    private static Tenant replica(TenantKey key, Map<String, String> labels) {
        return new Tenant(
                key,
                List.of(new LineageSpan(key.lineage(), new Txid(1), null)),
                "replica",
                labels,
                Txid.NONE,
                Optional.empty(),
                false);
    }

    private static Catalog catalog(ObjectStore store, Tasks tasks, byte[] names) {
        var fleet = json(names, NAMES, FleetJson.class);
        var key = new TenantKey(TenantId.CATALOG, new Lineage(fleet.catalogLineage()));
        var tail = new ArrayList<IndexPoint>();
        for (LogName log : openControllers(store)) {
            tail.addAll(Timeline.tail(store, log, tasks).getOrDefault(key, List.of()));
        }
        var spans = List.of(new LineageSpan(key.lineage(), new Txid(1), null));
        return new Catalog(
                new Tenant(key, spans, "active", Map.of(), Txid.NONE, Optional.empty(), false),
                List.copyOf(tail));
    }

    private static Map<TenantId, Tenant> tenants(
            ObjectStore store, Catalog catalog, Path folder, Tasks tasks, Instant now) {
        Timeline timeline = Timeline.read(store, catalog.tenant().key(), catalog.tail(), Txid.NONE);
        if (timeline.latest().equals(Txid.NONE)) {
            return Map.of(); // The first controller has not committed anything yet.
        }
        Path file = folder.resolve("catalog.db");
        Hydrator.hydrate(
                store,
                timeline.plan(new Point.Latest(), now),
                file,
                Hydrator.Limits.DEFAULT,
                tasks,
                Progress.NONE);
        return new CatalogReader(file).tenants();
    }

    /// Logs of the controllers whose epoch is not closed, oldest first. More than the newest may be
    /// open: a predecessor can have died while it was recovering its own.
    private static List<LogName> openControllers(ObjectStore store) {
        var epochs = new ArrayList<String>();
        var closed = new HashSet<String>();
        store.listAll(CHAIN)
                .map(ListedObject::key)
                .forEach(key -> {
                    if (key.endsWith(CLOSED)) {
                        closed.add(key.substring(0, key.length() - CLOSED.length()));
                    } else if (key.endsWith(".json")) {
                        epochs.add(key.substring(0, key.length() - ".json".length()));
                    }
                });
        epochs.removeAll(closed);
        var logs = new ArrayList<LogName>();
        for (String epoch : epochs) {
            store.get(epoch + ".json")
                    .map(bytes -> json(bytes, epoch + ".json", EpochJson.class))
                    .ifPresent(claim ->
                            logs.add(
                                    new LogName(
                                            LogName.CONTROLLER, new SessionId(claim.session()))));
        }
        return logs;
    }

    private static <T> T json(byte[] bytes, String key, Class<T> type) {
        FormatNumber.check(key, "object", bytes, FORMAT);
        @Nullable T value;
        try {
            value = JSON.readValue(bytes, type);
        } catch (IOException e) {
            throw new Corrupt(key, 0, "not the JSON it should be", e);
        }
        if (value == null) {
            throw new Corrupt(key, 0, "not the JSON it should be");
        }
        return value;
    }
}
