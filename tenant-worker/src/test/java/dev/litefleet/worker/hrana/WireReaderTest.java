package dev.litefleet.worker.hrana;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.litefleet.replica.sqlite.NamedArg;
import dev.litefleet.replica.sqlite.SqlValue;
import dev.litefleet.worker.hrana.Batch.BatchStep;
import dev.litefleet.worker.hrana.PipelineRequest.Request;
import dev.litefleet.worker.tenant.Condition;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class WireReaderTest {
    @Test
    void everyKindOfRequest() {
        var request =
                pipeline(
                        """
                        {"baton":"b","requests":[
                         {"type":"execute","stmt":{"sql":"select ?","args":[{"type":"null"}]}},
                         {"type":"batch","batch":{"steps":[{"stmt":{"sql_id":3}}]}},
                         {"type":"sequence","sql":"a;b"},
                         {"type":"describe","sql_id":-1},
                         {"type":"store_sql","sql_id":3,"sql":"x"},
                         {"type":"close_sql","sql_id":3},
                         {"type":"get_autocommit"},
                         {"type":"close"}]}\
                        """);

        assertThat(request)
                .isEqualTo(
                        new PipelineRequest(
                                "b",
                                List.of(
                                        new Request.Execute(
                                                statement("select ?", new SqlValue.Null())),
                                        new Request.RunBatch(
                                                new Batch(
                                                        List.of(
                                                                new BatchStep(
                                                                        new Statement(
                                                                                null, 3, List.of(),
                                                                                List.of(), true),
                                                                        null)))),
                                        new Request.Sequence("a;b", 0),
                                        new Request.Describe(null, -1),
                                        new Request.StoreSql(3, "x"),
                                        new Request.CloseSql(3),
                                        new Request.GetAutocommit(),
                                        new Request.Close())));
        assertThat(request.closes()).isTrue();
    }

    @Test
    void membersComeInAnyOrderAndUnknownOnesAreIgnored() {
        var request =
                pipeline(
                        """
                        {"zzz":{"a":[1,{"b":null}]},
                         "requests":[{"stmt":{"x":1,"want_rows":false,
                           "named_args":[{"value":{"value":"1","y":[],"type":"text"},"name":":a"}],
                           "sql":"s"},"type":"execute","zz":[[]]}],"baton":null}\
                        """);

        assertThat(request.baton()).isNull();
        assertThat(request.requests())
                .containsExactly(
                        new Request.Execute(
                                new Statement(
                                        "s",
                                        0,
                                        List.of(),
                                        List.of(new NamedArg(":a", new SqlValue.Text("1"))),
                                        false)));
    }

    @Test
    void valuesKeepTheirType() {
        assertThat(
                        values(
                                """
                                {"type":"integer","value":"9223372036854775807"},
                                {"type":"integer","value":"-9223372036854775808"},
                                {"type":"integer","value":42},
                                {"type":"float","value":1},
                                {"type":"float","value":0.5},
                                {"value":1e300,"type":"float"},
                                {"type":"text","value":"a\\u0000\\u017elu\\u0165"},
                                {"type":"blob","base64":"3q2+7w"},
                                {"type":"blob","base64":"3q2+7w=="},
                                {"type":"blob","base64":""},
                                {"type":"null","value":null}\
                                """))
                .containsExactly(
                        new SqlValue.Int(Long.MAX_VALUE),
                        new SqlValue.Int(Long.MIN_VALUE),
                        new SqlValue.Int(42),
                        new SqlValue.Real(1),
                        new SqlValue.Real(0.5),
                        new SqlValue.Real(1e300),
                        new SqlValue.Text("a\0žluť"),
                        new SqlValue.Blob(new byte[] {(byte) 0xde, (byte) 0xad, (byte) 0xbe, -17}),
                        new SqlValue.Blob(new byte[] {(byte) 0xde, (byte) 0xad, (byte) 0xbe, -17}),
                        new SqlValue.Blob(new byte[0]),
                        new SqlValue.Null());
    }

    @Test
    void conditionsNest() {
        var cursor =
                WireReader.cursor(
                        """
                        {"batch":{"steps":[{"stmt":{"sql":"a"},"condition":null},{"stmt":{"sql":"b"},
                         "condition":{"conds":[{"type":"not","cond":{"type":"error","step":0}},
                          {"type":"or","conds":[]},{"type":"is_autocommit"}],"type":"and"}}]}}\
                        """
                                .getBytes(UTF_8));

        assertThat(cursor.batch().steps().get(1).condition())
                .isEqualTo(
                        new Condition.And(
                                List.of(
                                        new Condition.Not(new Condition.Error(0)),
                                        new Condition.Or(List.of()),
                                        new Condition.IsAutocommit())));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "{bad",
                "{}",
                "[]",
                "null",
                "{\"requests\":{}}",
                "{\"requests\":[]} x",
                "{\"requests\":[]}{}",
                "{\"requests\":[{}]}",
                "{\"requests\":[{\"type\":\"zap\"}]}",
                "{\"requests\":[{\"type\":\"execute\"}]}",
                "{\"requests\":[{\"type\":\"execute\",\"stmt\":{}}]}",
                "{\"requests\":[{\"type\":\"execute\",\"stmt\":{\"sql\":\"x\",\"sql_id\":1}}]}",
                "{\"requests\":[{\"type\":\"execute\",\"stmt\":{\"sql\":7}}]}",
                "{\"requests\":[{\"type\":\"close\"},{\"type\":\"get_autocommit\"}]}",
                "{\"requests\":[{\"type\":\"store_sql\",\"sql_id\":99999999999,\"sql\":\"\"}]}",
                "{\"requests\":[{\"type\":\"store_sql\",\"sql_id\":1}]}",
                "{\"baton\":7,\"requests\":[]}",
            })
    void malformedRequestIs400(String body) {
        assertThatThrownBy(() -> pipeline(body))
                .isInstanceOfSatisfying(
                        HranaFailure.class,
                        failure -> assertThat(failure.error().status()).isEqualTo(400));
    }

    @Test
    void bodyMustBeUtf8() {
        byte[] body = "{\"requests\":[{\"type\":\"sequence\",\"sql\":\"?\"}]}".getBytes(UTF_8);
        body[body.length - 5] = (byte) 0xff;

        assertThatThrownBy(() -> WireReader.pipeline(body)).isInstanceOf(HranaFailure.class);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "7",
                "{}",
                "{\"type\":\"zap\"}",
                "{\"type\":\"integer\",\"value\":\"9223372036854775808\"}",
                "{\"type\":\"integer\",\"value\":1.5}",
                "{\"type\":\"integer\"}",
                "{\"type\":\"float\",\"value\":\"1\"}",
                "{\"type\":\"text\",\"value\":1}",
                "{\"type\":\"blob\",\"base64\":\"***\"}",
                "{\"type\":\"blob\"}",
            })
    void malformedValueIs400(String value) {
        assertThatThrownBy(() -> values(value)).isInstanceOf(HranaFailure.class);
    }

    @ParameterizedTest
    @ValueSource(ints = {-1, 1, 2})
    void conditionSpeaksOfEarlierStepsOnly(int step) {
        assertThatThrownBy(() ->
                        WireReader.batch(
                                """
                                {"batch":{"steps":[{"stmt":{"sql":"a"}},{"stmt":{"sql":"b"},
                                 "condition":{"type":"ok","step":%d}}]}}\
                                """
                                        .formatted(step)
                                        .getBytes(UTF_8)))
                .isInstanceOf(HranaFailure.class)
                .hasMessageContaining("not earlier");
    }

    @Test
    void deepNestingIsRefusedWithoutStack() {
        assertThatThrownBy(() -> pipeline("{\"x\":" + "[".repeat(100_000)))
                .isInstanceOf(HranaFailure.class);
        assertThatThrownBy(() ->
                        pipeline(
                                "{\"requests\":[{\"type\":\"batch\",\"batch\":{\"steps\":"
                                        + "[{\"condition\":"
                                        + "{\"type\":\"not\",\"cond\":".repeat(40)))
                .isInstanceOf(HranaFailure.class)
                .hasMessageContaining("nested deeper than 32");
    }

    @Test
    void hugeNumberIsRefused() {
        assertThatThrownBy(
                        () -> values("{\"type\":\"float\",\"value\":" + "9".repeat(100_000) + "}"))
                .isInstanceOf(HranaFailure.class);
    }

    @Test
    void olderApis() {
        assertThat(
                        WireReader.statements(
                                """
                                {"statements":["select 1",{"q":"select ?","params":
                                 [1,2.5,null,"t",true,{"base64":"AQ=="}]},
                                 {"q":"select :a","params":{":a":1}}]}\
                                """
                                        .getBytes(UTF_8)))
                .containsExactly(
                        statement("select 1"),
                        statement(
                                "select ?",
                                new SqlValue.Int(1),
                                new SqlValue.Real(2.5),
                                new SqlValue.Null(),
                                new SqlValue.Text("t"),
                                new SqlValue.Int(1),
                                new SqlValue.Blob(new byte[] {1})),
                        new Statement(
                                "select :a",
                                0,
                                List.of(),
                                List.of(new NamedArg(":a", new SqlValue.Int(1))),
                                true));
        assertThat(WireReader.execute("{\"stmt\":{\"sql\":\"a\"}}".getBytes(UTF_8)))
                .isEqualTo(statement("a"));
    }

    private static Statement statement(String sql, SqlValue... args) {
        return new Statement(sql, 0, List.of(args), List.of(), true);
    }

    private static List<SqlValue> values(String json) {
        var request =
                pipeline(
                        "{\"requests\":[{\"type\":\"execute\",\"stmt\":{\"sql\":\"s\",\"args\":["
                                + json
                                + "]}}]}");
        return ((Request.Execute) request.requests().getFirst()).statement().args();
    }

    private static PipelineRequest pipeline(String body) {
        return WireReader.pipeline(body.getBytes(UTF_8));
    }
}
