package dev.litefleet.service;

import static org.assertj.core.api.Assertions.assertThat;

import dev.litefleet.replica.ReplicaException.Fenced;
import io.vertx.core.json.JsonObject;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

final class ReplyTest {
    @Test
    void onlyWhatMayBeRepeatedSaysWhen() {
        Reply busy = Reply.of(Problem.of(new Overloaded("api", 1)));
        Reply unknown = Reply.of(Problem.of(new Fenced("log/x", "01J")));

        assertThat(busy.status()).isEqualTo(503);
        assertThat(busy.headers()).containsEntry("retry-after", "1");
        assertThat(unknown.status()).isEqualTo(503);
        assertThat(unknown.headers()).doesNotContainKey("retry-after");
    }

    @Test
    void problemIsRfc9457() {
        var problem =
                new Problem(
                        422,
                        "POINT_NOT_EXACT",
                        "why",
                        false,
                        List.of(new Problem.FieldError("/at", "merged")));

        assertThat(problem.toJson())
                .isEqualTo(
                        new JsonObject(
                                """
                                {"type": "https://litefleet.dev/problems/point-not-exact",
                                 "status": 422, "code": "POINT_NOT_EXACT", "detail": "why",
                                 "retryable": false,
                                 "errors": [{"pointer": "/at", "detail": "merged"}]}\
                                """));
    }

    @Test
    void moreHeadersMakeAnotherReply() {
        Reply plain = Reply.ok(new JsonObject());

        assertThat(plain.with("etag", "\"1\"").headers())
                .isEqualTo(Map.of("content-type", "application/json", "etag", "\"1\""));
        assertThat(plain.headers()).hasSize(1);
    }
}
