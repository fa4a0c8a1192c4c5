package dev.litefleet.observer.cli;

import dev.litefleet.observer.history.TenantAt;
import dev.litefleet.observer.query.Console;
import dev.litefleet.replica.history.Hydrated;
import dev.litefleet.replica.history.RestorePlan;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Instant;
import java.util.HexFormat;
import java.util.Locale;
import java.util.Objects;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/// Restores a tenant at a point into a local file, verified page by page.
@Command(
        name = "pull",
        mixinStandardHelpOptions = true,
        description = "Restore a tenant at a point into a file.")
final class PullCommand implements Callable<Integer> {
    @Mixin private final StoreOption store = new StoreOption();

    @Parameters(index = "0", paramLabel = "TENANT[@POINT]", converter = TenantAtConverter.class)
    private @Nullable TenantAt wanted;

    @Option(names = "-o", required = true, paramLabel = "FILE", description = "Where to put it.")
    private Path target = Path.of("");

    @Option(names = "--force", description = "Replace FILE if it exists.")
    private boolean force;

    @Spec private @Nullable CommandSpec spec;

    @Override
    public Integer call() throws IOException {
        CommandSpec command = Objects.requireNonNull(spec);
        return Ends.of(command, () -> run(command));
    }

    private int run(CommandSpec command) throws IOException {
        PrintWriter out = command.commandLine().getOut();
        Path file = target.toAbsolutePath();
        if (Files.exists(file) && !force) {
            return Ends.say(command, Ends.CONFLICT, target + " exists; --force replaces it");
        }
        // SQLite would take a WAL that lies beside a database for a part of it.
        Path wal = file.resolveSibling(file.getFileName() + "-wal");
        if (Files.exists(wal)) {
            return Ends.say(
                    command,
                    Ends.CONFLICT,
                    "%s belongs to a database that is or was open there; choose another FILE"
                            .formatted(wal.getFileName()));
        }
        try (var bench = new Workbench(store)) {
            TenantAt asked = Objects.requireNonNull(wanted);
            RestorePlan plan = bench.plan(asked);
            Hydrated pulled = pull(bench, plan, asked, file);
            String check;
            try (Console console = Console.open(file)) {
                check = console.quickCheck();
            }
            boolean good = check.equals("ok");
            out.printf(
                    Locale.ROOT,
                    "%s  %s  %,d bytes  txn %s  %s%n",
                    good ? "ok " : "BAD",
                    target,
                    Files.size(file),
                    Ends.shortHex(pulled.position().txid()),
                    Output.time(Instant.ofEpochMilli(pulled.lastMillis())));
            out.printf("sha256 %s%n", sha256(file));
            out.printf(
                    Locale.ROOT,
                    "page checksum ok  quick_check %s  %d objects, %,d bytes read%n",
                    check,
                    plan.steps().size(),
                    pulled.bytesRead());
            out.flush();
            return good ? Ends.OK : Ends.BAD;
        }
    }

    private static Hydrated pull(Workbench bench, RestorePlan plan, TenantAt wanted, Path file) {
        try (Bar bar = Bar.of("pull")) {
            return bench.hydrate(plan, wanted, file, bar.progress());
        }
    }

    private static String sha256(Path file) throws IOException {
        try (FileChannel channel = FileChannel.open(file)) {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            ByteBuffer buffer = ByteBuffer.allocate(1 << 20);
            while (channel.read(buffer) >= 0) {
                digest.update(buffer.flip());
                buffer.clear();
            }
            return HexFormat.of().formatHex(digest.digest());
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("no SHA-256 in this JDK", e);
        }
    }
}
