package dev.litefleet.controller.api;

import dev.litefleet.service.Problem;
import dev.litefleet.service.Problem.FieldError;
import dev.litefleet.service.Refused;
import io.vertx.core.json.JsonObject;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import java.util.function.Supplier;

/// Reads the fields of a JSON object and keeps account of what is wrong with them, so that a client
/// hears all of it at once. JSON's null is the same as no field.
final class Fields {
    /// What all sections of a body have found.
    private static final class Findings {
        private final List<FieldError> errors = new ArrayList<>();
        private boolean unknown;
    }

    private final JsonObject json;
    private final String path;
    private final Findings findings;
    private final Set<String> read = new HashSet<>();

    /// Of a whole body.
    Fields(JsonObject json) {
        this(json, "", new Findings());
    }

    private Fields(JsonObject json, String path, Findings findings) {
        this.json = json;
        this.path = path;
        this.findings = findings;
    }

    /// The names that are there.
    Set<String> names() {
        return json.fieldNames();
    }

    /// A text, understood.
    ///
    /// @param meaning throws [IllegalArgumentException] saying what is wrong with it
    /// @return empty if the field is not there, or wrong
    <T> Optional<T> text(String name, Function<String, T> meaning) {
        read.add(name);
        return switch (json.getValue(name)) {
            case null -> Optional.empty();
            case String text -> checked(name, () -> meaning.apply(text));
            default -> wrong(name, "must be a string");
        };
    }

    /// A whole number.
    ///
    /// @return 0 if the field is not there, 0, or wrong; else `min` to `max`
    long number(String name, long min, long max) {
        read.add(name);
        Object value = json.getValue(name);
        if (value == null) {
            return 0;
        }
        if (!(value instanceof Integer || value instanceof Long)) {
            wrong(name, "must be a whole number below 2^63");
            return 0;
        }
        long number = ((Number) value).longValue();
        if (number != 0 && (number < min || number > max)) {
            wrong(
                    name,
                    max == Long.MAX_VALUE
                            ? "must be 0 or at least " + min
                            : "must be 0 or from " + min + " to " + max);
            return 0;
        }
        return number;
    }

    boolean truth(String name, boolean otherwise) {
        read.add(name);
        return switch (json.getValue(name)) {
            case null -> otherwise;
            case Boolean truth -> truth;
            default -> {
                wrong(name, "must be true or false");
                yield otherwise;
            }
        };
    }

    /// An object in the object; an empty one if it is not there, or wrong.
    Fields section(String name) {
        read.add(name);
        JsonObject section =
                switch (json.getValue(name)) {
                    case null -> new JsonObject();
                    case JsonObject object -> object;
                    default -> {
                        wrong(name, "must be an object");
                        yield new JsonObject();
                    }
                };
        return new Fields(section, pointer(name), findings);
    }

    /// A value made of several fields, blamed on `name` if it cannot be made.
    <T> Optional<T> checked(String name, Supplier<T> made) {
        try {
            return Optional.of(made.get());
        } catch (IllegalArgumentException wrong) {
            return wrong(name, String.valueOf(wrong.getMessage()));
        }
    }

    /// Nothing more will be read: what is left over is unknown.
    void close() {
        for (String name : json.fieldNames()) {
            if (!read.contains(name)) {
                findings.unknown = true;
                wrong(name, "unknown field");
            }
        }
    }

    /// Closes the body.
    ///
    /// @throws Refused `VALIDATION` naming every wrong field: 400 if one of them is not known, so
    ///   that the body may mean something else to its author, else 422
    void refuseIfWrong() {
        close();
        int count = findings.errors.size();
        if (count > 0) {
            throw new Refused(
                    new Problem(
                            findings.unknown ? 400 : 422,
                            "VALIDATION",
                            count == 1 ? "1 field is wrong" : count + " fields are wrong",
                            false,
                            List.copyOf(findings.errors)));
        }
    }

    /// Notes what is wrong with a field.
    <T> Optional<T> wrong(String name, String detail) {
        findings.errors.add(new FieldError(pointer(name), detail));
        return Optional.empty();
    }

    /// RFC 6901.
    private String pointer(String name) {
        return path + "/" + name.replace("~", "~0").replace("/", "~1");
    }
}
