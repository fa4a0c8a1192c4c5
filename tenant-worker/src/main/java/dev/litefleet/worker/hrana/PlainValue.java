package dev.litefleet.worker.hrana;

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import dev.litefleet.replica.sqlite.SqlValue;
import java.io.IOException;
import java.util.Base64;

/// A [SqlValue] in the v0 API: plain JSON, except `{"base64": "..."}` for blobs.
final class PlainValue {
    private PlainValue() {}

    static SqlValue read(JsonParser json) throws IOException {
        return switch (json.currentToken()) {
            case VALUE_NULL -> new SqlValue.Null();
            case VALUE_STRING -> new SqlValue.Text(json.getText());
            case VALUE_TRUE -> new SqlValue.Int(1);
            case VALUE_FALSE -> new SqlValue.Int(0);
            case VALUE_NUMBER_INT -> new SqlValue.Int(json.getLongValue());
            case VALUE_NUMBER_FLOAT -> new SqlValue.Real(json.getDoubleValue());
            case START_OBJECT -> blob(json);
            default -> throw HranaFailure.protocol("unreadable parameter");
        };
    }

    static void write(JsonGenerator json, SqlValue value) throws IOException {
        switch (value) {
            case SqlValue.Null() -> json.writeNull();
            case SqlValue.Int(long integer) -> json.writeNumber(integer);
            case SqlValue.Real(double real) -> {
                if (Double.isFinite(real)) {
                    json.writeNumber(real);
                } else {
                    json.writeNull();
                }
            }
            case SqlValue.Text(String text) -> json.writeString(text);
            case SqlValue.Blob(byte[] bytes) -> {
                json.writeStartObject();
                json.writeStringField("base64", Base64.getEncoder().encodeToString(bytes));
                json.writeEndObject();
            }
        }
    }

    private static SqlValue blob(JsonParser json) throws IOException {
        String base64 = null;
        while (json.nextToken() != JsonToken.END_OBJECT) {
            String field = json.currentName();
            JsonToken token = json.nextToken();
            if (field.equals("base64") && token == JsonToken.VALUE_STRING) {
                base64 = json.getText();
            } else {
                json.skipChildren();
            }
        }
        try {
            if (base64 != null) {
                return new SqlValue.Blob(Base64.getDecoder().decode(base64));
            }
        } catch (IllegalArgumentException notBase64) {
            throw HranaFailure.protocol("a blob's base64 is malformed");
        }
        throw HranaFailure.protocol("an object parameter must be {\"base64\": ...}");
    }
}
