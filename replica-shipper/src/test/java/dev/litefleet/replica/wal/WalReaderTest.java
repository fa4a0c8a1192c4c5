package dev.litefleet.replica.wal;

import static java.nio.ByteOrder.BIG_ENDIAN;
import static java.nio.ByteOrder.LITTLE_ENDIAN;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.litefleet.replica.ReplicaException.Corrupt;
import dev.litefleet.replica.ReplicaException.TooLarge;
import dev.litefleet.testing.Seeds;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Against logs that SQLite writes, and against the database file it makes of them.
final class WalReaderTest {
    private static final int MAX = 64 << 20;

    @TempDir Path dir;

    @ParameterizedTest
    @ValueSource(ints = {512, 4096, 65536})
    void deliversEachCommitOnItsOwn(int pageSize) throws Exception {
        var db = new SqliteDb(dir.resolve("t.db"), pageSize);
        var rebuilt = new Rebuilt();
        db.run("CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT)");
        try (var reader = WalReader.open(db.wal, MAX)) {
            assertThat(rebuilt.follow(reader, MAX)).isEqualTo(1);
            for (int i = 0; i < 3; i++) {
                db.run("INSERT INTO t(v) VALUES ('one')");
                assertThat(rebuilt.follow(reader, MAX)).isEqualTo(1);
                db.run("INSERT INTO t(v) VALUES ('two')");
                db.run("INSERT INTO t(v) VALUES ('three')");
                assertThat(rebuilt.follow(reader, MAX)).isEqualTo(2);
                assertThat(rebuilt.follow(reader, MAX)).isZero();
            }
        }
        rebuilt.requireEqual(db.closeAndRead(), pageSize);
    }

    /// The state after every single commit is a database, with the rows it had then.
    @Test
    void everyCommitIsAStateOfItsOwn() throws Exception {
        var db = new SqliteDb(dir.resolve("t.db"), 512);
        var rebuilt = new Rebuilt();
        db.run("CREATE TABLE t(id INTEGER PRIMARY KEY, v)");
        try (var reader = WalReader.open(db.wal, MAX)) {
            for (int i = 1; i <= 20; i++) {
                db.run("INSERT INTO t(v) VALUES (randomblob(300))");
                rebuilt.follow(reader, MAX);
                Path image = dir.resolve(i + ".db");
                Files.write(image, rebuilt.bytes(512));
                try (var copy = new SqliteDb(image, 512)) {
                    assertThat(copy.number("SELECT count(*) FROM t")).isEqualTo(i);
                    assertThat(copy.text("PRAGMA integrity_check")).isEqualTo("ok");
                }
            }
        }
        db.close();
    }

    /// Random transactions with spills, rollbacks, savepoints, growth, shrink and checkpoints
    /// between; read now and then, every other time with room for a few pages in memory only. What
    /// was delivered is, byte for byte, the file SQLite ends with.
    @Seeds(40)
    void deliveredCommitsAreTheDatabase(long seed) throws Exception {
        var random = new SplittableRandom(seed);
        int pageSize = List.of(512, 1024, 4096, 65536).get((int) (seed % 4));
        String vacuum = List.of("none", "full", "incremental").get(random.nextInt(3));
        var db =
                new SqliteDb(
                        dir.resolve("t.db"),
                        pageSize,
                        "auto_vacuum=" + vacuum,
                        "cache_size=" + (random.nextBoolean() ? 10 : 1000));
        var rebuilt = new Rebuilt();
        db.run("CREATE TABLE t0(id INTEGER PRIMARY KEY, v)");
        int memory = random.nextBoolean() ? random.nextInt(20 * pageSize) : MAX;
        try (var reader = WalReader.open(db.wal, MAX, memory)) {
            int transactions = 5 + random.nextInt(60);
            for (int i = 0; i < transactions; i++) {
                transaction(db, random, pageSize);
                if (random.nextInt(3) == 0) {
                    rebuilt.follow(reader, random.nextBoolean() ? 1 : MAX);
                }
                if (random.nextInt(8) == 0) {
                    rebuilt.follow(reader, MAX);
                    db.run("PRAGMA wal_checkpoint(%s)".formatted(mode(random)));
                }
            }
            rebuilt.follow(reader, MAX);
        }
        rebuilt.requireEqual(db.closeAndRead(), pageSize);
    }

