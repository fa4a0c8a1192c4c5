package dev.litefleet.cli;

import com.fasterxml.jackson.databind.JsonNode;
import dev.litefleet.observer.cli.Bar;
import dev.litefleet.observer.cli.Ends;
import dev.litefleet.replica.TenantId;
import dev.litefleet.replica.history.Progress;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.Objects;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/// A new tenant from a SQLite database file of this machine.
@Command(
        name = "import",
        mixinStandardHelpOptions = true,
        description =
                "Make a tenant from a SQLite database file, which must be closed: its -wal or"
                        + " -journal is a part of it that is not sent.")
final class ImportCommand implements Callable<Integer> {
    @Mixin private ApiOptions fleet = new ApiOptions();
    @Mixin private SpecOptions spec = new SpecOptions();
    @Mixin private WaitOptions wait = new WaitOptions();
    @Mixin private Shown shown = new Shown();

    @Parameters(index = "0", paramLabel = "FILE", description = "A SQLite database.")
    private Path file = Path.of("");

    @Parameters(index = "1", paramLabel = "NEW", converter = TenantCommand.IdConverter.class)
    private @Nullable TenantId target;

    @Override
    public Integer call() throws IOException {
        for (String suffix : new String[] {"-wal", "-journal"}) {
            Path beside = file.resolveSibling(file.getFileName() + suffix);
            if (Files.exists(beside) && Files.size(beside) > 0) {
                return Ends.say(
                        fleet.spec(),
                        Ends.CONFLICT,
                        ("%s exists: the database is open, or was not closed. Close it, or take a"
                                        + " copy: sqlite3 %s \"vacuum into 'copy.db'\"")
                                .formatted(beside, file));
            }
        }
        if (!Files.isRegularFile(file)) {
            return Ends.say(fleet.spec(), Ends.NOT_FOUND, "there is no file " + file);
        }
        return fleet.run((api, out) ->
                send(
                        new Sending(
                                api,
                                out,
                                file,
                                Objects.requireNonNull(target),
                                "imported from " + file.getFileName()),
                        fleet,
                        spec,
                        wait,
                        shown));
    }

    /// A file on its way.
    ///
    /// @param how the tenant came to be, in words
    record Sending(ApiClient api, PrintWriter out, Path file, TenantId target, String how) {}

    /// Reads the file twice: its digest goes first, so a file that changes meanwhile is refused.
    static int send(
            Sending sending, ApiOptions fleet, SpecOptions spec, WaitOptions wait, Shown shown)
            throws IOException, InterruptedException {
        ApiClient api = sending.api();
        requireVacant(api, sending.target());
        String path =
                TenantCommand.path(sending.target())
                        + "/import?wait="
                        + (wait.headers().length == 0 ? "2s" : "1s")
                        + "&sha256="
                        + sha256(sending.file())
                        + "&spec="
                        + ApiClient.encoded(spec.json().toString());
        JsonNode begun;
        try (Bar bar = Bar.of("send")) {
            begun = api.upload(path, sending.file(), bar.progress()).body();
        }
        return switch (wait.follow(api, fleet.spec(), begun)) {
            case WaitOptions.Left.Done(var operation) -> {
                TenantCommand.printMade(api, sending.out(), shown, operation, sending.how());
                yield Ends.OK;
            }
            case WaitOptions.Left.Running(var exit) -> exit;
        };
    }

    /// Told before gigabytes are sent.
    ///
    /// @throws ApiProblem if the id is taken, or was
    private static void requireVacant(ApiClient api, TenantId target)
            throws IOException, InterruptedException {
        try {
            api.get(TenantCommand.path(target));
        } catch (ApiProblem none) {
            if (none.code().equals("TENANT_NOT_FOUND")) {
                return;
            }
            throw none;
        }
        throw new ApiProblem(
                409,
                ApiClient.JSON
                        .createObjectNode()
                        .put("code", "ALREADY_EXISTS")
                        .put("detail", "tenant " + target + " exists; choose another id"),
                "");
    }

    private static String sha256(Path file) throws IOException {
        try (InputStream in = Files.newInputStream(file);
                Bar bar = Bar.of("read")) {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            byte[] buffer = new byte[1 << 20];
            long total = Files.size(file);
            long done = 0;
            Progress progress = bar.progress();
            for (int count = in.read(buffer); count >= 0; count = in.read(buffer)) {
                digest.update(buffer, 0, count);
                done += count;
                progress.at(done, total);
            }
            return HexFormat.of().formatHex(digest.digest());
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("no SHA-256 in this JDK", e);
        }
    }
}
