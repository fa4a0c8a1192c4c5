package dev.litefleet.replica.sqlite;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
import java.util.Properties;
import org.sqlite.SQLiteConfig;
import org.sqlite.SQLiteConnection;
import org.sqlite.SQLiteOpenMode;
import org.sqlite.jdbc4.JDBC4Connection;

/// The only place that opens SQLite connections.
public final class Sqlite {
    /// First version without the bug that loses commits when one connection checkpoints while
    /// another writes.
    private static final String VERSION_MIN = "3.51.3";

    private Sqlite() {}

    /// Loads the native library, unpacked to `tmp`, which also becomes SQLite's folder for
    /// temporary files (sorts and temporary tables spill there, so it should be a volume of limited
    /// size). Once per process, before the first connection; later calls only check the version.
    ///
    /// @throws IllegalStateException if the library is older than 3.51.3
    public static void load(Path tmp) {
        try {
            Files.createDirectories(tmp);
        } catch (IOException failed) {
            throw new UncheckedIOException(failed);
        }
        System.setProperty("org.sqlite.tmpdir", tmp.toString());
        try (SQLiteConnection probe = connect(":memory:", new SQLiteConfig())) {
            requireVersion(probe.libversion());
            // Process-wide in SQLite, and the only way there without setting the environment.
            String quoted = tmp.toAbsolutePath().toString().replace("'", "''");
            probe.getDatabase()._exec("pragma temp_store_directory='" + quoted + "'");
        } catch (SQLException failed) {
            throw new IllegalStateException("SQLite library not usable", failed);
        }
    }

    /// A new database file in WAL mode, with a header but without tables.
    ///
    /// @param pageSize power of two, 512 to 65536
    /// @throws SqlFailure if the file cannot be made
    public static void create(Path db, int pageSize) {
        if (Integer.bitCount(pageSize) != 1 || pageSize < 512 || pageSize > 65536) {
            throw new IllegalArgumentException("page size not possible: " + pageSize);
        }
        if (Files.exists(db)) {
            throw new IllegalStateException("database exists already [file=" + db + "]");
        }
        var config = new SQLiteConfig();
        config.setBusyTimeout(0);
        try (SQLiteConnection connection = connect(fileName(db), config)) {
            connection
                    .getDatabase()
                    ._exec("pragma page_size=" + pageSize + "; pragma journal_mode=wal");
        } catch (SQLException failed) {
            throw SqliteErrors.of(failed, null, db.toString());
        }
    }

    /// A database whose connections share what they know of its schema. Opens nothing.
    public static SqliteDatabase database(Path db, SqliteLimits limits, Watchdog watchdog) {
        return new SqliteDatabase(db, limits, watchdog);
    }

    /// Opens the file as it is: no limits, no pragmas, no overrides yet.
    static SQLiteConnection open(Path db, OpenMode mode) throws SQLException {
        var config = new SQLiteConfig();
        config.setBusyTimeout(0);
        // A connection is confined to one thread, and interrupting needs no mutex.
        config.setOpenMode(SQLiteOpenMode.NOMUTEX);
        config.resetOpenMode(SQLiteOpenMode.CREATE);
        if (mode != OpenMode.IMMUTABLE) {
            return connect(fileName(db), config);
        }
        config.resetOpenMode(SQLiteOpenMode.READWRITE);
        config.setOpenMode(SQLiteOpenMode.READONLY);
        config.setOpenMode(SQLiteOpenMode.OPEN_URI);
        return connect("file:" + db.toAbsolutePath().toUri().getRawPath() + "?immutable=1", config);
    }

    /// The driver takes what follows a question mark for settings.
    private static String fileName(Path db) {
        String name = db.toAbsolutePath().toString();
        if (name.indexOf('?') >= 0) {
            throw new IllegalArgumentException("path with a question mark [file=" + name + "]");
        }
        return name;
    }

    private static SQLiteConnection connect(String file, SQLiteConfig config) throws SQLException {
        Properties settings = config.toProperties();
        return new JDBC4Connection("jdbc:sqlite:" + file, file, settings);
    }

    static void requireVersion(String version) {
        String[] have = version.split("\\.", -1);
        String[] need = VERSION_MIN.split("\\.", -1);
        for (int i = 0; i < need.length; i++) {
            int difference = Integer.parseInt(have[i]) - Integer.parseInt(need[i]);
            if (difference > 0) {
                return;
            }
            if (difference < 0) {
                throw new IllegalStateException(
                        "SQLite too old [version=" + version + ", needed=" + VERSION_MIN + "]");
            }
        }
    }
}
