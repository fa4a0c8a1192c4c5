package dev.litefleet.service;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// An ordered stop: steps run in the order they were added, each with its own deadline; a step that
/// fails or takes too long is logged and the next one runs.
public final class Shutdown {
    private static final Logger log = LoggerFactory.getLogger(Shutdown.class);

    private record Phase(String name, Duration deadline, Runnable work) {}

    private final List<Phase> phases = new ArrayList<>();

    public Shutdown then(String name, Duration deadline, Runnable work) {
        phases.add(new Phase(name, deadline, work));
        return this;
    }

    /// Runs the steps on the calling thread's behalf and returns whether all of them finished.
    public boolean run() {
        boolean clean = true;
        for (Phase phase : phases) {
            clean &= finished(phase);
        }
        return clean;
    }

    private static boolean finished(Phase phase) {
        var done = new CountDownLatch(1);
        var ok = new boolean[1];
        Thread.ofPlatform()
                .name("stop-" + phase.name())
                .daemon()
                .start(() -> {
                    try {
                        phase.work().run();
                        ok[0] = true;
                    } catch (RuntimeException failure) {
                        log.atError()
                                .addKeyValue("op", phase.name())
                                .setCause(failure)
                                .log("shutdown step failed");
                    } finally {
                        done.countDown();
                    }
                });
        try {
            if (!done.await(phase.deadline().toMillis(), TimeUnit.MILLISECONDS)) {
                log.atWarn()
                        .addKeyValue("op", phase.name())
                        .addKeyValue("took", phase.deadline())
                        .log("shutdown step ran out of time");
                return false;
            }
            return ok[0];
        } catch (InterruptedException stopped) {
            Thread.currentThread().interrupt();
            return false;
        }
    }
}
