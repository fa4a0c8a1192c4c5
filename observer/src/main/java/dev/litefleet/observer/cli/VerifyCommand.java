package dev.litefleet.observer.cli;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.litefleet.observer.history.Fleet;
import dev.litefleet.observer.query.Console;
import dev.litefleet.replica.Point;
import dev.litefleet.replica.ReplicaException;
import dev.litefleet.replica.ReplicaException.Corrupt;
import dev.litefleet.replica.ReplicaException.PointNotExact;
import dev.litefleet.replica.TenantId;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.history.IndexPoint;
import dev.litefleet.replica.history.LineageSpan;
import dev.litefleet.replica.history.Progress;
import dev.litefleet.replica.history.RestorePlan;
import dev.litefleet.replica.history.Verification;
import dev.litefleet.replica.history.Verification.Kind;
import dev.litefleet.replica.history.Verification.Problem;
import dev.litefleet.replica.history.Verifier;
import dev.litefleet.replica.sqlite.SqlFailure;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/// Walks whole histories: every object is read and compared with every other that says something
/// about the same commits; then states are restored, and SQLite has its own word.
@Command(
        name = "verify",
        mixinStandardHelpOptions = true,
        description =
                "Verify the whole history of a tenant, all its lineages. Exit code 8: something is"
                        + " wrong.")
final class VerifyCommand implements Callable<Integer> {
    /// How the result is printed.
    enum Format {
        TEXT,
        JSON
    }

    private static final int POINTS_MAX = 10_000;
    private static final ObjectMapper MAPPER = new ObjectMapper();

    @Mixin private final StoreOption store = new StoreOption();

    @Parameters(index = "0", arity = "0..1", paramLabel = "TENANT")
    private @Nullable String id;

    @Option(names = "--all", description = "Every tenant that is not deleted, and the catalog.")
    private boolean all;

    @Option(
            names = "--points",
            defaultValue = "0",
            paramLabel = "N",
            description =
                    "Restore and check N states, spread over the history, beside the last one.")
    private int points;

    @Option(
            names = "--skip-log",
            description = "Don't read log entries: a request or two for each commit.")
    private boolean skipLog;

    @Option(names = "-o", defaultValue = "text", description = "text or json.")
    private Format output = Format.TEXT;

    @Spec private @Nullable CommandSpec spec;

    /// A lineage.
    ///
    /// @param ended its last TXID; nothing for the current one
    /// @param restored states that were restored and are sound
    private record Verified(
            Verification history, Optional<Txid> ended, List<Problem> problems, int restored) {
        /// Nothing is left of it: retention takes a lineage whole when its end is out of the
        /// window.
        boolean gone() {
            return ended.isPresent() && history.files() == 0 && problems.isEmpty();
        }
    }

    @Override
    public Integer call() throws IOException {
        CommandSpec command = Objects.requireNonNull(spec);
        if ((id == null) != all) {
            throw new ParameterException(command.commandLine(), "verify a TENANT, or --all");
        }
        if (points < 0 || points > POINTS_MAX) {
            throw new ParameterException(
                    command.commandLine(),
                    "--points must be 0 to %d, is %d".formatted(POINTS_MAX, points));
        }
        return Ends.of(command, () -> run(command));
    }

    private int run(CommandSpec command) {
        PrintWriter out = command.commandLine().getOut();
        ArrayNode json = MAPPER.createArrayNode();
        boolean whole = true;
        try (var bench = new Workbench(store)) {
            Fleet fleet = bench.fleet();
            for (Fleet.Tenant tenant : wanted(command, fleet)) {
                for (LineageSpan span : tenant.spans()) {
                    Verified verified =
                            span.lineage().equals(tenant.key().lineage())
                                    ? verify(bench, fleet, tenant)
                                    : ended(bench, fleet, tenant, span);
                    whole &= verified.problems().isEmpty();
                    if (output == Format.JSON) {
                        put(json.addObject(), verified);
                    } else {
                        print(verified, out);
                        out.flush();
                    }
                }
            }
        }
        if (output == Format.JSON) {
            out.println(json.toPrettyString());
            out.flush();
        }
        return whole ? Ends.OK : Ends.BAD;
    }

