package dev.litefleet.worker;

import static dev.litefleet.service.Config.check;

import java.nio.file.Path;

/// The `worker` section of a worker's settings: who it is and where things are.
///
/// @param name of the node; its files are in `<data>/workers/<name>`, its logs in `log/<name>` of
///   the store
/// @param data folder of local files
/// @param store where the fleet lives, `s3://bucket/prefix` or `file:///dir`; may hold no secrets,
///   since it is logged
/// @param secrets folder with `fleet.key`
public record NodeConfig(String name, Path data, String store, Path secrets) {
    public NodeConfig {
        check(
                name.matches("[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"),
                "worker.name must be 1 to 63 of a-z, 0-9 and '-'",
                name);
        check(!store.isBlank(), "worker.store must be a URL", store);
    }

    Path folder() {
        return data.resolve("workers").resolve(name);
    }
}
