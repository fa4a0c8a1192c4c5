package dev.litefleet.worker.tenant;

import dev.litefleet.replica.sqlite.OpenMode;
import dev.litefleet.replica.sqlite.SqliteConnection;
import dev.litefleet.replica.sqlite.SqliteConnection.Checkpointed;
import java.nio.file.Path;

/// What shipping asks of the engine that writes a database in WAL mode. SQLite ([SqliteEngine])
/// sits on real disks only; simulations have a model of it on simulated ones.
interface Engine extends AutoCloseable {
    /// Makes a database without tables: one page, in WAL mode.
    void create(Path db, int pageSize);

    /// Opens the connection that writes. Once, before what follows.
    ///
    /// @param committing called before each commit becomes visible
    void open(Runnable committing);

    /// The connection that writes.
    SqliteConnection connection();

    /// A further connection.
    SqliteConnection connect(OpenMode mode);

    /// As [SqliteConnection#checkpointPassive].
    Checkpointed checkpointPassive();

    /// As [SqliteConnection#checkpointTruncate].
    Checkpointed checkpointTruncate();

    /// As [SqliteConnection#close].
    @Override
    void close();
}
