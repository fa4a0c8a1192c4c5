package dev.litefleet.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.litefleet.observer.cli.Ends;
import dev.litefleet.replica.TenantId;
import java.io.IOException;
import java.util.HashMap;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.TypeConversionException;

/// Tenants of a running fleet, over its REST API.
@Command(
        name = "tenant",
        mixinStandardHelpOptions = true,
        description = "Tenants of a running fleet.",
        subcommands = {
            TenantCommand.Create.class,
            TenantCommand.Rows.class,
            TenantCommand.Get.class,
            TenantCommand.Update.class,
            TenantCommand.Delete.class,
            TenantCommand.Receipt.class,
            TenantCommand.Token.class,
            ForkCommand.class,
            RestoreCommand.class,
            ImportCommand.class,
            AdoptCommand.class,
            HoldCommand.class
        },
        footer = {
            "",
            "Points:  tenant            the last durable commit",
            "         tenant@2a41       after transaction 2a41",
            "         tenant@~5         five commits before the last one",
            "         tenant@2026-11-20T14:03:11Z  or  tenant@-10m"
        },
        exitCodeListHeading = "%nExit codes:%n",
        exitCodeList = {
            "0:done",
            "1:failed",
            "2:wrong usage",
            "3:no such tenant, point or operation",
            "4:refused: key or rights",
            "5:conflict: exists, held, changed, busy",
            "6:the time of --wait was over"
        })
final class TenantCommand {
    /// A tenant's id, refused before anything is sent.
    static final class IdConverter implements ITypeConverter<TenantId> {
        @Override
        public TenantId convert(String text) {
            try {
                return TenantId.parse(text);
            } catch (IllegalArgumentException wrong) {
                throw new TypeConversionException(String.valueOf(wrong.getMessage()));
            }
        }
    }

    static String path(@Nullable Object tenant) {
        return "api/v1/tenants/" + tenant;
    }

    /// The lines that a new tenant is told with.
    ///
    /// @param token of an answer; missing if it has none
    static String made(String what, String url, JsonNode token) {
        var text = new StringBuilder(what).append("%n  URL    %s".formatted(url));
        if (token.path("jwt").isTextual()) {
            JsonNode expires = token.path("expires_at");
            text.append(
                    "%n  TOKEN  %s%n         shown once; %s"
                            .formatted(
                                    token.path("jwt").asText(),
                                    expires.isTextual()
                                            ? "expires " + expires.asText()
                                            : "does not expire"));
        } else {
            text.append(
                    "%n  token  not shown again; `litefleet tenant token` mints one".formatted());
        }
        return text.toString();
    }

    /// A copy was made by an operation: says so, with the way to it.
    static void printMade(
            ApiClient api, java.io.PrintWriter out, Shown shown, JsonNode operation, String how)
            throws IOException, InterruptedException {
        String id = operation.at("/result/tenant").asText();
        JsonNode tenant = api.get(path(id)).body();
        JsonNode token = operation.path("token");
        ObjectNode whole = operation.deepCopy();
        if (!token.path("jwt").isTextual()) {
            // It took longer than the request that began it.
            token =
                    api.send("POST", path(id) + "/tokens", ApiClient.JSON.createObjectNode())
                            .body();
            whole.set("token", token);
        }
        whole.put("url", tenant.path("url").asText());
        shown.print(
                out,
                whole,
                made(
                        "%s  %s  %,d bytes"
                                .formatted(id, how, operation.at("/result/bytes").asLong()),
                        tenant.path("url").asText(),
                        token));
    }

    @Command(
            name = "create",
            mixinStandardHelpOptions = true,
            description = "Provision an empty tenant.")
    static final class Create implements Callable<Integer> {
        @Mixin private ApiOptions fleet = new ApiOptions();
        @Mixin private SpecOptions spec = new SpecOptions();
        @Mixin private Shown shown = new Shown();

        @Parameters(paramLabel = "TENANT", converter = IdConverter.class)
        private @Nullable TenantId tenant;

        @Option(
                names = "--expires-in",
                paramLabel = "TIME",
                description = "Of the token, as in 30d; default: never.")
        private @Nullable String expires;

