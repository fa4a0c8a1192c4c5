package dev.litefleet.worker.hrana;

import com.fasterxml.jackson.core.JsonGenerator;
import dev.litefleet.replica.sqlite.SqlFailure;
import dev.litefleet.service.Problem;
import dev.litefleet.worker.tenant.TenantException;
import dev.litefleet.worker.tenant.TenantException.Broken;
import dev.litefleet.worker.tenant.TenantException.Cancelled;
import dev.litefleet.worker.tenant.TenantException.NotHere;
import dev.litefleet.worker.tenant.TenantException.OutcomeUnknown;
import dev.litefleet.worker.tenant.TenantException.StoreUnavailable;
import dev.litefleet.worker.tenant.TenantException.StreamBusy;
import dev.litefleet.worker.tenant.TenantException.StreamExpired;
import java.io.IOException;
import java.util.concurrent.CompletionException;
import org.jspecify.annotations.Nullable;

/// An error as clients read it: in band, as the result of one request or step, or as the body of an
/// answer that is not 200.
///
/// The body is a superset of what clients look for: `error` (Go, and the written protocol),
/// `message` and `code` (the TypeScript clients); its content type must be exactly
/// `application/json`, or hrana-client discards it (hrana.md, 1.6).
///
/// @param status of the HTTP answer when the whole request fails; 200 in band
/// @param code primary, upper snake case; clients switch on it
/// @param extended SQLite's extended code by name, null if there is none
record HranaError(int status, String code, String message, @Nullable String extended) {
    HranaError(int status, String code, String message) {
        this(status, code, message, null);
    }

    static HranaError inBand(String code, String message) {
        return new HranaError(200, code, message);
    }

    static HranaError of(SqlFailure failure) {
        return new HranaError(400, failure.code(), failure.message(), failure.extendedCode());
    }

    /// The error of a request that failed as a whole.
    static HranaError of(Throwable failure) {
        return switch (failure) {
            case CompletionException wrapped when wrapped.getCause() != null ->
                    of(wrapped.getCause());
            case HranaFailure whole -> whole.error();
            case SqlFailure sql -> of(sql);
            case TenantException tenant ->
                    new HranaError(
                            status(tenant), tenant.code(), String.valueOf(tenant.getMessage()));
            default -> {
                Problem problem = Problem.of(failure);
                yield new HranaError(problem.status(), problem.code(), problem.detail());
            }
        };
    }

    // No default: a new kind of failure must not compile until someone has chosen its status.
    private static int status(TenantException failure) {
        return switch (failure) {
            case NotHere _ -> 421;
            case OutcomeUnknown _, StoreUnavailable _ -> 503;
            case StreamExpired _, StreamBusy _, Cancelled _ -> 400;
            case Broken _ -> 500;
        };
    }

    /// Whether the request may be sent again as it is: certainly nothing was executed.
    boolean retryable() {
        return (status == 429 || status == 503) && !code.equals(OutcomeUnknown.CODE);
    }

    void write(JsonGenerator json) throws IOException {
        json.writeStartObject();
        members(json);
        json.writeEndObject();
    }

    byte[] body() {
        return Json.bytes(json -> {
            json.writeStartObject();
            json.writeStringField("error", message);
            members(json);
            json.writeEndObject();
        });
    }

    private void members(JsonGenerator json) throws IOException {
        json.writeStringField("message", message);
        json.writeStringField("code", code);
        if (extended != null) {
            json.writeStringField("extended_code", extended);
        }
    }
}
