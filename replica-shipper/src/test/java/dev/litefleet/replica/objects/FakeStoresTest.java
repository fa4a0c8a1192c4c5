package dev.litefleet.replica.objects;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.litefleet.replica.objects.PutResult.Created;
import dev.litefleet.replica.objects.PutResult.Occupied;
import dev.litefleet.replica.objects.StoreException.Denied;
import dev.litefleet.replica.objects.StoreException.Unavailable;
import dev.litefleet.testing.CountingObjectStore;
import dev.litefleet.testing.CountingObjectStore.Verb;
import dev.litefleet.testing.FlakyObjectStore;
import dev.litefleet.testing.Seeds;
import java.io.IOException;
import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;

/// The faults other tests rely on do what they say: a fault that does not happen proves nothing.
final class FakeStoresTest {
    private static final ObjectBody OURS = ObjectBody.of("ours".getBytes(UTF_8));
    private static final ObjectBody THEIRS = ObjectBody.of("theirs".getBytes(UTF_8));

    private final FlakyObjectStore flaky = new FlakyObjectStore();

    @Test
    void aLostAnswerTookEffect() {
        flaky.loseNextAnswer();

        assertThatThrownBy(() -> flaky.putIfAbsent("a", OURS)).isInstanceOf(Unavailable.class);
        assertThat(flaky.putIfAbsent("a", OURS)).isInstanceOf(Occupied.class);
    }

    @Test
    void aLostPutDidNot() {
        flaky.loseNextPut();

        assertThatThrownBy(() -> flaky.putIfAbsent("a", OURS)).isInstanceOf(Unavailable.class);
        assertThat(flaky.putIfAbsent("a", OURS)).isInstanceOf(Created.class);
    }

    @Test
    void aDelayedPutLandsLaterAndConditionally() {
        flaky.delayNextPut();
        flaky.delayNextPut();
        assertThatThrownBy(() -> flaky.putIfAbsent("a", OURS)).isInstanceOf(Unavailable.class);
        assertThatThrownBy(() -> flaky.putIfAbsent("b", OURS)).isInstanceOf(Unavailable.class);
        assertThat(flaky.get("a")).isEmpty();
        flaky.putIfAbsent("b", THEIRS);

        flaky.land();

        assertThat(flaky.get("a")).contains("ours".getBytes(UTF_8));
        assertThat(flaky.get("b")).contains("theirs".getBytes(UTF_8));
    }

    @Test
    void refusalsAreUsedUpInOrder() {
        flaky.failNext(1);
        flaky.denyNext();

        assertThatThrownBy(() -> flaky.list("", "", 1)).isInstanceOf(Unavailable.class);
        assertThatThrownBy(() -> flaky.get("a")).isInstanceOf(Denied.class);
        assertThat(flaky.get("a")).isEmpty();
    }

    @Test
    void anOutageLastsUntilItEnds() {
        flaky.down(true);
        assertThatThrownBy(() -> flaky.head("a")).isInstanceOf(Unavailable.class);
        assertThatThrownBy(() -> flaky.putIfAbsent("a", OURS)).isInstanceOf(Unavailable.class);
        flaky.down(false);

        assertThat(flaky.head("a")).isEmpty();
    }

    @Test
    void aFlippedBitIsReadOnce() {
        flaky.putIfAbsent("a", OURS);
        flaky.flipBitInNextRead();

        assertThat(Arrays.equals(flaky.get("a").orElseThrow(), "ours".getBytes(UTF_8))).isFalse();
        assertThat(flaky.get("a")).contains("ours".getBytes(UTF_8));
    }

    @Test
    void heldPutsWaitForTheirRelease() {
        flaky.holdPuts();
        var put =
                CompletableFuture.supplyAsync(
                        () -> flaky.putIfAbsent("a", OURS), Thread::startVirtualThread);
        assertThat(flaky.calm().get("a")).isEmpty();

        flaky.releasePuts();

        assertThat(put.join()).isInstanceOf(Created.class);
    }

    @Test
    void aRivalMayComeBetween() {
        flaky.beforePut(key -> flaky.calm().putIfAbsent(key, THEIRS));

        assertThat(flaky.putIfAbsent("a", OURS)).isInstanceOf(Occupied.class);
    }

    @Seeds(20)
    void shakingIsDecidedByTheSeed(long seed) {
        assertThat(outcomes(seed))
                .isEqualTo(outcomes(seed))
                .contains("Created")
                .contains("Unavailable");
    }

    private static String outcomes(long seed) {
        var store = new FlakyObjectStore();
        store.shake(new SplittableRandom(seed), 40);
        var outcomes = new StringBuilder();
        for (int i = 0; i < 40; i++) {
            try {
                outcomes.append(store.putIfAbsent("k" + i, OURS).getClass().getSimpleName());
            } catch (Unavailable failure) {
                outcomes.append("Unavailable");
            }
        }
        store.land();
        return outcomes + " " + store.calm().listAll("").count();
    }

    @Test
    void requestsAreCountedAsABillWould() throws IOException {
        var counting = new CountingObjectStore(flaky);
        counting.putIfAbsent("a/b", OURS);
        counting.putIfAbsent("a/b", OURS);
        counting.get("a/b");
        counting.getRange("a/b", 0, 2);
        counting.getTail("a/b", 1);
        counting.open("a/b", 1).orElseThrow().close();
        counting.head("a/b");
        counting.list("a/", "", 10);
        counting.folders("");
        counting.delete("a/b");
        flaky.failNext(1);
        assertThatThrownBy(() -> counting.get("a/b")).isInstanceOf(Unavailable.class);

        assertThat(counting.count(Verb.PUT)).isEqualTo(2);
        assertThat(counting.count(Verb.GET)).isEqualTo(5);
        assertThat(counting.count(Verb.HEAD)).isEqualTo(1);
        assertThat(counting.count(Verb.LIST)).isEqualTo(2);
        assertThat(counting.count(Verb.DELETE)).isEqualTo(1);
        assertThat(counting.total()).isEqualTo(11);
        assertThat(counting.bytesWritten()).isEqualTo(8);
        assertThat(counting.bytesRead()).isEqualTo(4 + 2 + 1 + 3);
        counting.reset();
        assertThat(counting.total()).isZero();
    }
}
