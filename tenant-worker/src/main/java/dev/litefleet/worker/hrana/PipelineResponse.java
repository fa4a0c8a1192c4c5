package dev.litefleet.worker.hrana;

import com.fasterxml.jackson.core.JsonGenerator;
import dev.litefleet.replica.sqlite.Description;
import dev.litefleet.replica.sqlite.SqlFailure;
import dev.litefleet.replica.sqlite.StatementResult;
import dev.litefleet.worker.tenant.StreamReply;
import java.io.IOException;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The body of an answer to a pipeline: one result per request, in order.
final class PipelineResponse {
    private PipelineResponse() {}

    /// @param baton null once the stream is gone
    static byte[] body(@Nullable String baton, List<Result> results) {
        return Json.bytes(json -> {
            json.writeStartObject();
            json.writeStringField("baton", baton);
            json.writeNullField("base_url");
            json.writeArrayFieldStart("results");
            for (Result result : results) {
                result.write(json);
            }
            json.writeEndArray();
            json.writeEndObject();
        });
    }

    /// The outcome of one request.
    sealed interface Result {
        /// What the tenant answered.
        record Replied(StreamReply reply) implements Result {}

        /// What needed no tenant and succeeded.
        ///
        /// @param type of the request, which the answer repeats
        record Done(String type) implements Result {}

        record Failed(HranaError error) implements Result {}

        private void write(JsonGenerator json) throws IOException {
            switch (this) {
                case Failed(HranaError error) -> error(json, error);
                case Done(String type) -> {
                    begin(json, type);
                    end(json);
                }
                case Replied(StreamReply reply) -> reply(json, reply);
            }
        }
    }

    private static void reply(JsonGenerator json, StreamReply reply) throws IOException {
        switch (reply) {
            case StreamReply.Executed(StatementResult result) -> {
                begin(json, "execute");
                json.writeFieldName("result");
                ResultJson.write(json, result);
            }
            case StreamReply.Batched(var results, var errors) -> {
                begin(json, "batch");
                json.writeFieldName("result");
                ResultJson.write(json, results, errors);
            }
            case StreamReply.Sequenced() -> begin(json, "sequence");
            case StreamReply.Described(Description description) -> {
                begin(json, "describe");
                json.writeFieldName("result");
                ResultJson.write(json, description);
            }
            case StreamReply.AutocommitIs(boolean autocommit) -> {
                begin(json, "get_autocommit");
                json.writeBooleanField("is_autocommit", autocommit);
            }
            case StreamReply.Closed() -> begin(json, "close");
            case StreamReply.Failed(SqlFailure failure) -> {
                error(json, HranaError.of(failure));
                return;
            }
        }
        end(json);
    }

    private static void begin(JsonGenerator json, String type) throws IOException {
        json.writeStartObject();
        json.writeStringField("type", "ok");
        json.writeObjectFieldStart("response");
        json.writeStringField("type", type);
    }

    private static void end(JsonGenerator json) throws IOException {
        json.writeEndObject();
        json.writeEndObject();
    }

    private static void error(JsonGenerator json, HranaError error) throws IOException {
        json.writeStartObject();
        json.writeStringField("type", "error");
        json.writeFieldName("error");
        error.write(json);
        json.writeEndObject();
    }
}
