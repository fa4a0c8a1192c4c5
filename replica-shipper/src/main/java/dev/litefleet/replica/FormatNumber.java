package dev.litefleet.replica;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import dev.litefleet.replica.ReplicaException.Corrupt;
import dev.litefleet.replica.ReplicaException.UnsupportedFormat;
import java.io.IOException;

/// The number of the format that a JSON object of ours was written in: its field `format`, looked
/// at before anything else is believed, so that what a newer release wrote is refused by name and
/// not misread. Objects without the field are of format 1.
public final class FormatNumber {
    private static final JsonFactory JSON = new JsonFactory();

    private FormatNumber() {}

    /// @param key of the object, for errors
    /// @param what it is, as in `fleet`
    /// @param newest format that the caller reads
    /// @throws UnsupportedFormat if it is of a newer one
    /// @throws Corrupt if it is no JSON object, or its number is none
    public static void check(String key, String what, byte[] json, int newest) {
        int format = read(key, json);
        if (format > newest) {
            throw new UnsupportedFormat(key, what + " of format " + format);
        }
    }

    private static int read(String key, byte[] json) {
        try (JsonParser in = JSON.createParser(json)) {
            if (in.nextToken() != JsonToken.START_OBJECT) {
                throw new Corrupt(key, 0, "not a JSON object");
            }
            while (in.nextToken() == JsonToken.FIELD_NAME) {
                boolean format = in.currentName().equals("format");
                JsonToken value = in.nextToken();
                if (!format) {
                    in.skipChildren();
                } else if (value == JsonToken.VALUE_NUMBER_INT && in.getLongValue() > 0) {
                    return (int) Math.min(in.getLongValue(), Integer.MAX_VALUE);
                } else {
                    throw new Corrupt(key, 0, "format is no number");
                }
            }
            return 1;
        } catch (IOException malformed) {
            throw new Corrupt(key, 0, "not the JSON it should be", malformed);
        }
    }
}
