package dev.litefleet.controller.api;

import com.github.f4b6a3.ulid.UlidCreator;
import dev.litefleet.service.Overloaded;
import dev.litefleet.service.Problem;
import dev.litefleet.service.Reply;
import dev.litefleet.service.RestOfBody;
import io.vertx.core.Handler;
import io.vertx.core.file.AsyncFile;
import io.vertx.core.file.OpenOptions;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.ext.web.RoutingContext;
import java.io.File;
import java.nio.file.Path;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/// Streams a request's body into a file, then lets the route go on. Memory stays at a few buffers
/// whatever the size: the client is slowed down to the disk. On an event loop.
final class Upload implements Handler<RoutingContext> {
    /// Largest file that is taken.
    static final long BYTES_MAX = 16L << 30;

    private static final int AT_ONCE_MAX = 8;
    private static final String FILE = "upload";

    private final Path folder;
    private final AtomicInteger running = new AtomicInteger();

    /// @param folder for files that are on their way
    Upload(Path folder) {
        this.folder = folder;
    }

    /// The file that this handler has received; the route's from here on, to be moved or deleted.
    static Path received(RoutingContext context) {
        return Objects.requireNonNull(context.<@Nullable Path>get(FILE));
    }

    @Override
    public void handle(RoutingContext context) {
        HttpServerRequest request = context.request();
        long announced = announced(request);
        // The object that is made of it lies beside it for a while.
        if (announced > BYTES_MAX || announced > folder.toFile().getUsableSpace() / 2) {
            refuse(context, tooLarge());
            return;
        }
        if (running.incrementAndGet() > AT_ONCE_MAX) {
            running.decrementAndGet();
            refuse(context, Problem.of(new Overloaded("uploads", AT_ONCE_MAX)));
            return;
        }
        request.pause();
        Path file = folder.resolve("upload-" + UlidCreator.getUlid());
        context.vertx()
                .fileSystem()
                .open(
                        file.toString(),
                        new OpenOptions().setCreateNew(true).setWrite(true).setPerms("rw-------"))
                .onSuccess(open -> new Running(context, file.toFile(), open).start())
                .onFailure(failed -> {
                    running.decrementAndGet();
                    context.fail(failed);
                });
    }

    private static long announced(HttpServerRequest request) {
        String length = request.getHeader("content-length");
        return length == null || !length.matches("[0-9]{1,18}") ? 0 : Long.parseLong(length);
    }

    private static Problem tooLarge() {
        return new Problem(
                413,
                "BODY_TOO_LARGE",
                "a file may have %d bytes, and twice its size must be free on the controller's disk"
                        .formatted(BYTES_MAX),
                false);
    }

    /// Whoever still writes shall see the answer.
    private static void refuse(RoutingContext context, Problem problem) {
        Reply.of(problem).send(context.response());
        RestOfBody.linger(context.request(), context.vertx());
        context.request().resume();
    }

    private final class Running {
        private final RoutingContext context;
        private final HttpServerRequest request;
        private final File file;
        private final AsyncFile open;
        private long bytes;
        private boolean ended;

        Running(RoutingContext context, File file, AsyncFile open) {
            this.context = context;
            this.request = context.request();
            this.file = file;
            this.open = open;
        }

        void start() {
            request.exceptionHandler(_ -> abandon());
            context.response().closeHandler(_ -> abandon());
            open.exceptionHandler(failed -> {
                if (abandon()) {
                    context.fail(failed);
                }
            });
            request.handler(chunk -> {
                bytes += chunk.length();
                if (bytes > BYTES_MAX) {
                    if (abandon()) {
                        refuse(context, tooLarge());
                    }
                    return;
                }
                open.write(chunk);
                if (open.writeQueueFull()) {
                    request.pause();
                    open.drainHandler(_ -> request.resume());
                }
            });
            request.endHandler(_ -> {
                if (end()) {
                    open.close()
                            .onSuccess(_ -> {
                                context.put(FILE, file.toPath());
                                context.next();
                            })
                            .onFailure(failed -> {
                                file.delete();
                                context.fail(failed);
                            });
                }
            });
            request.resume();
        }

        private boolean end() {
            boolean first = !ended;
            ended = true;
            if (first) {
                running.decrementAndGet();
            }
            return first;
        }

        /// @return whether it had not ended yet
        private boolean abandon() {
            boolean first = end();
            if (first) {
                request.handler(null);
                open.close().onComplete(_ -> file.delete());
            }
            return first;
        }
    }
}
