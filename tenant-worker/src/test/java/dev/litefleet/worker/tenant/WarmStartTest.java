package dev.litefleet.worker.tenant;

import static org.assertj.core.api.Assertions.assertThat;

import dev.litefleet.replica.Lineage;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.sqlite.OpenMode;
import dev.litefleet.replica.sqlite.Sqlite;
import dev.litefleet.replica.sqlite.SqliteConnection;
import dev.litefleet.replica.sqlite.SqliteLimits;
import dev.litefleet.replica.sqlite.Watchdog;
import dev.litefleet.replica.wal.WalChecksum;
import dev.litefleet.replica.wal.WalPosition;
import dev.litefleet.replica.wal.WalSurvey;
import dev.litefleet.testing.Seeds;
import dev.litefleet.worker.tenant.WarmStart.Facts;
import dev.litefleet.worker.tenant.WarmStart.LoggedEnd;
import dev.litefleet.worker.tenant.WarmStart.Verdict;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The decision alone, on WALs that SQLite wrote: five commits, of which the first is TXID 11,
/// after another WAL that ended with TXID 10.
final class WarmStartTest {
    private static final TenantKey KEY = TestSession.key("acme");
    private static final String MINE = "01KAHV5W6Q4R9T8Y7ZXCVBNM11";
    private static final String OTHER = "01KAHV5W6Q4R9T8Y7ZXCVBNM22";
    private static final long SMALL = 1 << 20;
    private static final long LARGE = 1 << 30;
    private static final long MIN = 64 << 20;

    @TempDir private Path folder;
    private final Watchdog watchdog = new Watchdog(System::nanoTime);
    private SqliteConnection connection;
    private WalSurvey before;
    private WalSurvey wal;
    private byte[] bytes;

    @BeforeEach
    void write() throws IOException {
        Path db = folder.resolve("db");
        Sqlite.create(db, 4096);
        connection =
                Sqlite.database(db, SqliteLimits.DEFAULT, watchdog).connect(OpenMode.READ_WRITE);
        connection.exec("create table t(x)");
        connection.exec("insert into t values (zeroblob(9000))");
        before = survey(db.resolveSibling("db-wal"));
        connection.checkpointPassive();
        for (int i = 0; i < 5; i++) {
            connection.exec("insert into t values (" + i + ")");
        }
        bytes = Files.readAllBytes(db.resolveSibling("db-wal"));
        wal = survey(db.resolveSibling("db-wal"));
        assertThat(wal.commits()).isEqualTo(5);
    }

    @AfterEach
    void close() {
        connection.close();
        watchdog.close();
    }

    private static WalSurvey survey(Path wal) {
        return WalSurvey.of(wal, 1 << 20).orElseThrow();
    }

    private WalPosition at(int commits) {
        return wal.after(commits, 0);
    }

    private static LocalPosition known(long durable, WalPosition at) {
        return new LocalPosition(KEY, MINE, new Txid(durable), new Txid(durable), at, false);
    }

    private Facts facts(long history, LocalPosition position, @Nullable LoggedEnd end) {
        return new Facts(
                KEY,
                MINE,
                new Txid(history),
                new Txid(history),
                position,
                end,
                wal,
                bytes.length,
                SMALL,
                MIN);
    }

    private Verdict decide(long history, LocalPosition position, @Nullable LoggedEnd end) {
        return WarmStart.decide(facts(history, position, end));
    }

    private LoggedEnd logged(int commits) {
        return new LoggedEnd(MINE, at(commits));
    }

    @Test
    void countsFromWhatThePositionKnows() {
        assertThat(decide(12, known(12, at(2)), null)).isEqualTo(new Verdict.ShipAhead(2, 3));
        assertThat(decide(14, known(12, at(2)), logged(4))).isEqualTo(new Verdict.ShipAhead(4, 1));
        assertThat(decide(15, known(12, at(2)), logged(5))).isInstanceOf(Verdict.Hydrate.class);
    }

    @Test
    void walAfterACheckpointBeginsWhereTheOneBeforeEnded() {
        LocalPosition end = known(10, before.after(before.commits(), 0));

        assertThat(decide(10, end, null)).isEqualTo(new Verdict.ShipAhead(0, 5));
        assertThat(decide(12, end, logged(2))).isEqualTo(new Verdict.ShipAhead(2, 3));
    }

    @Test
    void firstWalOfAFileThatWasOpenedWithoutOneBeginsThere() {
        LocalPosition opened = known(10, WalPosition.start(7));

        assertThat(decide(10, opened, null)).isEqualTo(new Verdict.ShipAhead(0, 5));
    }

    @Test
    void largeOrClosedFilesAreWorthAScan() {
        Facts small = facts(12, known(12, at(2)), null);
        Facts large =
                new Facts(
                        KEY,
                        MINE,
                        small.floor(),
                        small.durable(),
                        small.position(),
                        null,
                        wal,
                        bytes.length,
                        LARGE,
                        MIN);
        var clean = new LocalPosition(KEY, MINE, new Txid(12), new Txid(12), at(2), true);
        Facts closed =
                new Facts(KEY, MINE, Txid.NONE, new Txid(12), clean, null, null, 0, SMALL, MIN);

        assertThat(WarmStart.decide(large)).isEqualTo(new Verdict.Reuse(2, 3));
        assertThat(WarmStart.decide(closed)).isEqualTo(new Verdict.Reuse(0, 0));
    }

