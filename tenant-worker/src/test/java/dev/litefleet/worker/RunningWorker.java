package dev.litefleet.worker;

import dev.litefleet.replica.log.ThreadTasks;
import dev.litefleet.replica.objects.ObjectStore;
import dev.litefleet.service.Keys;
import dev.litefleet.worker.control.AssignmentReply;
import io.vertx.core.Vertx;
import io.vertx.core.json.JsonArray;
import io.vertx.core.json.JsonObject;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.InstantSource;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;

/// A whole worker in this process, with its controller and a client; everything real but the
/// controller's mind.
public final class RunningWorker implements AutoCloseable {
    public final Keys keys;
    public final ScriptedController controller;
    public final Worker worker;
    public final HttpClient http = HttpClient.newHttpClient();
    private final Vertx signing = Vertx.vertx();

    /// @param folder for secrets and local files
    /// @param store opened once for each worker, which closes it
    public RunningWorker(Path folder, Supplier<ObjectStore> store, Map<String, String> settings) {
        this(folder, store, settings, Duration.ofSeconds(3));
    }

    /// @param lease that the controller grants
    public RunningWorker(
            Path folder,
            Supplier<ObjectStore> store,
            Map<String, String> settings,
            Duration lease) {
        keys = Keys.open(folder.resolve("secrets"), new SecureRandom());
        controller = new ScriptedController(keys);
        controller.lease = lease;
        try {
            worker = start(folder, store, settings);
            worker.registered().get(30, TimeUnit.SECONDS);
        } catch (Exception e) {
            controller.close();
            throw new IllegalStateException(e);
        }
    }

    /// Another worker, or the same one again, of the same controller.
    public Worker start(Path folder, Supplier<ObjectStore> store, Map<String, String> settings) {
        var all = new HashMap<String, String>();
        all.put("worker.name", "w-1");
        all.put("worker.data", folder.toString());
        all.put("worker.store", "file:///unused");
        all.put("worker.secrets", folder.resolve("secrets").toString());
        all.put("control.url", controller.url().toString());
        all.putAll(settings);
        return Worker.start(
                WorkerConfig.bind(all),
                store.get(),
                keys,
                new ThreadTasks(),
                InstantSource.system(),
                new SecureRandom());
    }

    public AssignmentReply assign(String tenant) {
        return controller.assign(worker.address(), worker.session().ulid(), tenant);
    }

    /// A token with this right (`rw`, `ro`) on this tenant, for an hour.
    public String token(String right, String tenant) {
        return token(
                new JsonObject()
                        .put(
                                "p",
                                new JsonObject()
                                        .put(
                                                right,
                                                new JsonObject()
                                                        .put("ns", new JsonArray().add(tenant))))
                        .put("gen", 1));
    }

    public String token(JsonObject claims) {
        return keys.signer(signing).sign(claims);
    }

    /// Posts to a tenant with a token that may write it.
    public HttpResponse<String> post(String tenant, String endpoint, String body) {
        return send(
                request("/t/" + tenant + "/" + endpoint)
                        .header("authorization", "Bearer " + token("rw", tenant))
                        .POST(BodyPublishers.ofString(body)));
    }

    public HttpRequest.Builder request(String path) {
        return HttpRequest.newBuilder(URI.create(worker.address() + path));
    }

    public HttpResponse<String> send(HttpRequest.Builder request) {
        try {
            return http.send(request.build(), BodyHandlers.ofString());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException(e);
        }
    }

    /// Runs statements on a stream of their own and expects that all succeed.
    public JsonArray run(String tenant, String... statements) {
        var requests = new JsonArray();
        for (String sql : statements) {
            requests.add(
                    new JsonObject()
                            .put("type", "execute")
                            .put("stmt", new JsonObject().put("sql", sql)));
        }
        requests.add(new JsonObject().put("type", "close"));
        HttpResponse<String> response =
                post(tenant, "v3/pipeline", new JsonObject().put("requests", requests).encode());
        if (response.statusCode() != 200) {
            throw new AssertionError(response.statusCode() + " " + response.body());
        }
        JsonArray results = new JsonObject(response.body()).getJsonArray("results");
        for (int i = 0; i < results.size(); i++) {
            if (!results.getJsonObject(i).getString("type").equals("ok")) {
                throw new AssertionError(response.body());
            }
        }
        return results;
    }

    @Override
    public void close() {
        worker.close();
        controller.close();
        http.close();
        signing.close().await();
    }
}