        @Override
        public Integer call() throws IOException {
            return fleet.run((api, out) -> {
                ObjectNode body = spec.json();
                if (expires != null) {
                    body.putObject("token").put("expires_in", expires);
                }
                JsonNode made = api.send("PUT", path(tenant), body, "if-none-match", "*").body();
                shown.print(
                        out,
                        made,
                        made(tenant + "  created", made.path("url").asText(), made.path("token")));
                return Ends.OK;
            });
        }
    }

    @Command(
            name = "list",
            aliases = "ls",
            mixinStandardHelpOptions = true,
            description = "List tenants in order of their ids.")
    static final class Rows implements Callable<Integer> {
        @Mixin private ApiOptions fleet = new ApiOptions();
        @Mixin private Listed listed = new Listed();

        @Option(names = "--prefix", defaultValue = "", description = "Only ids that start so.")
        private String prefix = "";

        @Option(
                names = {"-l", "--label"},
                paramLabel = "KEY=VALUE",
                description = "Only tenants with this label; repeatable.")
        private Map<String, String> labels = new HashMap<>();

        @Option(
                names = "--state",
                paramLabel = "STATE",
                description = "hibernated, active or deleted (default: all but deleted).")
        private @Nullable String state;

        @Option(
                names = "--limit",
                defaultValue = "1000",
                description = "At most so many (default: ${DEFAULT-VALUE}).")
        private int limit;

        @Override
        public Integer call() throws IOException {
            return fleet.run((api, out) -> {
                String label =
                        new TreeMap<>(labels)
                                .entrySet().stream()
                                        .map(pair -> pair.getKey() + "=" + pair.getValue())
                                        .collect(Collectors.joining(","));
                var path =
                        new StringBuilder("api/v1/tenants?prefix=")
                                .append(ApiClient.encoded(prefix))
                                .append(label.isEmpty() ? "" : "&label=" + ApiClient.encoded(label))
                                .append(state == null ? "" : "&state=" + ApiClient.encoded(state));
                listed.print(
                        out,
                        api.list(path.toString(), limit),
                        "id",
                        "state",
                        "worker",
                        "durability",
                        "created_at",
                        "labels");
                return Ends.OK;
            });
        }
    }

    @Command(name = "get", mixinStandardHelpOptions = true, description = "Show a tenant.")
    static final class Get implements Callable<Integer> {
        @Mixin private ApiOptions fleet = new ApiOptions();
        @Mixin private Shown shown = new Shown();

        @Parameters(paramLabel = "TENANT", converter = IdConverter.class)
        private @Nullable TenantId tenant;

        @Override
        public Integer call() throws IOException {
            return fleet.run((api, out) -> {
                JsonNode found = api.get(path(tenant)).body();
                shown.print(out, found, text(found));
                return Ends.OK;
            });
        }
    }

    private static String text(JsonNode tenant) {
        return """
        %s  %s%s
          URL         %s
          durability  %s
          history     exact %s, merged %s
          labels      %s
          created     %s
          lineage     %s  etag %s\
        """
                .formatted(
                        tenant.path("id").asText(),
                        tenant.path("state").asText(),
                        tenant.path("worker").isTextual()
                                ? " on " + tenant.path("worker").asText()
                                : "",
                        tenant.path("url").asText(),
                        tenant.path("durability").asText(),
                        tenant.at("/history/exact").asText(),
                        tenant.at("/history/merged").asText(),
                        tenant.path("labels").isEmpty() ? "-" : tenant.path("labels"),
                        tenant.path("created_at").asText(),
                        tenant.path("lineage").asText(),
                        tenant.path("etag").asText());
    }

    @Command(
            name = "update",
            mixinStandardHelpOptions = true,
            description = "Change what is given, leave the rest.")
    static final class Update implements Callable<Integer> {
        @Mixin private ApiOptions fleet = new ApiOptions();
        @Mixin private SpecOptions spec = new SpecOptions();
        @Mixin private Shown shown = new Shown();

