package dev.litefleet.worker.hrana;

import com.fasterxml.jackson.core.Base64Variant;
import com.fasterxml.jackson.core.Base64Variants;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import dev.litefleet.replica.sqlite.SqlValue;
import java.io.IOException;
import java.util.Base64;
import org.jspecify.annotations.Nullable;

/// A [SqlValue] on the wire: `{"type":"integer","value":"42"}`.
///
/// Integers travel as decimal strings, because JavaScript's numbers end at 2^53; a JSON number is
/// accepted too. A float binds as REAL also when its number has no fraction. Blobs are base64 of
/// the standard alphabet, written without padding, read with or without.
final class HranaValue {
    private static final Base64Variant UNPADDED =
            Base64Variants.MIME_NO_LINEFEEDS.withWritePadding(false);

    private HranaValue() {}

    /// Reads the value whose `{` the parser stands on.
    static SqlValue read(JsonParser json) throws IOException {
        if (json.currentToken() != JsonToken.START_OBJECT) {
            throw HranaFailure.protocol("a value must be an object");
        }
        String type = null;
        String value = null; // as it stands there, of strings and numbers
        boolean number = false;
        double real = 0;
        String base64 = null;
        while (json.nextToken() != JsonToken.END_OBJECT) {
            String field = json.currentName();
            JsonToken token = json.nextToken();
            switch (field) {
                case "type" -> type = json.getText();
                case "base64" -> base64 = json.getText();
                case "value" -> {
                    number = token.isNumeric();
                    if (number) {
                        real = json.getDoubleValue();
                        value = token == JsonToken.VALUE_NUMBER_INT ? json.getText() : null;
                    } else if (token == JsonToken.VALUE_STRING) {
                        value = json.getText();
                    } else {
                        json.skipChildren();
                    }
                }
                default -> json.skipChildren();
            }
        }
        return switch (type) {
            case "null" -> new SqlValue.Null();
            case "integer" -> new SqlValue.Int(integer(value));
            case "float" -> {
                if (!number) {
                    throw HranaFailure.protocol("a float's value must be a number");
                }
                yield new SqlValue.Real(real);
            }
            case "text" -> {
                if (value == null || number) {
                    throw HranaFailure.protocol("a text's value must be a string");
                }
                yield new SqlValue.Text(value);
            }
            case "blob" -> new SqlValue.Blob(blob(base64));
            case null, default -> throw HranaFailure.protocol("unknown type of value: " + type);
        };
    }

    static void write(JsonGenerator json, SqlValue value) throws IOException {
        json.writeStartObject();
        switch (value) {
            case SqlValue.Null() -> json.writeStringField("type", "null");
            case SqlValue.Int(long integer) -> {
                json.writeStringField("type", "integer");
                json.writeStringField("value", Long.toString(integer));
            }
            case SqlValue.Real(double real) -> {
                json.writeStringField("type", "float");
                writeReal(json, real);
            }
            case SqlValue.Text(String text) -> {
                json.writeStringField("type", "text");
                json.writeStringField("value", text);
            }
            case SqlValue.Blob(byte[] bytes) -> {
                json.writeStringField("type", "blob");
                json.writeFieldName("base64");
                json.writeBinary(UNPADDED, bytes, 0, bytes.length);
            }
        }
        json.writeEndObject();
    }

    /// JSON has no infinities; libsql-server sends null for them, and so do we.
    private static void writeReal(JsonGenerator json, double real) throws IOException {
        json.writeFieldName("value");
        if (Double.isFinite(real)) {
            json.writeNumber(real);
        } else {
            json.writeNull();
        }
    }

    private static long integer(@Nullable String value) {
        try {
            if (value != null) {
                return Long.parseLong(value);
            }
        } catch (NumberFormatException notInteger) {
            throw HranaFailure.protocol("an integer's value must be a 64-bit decimal: " + value);
        }
        throw HranaFailure.protocol("an integer's value must be a decimal string");
    }

    private static byte[] blob(@Nullable String base64) {
        try {
            if (base64 != null) {
                return Base64.getDecoder().decode(base64);
            }
        } catch (IllegalArgumentException notBase64) {
            throw HranaFailure.protocol("a blob's base64 is malformed");
        }
        throw HranaFailure.protocol("a blob needs base64");
    }
}
