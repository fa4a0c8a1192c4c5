package dev.litefleet.worker;

import dev.litefleet.replica.log.CommitLog;
import dev.litefleet.worker.control.Lease;
import dev.litefleet.worker.hrana.RequestListener;
import dev.litefleet.worker.tenant.Tenants;
import io.micrometer.core.instrument.FunctionCounter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.Tags;
import io.micrometer.core.instrument.Timer;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import io.prometheus.metrics.core.metrics.Info;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.LongAdder;

/// Every metric of a worker. No tenant label, so their number does not grow with the fleet.
final class WorkerMetrics implements RequestListener {
    /// Twelve: each costs a series per route and class of status.
    private static final Duration[] BUCKETS = {
        Duration.ofNanos(250_000),
        Duration.ofMillis(1),
        Duration.ofMillis(2),
        Duration.ofMillis(5),
        Duration.ofMillis(10),
        Duration.ofMillis(25),
        Duration.ofMillis(50),
        Duration.ofMillis(100),
        Duration.ofMillis(500),
        Duration.ofSeconds(1),
        Duration.ofSeconds(5),
        Duration.ofSeconds(30)
    };

    private record Answers(String route, int statusClass) {}

    private final PrometheusMeterRegistry registry;
    private final Map<Answers, Timer> requests = new ConcurrentHashMap<>();
    private final LongAdder refusedConnections = new LongAdder();

    WorkerMetrics(
            PrometheusMeterRegistry registry,
            CommitLog log,
            Tenants tenants,
            Lease lease,
            String version) {
        this.registry = registry;
        Gauge.builder("litefleet_tenants", tenants, Tenants::residents)
                .tags(Tags.of("state", "active"))
                .description("Tenants of this worker by state")
                .register(registry);
        Gauge.builder("litefleet_tenants", tenants, t -> t.assigned() - t.residents())
                .tags(Tags.of("state", "hibernated"))
                .description("Tenants of this worker by state")
                .register(registry);
        Gauge.builder("litefleet_shipper_unshipped_bytes", log, CommitLog::pendingBytes)
                .description("Bytes of pages committed here and not yet durable")
                .register(registry);
        Gauge.builder("litefleet_shipper_durable_slot", log, l -> l.durable().number())
                .description("End of the durable prefix of the log's part")
                .register(registry);
        Gauge.builder("litefleet_lease_age_seconds", lease, l -> l.age().toNanos() / 1e9)
                .description("Time since the heartbeat that the lease rests on was sent")
                .register(registry);
        FunctionCounter.builder("litefleet_connections_refused", refusedConnections, LongAdder::sum)
                .description("Connections closed because there were too many")
                .register(registry);
        Info.builder()
                .name("litefleet_build")
                .help("Which program this is")
                .labelNames("version", "java")
                .register(registry.getPrometheusRegistry())
                .setLabelValues(version, Runtime.version().toString());
    }

    @Override
    public void answered(String route, int status, long nanos) {
        requests.computeIfAbsent(new Answers(route, status / 100), this::timer)
                .record(Duration.ofNanos(nanos));
    }

    void connectionRefused() {
        refusedConnections.increment();
    }

    private Timer timer(Answers answers) {
        return Timer.builder("litefleet_request_duration")
                .description("From a request's headers to its answer")
                .tags(
                        Tags.of(
                                "route",
                                answers.route(),
                                "method",
                                "POST",
                                "status_class",
                                answers.statusClass() + "xx"))
                .serviceLevelObjectives(BUCKETS)
                .register(registry);
    }
}
