package dev.litefleet.controller.api;

import dev.litefleet.controller.catalog.Durability;
import dev.litefleet.controller.catalog.OwnWindows;
import dev.litefleet.controller.catalog.TenantSpec;
import dev.litefleet.replica.TenantId;
import dev.litefleet.replica.history.HistoryWindows;
import dev.litefleet.worker.control.Quotas;
import io.vertx.core.json.JsonObject;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/// The body of a provision request, read and checked as a whole: every wrong field is named.
///
/// @param id what the body asks for; nothing if it does not, and always with `PUT`
/// @param tokenLife empty for a token that does not expire
record ProvisionRequest(Optional<TenantId> id, TenantSpec spec, Optional<Duration> tokenLife) {
    private static final long DATABASE_BYTES_MIN = 64 << 10;
    private static final long VALUE_BYTES_MAX = 16 << 20;

    /// @param withId whether the body may name the tenant
    /// @param fleet windows that the tenant's own are held against
    /// @throws dev.litefleet.service.Refused naming every wrong field: 400 if one of them is not
    ///   known, else 422
    static ProvisionRequest read(JsonObject json, boolean withId, HistoryWindows fleet) {
        var fields = new Fields(json);
        Optional<TenantId> id = withId ? fields.text("id", TenantId::parse) : Optional.empty();
        Durability durability =
                fields.text("durability", Durability::parse).orElse(Durability.SYNC);
        Map<String, String> labels = labels(fields.section("labels"));
        Quotas quotas = quotas(fields.section("quota"));
        Optional<Duration> life = tokenLife(fields.section("token"));
        OwnWindows windows = windows(fields, fleet);
        TenantSpec spec =
                fields.checked("labels", () -> new TenantSpec(durability, labels, quotas, windows))
                        .orElse(TenantSpec.DEFAULT);
        fields.refuseIfWrong();
        return new ProvisionRequest(id, spec, life);
    }

    /// @return empty for a token that does not expire
    static Optional<Duration> tokenLife(Fields token) {
        Optional<Duration> life =
                token.text("expires_in", Lifetime::parse).flatMap(duration -> duration);
        token.close();
        return life;
    }

    private static Map<String, String> labels(Fields section) {
        var labels = new HashMap<String, String>();
        for (String key : section.names()) {
            section.text(key, text -> text).ifPresent(value -> labels.put(key, value));
        }
        return labels;
    }

    /// The fleet's window is the longest exact one: commits lie in segments that tenants share.
    private static OwnWindows windows(Fields body, HistoryWindows fleet) {
        Fields history = body.section("history");
        Duration exact = window(history, "exact");
        Duration merged = window(history, "merged");
        if (exact.compareTo(fleet.exact()) > 0) {
            history.wrong(
                    "exact",
                    "longer than the fleet's, %s (--history-exact); a tenant's may be shorter"
                            .formatted(Lifetime.words(fleet.exact())));
            return OwnWindows.NONE;
        }
        if (!merged.isZero() && exact.compareTo(merged) > 0) {
            history.wrong(
                    "exact", "longer than /history/merged (%s)".formatted(Lifetime.words(merged)));
            return OwnWindows.NONE;
        }
        history.close();
        return new OwnWindows(exact, merged);
    }

    /// Zero if it is not there, or wrong.
    private static Duration window(Fields history, String name) {
        Duration window =
                history.text(name, text -> Lifetime.parse(text).orElse(HistoryWindows.MAX))
                        .orElse(Duration.ZERO);
        boolean within =
                window.compareTo(HistoryWindows.MIN) >= 0
                        && window.compareTo(HistoryWindows.MAX) <= 0;
        if (window.isZero() || within) {
            return window;
        }
        history.wrong(name, "must be from 1d to 36500d");
        return Duration.ZERO;
    }

    private static Quotas quotas(Fields quota) {
        long bytes = quota.number("max_bytes", DATABASE_BYTES_MIN, Long.MAX_VALUE);
        long millis = quota.number("max_statement_ms", 1, Long.MAX_VALUE);
        long value = quota.number("max_value_bytes", 1, VALUE_BYTES_MAX);
        quota.close();
        return new Quotas(bytes, millis, value);
    }
}