    private static String mode(SplittableRandom random) {
        return List.of("PASSIVE", "FULL", "RESTART", "TRUNCATE").get(random.nextInt(4));
    }

    private static void transaction(SqliteDb db, SplittableRandom random, int pageSize)
            throws SQLException {
        if (random.nextInt(20) == 0) {
            db.run(random.nextBoolean() ? "VACUUM" : "PRAGMA incremental_vacuum(3)");
            return;
        }
        db.run("BEGIN IMMEDIATE");
        int steps = 1 + random.nextInt(random.nextInt(10) == 0 ? 30 : 4);
        for (int i = 0; i < steps; i++) {
            step(db, random, pageSize);
        }
        db.run(random.nextInt(5) == 0 ? "ROLLBACK" : "COMMIT");
    }

    private static void step(SqliteDb db, SplittableRandom random, int pageSize)
            throws SQLException {
        int table = random.nextInt(4);
        int size = random.nextInt(Math.min(3 * pageSize, 20_000));
        switch (random.nextInt(8)) {
            case 0 ->
                    db.run(
                            "CREATE TABLE IF NOT EXISTS t%d(id INTEGER PRIMARY KEY, v)"
                                    .formatted(table));
            case 1 -> db.run("DROP TABLE IF EXISTS t%d".formatted(1 + random.nextInt(3)));
            case 2 -> db.run("DELETE FROM t0 WHERE id %% 3 = %d".formatted(random.nextInt(3)));
            case 3 -> db.run("UPDATE t0 SET v=randomblob(%d) WHERE id %% 5 = 1".formatted(size));
            case 4 -> {
                db.run("SAVEPOINT s");
                db.run("INSERT INTO t0(v) VALUES (randomblob(%d))".formatted(size));
                db.run(random.nextBoolean() ? "RELEASE s" : "ROLLBACK TO s");
            }
            default ->
                    db.run(
                            ("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE"
                                            + " i<%d) INSERT INTO t0(v) SELECT randomblob(%d) FROM n")
                                    .formatted(1 + random.nextInt(8), size));
        }
    }

    /// SQLite writes every page by which a database grows, so a missing one means that this log
    /// does not follow that database. Litestream issue 1323 tells how taking it anyway ended.
    @Test
    void refusesGrowthWithoutItsPages() throws Exception {
        Path wal =
                write(
                        new WalBytes(512, 7, LITTLE_ENDIAN)
                                .frame(1, 0, 1)
                                .frame(3, 3, 1)
                                .toByteArray());
        try (var reader = WalReader.open(wal, MAX)) {
            assertThatThrownBy(() -> reader.read(WalPosition.start(1), MAX))
                    .isInstanceOf(Corrupt.class)
                    .hasMessageContaining("from 1 to 3 pages without page 2");
            assertThat(reader.read(WalPosition.start(2), MAX)).isInstanceOf(WalRead.Commits.class);
        }
    }

    /// A rolled-back transaction leaves frames behind the last commit that continue its checksum.
    /// They must not hide that SQLite has begun the log anew since.
    @Test
    void rolledBackFramesDoNotHideARestart() throws Exception {
        var db = new SqliteDb(dir.resolve("t.db"), 512, "cache_size=10");
        var rebuilt = new Rebuilt();
        db.run("CREATE TABLE t(v)");
        for (int i = 0; i < 20; i++) {
            db.run("INSERT INTO t VALUES (randomblob(400))");
        }
        try (var reader = WalReader.open(db.wal, MAX)) {
            db.run("BEGIN");
            for (int i = 0; i < 30; i++) {
                db.run("INSERT INTO t VALUES (randomblob(400))");
            }
            db.run("ROLLBACK");
            rebuilt.follow(reader, MAX);
            db.run("PRAGMA wal_checkpoint(PASSIVE)");

            db.run("INSERT INTO t VALUES (1)");

            assertThat(rebuilt.follow(reader, MAX)).isEqualTo(1);
        }
        rebuilt.requireEqual(db.closeAndRead(), 512);
    }