    private List<Fleet.Tenant> wanted(CommandSpec command, Fleet fleet) {
        var tenants = new ArrayList<Fleet.Tenant>();
        if (all) {
            fleet.catalog().ifPresent(tenants::add);
            // Of a deleted one the objects are going, so what is left need not be whole.
            fleet.tenants().stream()
                    .filter(tenant -> !tenant.state().equals("deleted"))
                    .forEach(tenants::add);
            return tenants;
        }
        String name = Objects.requireNonNull(id);
        Optional<Fleet.Tenant> found;
        TenantId tenant;
        if (name.equals(TenantId.CATALOG.name())) {
            tenant = TenantId.CATALOG;
            found = fleet.catalog();
        } else {
            try {
                tenant = TenantId.parse(name);
            } catch (IllegalArgumentException unreadable) {
                throw new ParameterException(
                        command.commandLine(), String.valueOf(unreadable.getMessage()));
            }
            found = fleet.tenant(tenant);
        }
        return List.of(found.orElseThrow(() -> new NotFound(tenant)));
    }

    /// A lineage that a restore in place has ended. Nobody writes it any more, and the catalog
    /// knows where it ends.
    private Verified ended(Workbench bench, Fleet fleet, Fleet.Tenant tenant, LineageSpan span) {
        Txid end = span.ended() == null ? Txid.NONE : span.ended();
        // Of a held tenant retention leaves parts of a lineage that is out of the window.
        Txid floor = tenant.held() ? Txid.NONE : end;
        var key = new TenantKey(tenant.key().tenant(), span.lineage());
        var scope = new Verifier.Scope(key, List.of(), floor, !skipLog);
        Verification history;
        try (Bar bar = Bar.of("verify " + key)) {
            history = bench.verify(fleet, scope, bar.progress());
        }
        if (history.files() == 0) {
            return new Verified(history, Optional.of(end), List.of(), 0);
        }
        var problems = new ArrayList<>(history.problems());
        Txid last = history.last().compareTo(end) > 0 ? end : history.last();
        int restored = 0;
        for (Point point : states(history, last, new Point.At(last))) {
            Optional<String> wrong = restore(bench, fleet, tenant, point);
            restored += wrong.isEmpty() ? 1 : 0;
            wrong.ifPresent(
                    text -> problems.add(new Problem(Kind.NOT_RESTORED, key.prefix(), 0, text)));
        }
        return new Verified(history, Optional.of(end), List.copyOf(problems), restored);
    }

    private Verified verify(Workbench bench, Fleet fleet, Fleet.Tenant tenant) {
        var problems = new ArrayList<Problem>();
        List<IndexPoint> tail = List.of();
        try {
            tail = fleet.tail(tenant); // Before the files: a drain moves commits from it to them.
        } catch (Corrupt damaged) {
            problems.add(new Problem(Kind.CORRUPT, damaged.key(), damaged.offset(), text(damaged)));
        } catch (ReplicaException broken) {
            problems.add(new Problem(Kind.INCONSISTENT, tenant.key().prefix(), 0, text(broken)));
        }
        var scope = new Verifier.Scope(tenant.key(), tail, tenant.floor(), !skipLog);
        Verification history;
        try (Bar bar = Bar.of("verify " + tenant.key().tenant())) {
            history = bench.verify(fleet, scope, bar.progress());
        }
        problems.addAll(history.problems());
        int restored = 0;
        if (!history.last().equals(Txid.NONE)) {
            for (Point point : states(history, history.last(), Point.LATEST)) {
                Optional<String> wrong = restore(bench, fleet, tenant, point);
                restored += wrong.isEmpty() ? 1 : 0;
                wrong.ifPresent(text ->
                        problems.add(
                                new Problem(Kind.NOT_RESTORED, tenant.key().prefix(), 0, text)));
            }
        }
        return new Verified(history, Optional.empty(), List.copyOf(problems), restored);
    }

