package dev.litefleet.worker.hrana;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.StreamWriteFeature;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;

/// Writes answers token by token into one array; no tree.
final class Json {
    private static final int BYTES = 512;

    private static final JsonFactory FACTORY =
            JsonFactory.builder().enable(StreamWriteFeature.USE_FAST_DOUBLE_WRITER).build();

    /// What to write.
    interface Content {
        void write(JsonGenerator json) throws IOException;
    }

    private Json() {}

    static byte[] bytes(Content content) {
        var out = new ByteArrayOutputStream(BYTES);
        try (JsonGenerator json = FACTORY.createGenerator(out)) {
            content.write(json);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return out.toByteArray();
    }

    /// A generator of values that follow each other, separated by whatever is written between them.
    static JsonGenerator lines(ByteArrayOutputStream out) {
        try {
            return FACTORY.createGenerator(out).setRootValueSeparator(null);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
