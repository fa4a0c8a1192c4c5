package dev.litefleet.replica.sqlite;

import java.util.Arrays;
import java.util.HexFormat;
import org.jspecify.annotations.Nullable;

/// A value of one of SQLite's five storage classes.
public sealed interface SqlValue {
    /// The one null.
    SqlValue NULL = new Null();

    /// SQL's null.
    record Null() implements SqlValue {}

    /// A 64-bit signed integer.
    record Int(long value) implements SqlValue {}

    /// A double. Not a number binds as null: SQLite has no NaN.
    record Real(double value) implements SqlValue {}

    /// A text, possibly with NUL characters inside.
    record Text(String value) implements SqlValue {}

    /// Bytes, not copied: whoever holds the value must not change them.
    @SuppressWarnings(
            "ArrayRecordComponent") // a copy per cell would be dear; equality is by content
    record Blob(byte[] bytes) implements SqlValue {
        @Override
        public boolean equals(@Nullable Object other) {
            return other instanceof Blob(var theirs) && Arrays.equals(bytes, theirs);
        }

        @Override
        public int hashCode() {
            return Arrays.hashCode(bytes);
        }

        @Override
        public String toString() {
            return "Blob[" + HexFormat.of().formatHex(bytes, 0, Math.min(bytes.length, 32)) + "]";
        }
    }
}
