package dev.litefleet.replica.sqlite;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Whether a transaction is open, which the driver cannot tell: followed from the statements that
/// succeeded and from SQLite's report of a rollback, which comes for those it makes by itself too
/// (`or rollback`, `raise(rollback)`, a full disk, an interrupt).
final class TransactionState {
    private boolean open;
    private boolean openedBySavepoint;
    private final List<String> savepoints = new ArrayList<>(); // outermost first, lower case
    private long commits;

    boolean open() {
        return open;
    }

    long commits() {
        return commits;
    }

    /// SQLite is committing changes. It asks before it is done, so this may count a commit that
    /// then fails; it never misses one.
    void committed() {
        commits++;
    }

    void rolledBack() {
        end();
    }

    /// A statement of this kind succeeded.
    void did(StatementKind kind, @Nullable String savepoint) {
        String name = savepoint == null ? "" : SqlTokens.lower(savepoint);
        switch (kind) {
            case BEGIN_DEFERRED, BEGIN_IMMEDIATE, BEGIN_READONLY -> open = true;
            case COMMIT, ROLLBACK -> end();
            case SAVEPOINT -> {
                openedBySavepoint |= !open;
                open = true;
                savepoints.add(name);
            }
            case RELEASE -> {
                int index = savepoints.lastIndexOf(name);
                cut(index);
                if (index == 0 && openedBySavepoint) {
                    end();
                }
            }
            case ROLLBACK_TO -> cut(savepoints.lastIndexOf(name) + 1);
            case READ, WRITE, DDL, PRAGMA_READ, PRAGMA_SET, NOOP -> {}
        }
    }

    private void cut(int size) {
        savepoints.subList(size, savepoints.size()).clear();
    }

    private void end() {
        open = false;
        openedBySavepoint = false;
        savepoints.clear();
    }
}
