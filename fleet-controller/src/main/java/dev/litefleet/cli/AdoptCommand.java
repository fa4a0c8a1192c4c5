package dev.litefleet.cli;

import dev.litefleet.observer.cli.Bar;
import dev.litefleet.observer.cli.Ends;
import dev.litefleet.observer.history.Fleet;
import dev.litefleet.observer.query.Console;
import dev.litefleet.replica.Point;
import dev.litefleet.replica.TenantId;
import dev.litefleet.replica.history.Hydrated;
import dev.litefleet.replica.history.Hydrator;
import dev.litefleet.replica.history.RestorePlan;
import dev.litefleet.replica.log.ThreadTasks;
import dev.litefleet.replica.objects.ObjectStore;
import dev.litefleet.replica.objects.StoreUrl;
import dev.litefleet.replica.sqlite.Sqlite;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;

/// A new tenant from a replica that Litestream 0.5 wrote, in a bucket or a folder. It is read with
/// the rights of whoever runs the command, verified, and sent as a file: the fleet needs no
/// credentials for anybody's bucket.
@Command(
        name = "adopt",
        mixinStandardHelpOptions = true,
        description =
                "Make a tenant from a Litestream 0.5 replica in a bucket or a folder, which is only"
                        + " read. The tenant's history begins with the state that is taken.")
final class AdoptCommand implements Callable<Integer> {
    private static final int NAMED_MAX = 20;

    @Mixin private ApiOptions fleet = new ApiOptions();
    @Mixin private SpecOptions spec = new SpecOptions();
    @Mixin private WaitOptions wait = new WaitOptions();
    @Mixin private Shown shown = new Shown();

    @Parameters(
            index = "0",
            paramLabel = "URL",
            description =
                    "file:///dir or s3://bucket/prefix?endpoint=&region=&pathStyle=true: the replica,"
                            + " or a place above it.")
    private String url = "";

    @Parameters(index = "1", paramLabel = "NEW", converter = TenantCommand.IdConverter.class)
    private @Nullable TenantId target;

    @Option(
            names = "--replica",
            paramLabel = "NAME",
            converter = TenantCommand.IdConverter.class,
            description = "Which one, if there are several: as `litefleet observe ls` names it.")
    private @Nullable TenantId replica;

    @Option(
            names = "--at",
            paramLabel = "POINT",
            defaultValue = "latest",
            description = "Which state: latest, a TXID, ~5, a time or -10m (default: latest).")
    private String at = "latest";

    @Override
    public Integer call() throws IOException {
        Point point;
        StoreUrl place;
        try {
            point = Point.parse(at);
            place = StoreUrl.parse(Files.isDirectory(Path.of(url)) ? folder() : url);
        } catch (IllegalArgumentException unreadable) {
            throw new ParameterException(
                    fleet.spec().commandLine(), String.valueOf(unreadable.getMessage()));
        }
        return fleet.run((api, out) -> {
            Path folder = Files.createTempDirectory("litefleet-adopt-");
            try (ObjectStore store = place.openForReading()) {
                Sqlite.load(folder);
                return adopt(api, out, store, point, folder);
            } finally {
                delete(folder);
            }
        });
    }

    private String folder() {
        return Path.of(url).toAbsolutePath().normalize().toUri().toString();
    }

    private int adopt(ApiClient api, PrintWriter out, ObjectStore store, Point point, Path folder)
            throws IOException, InterruptedException {
        var tasks = new ThreadTasks();
        var now = InstantSource.system().instant();
        Fleet found = Fleet.open(store, folder, tasks, now);
        List<Fleet.Tenant> candidates =
                found.tenants().stream()
                        .filter(one -> replica == null || one.key().tenant().equals(replica))
                        .toList();
        if (candidates.isEmpty()) {
            return Ends.say(
                    fleet.spec(),
                    Ends.NOT_FOUND,
                    replica == null
                            ? "no replica lies at %s; Litestream 0.5 writes <path>/0000/ in buckets and"
                                    .concat(" <path>/ltx/0/ in folders; what 0.3 wrote,")
                                    .concat(" generations/, cannot be read")
                                    .formatted(url)
                            : "no replica at %s is named %s; `litefleet observe ls --store %s` lists them"
                                    .formatted(url, replica, url));
        }
        if (candidates.size() > 1) {
            return Ends.say(
                    fleet.spec(),
                    Ends.USAGE,
                    "%d replicas lie at %s; say which one with --replica: %s%s"
                            .formatted(
                                    candidates.size(),
                                    url,
                                    candidates.stream()
                                            .limit(NAMED_MAX)
                                            .map(one -> one.key().tenant().name())
                                            .collect(Collectors.joining(", ")),
                                    candidates.size() > NAMED_MAX ? ", ..." : ""));
        }
        RestorePlan plan = found.history(candidates.getFirst()).plan(point, now);
        Path file = folder.resolve("adopted.db");
        Hydrated state;
        try (Bar bar = Bar.of("read replica")) {
            state =
                    Hydrator.hydrate(
                            found.store(),
                            plan,
                            file,
                            Hydrator.Limits.DEFAULT,
                            tasks,
                            bar.progress());
        }
        try (Console console = Console.open(file)) {
            String check = console.quickCheck();
            if (!check.equals("ok")) {
                return Ends.say(
                        fleet.spec(),
                        Ends.BAD,
                        "the replica's database is damaged, quick_check says: " + check);
            }
        }
        return ImportCommand.send(
                new ImportCommand.Sending(
                        api,
                        out,
                        file,
                        Objects.requireNonNull(target),
                        "adopted %s@%s"
                                .formatted(
                                        candidates.getFirst().key().tenant(),
                                        Ends.shortHex(state.position().txid()))),
                fleet,
                spec,
                wait,
                shown);
    }

    /// What lies there is tenant data.
    private static void delete(Path folder) throws IOException {
        try (var files = Files.walk(folder)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.deleteIfExists(file);
            }
        }
    }
}