    @Test
    void transactionLargerThanTheBufferIsOneCommit() throws Exception {
        var db = new SqliteDb(dir.resolve("t.db"), 4096, "cache_size=20");
        var rebuilt = new Rebuilt();
        db.run("CREATE TABLE t(v)");
        db.run(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<3000)"
                        + " INSERT INTO t SELECT randomblob(1500) FROM n");
        try (var reader = WalReader.open(db.wal, MAX)) {
            assertThat(rebuilt.follow(reader, MAX)).isEqualTo(2);
        }
        assertThat(rebuilt.commits.getLast().pages()).hasSizeGreaterThan(4 << 20);
        try (var frugal = WalReader.open(db.wal, MAX, 1 << 20)) {
            var again = new Rebuilt();
            again.follow(frugal, MAX);
            assertThat(again.commits.getLast().inMemory()).isFalse();
            assertThat(again.bytes(4096)).isEqualTo(rebuilt.bytes(4096));
        }
        try (var small = WalReader.open(db.wal, 1 << 20)) {
            assertThatThrownBy(() -> new Rebuilt().follow(small, MAX))
                    .isInstanceOf(TooLarge.class)
                    .hasMessageContaining("transactionBytesMax=1048576");
        }
        rebuilt.requireEqual(db.closeAndRead(), 4096);
    }

    @Test
    void rolledBackFramesAreNeverDelivered() throws Exception {
        var db = new SqliteDb(dir.resolve("t.db"), 512, "cache_size=10");
        var rebuilt = new Rebuilt();
        db.run("CREATE TABLE t(v)");
        try (var reader = WalReader.open(db.wal, MAX)) {
            rebuilt.follow(reader, MAX);
            long before = Files.size(db.wal);
            db.run("BEGIN");
            for (int i = 0; i < 100; i++) {
                db.run("INSERT INTO t VALUES (randomblob(400))");
            }
            assertThat(Files.size(db.wal)).isGreaterThan(before);
            assertThat(rebuilt.follow(reader, MAX)).isZero();
            db.run("ROLLBACK");
            assertThat(rebuilt.follow(reader, MAX)).isZero();

            db.run("INSERT INTO t VALUES (1)");

            assertThat(rebuilt.follow(reader, MAX)).isEqualTo(1);
        }
        rebuilt.requireEqual(db.closeAndRead(), 512);
    }

    /// A transaction over its limit is rolled back, and its frames stay: they must not count
    /// against the next one.
    @Test
    void spilledBytesCountOnce() throws Exception {
        try (var db = new SqliteDb(dir.resolve("t.db"), 512, "cache_size=10");
                var reader = open(db)) {
            WalPosition end = ((WalRead.Commits) reader.read(WalPosition.start(0), MAX)).end();
            for (int i = 0; i < 3; i++) {
                db.run("BEGIN");
                db.run("INSERT INTO t VALUES (1)");
                assertThat(reader.exceeds(end, 50_000)).isFalse();
                db.run("INSERT INTO t VALUES (randomblob(%d))".formatted(70_000 + i));
                assertThat(reader.exceeds(end, 50_000)).isTrue();
                db.run("ROLLBACK");
            }
            db.run("INSERT INTO t VALUES (1)");
            assertThat(reader.exceeds(end, 50_000)).isFalse();
            assertThat(reader.exceeds(end, 500)).isTrue();
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"PASSIVE", "RESTART", "TRUNCATE"})
    void saysThatSqliteBeganTheLogAnew(String mode) throws Exception {
        try (var db = new SqliteDb(dir.resolve("t.db"), 4096);
                var reader = open(db)) {
            for (int i = 0; i < 5; i++) {
                db.run("INSERT INTO t VALUES (randomblob(9000))");
            }
            var first = (WalRead.Commits) reader.read(WalPosition.start(0), MAX);
            assertThat(first.commits()).hasSize(6);
            db.run("PRAGMA wal_checkpoint(%s)".formatted(mode));
            assertThat(reader.read(first.end(), MAX))
                    .isEqualTo(new WalRead.Commits(List.of(), first.end()));
            db.run("INSERT INTO t VALUES (7)");

            var restarted = (WalRead.Restarted) reader.read(first.end(), MAX);

            assertThat(restarted.start().salt()).isNotEqualTo(first.end().salt());
            assertThat(restarted.start().pages()).isEqualTo(first.end().pages());
            // A reader that saw nothing of the old log finds the same.
            try (var fresh = WalReader.open(db.wal, MAX)) {
                assertThat(fresh.read(first.end(), MAX)).isEqualTo(restarted);
            }
            var second = (WalRead.Commits) reader.read(restarted.start(), MAX);
            assertThat(second.commits()).hasSize(1);
            assertThat(reader.read(second.end(), MAX))
                    .isEqualTo(new WalRead.Commits(List.of(), second.end()));
        }
    }

    /// A position from before a restart leads into the middle of the new log once that has grown
    /// past it: nothing there may be taken for its continuation.
    @Test
    void positionInAnOlderLogIsNotContinuedByANewerOne() throws Exception {
        try (var db = new SqliteDb(dir.resolve("t.db"), 4096);
                var reader = open(db)) {
            var first = (WalRead.Commits) reader.read(WalPosition.start(0), MAX);
            db.run("PRAGMA wal_checkpoint(PASSIVE)");
            for (int i = 0; i < 20; i++) {
                db.run("INSERT INTO t VALUES (1)");
            }
            assertThat(reader.read(first.end(), MAX)).isInstanceOf(WalRead.Restarted.class);
        }
    }

    @Test
    void readsOnFromAPositionWithAnotherReader() throws Exception {
        try (var db = new SqliteDb(dir.resolve("t.db"), 4096);
                var reader = open(db)) {
            db.run("INSERT INTO t VALUES (1)");
            db.run("INSERT INTO t VALUES (2)");
            var all = (WalRead.Commits) reader.read(WalPosition.start(0), MAX);
            var one = (WalRead.Commits) reader.read(WalPosition.start(0), 1);
            assertThat(one.commits()).hasSize(1);

            try (var other = WalReader.open(db.wal, MAX)) {
                var rest = (WalRead.Commits) other.read(one.end(), MAX);
                assertThat(rest.commits()).hasSize(2);
                assertThat(rest.end()).isEqualTo(all.end());
            }
        }
    }

    @Test
    void emptyLogHasNoCommits() throws Exception {
        Path wal = dir.resolve("w");
        Files.createFile(wal);
        try (var reader = WalReader.open(wal, MAX)) {
            assertThat(reader.read(WalPosition.start(3), MAX))
                    .isEqualTo(new WalRead.Commits(List.of(), WalPosition.start(3)));

            Files.write(wal, new WalBytes(512, 77, LITTLE_ENDIAN).frame(1, 1, 5).toByteArray());

            assertThat(commits(wal)).hasSize(1);
        }
    }

    /// At every length to which a crash can cut the file, exactly the commits that are whole.
    @Test
    void tornLogHasTheCommitsBeforeTheTear() throws Exception {
        byte[] wal = smallLog();
        for (int size = 0; size <= wal.length; size++) {
            int whole = 0;
            for (int end : new int[] {2, 3, 6}) {
                whole += size >= 32 + end * 536 ? 1 : 0;
            }
            assertThat(commits(write(Arrays.copyOf(wal, size)))).as("%d", size).hasSize(whole);
        }
    }

    /// A byte that changed, anywhere: only the commits before it.
    @Test
    void damagedLogHasTheCommitsBeforeTheDamage() throws Exception {
        byte[] wal = smallLog();
        for (int at = 0; at < wal.length; at++) {
            byte[] damaged = wal.clone();
            damaged[at] ^= 0x10;
            int frame = Math.floorDiv(at - 32, 536);
            int whole = frame < 2 ? 0 : frame < 3 ? 1 : 2;
            assertThat(commits(write(damaged))).as("byte %d", at).hasSize(whole);
        }
    }

    private static byte[] smallLog() {
        return new WalBytes(512, 77, LITTLE_ENDIAN)
                .frame(1, 0, 1)
                .frame(2, 2, 2)
                .frame(2, 2, 3)
                .frame(1, 0, 4)
                .frame(2, 0, 5)
                .frame(3, 3, 6)
                .toByteArray();
    }

    @Test
    void readsLogsOfBothByteOrders() throws Exception {
        var db = new SqliteDb(dir.resolve("t.db"), 1024);
        db.run("CREATE TABLE t(v)");
        db.run("INSERT INTO t VALUES (randomblob(5000))");
        Path other = Files.createDirectory(dir.resolve("other")).resolve("t.db");
        byte[] wal = Files.readAllBytes(db.wal);
        byte[] turned = WalBytes.inOrder(BIG_ENDIAN, wal);
        assertThat(WalBytes.inOrder(LITTLE_ENDIAN, wal)).isEqualTo(wal);
        Files.write(other.resolveSibling("t.db-wal"), turned);
        Files.write(other, db.closeAndRead());
        // SQLite goes on in the order it finds.
        var big = new SqliteDb(other, 1024);
        big.run("INSERT INTO t VALUES (randomblob(3000))");
        var rebuilt = new Rebuilt();
        try (var reader = WalReader.open(big.wal, MAX)) {
            assertThat(rebuilt.follow(reader, MAX)).isEqualTo(3);
            assertThat(WalHeader.parse(Files.readAllBytes(big.wal)).orElseThrow().order())
                    .isEqualTo(ByteOrder.BIG_ENDIAN);
        }
        rebuilt.requireEqual(big.closeAndRead(), 1024);
    }

    /// Spilled pages in any order and any number of times, also beyond the final size: each page
    /// once, the newest.
    @Seeds(100)
    void newestOfEachPageWinsInsideACommit(long seed) throws Exception {
        var random = new SplittableRandom(seed);
        var wal = new WalBytes(512, seed, seed % 2 == 0 ? LITTLE_ENDIAN : BIG_ENDIAN);
        var oracle = new TreeMap<Integer, Integer>();
        for (int commit = 0; commit < 5; commit++) {
            int before = oracle.size();
            int size = 1 + random.nextInt(40);
            List<Integer> pgnos = new ArrayList<>();
            for (int pgno = before + 1; pgno <= size; pgno++) {
                pgnos.add(pgno);
            }
            for (int i = random.nextInt(60); i >= 0; i--) {
                pgnos.add(random.nextInt(pgnos.size() + 1), 1 + random.nextInt(40));
            }
            for (int i = 0; i < pgnos.size(); i++) {
                int fill = random.nextInt(256);
                wal.frame(pgnos.get(i), i < pgnos.size() - 1 ? 0 : size, fill);
                oracle.put(pgnos.get(i), fill);
            }
            oracle.tailMap(size, false).clear();
        }
        var rebuilt = new Rebuilt();

        byte[] log = wal.toByteArray();

        int memory = random.nextBoolean() ? random.nextInt(8000) : MAX;
        try (var reader = WalReader.open(write(log), MAX, memory)) {
            assertThat(rebuilt.follow(reader, 1 + random.nextInt(20_000))).isEqualTo(5);
            for (CommittedPages commit : rebuilt.commits) {
                for (int i = 0; i < commit.pgnos().length; i++) {
                    long at = commit.offsets()[i];
                    byte[] page = new byte[512];
                    commit.read(i, page);
                    assertThat(Arrays.copyOfRange(log, (int) at, (int) at + 512)).isEqualTo(page);
                }
            }
        }

        byte[] database = rebuilt.bytes(512);
        oracle.forEach(
                (pgno, fill) -> assertThat(database[pgno * 512 - 1]).isEqualTo((byte) (int) fill));
        assertThat(database).hasSize(oracle.size() * 512);
    }

    private WalReader open(SqliteDb db) throws SQLException {
        db.run("CREATE TABLE t(v)");
        return WalReader.open(db.wal, MAX);
    }

    private Path write(byte[] wal) throws Exception {
        return Files.write(dir.resolve("w"), wal);
    }

    private static List<CommittedPages> commits(Path wal) {
        try (var reader = WalReader.open(wal, MAX)) {
            return ((WalRead.Commits) reader.read(WalPosition.start(0), MAX)).commits();
        }
    }
}
