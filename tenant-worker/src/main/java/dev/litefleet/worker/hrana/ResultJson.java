package dev.litefleet.worker.hrana;

import com.fasterxml.jackson.core.JsonGenerator;
import dev.litefleet.replica.sqlite.Column;
import dev.litefleet.replica.sqlite.Description;
import dev.litefleet.replica.sqlite.SqlFailure;
import dev.litefleet.replica.sqlite.SqlValue;
import dev.litefleet.replica.sqlite.StatementResult;
import java.io.IOException;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Results of statements as Hrana writes them (hrana.md, 1.3).
final class ResultJson {
    private ResultJson() {}

    static void write(JsonGenerator json, StatementResult result) throws IOException {
        json.writeStartObject();
        columns(json, result.columns());
        json.writeArrayFieldStart("rows");
        for (SqlValue[] row : result.rows()) {
            row(json, row);
        }
        json.writeEndArray();
        json.writeNumberField("affected_row_count", result.rowsAffected());
        json.writeFieldName("last_insert_rowid");
        Long rowid = result.lastInsertRowid();
        if (rowid == null) {
            json.writeNull();
        } else {
            json.writeString(Long.toString(rowid));
        }
        // SQLite's counters of rows visited are out of the driver's reach (hrana.md, 4.6): these
        // are
        // the rows returned and changed.
        json.writeNumberField("rows_read", result.rowsRead());
        json.writeNumberField("rows_written", result.rowsAffected());
        json.writeEndObject();
    }

    static void write(
            JsonGenerator json,
            List<@Nullable StatementResult> results,
            List<@Nullable SqlFailure> errors)
            throws IOException {
        json.writeStartObject();
        json.writeArrayFieldStart("step_results");
        for (StatementResult result : results) {
            if (result == null) {
                json.writeNull();
            } else {
                write(json, result);
            }
        }
        json.writeEndArray();
        json.writeArrayFieldStart("step_errors");
        for (SqlFailure error : errors) {
            if (error == null) {
                json.writeNull();
            } else {
                HranaError.of(error).write(json);
            }
        }
        json.writeEndArray();
        json.writeEndObject();
    }

    static void write(JsonGenerator json, Description description) throws IOException {
        json.writeStartObject();
        json.writeArrayFieldStart("params");
        for (String name : description.parameters()) {
            json.writeStartObject();
            json.writeStringField("name", name);
            json.writeEndObject();
        }
        json.writeEndArray();
        columns(json, description.columns());
        json.writeBooleanField("is_explain", description.explain());
        json.writeBooleanField("is_readonly", description.readonly());
        json.writeEndObject();
    }

    /// The member `cols`.
    static void columns(JsonGenerator json, List<Column> columns) throws IOException {
        json.writeArrayFieldStart("cols");
        for (Column column : columns) {
            json.writeStartObject();
            json.writeStringField("name", column.name());
            json.writeStringField("decltype", column.declaredType());
            json.writeEndObject();
        }
        json.writeEndArray();
    }

    static void row(JsonGenerator json, SqlValue[] row) throws IOException {
        json.writeStartArray();
        for (SqlValue value : row) {
            HranaValue.write(json, value);
        }
        json.writeEndArray();
    }
}
