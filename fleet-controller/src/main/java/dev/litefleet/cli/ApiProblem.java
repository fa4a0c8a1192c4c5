package dev.litefleet.cli;

import com.fasterxml.jackson.databind.JsonNode;
import dev.litefleet.observer.cli.Ends;
import java.util.ArrayList;
import java.util.List;

/// The fleet refused a request, or an operation failed, for a reason that it names.
final class ApiProblem extends RuntimeException {
    private final int status;
    private final transient JsonNode problem;
    private final String request;

    /// @param problem RFC 9457
    /// @param request the request's id; empty if there is none
    ApiProblem(int status, JsonNode problem, String request) {
        super(problem.path("detail").asText("the fleet answered with HTTP " + status));
        this.status = status;
        this.problem = problem;
        this.request = request;
    }

    /// Stable, upper snake case; empty if whoever answered is no fleet.
    String code() {
        return problem.path("code").asText("");
    }

    /// How a command ends that was refused so (ux.md, 5.1).
    int exit() {
        return switch (code()) {
            case "POINT_NOT_FOUND", "POINT_NOT_EXACT" -> Ends.NOT_FOUND;
            case "VALIDATION", "BAD_REQUEST" -> Ends.USAGE;
            default ->
                    switch (status) {
                        case 401, 403 -> Ends.DENIED;
                        case 404, 410 -> Ends.NOT_FOUND;
                        case 409, 412, 423, 428 -> Ends.CONFLICT;
                        default -> Ends.FAILED;
                    };
        };
    }

    /// What happened, why, and what to do next.
    List<String> lines() {
        var lines = new ArrayList<String>();
        lines.add(String.valueOf(getMessage()));
        for (JsonNode error : problem.path("errors")) {
            String pointer = error.path("pointer").asText();
            lines.add(
                    "  "
                            + (pointer.isEmpty() ? "" : pointer + ": ")
                            + error.path("detail").asText());
        }
        for (JsonNode hold : problem.path("holds")) {
            lines.add(
                    "  held by %s: %s"
                            .formatted(hold.path("id").asText(), hold.path("reason").asText()));
        }
        if (code().equals("POINT_NOT_EXACT")) {
            lines.add("  take one of them, or say --nearest before or --nearest after");
        }
        if (problem.path("retryable").asBoolean()) {
            lines.add("  the same command may succeed later");
        }
        var where = new ArrayList<String>();
        if (!code().isEmpty()) {
            where.add(code());
        }
        if (!request.isEmpty()) {
            where.add("request " + request);
        }
        if (!where.isEmpty()) {
            lines.add("  (" + String.join(", ", where) + ")");
        }
        return lines;
    }
}
