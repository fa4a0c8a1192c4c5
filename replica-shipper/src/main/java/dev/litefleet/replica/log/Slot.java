package dev.litefleet.replica.log;

import java.util.Comparator;
import java.util.HexFormat;
import java.util.Optional;
import java.util.regex.Pattern;

/// A place in a session's log: the key that exactly one writer can create.
///
/// A number is meaningless without its part: a durable slot number of one part says nothing about
/// another. Slots order by part, then number, which is the order of the log.
///
/// @param part 1 to 65,535
/// @param number 1 and up; 0 stands before a part's first slot and has no key
public record Slot(int part, long number) implements Comparable<Slot> {
    /// Where every log begins.
    public static final Slot FIRST = new Slot(1, 1);

    static final int PART_MAX = 0xffff;

    private static final Comparator<Slot> ORDER =
            Comparator.comparingInt(Slot::part).thenComparingLong(Slot::number);
    private static final Pattern NAME = Pattern.compile("[0-9a-f]{16}\\.zip");

    public Slot {
        if (part < 1 || part > PART_MAX || number < 0) {
            throw new IllegalArgumentException("not a slot: " + part + "." + number);
        }
    }

    /// Slot 1 of a part.
    public static Slot firstOf(int part) {
        return new Slot(part, 1);
    }

    /// The slot after this one in the same part.
    public Slot next() {
        return new Slot(part, Math.addExact(number, 1));
    }

    /// The object's key, `<part:04x>/<number:016x>.zip` under the log's prefix.
    public String key(LogName log) {
        if (number == 0) {
            throw new IllegalStateException("no object stands before the first slot");
        }
        return partPrefix(log, part) + HexFormat.of().toHexDigits(number) + ".zip";
    }

    /// Where the objects of a part lie.
    static String partPrefix(LogName log, int part) {
        return log.prefix() + HexFormat.of().toHexDigits((short) part) + "/";
    }

    /// The slot whose key this is, or nothing for a key of another kind: stores show strangers' and
    /// temporary objects now and then.
    static Optional<Slot> ofKey(LogName log, int part, String key) {
        String prefix = partPrefix(log, part);
        String name = key.startsWith(prefix) ? key.substring(prefix.length()) : "";
        if (!NAME.matcher(name).matches() || name.charAt(0) > '7') {
            return Optional.empty();
        }
        long number = HexFormat.fromHexDigitsToLong(name, 0, 16);
        return number == 0 ? Optional.empty() : Optional.of(new Slot(part, number));
    }

    @Override
    public int compareTo(Slot other) {
        return ORDER.compare(this, other);
    }

    /// `<part>.<number>`, decimal, for people.
    @Override
    public String toString() {
        return part + "." + number;
    }
}
