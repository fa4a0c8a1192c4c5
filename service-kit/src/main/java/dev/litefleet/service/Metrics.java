package dev.litefleet.service;

import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import io.vertx.ext.web.Router;

/// The process's meter registry and its `/metrics` page (Prometheus text format). Names live in one
/// class per module; there is never a tenant label.
public final class Metrics {
    private final PrometheusMeterRegistry registry =
            new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);

    public PrometheusMeterRegistry registry() {
        return registry;
    }

    public void mount(Router router) {
        router.get("/metrics")
                .handler(context ->
                        context.response()
                                .putHeader("content-type", "text/plain; version=0.0.4")
                                .end(registry.scrape()));
    }
}
