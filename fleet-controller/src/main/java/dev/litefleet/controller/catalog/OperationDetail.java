package dev.litefleet.controller.catalog;

import dev.litefleet.replica.Lineage;
import dev.litefleet.replica.TenantId;
import dev.litefleet.replica.Txid;
import dev.litefleet.service.Problem;
import dev.litefleet.worker.control.Quotas;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// What an operation was asked for, and what came of it; JSON in the catalog. Everything that a
/// repetition needs to come to the same result is fixed when it begins.
///
/// @param lineage ULID of the lineage that it starts
/// @param source tenant whose state is taken; null for an import
/// @param sourceTxid the state; 0 for an import
/// @param spec of the tenant that is made; null for a restore
/// @param outcome null while it runs and if it failed
/// @param failure null unless it failed
public record OperationDetail(
        String lineage,
        @Nullable String source,
        long sourceTxid,
        @Nullable Spec spec,
        @Nullable Outcome outcome,
        @Nullable Failure failure) {
    /// [TenantSpec] as JSON.
    ///
    /// @param exactSeconds window, 0 for the fleet's; null in what earlier releases wrote
    /// @param mergedSeconds the same
    public record Spec(
            String durability,
            Map<String, String> labels,
            Quotas quotas,
            @Nullable Long exactSeconds,
            @Nullable Long mergedSeconds) {
        static Spec of(TenantSpec spec) {
            return new Spec(
                    spec.durability().word(),
                    Map.copyOf(spec.labels()),
                    spec.quotas(),
                    spec.windows().exact().toSeconds(),
                    spec.windows().merged().toSeconds());
        }

        TenantSpec value() {
            return new TenantSpec(
                    Durability.parse(durability),
                    labels,
                    quotas,
                    new OwnWindows(seconds(exactSeconds), seconds(mergedSeconds)));
        }

        private static Duration seconds(@Nullable Long seconds) {
            return Duration.ofSeconds(seconds == null ? 0 : seconds);
        }
    }

    /// What came of it.
    ///
    /// @param txid the first of the new lineage
    /// @param millis commit time of the state that was taken, Unix milliseconds
    /// @param bytes of the database
    /// @param bookmark name of the state before a restore; null otherwise
    public record Outcome(long txid, long millis, long bytes, @Nullable String bookmark) {}

    /// A [Problem] as JSON.
    ///
    /// @param members null in what earlier releases wrote
    public record Failure(
            int status,
            String code,
            String detail,
            boolean retryable,
            List<Problem.FieldError> errors,
            @Nullable Map<String, Object> members) {
        static Failure of(Problem problem) {
            return new Failure(
                    problem.status(),
                    problem.code(),
                    problem.detail(),
                    problem.retryable(),
                    problem.errors(),
                    problem.members());
        }

        public Problem problem() {
            return new Problem(
                    status, code, detail, retryable, errors, members == null ? Map.of() : members);
        }
    }

    public static OperationDetail fork(
            Lineage lineage, TenantId source, Txid txid, TenantSpec spec) {
        return new OperationDetail(
                lineage.ulid(), source.name(), txid.value(), Spec.of(spec), null, null);
    }

    public static OperationDetail imported(Lineage lineage, TenantSpec spec) {
        return new OperationDetail(lineage.ulid(), null, 0, Spec.of(spec), null, null);
    }

    public static OperationDetail restore(Lineage lineage, TenantId tenant, Txid txid) {
        return new OperationDetail(lineage.ulid(), tenant.name(), txid.value(), null, null, null);
    }

    OperationDetail succeeded(Outcome come) {
        return new OperationDetail(lineage, source, sourceTxid, spec, come, null);
    }

    OperationDetail failed(Problem problem) {
        return new OperationDetail(lineage, source, sourceTxid, spec, null, Failure.of(problem));
    }

    /// @throws IllegalStateException if it is an import
    public TenantId sourceTenant() {
        if (source == null) {
            throw new IllegalStateException("an import has no source");
        }
        return new TenantId(source);
    }

    /// @throws IllegalStateException if it is a restore
    public TenantSpec tenantSpec() {
        if (spec == null) {
            throw new IllegalStateException("a restore makes no tenant");
        }
        return spec.value();
    }
}
