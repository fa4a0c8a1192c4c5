package dev.litefleet.worker.hrana;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import dev.litefleet.replica.sqlite.NamedArg;
import dev.litefleet.replica.sqlite.SqlValue;
import dev.litefleet.worker.hrana.Batch.BatchStep;
import dev.litefleet.worker.hrana.PipelineRequest.Request;
import dev.litefleet.worker.tenant.Condition;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Reads request bodies token by token: members may come in any order, unknown ones are ignored,
/// and no tree is built. Bodies are bounded before they come here; depth and counts are bounded
/// here.
final class WireReader implements AutoCloseable {
    /// Conditions within conditions.
    static final int CONDITION_DEPTH_MAX = 32;

    static final int REQUESTS_MAX = 10_000;
    static final int STEPS_MAX = 100_000;

    private static final int DEPTH_MAX = 100;
    private static final int NUMBER_CHARS_MAX = 1_000;

    private static final JsonFactory JSON =
            JsonFactory.builder()
                    .streamReadConstraints(
                            StreamReadConstraints.builder()
                                    .maxNestingDepth(DEPTH_MAX)
                                    .maxNumberLength(NUMBER_CHARS_MAX)
                                    .maxStringLength(Integer.MAX_VALUE)
                                    .build())
                    .build();

    /// What to read at the parser's position.
    private interface Element<T> {
        T read(int index) throws IOException;
    }

    /// A whole body.
    interface Body<T> {
        T read(WireReader reader) throws IOException;
    }

    private final JsonParser json;

    private WireReader(byte[] body) throws IOException {
        json = JSON.createParser(body);
    }

    static PipelineRequest pipeline(byte[] body) {
        return whole(body, WireReader::pipeline);
    }

    static Cursor cursor(byte[] body) {
        return whole(body, WireReader::cursor);
    }

    /// `{"stmt": ...}` of `v1/execute`.
    static Statement execute(byte[] body) {
        return whole(body, reader -> reader.member("stmt", reader::statement));
    }

    /// `{"batch": ...}` of `v1/batch`.
    static Batch batch(byte[] body) {
        return whole(body, reader -> reader.member("batch", reader::batch));
    }

    /// `{"statements": [...]}` of the v0 API.
    static List<Statement> statements(byte[] body) {
        return whole(
                body,
                reader ->
                        reader.member(
                                "statements",
                                () -> reader.list("statements", STEPS_MAX, reader::plain)));
    }

