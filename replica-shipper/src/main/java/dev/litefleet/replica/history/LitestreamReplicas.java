package dev.litefleet.replica.history;

import dev.litefleet.replica.Lineage;
import dev.litefleet.replica.TenantId;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.objects.ListPage;
import dev.litefleet.replica.objects.ListedObject;
import dev.litefleet.replica.objects.ObjectBody;
import dev.litefleet.replica.objects.ObjectStore;
import dev.litefleet.replica.objects.PutResult;
import dev.litefleet.replica.objects.TailRead;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Pattern;

/// A store of Litestream 0.5 replicas, shown as if it were ours: every replica, wherever it lies,
/// is a tenant with one lineage. Both layouts are understood, `<path>/<level %04x>/` as on S3 and
/// `<path>/ltx/<level>/` as in folders (ltx.md, section 2). Only reads.
///
/// A tenant is named after the last part of its path that makes a name of ours; where two would be
/// the same, a number follows.
public final class LitestreamReplicas implements ObjectStore {
    /// How deep below the store's root replicas are looked for.
    private static final int DEPTH_MAX = 6;

    private static final int REPLICAS_MAX = 10_000;
    private static final int NAME_CHARS_MAX = 55;
    private static final Pattern S3_LEVEL = Pattern.compile("000[0-9]");
    private static final Pattern FILE_LEVEL = Pattern.compile("[0-9]");
    private static final String LTX = "ltx/";
    private static final Lineage LINEAGE = new Lineage("0".repeat(26));

    /// Where a replica lies.
    ///
    /// @param path empty, or ending in a slash
    /// @param folders whether its layout is that of folders
    private record Root(String path, boolean folders) {
        String inner(String rest) {
            if (!folders) {
                return path + rest;
            }
            return rest.startsWith("000")
                    ? path + LTX + rest.substring(3)
                    : path + "ltx-without/" + rest; // What only we have: nothing lies there.
        }

        String outer(String key) {
            String rest = key.substring(path.length());
            return folders ? "000" + rest.substring(LTX.length()) : rest;
        }
    }

    private final ObjectStore store;
    private final Map<TenantKey, Root> roots;

    private LitestreamReplicas(ObjectStore store, Map<TenantKey, Root> roots) {
        this.store = store;
        this.roots = roots;
    }

    /// Looks for replicas. One LIST request per folder.
    ///
    /// @throws IllegalStateException if there are more than 10,000
    public static LitestreamReplicas find(ObjectStore store) {
        var found = new ArrayList<Root>();
        find(store, "", 0, found);
        var roots = new LinkedHashMap<TenantKey, Root>();
        for (Root root : found) {
            String name = name(root.path());
            var key = new TenantKey(new TenantId(name), LINEAGE);
            for (int i = 2; roots.containsKey(key); i++) {
                key = new TenantKey(new TenantId(name + "-" + i), LINEAGE);
            }
            roots.put(key, root);
        }
        return new LitestreamReplicas(store, roots);
    }

    private static void find(ObjectStore store, String path, int depth, List<Root> found) {
        List<String> names = store.folders(path);
        if (names.stream().anyMatch(name -> S3_LEVEL.matcher(name).matches())) {
            add(new Root(path, false), found);
        } else if (names.contains("ltx")
                && store.folders(path + LTX).stream()
                        .anyMatch(name -> FILE_LEVEL.matcher(name).matches())) {
            add(new Root(path, true), found);
        } else if (depth < DEPTH_MAX) {
            names.forEach(name -> find(store, path + name + "/", depth + 1, found));
        }
    }

    private static void add(Root root, List<Root> found) {
        if (found.size() == REPLICAS_MAX) {
            throw new IllegalStateException(
                    "more than %d replicas; give the URL of a folder below"
                            .formatted(REPLICAS_MAX));
        }
        found.add(root);
    }

    /// A DNS label out of a path.
    private static String name(String path) {
        String[] parts = path.isEmpty() ? new String[] {"replica"} : path.split("/");
        String name =
                parts[parts.length - 1]
                        .toLowerCase(Locale.ROOT)
                        .replaceAll("[^a-z0-9]+", "-")
                        .replaceAll("^-|-$", "");
        String cut = name.substring(0, Math.min(name.length(), NAME_CHARS_MAX));
        return cut.isEmpty() ? "replica" : cut.replaceAll("-$", "");
    }

    /// The tenants that the replicas are, and the path of each, without a slash at its end.
    public Map<TenantKey, String> tenants() {
        var paths = new LinkedHashMap<TenantKey, String>();
        roots.forEach((key, root) -> paths.put(key, root.path().replaceAll("/$", "")));
        return paths;
    }

    /// @param outer a key as we name it, or the beginning of one within a lineage
    private Optional<Map.Entry<TenantKey, Root>> root(String outer) {
        String[] parts = outer.split("/", 4);
        if (parts.length < 4 || !parts[0].equals("tenants") || !parts[2].equals(LINEAGE.ulid())) {
            return Optional.empty();
        }
        return Optional.of(new TenantKey(new TenantId(parts[1]), LINEAGE))
                .filter(roots::containsKey)
                .map(key -> Map.entry(key, java.util.Objects.requireNonNull(roots.get(key))));
    }

    private Optional<String> inner(String outer) {
        return root(outer)
                .map(root ->
                        root.getValue().inner(outer.substring(root.getKey().prefix().length())));
    }

    @Override
    public Optional<byte[]> get(String key) {
        return inner(key).flatMap(store::get);
    }

    @Override
    public Optional<byte[]> getRange(String key, long offset, int length) {
        return inner(key).flatMap(inner -> store.getRange(inner, offset, length));
    }

    @Override
    public Optional<TailRead> getTail(String key, int length) {
        return inner(key).flatMap(inner -> store.getTail(inner, length));
    }

    @Override
    public Optional<InputStream> open(String key, long offset) {
        return inner(key).flatMap(inner -> store.open(inner, offset));
    }

    @Override
    public Optional<ListedObject> head(String key) {
        return inner(key)
                .flatMap(store::head)
                .map(object -> new ListedObject(key, object.size(), object.modified()));
    }

    @Override
    public ListPage list(String prefix, String startAfter, int limit) {
        Optional<Map.Entry<TenantKey, Root>> found = root(prefix);
        if (found.isEmpty()) {
            return new ListPage(List.of(), false);
        }
        TenantKey tenant = found.get().getKey();
        Root root = found.get().getValue();
        String after = startAfter.startsWith(prefix) ? inner(startAfter).orElseThrow() : "";
        ListPage page = store.list(inner(prefix).orElseThrow(), after, limit);
        return new ListPage(
                page.objects().stream()
                        .map(object ->
                                new ListedObject(
                                        tenant.prefix() + root.outer(object.key()),
                                        object.size(),
                                        object.modified()))
                        .toList(),
                page.more());
    }

    @Override
    public List<String> folders(String prefix) {
        throw new UnsupportedOperationException("replicas are listed by tenants()");
    }

    @Override
    public PutResult putIfAbsent(String key, ObjectBody body) {
        throw new UnsupportedOperationException("somebody else's replicas are not written");
    }

    @Override
    public void delete(String key) {
        throw new UnsupportedOperationException("somebody else's replicas are not written");
    }

    @Override
    public void close() {
        store.close();
    }
}
