package dev.litefleet.replica.log;

import static java.util.Objects.requireNonNull;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParseException;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The JSON inside slot objects: names and types as stored, nothing checked but the syntax and that
/// what must be there is there (the reader turns a failing constructor into its own exception).
/// Fields of later versions of the same format are ignored.
final class SlotJson {
    /// Comment of a segment's archive.
    record SegmentComment(
            int format,
            String body,
            String session,
            int part,
            long slot,
            int k,
            SlotRef undrainedFrom,
            String crc) {
        SegmentComment {
            requireNonNull(body);
            requireNonNull(session);
            requireNonNull(undrainedFrom);
        }
    }

    record SlotRef(int part, long slot) {}

    /// Comment of a segment's entry. Checksums are 16 hexadecimal digits: a JSON number holds 53
    /// bits.
    record EntryComment(
            String min,
            String max,
            int pageSize,
            int commit,
            int pages,
            List<Long> times,
            String before,
            String after,
            @Nullable Boolean merged,
            @Nullable String actor,
            @Nullable String traceparent,
            @Nullable String requestId,
            @Nullable BlobRef blob,
            @Nullable WalRef wal) {
        EntryComment {
            requireNonNull(min);
            requireNonNull(max);
            times = List.copyOf(times);
            requireNonNull(before);
            requireNonNull(after);
        }
    }

    record BlobRef(String key, long bytes) {
        BlobRef {
            requireNonNull(key);
        }
    }

    /// Where in a WAL; salts and checksum as 16 hexadecimal digits.
    record WalRef(String salt, long offset, String sum) {
        WalRef {
            requireNonNull(salt);
            requireNonNull(sum);
        }
    }

    /// Comment of a fence's archive.
    record FenceComment(int format, String body, String crc) {
        FenceComment {
            requireNonNull(body);
        }
    }

    /// Comment of an archive of held entries.
    record HeldComment(
            int format, String tenant, String lineage, String min, String max, String crc) {
        HeldComment {
            requireNonNull(tenant);
            requireNonNull(lineage);
            requireNonNull(min);
            requireNonNull(max);
        }
    }

    /// The part of any comment that every version can read.
    record Format(int format) {}

    /// Content of `fence.json`.
    record FenceContent(String body, String by, long epoch, @Nullable Integer next) {
        FenceContent {
            requireNonNull(body);
            requireNonNull(by);
        }
    }

    private static final ObjectMapper MAPPER =
            JsonMapper.builder(
                            JsonFactory.builder()
                                    .streamReadConstraints(
                                            StreamReadConstraints.builder()
                                                    .maxNestingDepth(4)
                                                    .maxNumberLength(20)
                                                    .maxStringLength(4096)
                                                    .build())
                                    .build())
                    .propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE)
                    .defaultPropertyInclusion(
                            JsonInclude.Value.construct(
                                    JsonInclude.Include.NON_NULL, JsonInclude.Include.NON_NULL))
                    .disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
                    .enable(
                            DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES,
                            DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
                    .build();

    private SlotJson() {}

    static String write(Object value) {
        try {
            return MAPPER.writeValueAsString(value);
        } catch (JsonProcessingException impossible) {
            throw new IllegalStateException("cannot write " + value, impossible);
        }
    }

    static byte[] bytes(Object value) {
        return write(value).getBytes(StandardCharsets.UTF_8);
    }

    /// The format an object was written in, read before anything else of it.
    static int format(byte[] json) throws JsonProcessingException {
        return read(json, Format.class).format();
    }

    /// @throws JsonProcessingException if `json` is not one value of this type
    static <T> T read(byte[] json, Class<T> type) throws JsonProcessingException {
        try {
            T value = MAPPER.readValue(json, type);
            if (value == null) {
                throw new JsonParseException(null, "nothing but null");
            }
            return value;
        } catch (JsonProcessingException malformed) {
            throw malformed;
        } catch (IOException foreign) {
            // The parser guesses the encoding, and bytes that look like UTF-32 need not be it.
            throw new JsonParseException(null, "not JSON in UTF-8", foreign);
        }
    }
}
