package dev.litefleet.worker.hrana;

import com.fasterxml.jackson.core.JsonGenerator;
import dev.litefleet.replica.sqlite.Column;
import dev.litefleet.replica.sqlite.SqlFailure;
import dev.litefleet.replica.sqlite.SqlValue;
import dev.litefleet.replica.sqlite.StatementResult;
import dev.litefleet.worker.tenant.StreamReply;
import java.io.IOException;
import org.jspecify.annotations.Nullable;

/// Bodies of the older endpoints, which know no streams.
final class SingleResponse {
    private SingleResponse() {}

    /// `{"result": ...}` of `v1/execute` and `v1/batch`.
    ///
    /// @throws SqlFailure if the statement failed; these endpoints have no in-band errors
    static byte[] result(StreamReply reply) {
        return Json.bytes(json -> {
            json.writeStartObject();
            json.writeFieldName("result");
            switch (reply) {
                case StreamReply.Executed(StatementResult result) -> ResultJson.write(json, result);
                case StreamReply.Batched(var results, var errors) ->
                        ResultJson.write(json, results, errors);
                case StreamReply.Failed(SqlFailure failure) -> throw failure;
                default -> throw new IllegalStateException("not asked for: " + reply);
            }
            json.writeEndObject();
        });
    }

    /// The array of the v0 API: one element per statement inside the transaction.
    ///
    /// @throws SqlFailure the first failure; the transaction was rolled back
    static byte[] plain(StreamReply reply) {
        if (!(reply instanceof StreamReply.Batched(var results, var errors))) {
            throw new IllegalStateException("not asked for: " + reply);
        }
        for (SqlFailure failure : errors) {
            if (failure != null) {
                throw failure;
            }
        }
        return Json.bytes(json -> {
            json.writeStartArray();
            for (var result : Transaction.inside(results)) {
                plain(json, result);
            }
            json.writeEndArray();
        });
    }

    private static void plain(JsonGenerator json, @Nullable StatementResult result)
            throws IOException {
        if (result == null) {
            throw new IllegalStateException("a statement was skipped, and none had failed");
        }
        json.writeStartObject();
        json.writeObjectFieldStart("results");
        json.writeArrayFieldStart("columns");
        for (Column column : result.columns()) {
            json.writeString(column.name());
        }
        json.writeEndArray();
        json.writeArrayFieldStart("rows");
        for (SqlValue[] row : result.rows()) {
            json.writeStartArray();
            for (SqlValue value : row) {
                PlainValue.write(json, value);
            }
            json.writeEndArray();
        }
        json.writeEndArray();
        json.writeNumberField("rows_read", result.rowsRead());
        json.writeNumberField("rows_written", result.rowsAffected());
        json.writeEndObject();
        json.writeEndObject();
    }
}
