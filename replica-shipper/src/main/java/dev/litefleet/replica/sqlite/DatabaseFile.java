package dev.litefleet.replica.sqlite;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.LongSupplier;

/// A database file from outside, after it was looked at: its header, SQLite's own opinion of it
/// under a tenant's limits, and every object of its schema under the rules for tenants' SQL. Nobody
/// may have it open, and what lies beside it (a WAL, a journal) is not a part of it.
///
/// | offset | size | header field                                                  |
/// | -----: | ---: | ------------------------------------------------------------- |
/// |      0 |   16 | `SQLite format 3` and a zero                                  |
/// |     16 |    2 | page size, big-endian; 1 is 65536                             |
/// |     18 |    2 | write and read version, equal: 1 rollback journal, 2 WAL      |
/// |     20 |    1 | bytes reserved at the end of each page, leaving 480 at least  |
/// |     56 |    4 | text encoding: 1 UTF-8, 2 UTF-16le, 3 UTF-16be; 0 if no table |
///
/// Source: SQLite's "Database File Format", section 1.3.
///
/// @param pageSize in bytes
/// @param pages the lock page included
public record DatabaseFile(int pageSize, int pages) {
    private static final byte[] MAGIC = "SQLite format 3\0".getBytes(ISO_8859_1);
    private static final int HEADER_BYTES = 100;
    private static final int USABLE_BYTES_MIN = 480;
    private static final int FINDINGS_MAX = 20;
    private static final int NAME_CHARS_MAX = 200;
    private static final SqlGate GATE = new SqlGate(16);
    private static final String OBJECTS =
            """
            select type || ' ' || name || char(10) || sql from sqlite_schema
            where sql is not null
              and not (type = 'table' and sql like 'create table %' and name in
                ('sqlite_sequence', 'sqlite_stat1', 'sqlite_stat2', 'sqlite_stat3', 'sqlite_stat4',
                 '_litestream_seq', '_litestream_lock'))
            """;

    /// Why a file cannot become a tenant.
    public enum Reason {
        /// It is something else, or encrypted.
        NOT_A_DATABASE,
        /// Of a kind that SQLite or this fleet does not know.
        DATABASE_UNSUPPORTED,
        /// It ends before its last page.
        DATABASE_TRUNCATED,
        /// Its pages contradict one another.
        DATABASE_CORRUPT,
        /// Its schema holds what a tenant may not make.
        SCHEMA_FORBIDDEN,
        /// It could not be checked in time.
        CHECK_TIMEOUT
    }

    /// The file cannot become a tenant. Nothing was changed.
    public static final class Unusable extends RuntimeException {
        private final Reason reason;
        private final List<String> findings;

        /// @param findings what in particular, at most 20 lines; may be empty
        public Unusable(Reason reason, String message, List<String> findings) {
            super(message);
            this.reason = reason;
            this.findings = List.copyOf(findings);
        }

        public Reason reason() {
            return reason;
        }

        public List<String> findings() {
            return findings;
        }
    }

    /// Looks at a file. On a platform thread; reads all of it.
    ///
    /// @param max how long that may take
    /// @param ticker monotonic nanoseconds
    /// @throws Unusable if it cannot become a tenant
    /// @throws UncheckedIOException if it cannot be read
    public static DatabaseFile check(
            Path file, SqliteLimits limits, Duration max, LongSupplier ticker) {
        int pageSize = readHeader(file);
        try (var watchdog = new Watchdog(ticker);
                var connection =
                        Sqlite.database(file, limits, watchdog).connect(OpenMode.IMMUTABLE)) {
            try (var _ = connection.within(Deadline.after(max, ticker))) {
                long pages = connection.pageCount();
                requirePages(file, pageSize, pages);
                requireSchema(connection);
                requireHealth(connection);
                return new DatabaseFile(pageSize, Math.toIntExact(pages));
            }
        } catch (SqlFailure failure) {
            throw unusable(failure);
        }
    }

