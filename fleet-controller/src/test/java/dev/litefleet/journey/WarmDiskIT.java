package dev.litefleet.journey;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.litefleet.journey.LocalFleet.Tenant;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Real processes: an async tenant's worker is killed while its last commits are on its disk only,
/// and comes back on that disk. `-Dwarm.rounds=` sets how often (5 by default).
final class WarmDiskIT {
    private static final int ROUNDS = Integer.getInteger("warm.rounds", 5);
    private static final int ROWS = 40;
    private static final Duration PATIENCE = Duration.ofSeconds(60);

    @TempDir Path dir;

    @Test
    void killedWorkerThatKeepsItsDiskLosesNothingOfAnAsyncTenant() throws Exception {
        try (LocalFleet fleet = LocalFleet.start(dir.resolve("data"), Map.of(), "--workers", "1")) {
            Tenant tenant = fleet.provision("agent", "{\"durability\": \"async\"}");
            assertThat(fleet.execute(tenant, "create table rows(id integer primary key)").ok())
                    .isTrue();
            int acknowledged = 0;
            for (int round = 0; round < ROUNDS; round++) {
                for (int i = 0; i < ROWS; i++) {
                    assertThat(fleet.execute(tenant, "insert into rows default values").ok())
                            .isTrue();
                    acknowledged++;
                }
                ProcessHandle process = fleet.worker("w-1");

                process.destroyForcibly();
                process.onExit().join();

                var found = new String[1];
                await("the tenant is back, round " + round)
                        .atMost(PATIENCE)
                        .ignoreExceptions()
                        .until(() -> {
                            var answer =
                                    fleet.execute(tenant, "select count(*), max(id) from rows");
                            found[0] = String.valueOf(answer.rows());
                            return answer.ok();
                        });
                assertThat(found[0])
                        .isEqualTo(
                                List.of(
                                                List.of(
                                                        Integer.toString(acknowledged),
                                                        Integer.toString(acknowledged)))
                                        .toString());
            }
            assertThat(fleet.data().resolve("workers/w-1/quarantine")).doesNotExist();
        }
    }
}
