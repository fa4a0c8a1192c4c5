package dev.litefleet.service;

import java.lang.reflect.Field;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.RecordComponent;
import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/// Binds flat settings to a configuration record: component `segmentBytesMax` of section `shipping`
/// is `shipping.segment-bytes-max`, and its default is the record's constant `SEGMENT_BYTES_MAX`,
/// or that component of its constant `DEFAULT`.
public final class Config {
    private Config() {}

    /// Builds `type` from the settings that start with `section`.
    ///
    /// @throws IllegalArgumentException naming the setting, if one is missing, malformed or unknown
    public static <T extends Record> T bind(
            Class<T> type, String section, Map<String, String> settings) {
        Set<String> unknown = new HashSet<>(settings.keySet());
        unknown.removeIf(key -> !key.startsWith(section + "."));
        RecordComponent[] components = type.getRecordComponents();
        Object[] values = new Object[components.length];
        for (int i = 0; i < components.length; i++) {
            String key = section + "." + kebab(components[i].getName());
            unknown.remove(key);
            String text = settings.get(key);
            values[i] =
                    text == null
                            ? constant(type, components[i], key)
                            : parse(components[i], key, text);
        }
        if (!unknown.isEmpty()) {
            throw new IllegalArgumentException("unknown settings " + unknown);
        }
        try {
            Class<?>[] types =
                    Arrays.stream(components).map(RecordComponent::getType).toArray(Class[]::new);
            return type.getDeclaredConstructor(types).newInstance(values);
        } catch (InvocationTargetException e) {
            throw new IllegalArgumentException(e.getTargetException().getMessage(), e);
        } catch (ReflectiveOperationException e) {
            throw new LinkageError(type.getName(), e);
        }
    }

    private static Object parse(RecordComponent component, String key, String text) {
        try {
            return switch (component.getType().getName()) {
                case "java.time.Duration" -> Duration.parse("PT" + text);
                case "java.net.URI" -> URI.create(text);
                case "java.nio.file.Path" -> Path.of(text);
                case "java.lang.String" -> text;
                case "int" -> Integer.parseInt(text);
                case "long" -> Long.parseLong(text);
                case "boolean" -> truth(text);
                default -> throw new AssertionError("no parser for " + component);
            };
        } catch (RuntimeException e) {
            throw new IllegalArgumentException("%s: cannot read '%s'".formatted(key, text), e);
        }
    }

    private static boolean truth(String text) {
        return switch (text) {
            case "true" -> true;
            case "false" -> false;
            default -> throw new IllegalArgumentException("must be true or false");
        };
    }

    /// For the compact constructors of settings records.
    ///
    /// @param rule what must hold, beginning with the setting's name
    public static void check(boolean holds, String rule, Object value) {
        if (!holds) {
            throw new IllegalArgumentException(rule + " [value=" + value + "]");
        }
    }

    private static Object constant(Class<?> type, RecordComponent component, String key) {
        for (Field field : type.getFields()) {
            if (field.getName().equals("DEFAULT") && field.getType() == type) {
                return componentOf(field, component);
            }
        }
        try {
            return type.getField(
                            kebab(component.getName()).replace('-', '_').toUpperCase(Locale.ROOT))
                    .get(null);
        } catch (NoSuchFieldException e) {
            throw new IllegalArgumentException(key + " is required", e);
        } catch (IllegalAccessException e) {
            throw new LinkageError(type.getName(), e);
        }
    }

    /// What `component` is in the record's constant `DEFAULT`.
    private static Object componentOf(Field defaults, RecordComponent component) {
        try {
            return component.getAccessor().invoke(defaults.get(null));
        } catch (ReflectiveOperationException e) {
            throw new LinkageError(String.valueOf(component), e);
        }
    }

    private static String kebab(String name) {
        return name.replaceAll("([A-Z])", "-$1").toLowerCase(Locale.ROOT);
    }
}
