package dev.litefleet.replica.wal;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;

/// A real database in WAL mode that checkpoints only when told.
final class SqliteDb implements AutoCloseable {
    final Path file;
    final Path wal;
    private final Connection connection;
    private final Statement statement;

    SqliteDb(Path file, int pageSize, String... pragmas) throws SQLException {
        this.file = file;
        wal = file.resolveSibling(file.getFileName() + "-wal");
        connection = DriverManager.getConnection("jdbc:sqlite:" + file);
        statement = connection.createStatement();
        run("PRAGMA page_size=" + pageSize);
        for (String pragma : pragmas) {
            run("PRAGMA " + pragma);
        }
        run("PRAGMA journal_mode=WAL");
        run("PRAGMA wal_autocheckpoint=0");
        run("PRAGMA synchronous=OFF");
    }

    /// Runs one statement to its end: `PRAGMA incremental_vacuum` does its work, and commits it,
    /// while its rows are read.
    void run(String sql) throws SQLException {
        if (statement.execute(sql)) {
            try (var rows = statement.getResultSet()) {
                while (rows.next()) {}
            }
        }
    }

    long number(String sql) throws SQLException {
        try (var rows = statement.executeQuery(sql)) {
            return rows.getLong(1);
        }
    }

    String text(String sql) throws SQLException {
        try (var rows = statement.executeQuery(sql)) {
            return rows.getString(1);
        }
    }

    /// Writes what is in the WAL into the database file, closes it and returns its bytes.
    byte[] closeAndRead() throws Exception {
        assertThat(number("PRAGMA wal_checkpoint(TRUNCATE)")).isZero();
        close();
        return Files.readAllBytes(file);
    }

    @Override
    public void close() throws SQLException {
        statement.close();
        connection.close();
    }
}