    /// @throws HranaFailure 400 if the body is not what `shape` wants, or something follows it
    private static <T> T whole(byte[] body, Body<T> shape) {
        try (var reader = new WireReader(body)) {
            reader.json.nextToken();
            T value = shape.read(reader);
            if (reader.json.nextToken() != null) {
                throw HranaFailure.protocol("something follows the request's JSON");
            }
            return value;
        } catch (JsonProcessingException malformed) {
            throw HranaFailure.protocol(
                    "malformed JSON: %s (at byte %d)"
                            .formatted(
                                    malformed.getOriginalMessage(),
                                    malformed.getLocation() == null
                                            ? 0
                                            : malformed.getLocation().getByteOffset()));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private PipelineRequest pipeline() throws IOException {
        object("the request");
        String baton = null;
        List<Request> requests = null;
        while (json.nextToken() != JsonToken.END_OBJECT) {
            String field = json.currentName();
            json.nextToken();
            switch (field) {
                case "baton" -> baton = text("baton");
                case "requests" -> requests = list("requests", REQUESTS_MAX, _ -> request());
                default -> json.skipChildren();
            }
        }
        requests = required(requests, "requests");
        for (int i = 0; i < requests.size() - 1; i++) {
            if (requests.get(i) instanceof Request.Close) {
                throw HranaFailure.protocol("close must be the last request");
            }
        }
        return new PipelineRequest(baton, requests);
    }

    private Cursor cursor() throws IOException {
        object("the request");
        String baton = null;
        Batch batch = null;
        while (json.nextToken() != JsonToken.END_OBJECT) {
            String field = json.currentName();
            json.nextToken();
            switch (field) {
                case "baton" -> baton = text("baton");
                case "batch" -> batch = batch();
                default -> json.skipChildren();
            }
        }
        return new Cursor(baton, required(batch, "batch"));
    }

    private Request request() throws IOException {
        object("a request");
        String type = null;
        String sql = null;
        Integer sqlId = null;
        Statement statement = null;
        Batch batch = null;
        while (json.nextToken() != JsonToken.END_OBJECT) {
            String field = json.currentName();
            json.nextToken();
            switch (field) {
                case "type" -> type = text("type");
                case "stmt" -> statement = statement();
                case "batch" -> batch = batch();
                case "sql" -> sql = text("sql");
                case "sql_id" -> sqlId = sqlId();
                default -> json.skipChildren();
            }
        }
        return switch (type) {
            case "execute" -> new Request.Execute(required(statement, "stmt"));
            case "batch" -> new Request.RunBatch(required(batch, "batch"));
            case "sequence" -> new Request.Sequence(sql, one(sql, sqlId));
            case "describe" -> new Request.Describe(sql, one(sql, sqlId));
            case "store_sql" ->
                    new Request.StoreSql(required(sqlId, "sql_id"), required(sql, "sql"));
            case "close_sql" -> new Request.CloseSql(required(sqlId, "sql_id"));
            case "get_autocommit" -> new Request.GetAutocommit();
            case "close" -> new Request.Close();
            case null, default -> throw HranaFailure.protocol("unknown type of request: " + type);
        };
    }

    private Batch batch() throws IOException {
        object("a batch");
        List<BatchStep> steps = null;
        while (json.nextToken() != JsonToken.END_OBJECT) {
            String field = json.currentName();
            json.nextToken();
            switch (field) {
                case "steps" -> steps = list("steps", STEPS_MAX, this::step);
                default -> json.skipChildren();
            }
        }
        return new Batch(required(steps, "steps"));
    }

    private BatchStep step(int index) throws IOException {
        object("a step");
        Statement statement = null;
        Condition condition = null;
        while (json.nextToken() != JsonToken.END_OBJECT) {
            String field = json.currentName();
            JsonToken token = json.nextToken();
            switch (field) {
                case "stmt" -> statement = statement();
                case "condition" ->
                        condition = token == JsonToken.VALUE_NULL ? null : condition(index, 1);
                default -> json.skipChildren();
            }
        }
        return new BatchStep(required(statement, "stmt"), condition);
    }

    /// @param step whose condition it is; it may only speak of earlier ones
    private Condition condition(int step, int depth) throws IOException {
        object("a condition");
        if (depth > CONDITION_DEPTH_MAX) {
            throw HranaFailure.protocol("conditions are nested deeper than " + CONDITION_DEPTH_MAX);
        }
        String type = null;
        Integer of = null;
        Condition inner = null;
        List<Condition> several = null;
        while (json.nextToken() != JsonToken.END_OBJECT) {
            String field = json.currentName();
            json.nextToken();
            switch (field) {
                case "type" -> type = text("type");
                case "step" -> of = integer("step");
                case "cond" -> inner = condition(step, depth + 1);
                case "conds" -> several = list("conds", STEPS_MAX, _ -> condition(step, depth + 1));
                default -> json.skipChildren();
            }
        }
        return switch (type) {
            case "ok" -> new Condition.Ok(earlier(of, step));
            case "error" -> new Condition.Error(earlier(of, step));
            case "not" -> new Condition.Not(required(inner, "cond"));
            case "and" -> new Condition.And(required(several, "conds"));
            case "or" -> new Condition.Or(required(several, "conds"));
            case "is_autocommit" -> new Condition.IsAutocommit();
            case null, default -> throw HranaFailure.protocol("unknown type of condition: " + type);
        };
    }

    private static int earlier(@Nullable Integer of, int step) {
        int index = required(of, "step");
        if (index < 0 || index >= step) {
            throw HranaFailure.protocol(
                    "the condition of step %d speaks of step %d, which is not earlier"
                            .formatted(step, index));
        }
        return index;
    }

    private Statement statement() throws IOException {
        object("a statement");
        String sql = null;
        Integer sqlId = null;
        List<SqlValue> args = List.of();
        List<NamedArg> named = List.of();
        boolean wantRows = true;
        while (json.nextToken() != JsonToken.END_OBJECT) {
            String field = json.currentName();
            JsonToken token = json.nextToken();
            switch (field) {
                case "sql" -> sql = text("sql");
                case "sql_id" -> sqlId = sqlId();
                case "args" -> args = values(token);
                case "named_args" -> named = namedValues(token);
                case "want_rows" -> wantRows = token != JsonToken.VALUE_FALSE;
                default -> json.skipChildren();
            }
        }
        return new Statement(sql, one(sql, sqlId), args, named, wantRows);
    }

    private List<SqlValue> values(JsonToken token) throws IOException {
        return token == JsonToken.VALUE_NULL
                ? List.of()
                : list("args", STEPS_MAX, _ -> HranaValue.read(json));
    }

    private List<NamedArg> namedValues(JsonToken token) throws IOException {
        return token == JsonToken.VALUE_NULL
                ? List.of()
                : list("named_args", STEPS_MAX, _ -> namedValue());
    }

    private NamedArg namedValue() throws IOException {
        object("a named argument");
        String name = null;
        SqlValue value = null;
        while (json.nextToken() != JsonToken.END_OBJECT) {
            String field = json.currentName();
            json.nextToken();
            switch (field) {
                case "name" -> name = text("name");
                case "value" -> value = HranaValue.read(json);
                default -> json.skipChildren();
            }
        }
        return new NamedArg(required(name, "name"), required(value, "value"));
    }

    /// A statement of the v0 API: `"sql"`, or `{"q": "sql", "params": [...] or {...}}`, its values
    /// plain JSON.
    private Statement plain(int index) throws IOException {
        if (json.currentToken() == JsonToken.VALUE_STRING) {
            return new Statement(json.getText(), 0, List.of(), List.of(), true);
        }
        object("a statement");
        String sql = null;
        List<SqlValue> args = List.of();
        List<NamedArg> named = List.of();
        while (json.nextToken() != JsonToken.END_OBJECT) {
            String field = json.currentName();
            JsonToken token = json.nextToken();
            switch (field) {
                case "q" -> sql = text("q");
                case "params" -> {
                    if (token == JsonToken.START_OBJECT) {
                        named = plainNamed();
                    } else if (token != JsonToken.VALUE_NULL) {
                        args = list("params", STEPS_MAX, _ -> PlainValue.read(json));
                    }
                }
                default -> json.skipChildren();
            }
        }
        return new Statement(required(sql, "q"), 0, args, named, true);
    }

    private List<NamedArg> plainNamed() throws IOException {
        var named = new ArrayList<NamedArg>();
        while (json.nextToken() != JsonToken.END_OBJECT) {
            String name = json.currentName();
            json.nextToken();
            named.add(new NamedArg(name, PlainValue.read(json)));
        }
        return named;
    }

    private <T> T member(String name, ThrowingSupplier<T> value) throws IOException {
        object("the request");
        T found = null;
        while (json.nextToken() != JsonToken.END_OBJECT) {
            String field = json.currentName();
            json.nextToken();
            if (field.equals(name)) {
                found = value.read();
            } else {
                json.skipChildren();
            }
        }
        return required(found, name);
    }

    private interface ThrowingSupplier<T> {
        T read() throws IOException;
    }

    private <T> List<T> list(String what, int max, Element<T> element) throws IOException {
        if (json.currentToken() != JsonToken.START_ARRAY) {
            throw HranaFailure.protocol(what + " must be an array");
        }
        var list = new ArrayList<T>();
        while (json.nextToken() != JsonToken.END_ARRAY) {
            if (list.size() == max) {
                throw HranaFailure.protocol(what + " has more than " + max + " elements");
            }
            list.add(element.read(list.size()));
        }
        return list;
    }

    private void object(String what) {
        if (json.currentToken() != JsonToken.START_OBJECT) {
            throw HranaFailure.protocol(what + " must be an object");
        }
    }

    private @Nullable String text(String what) throws IOException {
        return switch (json.currentToken()) {
            case VALUE_NULL -> null;
            case VALUE_STRING -> json.getText();
            default -> throw HranaFailure.protocol(what + " must be a string");
        };
    }

    private @Nullable Integer sqlId() throws IOException {
        return json.currentToken() == JsonToken.VALUE_NULL ? null : integer("sql_id");
    }

    private int integer(String what) throws IOException {
        if (json.currentToken() != JsonToken.VALUE_NUMBER_INT) {
            throw HranaFailure.protocol(what + " must be a 32-bit integer");
        }
        return json.getIntValue();
    }

    /// Exactly one of a text and a stored text's number.
    private static int one(@Nullable String sql, @Nullable Integer sqlId) {
        if ((sql == null) == (sqlId == null)) {
            throw HranaFailure.protocol("exactly one of sql and sql_id must be there");
        }
        return sqlId == null ? 0 : sqlId;
    }

    private static <T> T required(@Nullable T value, String what) {
        if (value == null) {
            throw HranaFailure.protocol(what + " is missing");
        }
        return value;
    }

    @Override
    public void close() throws IOException {
        json.close();
    }
}
