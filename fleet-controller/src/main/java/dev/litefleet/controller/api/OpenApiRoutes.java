package dev.litefleet.controller.api;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import io.vertx.ext.web.Router;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.Objects;

/// The API's description, in both of its usual forms. No authentication: it holds no tenant data.
public final class OpenApiRoutes {
    private OpenApiRoutes() {}

    public static void mount(Router router) {
        String yaml = read();
        String json = json(yaml);
        for (String path : new String[] {"/openapi.yaml", "/api/v1/openapi.yaml"}) {
            router.get(path)
                    .handler(context ->
                            context.response()
                                    .putHeader("content-type", "application/yaml")
                                    .end(yaml));
        }
        for (String path : new String[] {"/openapi.json", "/api/v1/openapi.json"}) {
            router.get(path)
                    .handler(context ->
                            context.response()
                                    .putHeader("content-type", "application/json")
                                    .end(json));
        }
    }

    private static String read() {
        try (InputStream in = OpenApiRoutes.class.getResourceAsStream("/openapi.yaml")) {
            return new String(
                    Objects.requireNonNull(in, "openapi.yaml is missing").readAllBytes(), UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static String json(String yaml) {
        try {
            return new ObjectMapper().writeValueAsString(new YAMLMapper().readTree(yaml));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
