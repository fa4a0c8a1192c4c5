package dev.litefleet.service;

import static java.net.http.HttpResponse.BodyHandlers.ofString;
import static org.assertj.core.api.Assertions.assertThat;

import dev.litefleet.service.Health.State;
import io.vertx.core.Vertx;
import io.vertx.ext.web.Router;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

final class HealthTest {
    private final Vertx vertx = Vertx.vertx();
    private final HttpClient client = HttpClient.newHttpClient();
    private final AtomicReference<State> store = new AtomicReference<>(State.ok("reachable"));

    @AfterEach
    void stop() {
        vertx.close().await();
    }

    @Test
    void readyOnlyIfEveryCheckPassesAndLiveAnyway() throws Exception {
        URI base =
                serve(
                        new Health()
                                .check("event loop", () -> State.ok(""))
                                .check("store", store::get));

        assertThat(get(base, "/readyz").statusCode()).isEqualTo(200);
        assertThat(get(base, "/readyz").body()).isEqualTo("ready\n");
        assertThat(get(base, "/readyz?verbose").body()).contains("[+] store reachable");

        store.set(State.bad("denied"));
        assertThat(get(base, "/readyz").statusCode()).isEqualTo(503);
        assertThat(get(base, "/readyz").body()).isEqualTo("[-] store denied\nnot ready\n");
        assertThat(get(base, "/livez").statusCode()).isEqualTo(200);
    }

    @Test
    void failingCheckIsNotReady() throws Exception {
        URI base =
                serve(
                        new Health()
                                .check(
                                        "broken",
                                        () -> {
                                            throw new IllegalStateException("no value");
                                        }));

        assertThat(get(base, "/readyz").statusCode()).isEqualTo(503);
        assertThat(get(base, "/readyz").body()).contains("[-] broken no value");
    }

    private URI serve(Health health) {
        var router = Router.router(vertx);
        health.mount(router);
        var server = vertx.createHttpServer().requestHandler(router).listen(0, "127.0.0.1").await();
        return URI.create("http://127.0.0.1:" + server.actualPort());
    }

    private HttpResponse<String> get(URI base, String path) throws Exception {
        return client.send(HttpRequest.newBuilder(base.resolve(path)).build(), ofString());
    }
}
