package dev.litefleet.worker.tenant;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/// The order of work of several tenants on one pool, whose threads are the test's.
final class TenantQueueTest {
    private final ArrayDeque<Runnable> pool = new ArrayDeque<>();
    private final List<String> ran = new ArrayList<>();

    private void submit(TenantQueue queue, String name, int pieces) {
        for (int i = 0; i < pieces; i++) {
            queue.submit(() -> ran.add(name));
        }
    }

    private void run(int pieces) {
        for (int i = 0; i < pieces; i++) {
            pool.remove().run();
        }
    }

    /// However much one tenant has queued, a newcomer is behind `parallel` of it and no more, and
    /// from then on has every turn that it wants.
    @Test
    void busyTenantDelaysOthersByWhatItMayRunAtATime() {
        var loud = new TenantQueue(pool::add, 3);
        var quiet = new TenantQueue(pool::add, 3);
        submit(loud, "loud", 10_000);
        run(100);
        ran.clear();
        submit(quiet, "quiet", 2);

        assertThat(pool).as("pieces in the line of the pool").hasSize(3 + 2);
        run(5);

        assertThat(ran).containsExactly("loud", "loud", "loud", "quiet", "quiet");
        submit(quiet, "quiet", 1);
        run(4);
        assertThat(ran.subList(5, 9)).containsExactly("loud", "loud", "loud", "quiet");
    }

    @Test
    void pieceThatFailsDoesNotStopTheNext() {
        var queue = new TenantQueue(pool::add, 1);
        queue.submit(() -> {
            throw new IllegalStateException("of the piece");
        });
        submit(queue, "next", 1);

        try {
            pool.remove().run();
        } catch (IllegalStateException seen) {
            ran.add(seen.getMessage());
        }
        run(1);

        assertThat(ran).containsExactly("of the piece", "next");
        assertThat(pool).isEmpty();
    }
}