        @Parameters(paramLabel = "TENANT", converter = IdConverter.class)
        private @Nullable TenantId tenant;

        @Override
        public Integer call() throws IOException {
            return fleet.run((api, out) -> {
                ObjectNode changes = spec.json();
                if (changes.isEmpty()) {
                    return Ends.say(fleet.spec(), Ends.USAGE, "nothing to change: give an option");
                }
                JsonNode changed = api.send("PATCH", path(tenant), changes).body();
                shown.print(out, changed, text(changed));
                return Ends.OK;
            });
        }
    }

    @Command(
            name = "delete",
            aliases = "rm",
            mixinStandardHelpOptions = true,
            description =
                    "Delete a tenant for ever: it is unreachable at once, its objects are erased, and"
                            + " its id is not used again.")
    static final class Delete implements Callable<Integer> {
        @Mixin private ApiOptions fleet = new ApiOptions();
        @Mixin private Shown shown = new Shown();
        @Mixin private Confirmation confirmation = new Confirmation();

        @Parameters(paramLabel = "TENANT", converter = IdConverter.class)
        private @Nullable TenantId tenant;

        @Override
        public Integer call() throws IOException {
            return fleet.run((api, out) -> {
                api.get(path(tenant)); // Whoever mistypes is told before being asked.
                if (!confirmation.given(
                        fleet.spec(), String.valueOf(tenant), "delete it for ever")) {
                    return Ends.USAGE;
                }
                JsonNode erasure = api.delete(path(tenant)).body();
                shown.print(
                        out,
                        erasure,
                        "%s  deleted  %s; `litefleet tenant receipt %s` tells how far"
                                .formatted(tenant, erasure.path("phase").asText(), tenant));
                return Ends.OK;
            });
        }
    }

    @Command(
            name = "receipt",
            mixinStandardHelpOptions = true,
            description = "How far a deleted tenant is erased.")
    static final class Receipt implements Callable<Integer> {
        @Mixin private ApiOptions fleet = new ApiOptions();
        @Mixin private Shown shown = new Shown();

        @Parameters(paramLabel = "TENANT", converter = IdConverter.class)
        private @Nullable TenantId tenant;

        @Override
        public Integer call() throws IOException {
            return fleet.run((api, out) -> {
                JsonNode erasure = api.get(path(tenant) + "/receipt").body();
                JsonNode receipt = erasure.path("receipt");
                String how =
                        receipt.isMissingNode()
                                ? "%s since %s"
                                        .formatted(
                                                erasure.path("phase").asText(),
                                                erasure.path("deleted_at").asText())
                                : "erased: %,d objects, %,d bytes; listed empty at %s; no byte left by %s"
                                        .formatted(
                                                receipt.path("objects").asLong(),
                                                receipt.path("bytes").asLong(),
                                                receipt.path("listed_empty_at").asText(),
                                                erasure.path("erased_by").asText());
                shown.print(out, erasure, tenant + "  " + how);
                return Ends.OK;
            });
        }
    }

    @Command(
            name = "token",
            mixinStandardHelpOptions = true,
            description = "Mint one more token for a tenant; it is shown once.")
    static final class Token implements Callable<Integer> {
        @Mixin private ApiOptions fleet = new ApiOptions();
        @Mixin private Shown shown = new Shown();

        @Parameters(paramLabel = "TENANT", converter = IdConverter.class)
        private @Nullable TenantId tenant;

        @Option(names = "--read-only", description = "A token that cannot write.")
        private boolean readOnly;

        @Option(
                names = "--expires-in",
                paramLabel = "TIME",
                description = "As in 30d; default: never.")
        private @Nullable String expires;

        @Override
        public Integer call() throws IOException {
            return fleet.run((api, out) -> {
                ObjectNode body = ApiClient.JSON.createObjectNode().put("read_only", readOnly);
                if (expires != null) {
                    body.put("expires_in", expires);
                }
                JsonNode token = api.send("POST", path(tenant) + "/tokens", body).body();
                shown.print(out, token, token.path("jwt").asText());
                return Ends.OK;
            });
        }
    }
}
