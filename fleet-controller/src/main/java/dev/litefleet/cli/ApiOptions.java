package dev.litefleet.cli;

import dev.litefleet.observer.cli.Ends;
import java.io.IOException;
import java.io.PrintWriter;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.util.Objects;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;
import picocli.CommandLine.Spec.Target;

/// Which fleet a command talks to, and with which key.
final class ApiOptions {
    private static final Pattern ADDRESS = Pattern.compile("https?://\\S+");
    private static final int KEY_CHARS_MAX = 1024;

    @Option(
            names = "--url",
            paramLabel = "URL",
            description =
                    "Address of the fleet (default: LITEFLEET_URL, then the `litefleet up` that runs"
                            + " on --data).")
    private @Nullable String url;

    @Option(
            names = "--token-file",
            paramLabel = "FILE",
            description =
                    "File with an API key, readable by its owner only (default: LITEFLEET_TOKEN, then"
                            + " the admin.key in --data if the address is from there too).")
    private @Nullable Path tokenFile;

    @Option(
            names = "--data",
            paramLabel = "DIR",
            defaultValue = "./litefleet-data",
            description = "Folder of a `litefleet up` on this machine (default: ${DEFAULT-VALUE}).")
    private Path data = Path.of(".");

    @Spec(Target.MIXEE)
    private @Nullable CommandSpec command;

    /// The body of a command that talks to a fleet.
    interface Work {
        int run(ApiClient api, PrintWriter out) throws IOException, InterruptedException;
    }

    /// @throws ParameterException if there is no fleet or no key to be found
    int run(Work work) throws IOException {
        CommandSpec spec = spec();
        PrintWriter out = spec.commandLine().getOut();
        return Ends.of(
                spec,
                () -> {
                    try (ApiClient api = open()) {
                        return work.run(api, out);
                    } catch (ApiProblem refused) {
                        return Ends.say(
                                spec,
                                refused.exit(),
                                String.join(System.lineSeparator(), refused.lines()));
                    } catch (InterruptedException stopped) {
                        Thread.currentThread().interrupt();
                        throw new IOException("interrupted", stopped);
                    } finally {
                        out.flush();
                    }
                });
    }

    CommandSpec spec() {
        return Objects.requireNonNull(command);
    }

    private ApiClient open() throws IOException {
        String given = url != null ? url : System.getenv("LITEFLEET_URL");
        boolean ours = given == null;
        String address = ours ? running() : given;
        URI base;
        try {
            base = URI.create(address.endsWith("/") ? address : address + "/");
        } catch (IllegalArgumentException unreadable) {
            throw wrong("not an address: " + address);
        }
        if (!ADDRESS.matcher(address).matches() || base.getHost() == null) {
            throw wrong("--url must be like http://host:7480: " + address);
        }
        return new ApiClient(base, key(ours));
    }

    /// What the running `up` wrote into its lock.
    private String running() throws IOException {
        Path lock = data.resolve("lock");
        Matcher address = ADDRESS.matcher(Files.exists(lock) ? DataDirectory.holder(data) : "");
        if (!address.find()) {
            throw wrong(
                    "which fleet? no `litefleet up` runs on %s; give --data, --url or LITEFLEET_URL"
                            .formatted(data));
        }
        return address.group().replace("://0.0.0.0:", "://localhost:");
    }

    /// A key of this machine's fleet is not shown to another address.
    private String key(boolean ours) throws IOException {
        String environment = System.getenv("LITEFLEET_TOKEN");
        if (tokenFile != null) {
            return read(tokenFile);
        }
        if (environment != null) {
            return environment.trim();
        }
        Path admin = data.resolve("admin.key");
        if (ours && Files.exists(admin)) {
            return read(admin);
        }
        throw wrong("which key? set LITEFLEET_TOKEN or give --token-file");
    }

    private String read(Path file) throws IOException {
        if (!Files.isRegularFile(file) || Files.size(file) > KEY_CHARS_MAX) {
            throw wrong("no key in " + file);
        }
        Set<PosixFilePermission> open = Files.getPosixFilePermissions(file);
        if (open.contains(PosixFilePermission.GROUP_READ)
                || open.contains(PosixFilePermission.OTHERS_READ)) {
            throw wrong("others can read %s; chmod 600 %s".formatted(file, file));
        }
        return Files.readString(file).trim();
    }

    private ParameterException wrong(String problem) {
        return new ParameterException(spec().commandLine(), problem);
    }
}
