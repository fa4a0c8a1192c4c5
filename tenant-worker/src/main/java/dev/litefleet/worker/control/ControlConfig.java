package dev.litefleet.worker.control;

import static dev.litefleet.service.Config.check;

import java.net.URI;
import java.time.Duration;

/// The `control` section of a worker's settings.
///
/// @param url of the controller's internal port, `http://host:port`; no default
/// @param retryMin first pause before a message to the controller is sent again; doubled each time,
///   jittered
/// @param retryMax longest pause
/// @param answerMax how long to wait for an answer
/// @param releaseMax how long a worker that stops tells the controller of its tenants' release;
///   what is not told by then is found out when the lease ends
public record ControlConfig(
        URI url, Duration retryMin, Duration retryMax, Duration answerMax, Duration releaseMax) {
    public static final Duration RETRY_MIN = Duration.ofMillis(100);
    public static final Duration RETRY_MAX = Duration.ofSeconds(2);
    public static final Duration ANSWER_MAX = Duration.ofSeconds(2);
    public static final Duration RELEASE_MAX = Duration.ofSeconds(5);

    public ControlConfig {
        check(
                "http".equals(url.getScheme()) && url.getPort() > 0 && "".equals(url.getPath()),
                "control.url must be http://host:port",
                url);
        check(retryMin.isPositive(), "control.retry-min must be positive", retryMin);
        check(
                retryMax.compareTo(retryMin) >= 0,
                "control.retry-max is under control.retry-min",
                retryMax);
        check(answerMax.isPositive(), "control.answer-max must be positive", answerMax);
        check(!releaseMax.isNegative(), "control.release-max must not be negative", releaseMax);
    }
}
