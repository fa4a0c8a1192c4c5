package dev.litefleet.worker;

import dev.litefleet.service.Config;
import dev.litefleet.worker.control.ControlConfig;
import dev.litefleet.worker.hrana.HranaConfig;
import dev.litefleet.worker.tenant.Quota;
import dev.litefleet.worker.tenant.ShippingConfig;
import dev.litefleet.worker.tenant.TenantConfig;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/// All settings of a worker, by section.
///
/// @param quota what a tenant may use whose catalog row does not say otherwise
public record WorkerConfig(
        NodeConfig worker,
        HttpConfig http,
        HranaConfig hrana,
        LogConfig log,
        ShippingConfig shipping,
        TenantConfig tenant,
        Quota quota,
        ControlConfig control) {
    private static final Set<String> SECTIONS =
            Set.of("worker", "http", "hrana", "log", "shipping", "tenant", "quota", "control");

    /// @throws IllegalArgumentException naming the setting, if one is missing, malformed or unknown
    public static WorkerConfig bind(Map<String, String> settings) {
        var unknown = new TreeSet<>(settings.keySet());
        unknown.removeIf(key ->
                key.indexOf('.') > 0 && SECTIONS.contains(key.substring(0, key.indexOf('.'))));
        if (!unknown.isEmpty()) {
            throw new IllegalArgumentException("unknown settings " + unknown);
        }
        return new WorkerConfig(
                Config.bind(NodeConfig.class, "worker", settings),
                Config.bind(HttpConfig.class, "http", settings),
                Config.bind(HranaConfig.class, "hrana", settings),
                Config.bind(LogConfig.class, "log", settings),
                Config.bind(ShippingConfig.class, "shipping", settings),
                Config.bind(TenantConfig.class, "tenant", settings),
                Config.bind(Quota.class, "quota", settings),
                Config.bind(ControlConfig.class, "control", settings));
    }
}
