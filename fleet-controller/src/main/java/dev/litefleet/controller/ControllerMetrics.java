package dev.litefleet.controller;

import dev.litefleet.controller.catalog.OperationKind;
import dev.litefleet.controller.operation.JanitorRounds.Totals;
import dev.litefleet.controller.operation.Operations;
import dev.litefleet.controller.operation.Operations.Outcome;
import dev.litefleet.replica.history.JanitorReport;
import io.micrometer.core.instrument.FunctionCounter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import java.util.List;
import java.util.function.ToDoubleFunction;

/// Every metric of a controller. No tenant label, so their number does not grow with the fleet.
public final class ControllerMetrics {
    private ControllerMetrics() {}

    public static void register(MeterRegistry registry, Controller controller) {
        Gauge.builder("litefleet_controller_epoch", controller, Controller::epoch)
                .description("Number of the controller's epoch")
                .register(registry);
        operations(registry, controller.operations());
        janitor(registry, controller.janitor().totals());
    }

    private static void operations(MeterRegistry registry, Operations operations) {
        Gauge.builder("litefleet_operations_in_progress", operations, Operations::working)
                .description("Operations that work or wait for their turn")
                .register(registry);
        for (OperationKind kind : OperationKind.values()) {
            for (String outcome : List.of("succeeded", "failed", "cancelled")) {
                var how = new Outcome(kind, outcome);
                FunctionCounter.builder("litefleet_operations", operations, all -> all.ended(how))
                        .description("Operations that ended, by kind and outcome")
                        .tags("kind", kind.word(), "outcome", outcome)
                        .register(registry);
            }
        }
    }

    private static void janitor(MeterRegistry registry, Totals totals) {
        counter(registry, totals, "litefleet_janitor_runs", "ok", Totals::rounds);
        counter(registry, totals, "litefleet_janitor_runs", "error", Totals::failures);
        FunctionCounter.builder("litefleet_retention_deleted_objects", totals, Totals::objects)
                .description("Objects and versions that the janitor deleted")
                .register(registry);
        FunctionCounter.builder("litefleet_retention_deleted_bytes", totals, Totals::bytes)
                .description("Their bytes")
                .register(registry);
        Gauge.builder(
                        "litefleet_janitor_last_success_timestamp_seconds",
                        totals,
                        all -> all.lastMillis() / 1e3)
                .description("When the janitor last ran to its end; 0 if not in this process")
                .register(registry);
        last(registry, totals, "held_objects", "Objects that only holds keep", JanitorReport::held);
        last(
                registry,
                totals,
                "kept_segments",
                "Segments out of the exact window that had to stay",
                JanitorReport::kept);
        last(
                registry,
                totals,
                "planned_objects",
                "Objects that the next run will delete",
                JanitorReport::planned);
        last(
                registry,
                totals,
                "problems",
                "Damage and refusals that need a person",
                report -> report.problems().size());
    }

    private static void counter(
            MeterRegistry registry,
            Totals totals,
            String name,
            String outcome,
            ToDoubleFunction<Totals> count) {
        FunctionCounter.builder(name, totals, count)
                .description("Rounds of the janitor by outcome")
                .tags("outcome", outcome)
                .register(registry);
    }

    /// Of the last run; 0 if there was none in this process.
    private static void last(
            MeterRegistry registry,
            Totals totals,
            String name,
            String description,
            ToDoubleFunction<JanitorReport> value) {
        Gauge.builder(
                        "litefleet_janitor_" + name,
                        totals,
                        all -> all.last().map(value::applyAsDouble).orElse(0.0))
                .description(description + ", of the last run")
                .register(registry);
    }
}
