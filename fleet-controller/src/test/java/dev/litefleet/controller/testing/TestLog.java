package dev.litefleet.controller.testing;

import dev.litefleet.replica.log.CommitLog;
import dev.litefleet.replica.log.CommitLogConfig;
import dev.litefleet.replica.log.LogEnd;
import dev.litefleet.replica.log.LogName;
import dev.litefleet.replica.log.Tasks;
import dev.litefleet.replica.objects.ObjectStore;
import java.time.Duration;
import java.time.InstantSource;
import java.util.function.Consumer;
import java.util.random.RandomGenerator;

/// Opens commit logs as the services do, but with short parts.
public final class TestLog {
    private TestLog() {}

    /// A log that is open, with its first slot in the store.
    public static CommitLog open(
            ObjectStore store,
            LogName name,
            Tasks tasks,
            InstantSource clock,
            RandomGenerator random,
            Consumer<LogEnd> ended) {
        var log =
                new CommitLog(
                        store,
                        name,
                        CommitLogConfig.DEFAULT.withParts(Duration.ofDays(365), 5),
                        tasks,
                        clock,
                        random,
                        ended::accept);
        log.open();
        return log;
    }
}
