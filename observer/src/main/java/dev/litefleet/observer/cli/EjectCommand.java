package dev.litefleet.observer.cli;

import dev.litefleet.observer.history.Fleet;
import dev.litefleet.observer.history.TenantAt;
import dev.litefleet.replica.Point;
import dev.litefleet.replica.ReplicaException;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.history.Eject.Ejected;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/// Takes tenants out of the fleet: as Litestream replicas in a folder, with a `litestream.yml`, and
/// as plain databases.
@Command(
        name = "eject",
        mixinStandardHelpOptions = true,
        description = "Write tenants as Litestream replicas and plain databases into a folder.")
final class EjectCommand implements Callable<Integer> {
    /// Some tenants were ejected, some were not.
    private static final int PARTIAL = 7;

    @Mixin private final StoreOption store = new StoreOption();

    @Parameters(
            arity = "0..1",
            paramLabel = "TENANT[@POINT]",
            converter = TenantAtConverter.class,
            description = "One tenant; or give --all or --prefix.")
    private @Nullable TenantAt wanted;

    @Option(names = "--all", description = "Every tenant that is not deleted.")
    private boolean all;

    @Option(names = "--prefix", description = "Every tenant whose id starts so.")
    private @Nullable String prefix;

    @Option(
            names = "-o",
            required = true,
            paramLabel = "DIR",
            description = "A new or empty folder.")
    private Path target = Path.of("");

    @Spec private @Nullable CommandSpec spec;

    @Override
    public Integer call() throws IOException {
        CommandSpec command = Objects.requireNonNull(spec);
        int ways = (wanted == null ? 0 : 1) + (all ? 1 : 0) + (prefix == null ? 0 : 1);
        if (ways != 1) {
            throw new ParameterException(
                    command.commandLine(), "give one of TENANT[@POINT], --all and --prefix");
        }
        return Ends.of(command, () -> run(command));
    }

    private int run(CommandSpec command) throws IOException {
        Path folder = Files.createDirectories(target.toAbsolutePath().normalize());
        try (var entries = Files.list(folder)) {
            if (entries.findAny().isPresent()) {
                return Ends.say(command, Ends.CONFLICT, target + " is not empty");
            }
        }
        PrintWriter out = command.commandLine().getOut();
        try (var bench = new Workbench(store)) {
            var ejected = new ArrayList<TenantAt>();
            int failed = 0;
            for (TenantAt tenant : tenants(bench, command)) {
                try {
                    print(bench.eject(tenant, folder), tenant, out);
                    ejected.add(tenant);
                } catch (ReplicaException failure) {
                    if (wanted != null) {
                        throw failure;
                    }
                    failed++;
                    Ends.say(command, Ends.FAILED, tenant.tenant() + ": " + failure.getMessage());
                }
            }
            Files.writeString(folder.resolve("litestream.yml"), configuration(folder, ejected));
            return failed == 0 ? Ends.OK : PARTIAL;
        }
    }

    private List<TenantAt> tenants(Workbench bench, CommandSpec command) {
        if (wanted != null) {
            return List.of(wanted);
        }
        var tenants = new ArrayList<TenantAt>();
        Fleet fleet = bench.fleet();
        for (Fleet.Tenant tenant : fleet.tenants()) {
            String name = tenant.key().tenant().name();
            if (!tenant.state().equals("deleted") && (prefix == null || name.startsWith(prefix))) {
                if (fleet.timeline(tenant).latest().equals(Txid.NONE)) {
                    Ends.say(command, Ends.OK, name + " has no commit yet, so there is nothing");
                } else {
                    tenants.add(new TenantAt(tenant.key().tenant(), new Point.Latest()));
                }
            }
        }
        return tenants;
    }

    private static void print(Ejected ejected, TenantAt tenant, PrintWriter out) {
        out.printf(
                Locale.ROOT,
                "ok   %s  txn %s  %d files, %,d bytes  page checksum ok%n",
                tenant.tenant(),
                Ends.shortHex(ejected.state().position().txid()),
                ejected.files(),
                ejected.bytes());
        out.flush();
    }

    /// Paths are absolute: Litestream names databases by them.
    private static String configuration(Path folder, List<TenantAt> tenants) {
        var text = new StringBuilder();
        text.append(
                "# `litestream restore -config <this file> <path of a database>`, or go on with\n");
        text.append("# `litestream replicate -config <this file>`.\n");
        text.append("dbs:\n");
        for (TenantAt tenant : tenants) {
            text.append("  - path: ").append(quoted(folder.resolve(tenant.tenant() + ".db")));
            text.append("\n    replica:\n      type: file\n      path: ");
            text.append(quoted(folder.resolve(tenant.tenant().name()))).append('\n');
        }
        return tenants.isEmpty() ? text.append("  []\n").toString() : text.toString();
    }

    private static String quoted(Path path) {
        return "'" + path.toString().replace("'", "''") + "'";
    }
}
