package dev.litefleet.observer.cli;

import static java.util.stream.Collectors.joining;

import dev.litefleet.observer.history.Fleet;
import dev.litefleet.replica.ReplicaException;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.history.Timeline;
import dev.litefleet.replica.sqlite.SqlValue;
import java.io.IOException;
import java.io.PrintWriter;
import java.time.Instant;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/// Lists the tenants of a store with their last durable commit.
@Command(name = "ls", mixinStandardHelpOptions = true, description = "List the tenants of a store.")
final class LsCommand implements Callable<Integer> {
    private static final List<String> COLUMNS =
            List.of("id", "state", "durable_txid", "last_commit_at", "bytes", "labels");
    private static final int LIMIT_MAX = 1_000_000;

    @Mixin private final StoreOption store = new StoreOption();

    @Option(names = "--prefix", defaultValue = "", description = "Only ids that start so.")
    private String prefix = "";

    @Option(
            names = {"-l", "--label"},
            description = "Only tenants with this label; repeatable.")
    private Map<String, String> labels = new HashMap<>();

    @Option(names = "--all", description = "Deleted tenants too.")
    private boolean all;

    @Option(
            names = "--limit",
            defaultValue = "1000",
            description = "At most so many (default: ${DEFAULT-VALUE}).")
    private int limit;

    @Option(names = "-o", defaultValue = "table", description = "table, json or csv.")
    private Output output = Output.TABLE;

    @Spec private @Nullable CommandSpec spec;

    /// @param problem why the time is not known, if it should be
    private record Line(
            Fleet.Tenant tenant,
            Txid latest,
            Optional<Instant> time,
            long bytes,
            Optional<String> problem) {}

    @Override
    public Integer call() throws IOException {
        CommandSpec command = Objects.requireNonNull(spec);
        QueryCommand.within(command, "--limit", limit, LIMIT_MAX);
        return Ends.of(command, () -> run(command));
    }

    private int run(CommandSpec command) {
        PrintWriter out = command.commandLine().getOut();
        PrintWriter err = command.commandLine().getErr();
        try (var bench = new Workbench(store)) {
            Fleet fleet = bench.fleet();
            List<Fleet.Tenant> wanted = fleet.tenants().stream().filter(this::wanted).toList();
            List<Line> lines =
                    fleet.timelines(
                            wanted.subList(0, Math.min(limit, wanted.size())), LsCommand::line);
            print(lines, out);
            out.flush();
            lines.forEach(
                    line -> line.problem().ifPresent(text -> err.println("litefleet: " + text)));
            if (wanted.size() > limit) {
                err.printf(
                        "litefleet: %d more; use --prefix, -l or --limit%n", wanted.size() - limit);
            }
        }
        return Ends.OK;
    }

    private boolean wanted(Fleet.Tenant tenant) {
        return tenant.key().tenant().name().startsWith(prefix)
                && (all || !tenant.state().equals("deleted"))
                && tenant.labels().entrySet().containsAll(labels.entrySet());
    }

    /// One damaged file must not hide the rest of a fleet.
    private static Line line(Fleet.Tenant tenant, Timeline timeline) {
        try {
            return new Line(
                    tenant,
                    timeline.latest(),
                    timeline.latestTime(),
                    timeline.bytes(),
                    Optional.empty());
        } catch (ReplicaException damaged) {
            return new Line(
                    tenant,
                    timeline.latest(),
                    Optional.empty(),
                    timeline.bytes(),
                    Optional.ofNullable(damaged.getMessage()));
        }
    }

    private void print(List<Line> lines, PrintWriter out) {
        boolean table = output == Output.TABLE;
        output.print(
                table
                        ? COLUMNS.stream()
                                .map(name -> name.replace('_', ' ').toUpperCase(Locale.ROOT))
                                .toList()
                        : COLUMNS,
                lines.stream().map(line -> row(line, table)).toList(),
                out);
    }

    private static SqlValue[] row(Line line, boolean table) {
        Fleet.Tenant tenant = line.tenant();
        return new SqlValue[] {
            new SqlValue.Text(tenant.key().tenant().name()),
            new SqlValue.Text(tenant.state()),
            new SqlValue.Text(table ? Ends.shortHex(line.latest()) : line.latest().toString()),
            line.time()
                    .<SqlValue>map(time -> new SqlValue.Text(Output.time(time)))
                    .orElse(table ? new SqlValue.Text("-") : SqlValue.NULL),
            new SqlValue.Int(line.bytes()),
            new SqlValue.Text(
                    new TreeMap<>(tenant.labels())
                            .entrySet().stream()
                                    .map(label -> label.getKey() + "=" + label.getValue())
                                    .collect(joining(",")))
        };
    }
}
