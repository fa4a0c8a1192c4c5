package dev.litefleet.worker.control;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.json.JsonMapper;

/// JSON of this package's records: snake_case members. Unknown members are ignored, so a controller
/// and a worker of neighbouring versions understand each other; missing ones are refused.
public final class Wire {
    private static final ObjectMapper MAPPER =
            JsonMapper.builder(
                            JsonFactory.builder()
                                    .streamReadConstraints(
                                            StreamReadConstraints.builder()
                                                    .maxNestingDepth(16)
                                                    .maxStringLength(1 << 16)
                                                    .build())
                                    .build())
                    .propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE)
                    .disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
                    .enable(DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES)
                    .build();

    private Wire() {}

    public static byte[] write(Record message) {
        try {
            return MAPPER.writeValueAsBytes(message);
        } catch (JacksonException e) {
            throw new IllegalStateException(
                    "unwritable message [type=" + message.getClass() + "]", e);
        }
    }

    /// @throws IllegalArgumentException if `json` is not a valid message of this type
    public static <T extends Record> T read(byte[] json, Class<T> type) {
        try {
            T message = MAPPER.readValue(json, type);
            if (message == null) {
                throw new IllegalArgumentException(
                        "empty message [type=" + type.getSimpleName() + "]");
            }
            return message;
        } catch (java.io.IOException e) {
            throw new IllegalArgumentException(
                    "unreadable message [type=" + type.getSimpleName() + "]: " + e.getMessage(), e);
        }
    }
}
