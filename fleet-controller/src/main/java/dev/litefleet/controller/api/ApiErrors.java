package dev.litefleet.controller.api;

import dev.litefleet.service.Problem;
import dev.litefleet.service.Reply;
import io.vertx.ext.web.Router;

/// What the router itself refuses, in the form of all other errors.
public final class ApiErrors {
    private ApiErrors() {}

    public static void install(Router router) {
        answer(router, 400, "BAD_REQUEST", "the request's path or query cannot be read");
        answer(router, 404, "NOT_FOUND", "nothing is here; /openapi.yaml describes the API");
        answer(router, 405, "METHOD_NOT_ALLOWED", "this path has no such method");
        answer(router, 413, "BODY_TOO_LARGE", "the body may have 64 KiB");
        answer(router, 500, "INTERNAL", "unexpected error");
    }

    private static void answer(Router router, int status, String code, String detail) {
        router.errorHandler(
                status,
                context ->
                        Reply.of(new Problem(status, code, detail, false))
                                .send(context.response()));
    }
}
