package dev.litefleet.service;

import static java.net.http.HttpResponse.BodyHandlers.ofString;
import static org.assertj.core.api.Assertions.assertThat;

import io.vertx.core.Vertx;
import io.vertx.core.json.JsonObject;
import io.vertx.ext.web.Router;
import io.vertx.ext.web.RoutingContext;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.function.Function;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

final class BlockingTest {
    private static final Reply OK = Reply.ok(new JsonObject());

    private final Vertx vertx = Vertx.vertx();
    private final HttpClient client = HttpClient.newHttpClient();

    @AfterEach
    void stop() {
        vertx.close().await();
    }

    @Test
    void unreadableRequestIsTheClientsFaultAndFailingActionIsOurs() {
        URI reading = serve(1, _ -> Integer.parseInt("x"), _ -> OK);
        URI acting =
                serve(1, _ -> "x", x -> Reply.ok(new JsonObject().put("n", Integer.parseInt(x))));

        assertThat(get(reading).join().statusCode()).isEqualTo(400);
        assertThat(get(acting).join().statusCode()).isEqualTo(500);
    }

    @Test
    void readersRefusalIsTheAnswer() {
        URI uri =
                serve(
                        1,
                        _ -> {
                            throw Refused.of(401, "KEY_MISSING", "send a key", false);
                        },
                        _ -> OK);

        HttpResponse<String> answer = get(uri).join();

        assertThat(answer.statusCode()).isEqualTo(401);
        assertThat(answer.headers().firstValue("content-type"))
                .contains("application/problem+json");
        assertThat(new JsonObject(answer.body()).getString("code")).isEqualTo("KEY_MISSING");
    }

    @Test
    void wordsOfOurOwnCodeStayInside() {
        URI wrongType = serve(1, _ -> new JsonObject("{\"n\":\"x\"}").getInteger("n"), _ -> OK);
        URI broken =
                serve(
                        1,
                        _ -> 0,
                        _ -> {
                            throw new IllegalStateException("secret detail");
                        });

        assertThat(get(wrongType).join().body())
                .contains("wrong JSON type")
                .doesNotContain("java.lang");
        assertThat(get(broken).join().body()).contains("INTERNAL").doesNotContain("secret detail");
    }

    @Test
    void manyHandlersBlockBesideEachOther() {
        int count = 20;
        var all = new CountDownLatch(count);
        URI uri =
                serve(
                        count,
                        _ -> 0,
                        _ -> {
                            all.countDown();
                            await(all); // Ends only if all of them are inside at once.
                            return OK;
                        });

        var answers = Stream.generate(() -> get(uri)).limit(count).toList();

        assertThat(answers).allMatch(answer -> answer.join().statusCode() == 200);
    }

    @Test
    void refusesWhatExceedsTheLimitAndRecovers() {
        var entered = new CountDownLatch(1);
        var leave = new CountDownLatch(1);
        URI uri =
                serve(
                        1,
                        _ -> 0,
                        _ -> {
                            entered.countDown();
                            await(leave);
                            return OK;
                        });
        var first = get(uri);
        await(entered);

        assertThat(get(uri).join().statusCode()).isEqualTo(503);
        leave.countDown();
        assertThat(first.join().statusCode()).isEqualTo(200);
        assertThat(get(uri).join().statusCode()).isEqualTo(200);
    }

    private <T> URI serve(int limit, Function<RoutingContext, T> read, Function<T, Reply> act) {
        var router = Router.router(vertx);
        router.get("/").handler(new Blocking(limit).route(read, act));
        var server = vertx.createHttpServer().requestHandler(router).listen(0, "127.0.0.1").await();
        return URI.create("http://127.0.0.1:" + server.actualPort() + "/");
    }

    private CompletableFuture<HttpResponse<String>> get(URI uri) {
        return client.sendAsync(HttpRequest.newBuilder(uri).build(), ofString());
    }

    private static void await(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }
}
