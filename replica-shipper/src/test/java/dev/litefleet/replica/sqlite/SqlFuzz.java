package dev.litefleet.replica.sqlite;

import dev.litefleet.testing.Hostile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.SplittableRandom;
import java.util.TreeSet;
import java.util.stream.Stream;

/// The process that the fuzz runs in, as it may die of it: statements against the real sandbox, on
/// a sound database, and on damaged ones, for writing and as the observer opens them. Ends with 0
/// and a line of counts, or in words.
///
/// Beside the database lies a canary: another database, of which no answer may show anything, whose
/// bytes may not change, and beside which nothing may appear.
final class SqlFuzz {
    static final String CANARY = "canary-7f3a90";

    private static final int PER_DATABASE = 150;
    private static final Duration TIME = Duration.ofMillis(300);
    private static final ResultLimits LIMITS = new ResultLimits(1000, 1 << 20);

    private final SplittableRandom random;
    private final Path folder;
    private final Path db;
    private final Path canary;
    private final SqlGate gate = new SqlGate();
    private final Watchdog watchdog = new Watchdog(System::nanoTime);
    private final RandomSql sql;
    private final byte[] sound;
    private int answered;
    private int refused;
    private int failed;
    private String last = "";

    private SqlFuzz(Path folder, long seed, List<String> corpus) throws IOException {
        this.random = new SplittableRandom(seed);
        this.folder = folder;
        Files.createDirectories(folder.resolve("own"));
        this.db = folder.resolve("own/db");
        this.canary = folder.resolve("canary.db");
        Sqlite.create(canary, 4096);
        try (var connection = connect(canary, OpenMode.READ_WRITE)) {
            connection.exec("create table secret(x)");
            connection.exec("insert into secret values ('" + CANARY + "')");
            connection.checkpointTruncate();
        }
        Sqlite.create(db, 1024);
        try (var connection = connect(db, OpenMode.READ_WRITE)) {
            RandomSql.SCHEMA.forEach(connection::exec);
            connection.checkpointTruncate();
        }
        this.sound = Files.readAllBytes(db);
        this.sql =
                new RandomSql(
                        random,
                        corpus,
                        List.of(
                                canary.toString(),
                                "../canary.db",
                                "file:" + canary + "?mode=ro",
                                folder.resolve("made").toString(),
                                "made-here",
                                "/proc/self/environ",
                                ":memory:",
                                ""));
    }

    /// Seed, number of statements, folder, file with the corpus.
    public static void main(String[] args) throws IOException {
        Path folder = Path.of(args[2]);
        Sqlite.load(folder.resolve("tmp"));
        var fuzz =
                new SqlFuzz(folder, Long.parseLong(args[0]), Files.readAllLines(Path.of(args[3])));
        try {
            fuzz.run(Integer.parseInt(args[1]));
        } catch (RuntimeException | Error found) {
            throw new IllegalStateException("after: " + fuzz.last, found);
        } finally {
            fuzz.watchdog.close();
        }
        System.out.printf(
                "answered %d refused %d failed %d%n", fuzz.answered, fuzz.refused, fuzz.failed);
    }

    private void run(int statements) throws IOException {
        byte[] before = Files.readAllBytes(canary);
        for (int done = 0; done < statements; done += PER_DATABASE) {
            boolean damaged = done / PER_DATABASE % 2 == 1;
            OpenMode mode =
                    damaged && random.nextBoolean() ? OpenMode.IMMUTABLE : OpenMode.READ_WRITE;
            for (String name : List.of("db", "db-wal", "db-shm", "db-journal")) {
                Files.deleteIfExists(db.resolveSibling(name));
            }
            Files.write(db, damaged ? Hostile.damaged(sound, sound, random) : sound);
            try (var connection = connect(db, mode)) {
                for (int i = 0; i < PER_DATABASE; i++) {
                    one(connection);
                }
                if (!damaged) {
                    last = "quick_check";
                    expect(connection.queryText("pragma quick_check").equals("ok"), "corrupted");
                }
            } catch (SqlFailure damage) {
                expect(damaged, "a sound database fails: " + damage);
            }
            expect(java.util.Arrays.equals(Files.readAllBytes(canary), before), "canary changed");
            expect(
                    List.of("canary.db", "corpus", "cwd", "own", "tmp").containsAll(names(folder)),
                    "made a file: " + names(folder));
            expect(names(folder.resolve("cwd")).isEmpty(), "made a file where it runs");
            expect(
                    List.of("db", "db-journal", "db-shm", "db-wal")
                            .containsAll(names(db.getParent())),
                    "made a file: " + names(db.getParent()));
        }
    }

    private void one(SqliteConnection connection) {
        String text = sql.next();
        last = text;
        GatedScript script = gate.check(text);
        if (script.refusal() != null) {
            refused++;
        }
        for (GatedStatement statement : script.statements()) {
            try (var _ = connection.within(Deadline.after(TIME, System::nanoTime))) {
                var bindings = Bindings.of(statement, List.of());
                StatementResult result = connection.run(statement, bindings, LIMITS);
                answered++;
                for (SqlValue[] row : result.rows()) {
                    for (SqlValue value : row) {
                        look(value);
                    }
                }
            } catch (SqlFailure failure) {
                failed++;
            }
        }
    }

    /// A statement may say its name, so what is looked for is what only the file holds.
    private static void look(SqlValue value) {
        String text =
                switch (value) {
                    case SqlValue.Text(String it) -> it;
                    case SqlValue.Blob(byte[] bytes) ->
                            new String(bytes, java.nio.charset.StandardCharsets.ISO_8859_1);
                    default -> "";
                };
        expect(!text.contains(CANARY), "read another database");
        expect(!text.contains("JAVA_FUZZ_ENVIRONMENT"), "read the environment");
    }

    private SqliteConnection connect(Path file, OpenMode mode) {
        return Sqlite.database(file, SqliteLimits.DEFAULT, watchdog).connect(mode);
    }

    private static TreeSet<String> names(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            var names = new TreeSet<String>();
            files.forEach(file -> names.add(file.getFileName().toString()));
            return names;
        }
    }

    private static void expect(boolean holds, String otherwise) {
        if (!holds) {
            throw new IllegalStateException(otherwise);
        }
    }
}