    /// The last state and others, evenly spread.
    ///
    /// @param latest the last state, as it is asked for
    private List<Point> states(Verification history, Txid last, Point latest) {
        long first = history.first().value();
        long span = Math.max(0, last.value() - first);
        var txids = new TreeSet<Long>();
        for (int i = 0; i < points && first > 0; i++) {
            txids.add(first + span / (points + 1) * i + span % (points + 1) * i / (points + 1));
        }
        txids.remove(last.value());
        var states = new ArrayList<Point>();
        txids.forEach(txid -> states.add(new Point.At(new Txid(txid))));
        states.add(latest);
        return states;
    }

    /// @return what is wrong
    private static Optional<String> restore(
            Workbench bench, Fleet fleet, Fleet.Tenant tenant, Point point) {
        Path image = bench.folder().resolve("verify.db");
        try {
            RestorePlan plan = nearest(bench, fleet, tenant, point);
            bench.hydrate(plan, image, Progress.NONE);
            try (Console console = Console.open(image)) {
                String check = console.quickCheck();
                return check.equals("ok")
                        ? Optional.empty()
                        : Optional.of("quick_check of @%s: %s".formatted(point, check));
            }
        } catch (PointNotExact gone) {
            return Optional.empty(); // Its segment has expired; the neighbours are others' turn.
        } catch (ReplicaException | SqlFailure broken) {
            return Optional.of("@%s cannot be restored: %s".formatted(point, text(broken)));
        }
    }

    /// A point within a merged entry or an expired one stands for the state before it.
    private static RestorePlan nearest(
            Workbench bench, Fleet fleet, Fleet.Tenant tenant, Point point) {
        try {
            return bench.plan(fleet, tenant, point);
        } catch (PointNotExact near) {
            return bench.plan(fleet, tenant, new Point.At(near.before().orElseThrow(() -> near)));
        }
    }

    private static void print(Verified verified, PrintWriter out) {
        Verification history = verified.history();
        boolean good = verified.problems().isEmpty();
        if (verified.gone()) {
            out.printf(
                    "gone %s  lineage %s  ended with txn %s; nothing is left of it%n",
                    history.tenant().tenant(),
                    history.tenant().lineage(),
                    Ends.shortHex(verified.ended().orElse(Txid.NONE)));
            return;
        }
        out.printf(
                Locale.ROOT,
                "%s  %s  lineage %s%s  last txn %s  %d files  %d points  %d entries (%d gone)"
                        + "  %d restored  %,d bytes%n",
                good ? "ok " : "BAD",
                history.tenant().tenant(),
                history.tenant().lineage(),
                verified.ended()
                        .map(end -> " (ended with txn " + Ends.shortHex(end) + ")")
                        .orElse(""),
                Ends.shortHex(history.last()),
                history.files(),
                history.points(),
                history.entries(),
                history.entriesGone(),
                verified.restored(),
                history.bytesRead());
        for (Problem problem : verified.problems()) {
            out.printf(
                    Locale.ROOT,
                    "     %s  %s  offset %d%n       %s%n       do: %s%n",
                    problem.kind(),
                    problem.key(),
                    problem.offset(),
                    problem.text(),
                    problem.kind().advice());
        }
        history.notChecked().forEach(text -> out.println("     not checked: " + text));
    }

    private static void put(ObjectNode object, Verified verified) {
        Verification history = verified.history();
        object.put("tenant", history.tenant().tenant().name());
        object.put("lineage", history.tenant().lineage().ulid());
        object.put("current", verified.ended().isEmpty());
        object.put("whole", verified.problems().isEmpty());
        object.put("first_txid", history.first().toString());
        object.put("last_txid", history.last().toString());
        object.put("files", history.files());
        object.put("points", history.points());
        object.put("entries", history.entries());
        object.put("entries_gone", history.entriesGone());
        object.put("restored", verified.restored());
        object.put("bytes_read", history.bytesRead());
        ArrayNode problems = object.putArray("problems");
        for (Problem problem : verified.problems()) {
            problems.addObject()
                    .put("kind", problem.kind().name())
                    .put("key", problem.key())
                    .put("offset", problem.offset())
                    .put("text", problem.text())
                    .put("advice", problem.kind().advice());
        }
        ArrayNode notChecked = object.putArray("not_checked");
        history.notChecked().forEach(notChecked::add);
    }

    private static String text(RuntimeException broken) {
        return String.valueOf(broken.getMessage());
    }
}
