package dev.litefleet.worker.hrana;

import dev.litefleet.worker.tenant.Condition;
import dev.litefleet.worker.tenant.Step;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Steps that run in order, each under a condition on earlier ones.
record Batch(List<BatchStep> steps) {
    /// @param condition null for always
    record BatchStep(Statement statement, @Nullable Condition condition) {}

    /// Statements that begin with these cannot leave anything behind in a stream.
    private static final Set<String> STATELESS =
            Set.of("select", "values", "insert", "replace", "update", "delete", "with");

    private static final int KEYWORD_CHARS_MAX = 10;

    List<Step> resolve(HranaStream stream) {
        var resolved = new ArrayList<Step>(steps.size());
        for (BatchStep step : steps) {
            resolved.add(new Step(step.statement().resolve(stream), step.condition()));
        }
        return resolved;
    }

    /// Whether running `steps` may open a transaction or change a setting of the connection; if in
    /// doubt, yes. A cursor's baton is signed before its batch runs, so this must not be a guess in
    /// the other direction.
    static boolean mayLeaveState(List<Step> steps) {
        for (Step step : steps) {
            if (!STATELESS.contains(keyword(step.stmt().sql()))) {
                return true;
            }
        }
        return false;
    }

    /// The first word in lower case, empty if something else comes first.
    static String keyword(String sql) {
        int from = 0;
        while (from < sql.length() && Character.isWhitespace(sql.charAt(from))) {
            from++;
        }
        int to = from;
        while (to < sql.length()
                && to - from < KEYWORD_CHARS_MAX
                && Character.isLetter(sql.charAt(to))) {
            to++;
        }
        return sql.substring(from, to).toLowerCase(Locale.ROOT);
    }
}
