package dev.litefleet.replica.sqlite;

import java.util.List;
import org.jspecify.annotations.Nullable;

/// A text that went through the [SqlGate]: its statements up to the first refused one.
///
/// @param statements in order
/// @param refusal why the text does not go on after them, null if that was all
public record GatedScript(List<GatedStatement> statements, @Nullable SqlRefused refusal) {
    /// The only statement of a text that must have exactly one.
    ///
    /// @throws SqlRefused if the text is refused anywhere, empty, or holds more than one statement
    public GatedStatement single() {
        if (refusal != null) {
            throw refusal;
        }
        return switch (statements.size()) {
            case 0 -> throw SqlRefused.noStatement();
            case 1 -> statements.getFirst();
            default -> throw SqlRefused.manyStatements();
        };
    }
}
