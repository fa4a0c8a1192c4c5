package dev.litefleet.replica.sqlite;

import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Arguments in the order of a statement's parameters.
public final class Bindings {
    /// For statements without parameters.
    public static final Bindings NONE = new Bindings(new @Nullable Object[0]);

    /// From here on a statement is made to forget its arguments once it has run.
    private static final int LARGE = 1 << 16;

    final @Nullable Object[] values; // as the driver takes them
    final boolean large;

    private Bindings(@Nullable Object[] values) {
        this.values = values;
        this.large = Arrays.stream(values).mapToLong(Bindings::size).sum() > LARGE;
    }

    /// Arguments as the Hrana protocol gives them: a named parameter takes the argument of its
    /// exact name, else of its name without sign; any other takes the positional argument of its
    /// number. An explained statement may leave parameters open.
    ///
    /// @throws SqlRefused `ARGS_INVALID` or `ARGS_BOTH_POSITIONAL_AND_NAMED`
    public static Bindings of(GatedStatement statement, List<SqlValue> args, List<NamedArg> named) {
        if (!args.isEmpty() && !named.isEmpty()) {
            throw SqlRefused.argsBoth();
        }
        List<@Nullable String> parameters = statement.parameters();
        int given = args.size() + named.size();
        if (given > parameters.size()) {
            throw SqlRefused.args(
                    "%d values for %d parameters".formatted(given, parameters.size()));
        }
        if (parameters.isEmpty()) {
            return NONE;
        }
        var byName = new HashMap<String, SqlValue>();
        for (NamedArg arg : named) {
            byName.put(arg.name(), arg.value());
        }
        var values = new @Nullable Object[parameters.size()];
        for (int i = 0; i < values.length; i++) {
            SqlValue value = find(parameters.get(i), i, args, byName);
            if (value == null && !statement.explain()) {
                String name = parameters.get(i);
                throw SqlRefused.args(
                        "value for parameter " + (name == null ? i + 1 : name) + " not found");
            }
            values[i] = value == null ? null : raw(value);
        }
        return new Bindings(values);
    }

    /// Positional arguments, exactly as many as there are parameters.
    public static Bindings of(GatedStatement statement, List<SqlValue> args) {
        return of(statement, args, List.of());
    }

    private static @Nullable SqlValue find(
            @Nullable String name, int index, List<SqlValue> args, Map<String, SqlValue> byName) {
        if (name == null || name.startsWith("?")) {
            return index < args.size() ? args.get(index) : null;
        }
        if (byName.isEmpty()) {
            // Clients send positional arguments for named parameters too.
            return index < args.size() ? args.get(index) : null;
        }
        SqlValue exact = byName.get(name);
        return exact != null ? exact : byName.get(name.substring(1));
    }

    private static @Nullable Object raw(SqlValue value) {
        return switch (value) {
            case SqlValue.Null() -> null;
            case SqlValue.Int(long number) -> number;
            // The driver would bind it as null as well; said here because it is our promise.
            case SqlValue.Real(double number) -> Double.isNaN(number) ? null : number;
            case SqlValue.Text(String text) -> text;
            case SqlValue.Blob(byte[] bytes) -> bytes;
        };
    }

    private static long size(@Nullable Object value) {
        return switch (value) {
            case String text -> text.length();
            case byte[] bytes -> bytes.length;
            case null, default -> 8;
        };
    }
}
