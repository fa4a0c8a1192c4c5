package dev.litefleet.worker.control;

import static org.assertj.core.api.Assertions.assertThat;

import dev.litefleet.service.InternalAuth;
import dev.litefleet.service.Keys;
import dev.litefleet.testing.MemoryObjectStore;
import dev.litefleet.testing.TestClock;
import dev.litefleet.worker.RunningWorker;
import io.vertx.core.json.JsonObject;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What a worker takes from whoever says to be its controller.
final class ControlRoutesTest {
    @TempDir static Path folder;
    private static RunningWorker running;
    private static String worker;
    private static String session;

    @BeforeAll
    static void start() {
        running = new RunningWorker(folder, MemoryObjectStore::new, Map.of());
        worker = running.worker.address();
        session = running.worker.session().ulid();
    }

    @AfterAll
    static void stop() {
        running.close();
    }

    @Test
    void assignmentIsTakenOnceAndItsCopiesAgain() {
        Assignment assignment =
                running.controller.assignment(session, "copies", 1, Assignment.SYNC);

        assertThat(running.controller.assign(worker, assignment))
                .isEqualTo(AssignmentReply.taken());
        assertThat(running.controller.assign(worker, assignment))
                .isEqualTo(AssignmentReply.taken());
    }

    /// W6: a number that is not greater than every number seen is refused, for good once released.
    @Test
    void numberThatIsNotGreaterIsRefused() {
        running.controller.assign(
                worker, running.controller.assignment(session, "numbers", 5, Assignment.SYNC));
        assertThat(running.controller.release(worker, session, "numbers", 5).statusCode())
                .isEqualTo(200);

        for (long number : new long[] {5, 4, 1}) {
            AssignmentReply reply =
                    running.controller.assign(
                            worker,
                            running.controller.assignment(
                                    session, "numbers", number, Assignment.SYNC));
            assertThat(reply.accepted()).isFalse();
            assertThat(reply.gone()).isTrue();
        }
        assertThat(
                        running.controller
                                .assign(
                                        worker,
                                        running.controller.assignment(
                                                session, "numbers", 6, Assignment.SYNC))
                                .accepted())
                .isTrue();
    }

    @Test
    void messageForAnotherSessionProvesNothing() {
        AssignmentReply reply =
                running.controller.assign(
                        worker,
                        running.controller.assignment(
                                "01JANOTHER0000000000000000", "elsewhere", 1, Assignment.SYNC));

        assertThat(reply.accepted()).isFalse();
        assertThat(reply.gone()).isFalse();
        assertThat(
                        running.controller
                                .release(worker, "01JANOTHER0000000000000000", "elsewhere", 1)
                                .statusCode())
                .isEqualTo(409);
    }

    @Test
    void releaseAnswersWithTheLastCommit() {
        running.controller.assign(
                worker, running.controller.assignment(session, "leaving", 3, Assignment.ASYNC));
        running.run("leaving", "create table t(a)", "insert into t values (1)");

        Release release =
                Wire.read(
                        running.controller.release(worker, session, "leaving", 3).body(),
                        Release.class);

        assertThat(release.number()).isEqualTo(3);
        assertThat(release.lastTxid()).isEqualTo("0000000000000002");
        assertThat(running.post("leaving", "v3/pipeline", "{\"requests\":[]}").statusCode())
                .isEqualTo(421);
    }

    @Test
    void releaseOfWhatIsNotHeldIsStale() {
        running.controller.assign(
                worker, running.controller.assignment(session, "staying", 2, Assignment.SYNC));

        assertThat(running.controller.release(worker, session, "staying", 1).statusCode())
                .isEqualTo(409);
        assertThat(running.controller.release(worker, session, "never", 1).statusCode())
                .isEqualTo(409);
    }

    @Test
    void olderControllerIsNotHeardAfterNewerOne() {
        long old = running.controller.epoch;
        running.controller.epoch = old + 1;
        assertThat(
                        running.controller
                                .assign(
                                        worker,
                                        running.controller.assignment(
                                                session, "newer", 1, Assignment.SYNC))
                                .accepted())
                .isTrue();
        Assignment late =
                new Assignment(
                        "older",
                        "01JTENANT00000000000000000",
                        session,
                        1,
                        old,
                        "0000000000000000",
                        null,
                        Assignment.SYNC,
                        Quotas.DEFAULT,
                        1);

        AssignmentReply reply = running.controller.assign(worker, late);

        assertThat(reply.accepted()).isFalse();
        assertThat(reply.gone()).isFalse();
        assertThat(reply.reason()).contains("newer controller");
    }

    @Test
    void unsignedExpiredAndReplayedRequestsAreRefused() {
        byte[] body =
                Wire.write(running.controller.assignment(session, "forged", 1, Assignment.SYNC));
        String good =
                auth(InstantSource.system(), running.keys).sign("POST", ControlRoutes.ASSIGN, body);

        refused(running.controller.send(worker, ControlRoutes.ASSIGN, body, "none"));
        refused(running.controller.send(worker, ControlRoutes.RELEASE, body, good));
        refused(
                running.controller.send(
                        worker,
                        ControlRoutes.ASSIGN,
                        new String(body, StandardCharsets.UTF_8)
                                .replace("forged", "others")
                                .getBytes(StandardCharsets.UTF_8),
                        good));
        var late = new TestClock(Instant.now().minus(Duration.ofMinutes(5)));
        refused(
                running.controller.send(
                        worker,
                        ControlRoutes.ASSIGN,
                        body,
                        auth(late, running.keys).sign("POST", ControlRoutes.ASSIGN, body)));
        Keys stranger = Keys.open(folder.resolve("stranger"), new SecureRandom());
        refused(
                running.controller.send(
                        worker,
                        ControlRoutes.ASSIGN,
                        body,
                        auth(InstantSource.system(), stranger)
                                .sign("POST", ControlRoutes.ASSIGN, body)));
        assertThat(running.controller.send(worker, ControlRoutes.ASSIGN, body, good).statusCode())
                .isEqualTo(200);

        refused(running.controller.send(worker, ControlRoutes.ASSIGN, body, good));
        refused(running.send(running.request(ControlRoutes.STATUS).GET()));
    }

    @Test
    void whatIsNoMessageIs400() {
        byte[] body = "{\"tenant\":\"../x\"}".getBytes(StandardCharsets.UTF_8);
        String signature =
                auth(InstantSource.system(), running.keys).sign("POST", ControlRoutes.ASSIGN, body);

        HttpResponse<byte[]> answer =
                running.controller.send(worker, ControlRoutes.ASSIGN, body, signature);

        assertThat(answer.statusCode()).isEqualTo(400);
    }

    private static InternalAuth auth(InstantSource clock, Keys keys) {
        return new InternalAuth(keys, clock, new SplittableRandom(System.nanoTime()));
    }

    private static void refused(HttpResponse<?> answer) {
        assertThat(answer.statusCode()).isEqualTo(401);
        String body =
                answer.body() instanceof byte[] bytes
                        ? new String(bytes, StandardCharsets.UTF_8)
                        : String.valueOf(answer.body());
        assertThat(new JsonObject(body).getString("code")).isEqualTo("SIGNATURE_INVALID");
    }
}
