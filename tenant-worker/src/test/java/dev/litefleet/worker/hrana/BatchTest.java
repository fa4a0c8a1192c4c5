package dev.litefleet.worker.hrana;

import static org.assertj.core.api.Assertions.assertThat;

import dev.litefleet.worker.tenant.Step;
import dev.litefleet.worker.tenant.Stmt;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Which cursors may promise, before they run, that their stream will have no state.
final class BatchTest {
    @ParameterizedTest
    @ValueSource(
            strings = {
                "select 1", " \n SELECT 1", "insert into t values (1)",
                        "with x as (select 1) select 1",
                "values(1)", "delete from t", "update t set a=1", "replace into t values(1)",
                "select", "select(1)"
            })
    void readsAndWritesLeaveNothing(String sql) {
        assertThat(Batch.mayLeaveState(List.of(step("select 1"), step(sql)))).isFalse();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "begin",
                "BEGIN IMMEDIATE",
                "savepoint a",
                "pragma foreign_keys=off",
                "",
                "/* c */ begin",
                "-- c\nbegin",
                "\uFEFFbegin",
                ";begin",
                "commit",
                "selectx",
                "create table t(a)",
                "explain select 1"
            })
    void whateverElseMight(String sql) {
        assertThat(Batch.mayLeaveState(List.of(step("select 1"), step(sql)))).isTrue();
    }

    private static Step step(String sql) {
        return new Step(new Stmt(sql, List.of(), List.of(), true), null);
    }
}
