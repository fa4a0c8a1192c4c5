package dev.litefleet.worker.tenant;

import dev.litefleet.replica.sqlite.OpenMode;
import dev.litefleet.replica.sqlite.Sqlite;
import dev.litefleet.replica.sqlite.SqliteConnection;
import dev.litefleet.replica.sqlite.SqliteConnection.Checkpointed;
import dev.litefleet.replica.sqlite.SqliteDatabase;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/// SQLite. What calls it must run on a platform thread.
final class SqliteEngine implements Engine {
    private final SqliteDatabase database;
    private @Nullable SqliteConnection connection;

    SqliteEngine(SqliteDatabase database) {
        this.database = database;
    }

    @Override
    public void create(Path db, int pageSize) {
        Sqlite.create(db, pageSize);
    }

    @Override
    public void open(Runnable committing) {
        SqliteConnection opened = database.connect(OpenMode.READ_WRITE);
        opened.onCommit(committing);
        connection = opened;
    }

    @Override
    public SqliteConnection connection() {
        if (connection == null) {
            throw new IllegalStateException("not open");
        }
        return connection;
    }

    @Override
    public SqliteConnection connect(OpenMode mode) {
        return database.connect(mode);
    }

    @Override
    public Checkpointed checkpointPassive() {
        return connection().checkpointPassive();
    }

    @Override
    public Checkpointed checkpointTruncate() {
        return connection().checkpointTruncate();
    }

    @Override
    public void close() {
        connection().close();
    }
}
