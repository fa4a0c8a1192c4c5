package dev.litefleet.replica.log;

import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// The log takes no more commits. What was not durable when it ended has an unknown outcome.
public final class LogEnded extends RuntimeException {
    private final @Nullable LogEnd end;

    LogEnded(LogName log, @Nullable LogEnd end) {
        super("log has ended [log=" + log + ", end=" + (end == null ? "closed" : end) + "]");
        this.end = end;
    }

    /// Why, or nothing if its owner closed it.
    public Optional<LogEnd> end() {
        return Optional.ofNullable(end);
    }
}
