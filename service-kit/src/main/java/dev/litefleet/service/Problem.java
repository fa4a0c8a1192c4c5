package dev.litefleet.service;

import dev.litefleet.replica.ReplicaException;
import dev.litefleet.replica.ReplicaException.Corrupt;
import dev.litefleet.replica.ReplicaException.DiskFull;
import dev.litefleet.replica.ReplicaException.Fenced;
import dev.litefleet.replica.ReplicaException.HistoryIncomplete;
import dev.litefleet.replica.ReplicaException.InconsistentStore;
import dev.litefleet.replica.ReplicaException.PointNotExact;
import dev.litefleet.replica.ReplicaException.PointNotFound;
import dev.litefleet.replica.ReplicaException.TooLarge;
import dev.litefleet.replica.ReplicaException.UnsupportedFormat;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.objects.StoreException;
import dev.litefleet.replica.objects.StoreException.Denied;
import dev.litefleet.replica.objects.StoreException.Misconfigured;
import dev.litefleet.replica.objects.StoreException.Unavailable;
import io.vertx.core.json.JsonArray;
import io.vertx.core.json.JsonObject;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletionException;

/// An HTTP error body, `application/problem+json` (RFC 9457).
///
/// @param code stable, upper snake case; clients switch on it, never on `detail`
/// @param detail what happened and what to do next
/// @param retryable whether the same request may succeed later without change
/// @param errors the fields that are wrong, empty when the request as a whole is
/// @param members what else a client may want to know of this code; values of JSON
public record Problem(
        int status,
        String code,
        String detail,
        boolean retryable,
        List<FieldError> errors,
        Map<String, Object> members) {
    /// One field that is wrong.
    ///
    /// @param pointer RFC 6901 pointer into the request body
    public record FieldError(String pointer, String detail) {}

    public Problem(int status, String code, String detail, boolean retryable) {
        this(status, code, detail, retryable, List.of());
    }

    public Problem(
            int status, String code, String detail, boolean retryable, List<FieldError> errors) {
        this(status, code, detail, retryable, errors, Map.of());
    }

    /// A request that could not be read.
    public static Problem unreadable(RuntimeException failure) {
        // What these say about themselves is about our code.
        boolean ours =
                failure instanceof ClassCastException || failure instanceof NullPointerException;
        return new Problem(
                400,
                "BAD_REQUEST",
                ours ? "a value is missing or has the wrong JSON type" : message(failure),
                false);
    }

    /// The one place where failures become status codes.
    public static Problem of(Throwable failure) {
        return switch (failure) {
            case Refused refused -> refused.problem();
            case ReplicaException replica -> of(replica);
            case StoreException store -> of(store);
            case Overloaded busy -> new Problem(503, "OVERLOADED", message(busy), true);
            case CompletionException wrapped when wrapped.getCause() != null ->
                    of(wrapped.getCause());
            // Details of the unexpected go to the log under the request id, not to the client.
            default -> new Problem(500, "INTERNAL", "unexpected error", false);
        };
    }

    // No default in these two: a new kind of failure must not compile until someone has chosen its
    // status.
    private static Problem of(ReplicaException failure) {
        String detail = message(failure);
        return switch (failure) {
            case Fenced _ -> new Problem(503, "OUTCOME_UNKNOWN", detail, false);
            case Corrupt _ -> new Problem(500, "REPLICA_CORRUPT", detail, false);
            case HistoryIncomplete _ -> new Problem(500, failure.code(), detail, false);
            case PointNotExact near -> notExact(near);
            case PointNotFound none -> notFound(none);
            case InconsistentStore _ -> new Problem(500, failure.code(), detail, false);
            case TooLarge _ -> new Problem(413, failure.code(), detail, false);
            case DiskFull _ -> new Problem(507, failure.code(), detail, true);
            case UnsupportedFormat _ -> new Problem(500, failure.code(), detail, false);
        };
    }

    private static Problem notExact(PointNotExact near) {
        var members = new LinkedHashMap<String, Object>();
        near.before().ifPresent(txid -> members.put("before", state(txid, near.timeBefore())));
        near.after().ifPresent(txid -> members.put("after", state(txid, near.timeAfter())));
        members.put(
                "hint", "ask for one of these TXIDs, or send \"nearest\": \"before\" or \"after\"");
        return new Problem(422, near.code(), near.words(), false, List.of(), members);
    }

    private static Map<String, Object> state(Txid txid, Optional<Instant> time) {
        var state = new LinkedHashMap<String, Object>();
        state.put("txid", txid.toString());
        time.ifPresent(
                at -> state.put("commit_time", at.truncatedTo(ChronoUnit.MILLIS).toString()));
        return state;
    }

    private static Problem notFound(PointNotFound none) {
        String last = none.last().toString();
        return none.last().equals(Txid.NONE)
                ? new Problem(404, none.code(), "the tenant has no commit yet", false)
                : new Problem(
                        404,
                        none.code(),
                        "no state at %s: the history does not reach there; its last commit is @%s"
                                .formatted(none.requested(), Long.toHexString(none.last().value())),
                        false,
                        List.of(),
                        Map.of("latest_txid", last));
    }

    private static Problem of(StoreException failure) {
        return switch (failure) {
            case Unavailable u -> new Problem(503, "STORE_UNAVAILABLE", message(u), true);
            case Denied d -> new Problem(502, "STORE_DENIED", message(d), false);
            case Misconfigured m -> new Problem(502, "STORE_MISCONFIGURED", message(m), false);
        };
    }

    public JsonObject toJson() {
        var json =
                new JsonObject()
                        .put(
                                "type",
                                "https://litefleet.dev/problems/"
                                        + code.toLowerCase(Locale.ROOT).replace('_', '-'))
                        .put("status", status)
                        .put("code", code)
                        .put("detail", detail)
                        .put("retryable", retryable);
        if (!errors.isEmpty()) {
            var list = new JsonArray();
            errors.forEach(e ->
                    list.add(
                            new JsonObject()
                                    .put("pointer", e.pointer())
                                    .put("detail", e.detail())));
            json.put("errors", list);
        }
        members.forEach(json::put);
        return json;
    }

    private static String message(Throwable failure) {
        return String.valueOf(failure.getMessage());
    }
}