    @Test
    void behind() {
        assertThat(decide(16, known(12, at(2)), logged(5))).isInstanceOf(Verdict.Behind.class);
        Facts none =
                new Facts(
                        KEY,
                        MINE,
                        Txid.NONE,
                        new Txid(13),
                        known(12, at(2)),
                        null,
                        null,
                        0,
                        LARGE,
                        MIN);
        assertThat(WarmStart.decide(none)).isInstanceOf(Verdict.Behind.class);
    }

    @Test
    void anyDoubtIsDivergence() {
        LocalPosition position = known(12, at(2));
        var elsewhere =
                new LocalPosition(
                        new TenantKey(KEY.tenant(), new Lineage(OTHER)),
                        MINE,
                        new Txid(12),
                        new Txid(12),
                        at(2),
                        false);
        var others = new LocalPosition(KEY, OTHER, new Txid(12), new Txid(12), at(2), false);
        WalPosition second = at(2);
        var salt =
                new WalPosition(
                        second.salt() ^ 1, second.offset(), second.checksum(), second.pages());
        var sum =
                new WalPosition(
                        second.salt(),
                        second.offset(),
                        WalChecksum.of(second.checksum().stored() ^ 1),
                        second.pages());
        var verdicts = new ArrayList<Verdict>();
        verdicts.add(decide(12, elsewhere, null));
        verdicts.add(decide(12, others, null));
        verdicts.add(decide(12, known(12, salt), null));
        verdicts.add(decide(11, position, null)); // the history lost what was durable
        verdicts.add(decide(14, position, null)); // the log says nothing
        verdicts.add(decide(14, position, new LoggedEnd(OTHER, at(4))));
        verdicts.add(decide(14, position, new LoggedEnd(MINE, null)));
        verdicts.add(decide(14, position, logged(3))); // another number of commits
        verdicts.add(decide(14, position, new LoggedEnd(MINE, salt)));
        Facts nothing =
                new Facts(
                        KEY,
                        null,
                        Txid.NONE,
                        new Txid(12),
                        position,
                        null,
                        wal,
                        bytes.length,
                        LARGE,
                        MIN);
        verdicts.add(WarmStart.decide(nothing));

        Facts recovered = facts(14, position, logged(4));
        verdicts.add(
                WarmStart.decide(
                        new Facts(
                                KEY,
                                MINE,
                                new Txid(13), // recovery came less far than the history
                                recovered.durable(),
                                position,
                                recovered.end(),
                                wal,
                                bytes.length,
                                SMALL,
                                MIN)));

        assertThat(verdicts).hasOnlyElementsOfType(Verdict.Diverged.class);
        // The same offset with another checksum is no commit of this WAL, and nothing follows it
        // that could be lost.
        assertThat(decide(12, known(12, sum), null)).isNotInstanceOf(Verdict.ShipAhead.class);
    }

    /// Whatever is damaged, what is called ahead are the very frames that SQLite wrote after the
    /// history's last commit.
    @Seeds(300)
    void damagedWalNeverShowsOtherCommits(long seed) throws IOException {
        var random = new SplittableRandom(seed);
        byte[] damaged = bytes.clone();
        switch (random.nextInt(3)) {
            case 0 -> damaged[random.nextInt(damaged.length)] ^= (byte) (1 << random.nextInt(8));
            case 1 -> damaged = java.util.Arrays.copyOf(damaged, random.nextInt(damaged.length));
            default -> {
                int at = random.nextInt(damaged.length / 512) * 512;
                java.util.Arrays.fill(damaged, at, at + 512, (byte) 0);
            }
        }
        Path file = folder.resolve("damaged");
        Files.write(file, damaged);
        WalSurvey found = WalSurvey.of(file, 1 << 20).orElse(null);
        int durable = random.nextInt(6);
        LocalPosition position = known(10 + durable, at(durable));

        Verdict verdict =
                WarmStart.decide(
                        new Facts(
                                KEY,
                                MINE,
                                Txid.NONE,
                                new Txid(10 + durable),
                                position,
                                null,
                                found,
                                damaged.length,
                                SMALL,
                                MIN));

        if (verdict instanceof Verdict.ShipAhead(int commits, int ahead) && found != null) {
            assertThat(commits).isEqualTo(durable);
            assertThat(commits + ahead).isEqualTo(found.commits());
            assertThat(found.after(found.commits(), 0)).isEqualTo(at(found.commits()));
        }
        List<Class<?>> possible =
                List.of(
                        Verdict.ShipAhead.class,
                        Verdict.Behind.class,
                        Verdict.Diverged.class,
                        Verdict.Hydrate.class);
        assertThat(possible).contains(verdict.getClass());
    }
}