    private static int readHeader(Path file) {
        byte[] bytes;
        try (InputStream in = Files.newInputStream(file)) {
            bytes = in.readNBytes(HEADER_BYTES);
        } catch (IOException failed) {
            throw new UncheckedIOException("cannot read " + file.getFileName(), failed);
        }
        if (bytes.length < HEADER_BYTES
                || !ByteBuffer.wrap(bytes, 0, MAGIC.length).equals(ByteBuffer.wrap(MAGIC))) {
            throw new Unusable(
                    Reason.NOT_A_DATABASE,
                    bytes.length == 0
                            ? "the file is empty; provision an empty tenant instead"
                            : "the file is no SQLite database, or it is encrypted",
                    List.of());
        }
        var header = ByteBuffer.wrap(bytes);
        int stored = Short.toUnsignedInt(header.getShort(16));
        int pageSize = stored == 1 ? 65_536 : stored;
        if (pageSize < 512 || Integer.bitCount(pageSize) != 1) {
            throw unsupported("page size " + stored);
        }
        byte write = header.get(18);
        if (write != header.get(19) || write < 1 || write > 2) {
            throw unsupported("file format versions %d and %d".formatted(write, header.get(19)));
        }
        int reserved = Byte.toUnsignedInt(header.get(20));
        if (pageSize - reserved < USABLE_BYTES_MIN) {
            throw unsupported("%d reserved bytes in pages of %d".formatted(reserved, pageSize));
        }
        int encoding = header.getInt(56);
        if (encoding < 0 || encoding > 3) {
            throw unsupported("text encoding " + encoding);
        }
        return pageSize;
    }

    private static Unusable unsupported(String what) {
        return new Unusable(
                Reason.DATABASE_UNSUPPORTED,
                "the file is a SQLite database of an unknown kind: " + what,
                List.of());
    }

    private static void requirePages(Path file, int pageSize, long pages) {
        long size;
        try {
            size = Files.size(file);
        } catch (IOException failed) {
            throw new UncheckedIOException("cannot read " + file.getFileName(), failed);
        }
        if (pages < 1 || size < pages * pageSize) {
            throw new Unusable(
                    Reason.DATABASE_TRUNCATED,
                    "the file has %d bytes, its %d pages of %d bytes would be %d"
                            .formatted(size, pages, pageSize, pages * pageSize),
                    List.of());
        }
    }

    private static void requireHealth(SqliteConnection connection) {
        List<String> findings = texts(connection, "pragma quick_check(" + FINDINGS_MAX + ")");
        if (!findings.equals(List.of("ok"))) {
            throw new Unusable(
                    Reason.DATABASE_CORRUPT, "SQLite's quick_check finds errors", findings);
        }
    }

    /// Everything in the schema must be something that a tenant could have made here, but for the
    /// tables that SQLite and Litestream keep for themselves.
    private static void requireSchema(SqliteConnection connection) {
        var findings = new ArrayList<String>();
        for (String object : texts(connection, OBJECTS)) {
            int line = object.indexOf('\n');
            GatedScript script = GATE.check(object.substring(line + 1));
            SqlRefused refusal = script.refusal();
            if ((refusal != null || script.statements().size() != 1)
                    && findings.size() < FINDINGS_MAX) {
                String name = object.substring(0, Math.min(line, NAME_CHARS_MAX));
                findings.add(
                        name + ": " + (refusal == null ? "not one statement" : refusal.message()));
            }
        }
        if (!findings.isEmpty()) {
            throw new Unusable(
                    Reason.SCHEMA_FORBIDDEN,
                    "the schema holds what tenants may not have; drop it and send the file again",
                    findings);
        }
    }

    /// First column of all rows.
    private static List<String> texts(SqliteConnection connection, String sql) {
        return connection
                .run(GATE.check(sql).single(), Bindings.NONE, ResultLimits.NONE)
                .rows()
                .stream()
                .map(row -> row[0] instanceof SqlValue.Text(var text) ? text : "")
                .toList();
    }

    /// What SQLite says when it cannot even read the schema, or was stopped.
    private static Unusable unusable(SqlFailure failure) {
        Reason reason =
                switch (failure.code()) {
                    case "SQLITE_NOTADB" -> Reason.NOT_A_DATABASE;
                    case "SQLITE_INTERRUPT", "STATEMENT_TIMEOUT" -> Reason.CHECK_TIMEOUT;
                    case "SQLITE_ERROR", "SQLITE_TOOBIG", "SQLITE_FULL" -> Reason.SCHEMA_FORBIDDEN;
                    default -> Reason.DATABASE_CORRUPT;
                };
        return new Unusable(
                reason, "SQLite refuses the file", List.of(String.valueOf(failure.getMessage())));
    }
}
