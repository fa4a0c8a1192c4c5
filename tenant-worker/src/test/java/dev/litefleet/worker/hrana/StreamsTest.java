package dev.litefleet.worker.hrana;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.litefleet.replica.TenantId;
import dev.litefleet.testing.TestTicker;
import dev.litefleet.worker.tenant.StreamState;
import java.time.Duration;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/// What a baton is worth, seen from one worker; a second instance with the same key stands for
/// another worker, or the same one after a restart.
final class StreamsTest {
    private static final TenantId ACME = new TenantId("acme");
    private static final Duration IDLE = Duration.ofMinutes(10);
    private static final int BYTES = 1 << 20;

    private final TestTicker ticker = new TestTicker();
    private final Streams streams = streams();

    @Test
    void eachAnswerHasNewBatonAndTheOldOneIsUsedUp() {
        String first = answered(streams.open(ACME, 1), StreamState.FREE);

        HranaStream stream = streams.resume(ACME, 1, first);
        String second = answered(stream, StreamState.FREE);

        assertThat(second).isNotEqualTo(first);
        refused(streams, first, "BATON_REUSED");
        assertThat(streams.resume(ACME, 1, second)).isSameAs(stream);
    }

    @Test
    void oneRequestAtTimeHasTheStream() {
        String baton = answered(streams.open(ACME, 1), StreamState.HELD);
        streams.resume(ACME, 1, baton);

        refused(streams, baton, "STREAM_BUSY");
    }

    @Test
    void statelessStreamGoesOnAfterRestart() {
        String baton = answered(streams.open(ACME, 1), StreamState.FREE);
        Streams restarted = streams();

        HranaStream stream = restarted.resume(ACME, 1, baton);
        assertThat(stream.id().held()).isFalse();
        answered(restarted, stream, StreamState.FREE);

        refused(restarted, baton, "BATON_REUSED");
    }

    @Test
    void twoRequestsWithOneBatonAfterRestartDoNotBothGetTheStream() {
        String baton = answered(streams.open(ACME, 1), StreamState.FREE);
        Streams restarted = streams();

        restarted.resume(ACME, 1, baton);

        refused(restarted, baton, "STREAM_BUSY");
    }

    @Test
    void openTransactionDoesNotSurviveRestart() {
        String baton = answered(streams.open(ACME, 1), StreamState.HELD);

        refused(streams(), baton, "STREAM_EXPIRED");
    }

    @Test
    void storedTextsDoNotSurviveRestart() {
        HranaStream stream = streams.open(ACME, 1);
        assertThat(stream.texts().store(1, "select 1")).isNull();
        String baton = answered(stream, StreamState.FREE);

        assertThat(streams.resume(ACME, 1, baton).texts().text(1)).isEqualTo("select 1");
        refused(streams(), baton, "STREAM_EXPIRED");
    }

    @Test
    void streamOfAnEarlierAssignmentIsAnothers() {
        String held = answered(streams.open(ACME, 1), StreamState.HELD);
        String free = answered(streams.open(ACME, 1), StreamState.FREE);

        assertThatThrownBy(() -> streams.resume(ACME, 2, held)).isInstanceOf(HranaFailure.class);
        assertThat(streams.resume(ACME, 2, free).assignment).isEqualTo(2);
    }

    @Test
    void restingStatelessStreamIsForgottenUnnoticed() {
        String baton = answered(streams.open(ACME, 1), StreamState.FREE);
        String held = answered(streams.open(ACME, 1), StreamState.HELD);

        ticker.advance(IDLE.plusSeconds(1));

        assertThat(streams.resume(ACME, 1, baton).tenant).isEqualTo(ACME);
        refused(streams, held, "STREAM_EXPIRED");
    }

    @Test
    void memoryOfStreamsIsBounded() {
        for (int i = 0; i < 3 * BYTES / 200; i++) {
            answered(streams.open(ACME, 1), StreamState.FREE);
        }

        assertThat(streams.size()).isBetween(1, BYTES / 200);
    }

    @Test
    void closedStreamIsGone() {
        HranaStream stream = streams.open(ACME, 1);
        String baton = answered(stream, StreamState.HELD);
        streams.forget(streams.resume(ACME, 1, baton));

        refused(streams, baton, "STREAM_EXPIRED");
    }

    private String answered(HranaStream stream, StreamState state) {
        return answered(streams, stream, state);
    }

    private static String answered(Streams streams, HranaStream stream, StreamState state) {
        stream.state(state);
        String baton = streams.baton(stream, stream.stateful());
        stream.leave();
        return baton;
    }

    private static void refused(Streams streams, String baton, String code) {
        assertThatThrownBy(() -> streams.resume(ACME, 1, baton))
                .isInstanceOfSatisfying(
                        HranaFailure.class,
                        failure -> {
                            assertThat(failure.error().code()).isEqualTo(code);
                            assertThat(failure.error().status()).isEqualTo(400);
                        });
    }

    private Streams streams() {
        return new Streams(
                new Batons(new byte[32]), new SplittableRandom(1), ticker::read, IDLE, BYTES);
    }
}
