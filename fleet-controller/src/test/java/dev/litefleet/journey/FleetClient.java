package dev.litefleet.journey;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.litefleet.journey.LocalFleet.Answer;
import dev.litefleet.journey.LocalFleet.Tenant;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;

/// A fleet as its clients see it: the public port, over HTTP.
final class FleetClient {
    private final String base;
    private final Path adminKey;
    private final HttpClient client =
            HttpClient.newBuilder()
                    .version(HttpClient.Version.HTTP_1_1)
                    .connectTimeout(Duration.ofSeconds(5))
                    .build();

    /// @param base like `http://127.0.0.1:7480`
    /// @param adminKey file with the admin's key; read at each use
    FleetClient(String base, Path adminKey) {
        this.base = base;
        this.adminKey = adminKey;
    }

    Tenant provision(String id, String body) throws Exception {
        HttpResponse<String> answer = api("PUT", "/api/v1/tenants/" + id, body);
        assertThat(answer.statusCode()).as(answer.body()).isEqualTo(201);
        JsonNode json = LocalFleet.JSON.readTree(answer.body());
        return new Tenant(id, json.path("url").asText(), json.path("token").path("jwt").asText());
    }

    String adminKey() {
        try {
            return Files.readString(adminKey).trim();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    HttpResponse<String> api(String method, String path, String body)
            throws IOException, InterruptedException {
        return client.send(
                HttpRequest.newBuilder(URI.create(base + path))
                        .header("authorization", "Bearer " + adminKey())
                        .method(method, BodyPublishers.ofString(body))
                        .timeout(Duration.ofSeconds(60))
                        .build(),
                BodyHandlers.ofString());
    }

    HttpResponse<String> get(String path) throws IOException, InterruptedException {
        return client.send(
                HttpRequest.newBuilder(URI.create(base + path))
                        .timeout(Duration.ofSeconds(5))
                        .build(),
                BodyHandlers.ofString());
    }

    /// One autocommit statement by a stateless pipeline.
    Answer execute(Tenant tenant, String sql, String... textArgs)
            throws IOException, InterruptedException {
        var statement = LocalFleet.JSON.createObjectNode().put("sql", sql);
        var args = statement.putArray("args");
        for (String arg : textArgs) {
            args.addObject().put("type", "text").put("value", arg);
        }
        var pipeline = LocalFleet.JSON.createObjectNode();
        var requests = pipeline.putArray("requests");
        requests.addObject().put("type", "execute").set("stmt", statement);
        requests.addObject().put("type", "close");
        HttpResponse<String> answer =
                client.send(
                        HttpRequest.newBuilder(URI.create(tenant.url() + "v2/pipeline"))
                                .header("authorization", "Bearer " + tenant.token())
                                .POST(BodyPublishers.ofString(pipeline.toString()))
                                .timeout(Duration.ofSeconds(60))
                                .build(),
                        BodyHandlers.ofString());
        return new Answer(
                answer.statusCode(),
                answer.body(),
                answer.headers().firstValue("litefleet-txid"),
                answer.headers().firstValue("litefleet-durable-txid"));
    }
}
