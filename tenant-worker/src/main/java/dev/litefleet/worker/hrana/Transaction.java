package dev.litefleet.worker.hrana;

import dev.litefleet.worker.tenant.Condition;
import dev.litefleet.worker.tenant.Step;
import dev.litefleet.worker.tenant.Stmt;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// The v0 API's promise that all statements of a request run in one transaction, as a batch: BEGIN,
/// each statement if all before it succeeded, COMMIT, and ROLLBACK if that did not come to pass.
final class Transaction {
    private static final Set<String> CONTROL =
            Set.of("begin", "commit", "end", "rollback", "savepoint", "release");
    private static final Set<String> READS = Set.of("select", "values", "explain", "pragma");

    private Transaction() {}

    /// @throws HranaFailure 400 if a statement would end or nest the transaction
    static List<Step> around(List<Statement> statements) {
        var steps = new ArrayList<Step>(statements.size() + 3);
        boolean reads = true;
        for (Statement statement : statements) {
            String keyword = Batch.keyword(String.valueOf(statement.sql()));
            if (CONTROL.contains(keyword)) {
                throw HranaFailure.protocol(
                        "transaction statements are not allowed here [statement=" + keyword + "]");
            }
            reads &= READS.contains(keyword);
        }
        // Waits for the write permit before anything is read, so that it cannot fail half-way.
        steps.add(step(reads ? "BEGIN" : "BEGIN IMMEDIATE", null));
        for (Statement statement : statements) {
            steps.add(
                    new Step(
                            new Stmt(
                                    String.valueOf(statement.sql()),
                                    statement.args(),
                                    statement.named(),
                                    true),
                            new Condition.Ok(steps.size() - 1)));
        }
        steps.add(step("COMMIT", new Condition.Ok(steps.size() - 1)));
        steps.add(step("ROLLBACK", new Condition.Not(new Condition.Ok(steps.size() - 1))));
        return steps;
    }

    /// What belongs to the statements themselves.
    static <T extends @Nullable Object> List<T> inside(List<T> results) {
        return results.subList(1, results.size() - 2);
    }

    private static Step step(String sql, @Nullable Condition condition) {
        return new Step(new Stmt(sql, List.of(), List.of(), false), condition);
    }
}
