package dev.litefleet.controller.api;

import java.time.Duration;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// How long something lasts, as clients write it: `never`, `30d`, `7d3h2m1s`.
final class Lifetime {
    private static final Pattern TEXT =
            Pattern.compile("(?:(\\d{1,5})d)?(?:(\\d{1,5})h)?(?:(\\d{1,5})m)?(?:(\\d{1,7})s)?");

    private Lifetime() {}

    /// @return empty for `never`
    /// @throws IllegalArgumentException for anything else that is not a positive duration
    static Optional<Duration> parse(String text) {
        if (text.equals("never")) {
            return Optional.empty();
        }
        Matcher parts = TEXT.matcher(text);
        if (!parts.matches()) {
            throw new IllegalArgumentException("must be 'never' or like 30d or 7d3h2m1s: " + text);
        }
        Duration sum =
                Duration.ofDays(part(parts, 1))
                        .plusHours(part(parts, 2))
                        .plusMinutes(part(parts, 3))
                        .plusSeconds(part(parts, 4));
        if (sum.isZero()) {
            throw new IllegalArgumentException("must be 'never' or like 30d or 7d3h2m1s: " + text);
        }
        return Optional.of(sum);
    }

    /// As [#parse] reads it: `7d`, `1d12h`.
    static String words(Duration duration) {
        var text = new StringBuilder();
        append(text, duration.toDays(), 'd');
        append(text, duration.toHoursPart(), 'h');
        append(text, duration.toMinutesPart(), 'm');
        append(text, duration.toSecondsPart(), 's');
        return text.isEmpty() ? "0s" : text.toString();
    }

    private static void append(StringBuilder text, long amount, char unit) {
        if (amount > 0) {
            text.append(amount).append(unit);
        }
    }

    private static long part(Matcher parts, int group) {
        String digits = parts.group(group);
        return digits == null ? 0 : Long.parseLong(digits);
    }
}
