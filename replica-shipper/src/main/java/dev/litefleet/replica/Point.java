package dev.litefleet.replica;

import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.HexFormat;
import java.util.regex.Matcher;
import org.jspecify.annotations.Nullable;

/// Where in a history. [#parse] reads the one notation of the product and `toString` prints it
/// back:
///
/// | notation               | means                                                   |
/// | ---------------------- | ------------------------------------------------------- |
/// | `latest`               | the last durable commit                                 |
/// | `2a41`                 | that TXID, 1 to 16 hexadecimal digits                   |
/// | `~5`                   | five commits before the latest                          |
/// | `2026-11-20T14:03:11Z` | the last commit not after that time (RFC 3339)          |
/// | `-10m`, `-1d2h30m5s`   | the same, counted back from now: days, hours, minutes, seconds |
///
/// Source: ux.md, section 1.4.
public sealed interface Point {
    Point LATEST = new Latest();

    /// The last durable commit.
    record Latest() implements Point {
        @Override
        public String toString() {
            return "latest";
        }
    }

    /// Exactly that commit.
    record At(Txid txid) implements Point {
        @Override
        public String toString() {
            return Long.toHexString(txid.value());
        }
    }

    /// So many commits before the latest.
    ///
    /// @param commits 0 or more; 0 is the latest
    record Before(int commits) implements Point {
        public Before {
            if (commits < 0) {
                throw new IllegalArgumentException("commits out of range: " + commits);
            }
        }

        @Override
        public String toString() {
            return "~" + commits;
        }
    }

    /// The last commit not after `time`.
    record AtTime(Instant time) implements Point {
        @Override
        public String toString() {
            return time.toString();
        }
    }

    /// The last commit not after the time that is `time` before now.
    ///
    /// @param time whole seconds, more than 0
    record Ago(Duration time) implements Point {
        public Ago {
            if (!time.isPositive() || time.toNanosPart() != 0) {
                throw new IllegalArgumentException("not a positive number of seconds: " + time);
            }
        }

        @Override
        public String toString() {
            var text = new StringBuilder("-");
            append(text, time.toDays(), 'd');
            append(text, time.toHoursPart(), 'h');
            append(text, time.toMinutesPart(), 'm');
            append(text, time.toSecondsPart(), 's');
            return text.toString();
        }

        private static void append(StringBuilder text, long amount, char unit) {
            if (amount > 0) {
                text.append(amount).append(unit);
            }
        }
    }

    /// @throws IllegalArgumentException if `text` is no point; its message names the notations
    static Point parse(String text) {
        if (text.equals("latest")) {
            return LATEST;
        }
        if (Notation.TXID.matcher(text).matches()) {
            return new At(txid(text));
        }
        if (Notation.BEFORE.matcher(text).matches()) {
            return new Before(Integer.parseInt(text.substring(1)));
        }
        Matcher ago = Notation.AGO.matcher(text);
        if (ago.matches()) {
            return ago(ago);
        }
        if (Notation.TIME.matcher(text).matches()) {
            try {
                return new AtTime(OffsetDateTime.parse(text).toInstant());
            } catch (DateTimeException e) {
                throw new IllegalArgumentException("no such time: '" + text + "'", e);
            }
        }
        throw new IllegalArgumentException(
                "not a point: '%s' (latest, hex TXID, ~5, 2026-11-20T14:03:11Z or -10m)"
                        .formatted(text));
    }

    private static Txid txid(String text) {
        long value = HexFormat.fromHexDigitsToLong(text);
        if (value < 0) {
            throw new IllegalArgumentException("txid out of range: '" + text + "'");
        }
        return new Txid(value);
    }

    private static Ago ago(Matcher text) {
        Duration time =
                Duration.ofDays(amount(text.group(1)))
                        .plusHours(amount(text.group(2)))
                        .plusMinutes(amount(text.group(3)))
                        .plusSeconds(amount(text.group(4)));
        return new Ago(time);
    }

    private static int amount(@Nullable String digits) {
        return digits == null ? 0 : Integer.parseInt(digits);
    }
}
