package dev.litefleet.worker.tenant;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.litefleet.replica.Position;
import dev.litefleet.replica.ReplicaException.Corrupt;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.ltx.DatabaseChecksum;
import dev.litefleet.replica.objects.StoreException;
import dev.litefleet.replica.sqlite.OpenMode;
import dev.litefleet.replica.sqlite.SqliteConnection;
import dev.litefleet.replica.sqlite.SqliteLimits;
import dev.litefleet.testing.FlakyObjectStore;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A database under its shipper, without tenants around it: how the catalog uses it.
final class ShippedDatabaseTest {
    @TempDir private Path folder;
    private final FlakyObjectStore store = new FlakyObjectStore();
    private TestSession session;
    private ShippedDatabase database;

    @BeforeEach
    void open() {
        session = new TestSession(folder.resolve("w"), store);
        database =
                open(
                        LocalDatabase.hydrate(
                                folder.resolve("db"),
                                TestSession.key("acme"),
                                Txid.NONE,
                                session.shipping));
    }

    private ShippedDatabase open(LocalDatabase local) {
        return ShippedDatabase.open(
                local, session.shipping, SqliteLimits.DEFAULT, session.tenants.watchdog());
    }

    @AfterEach
    void close() {
        store.releasePuts();
        database.close();
        session.close();
    }

    private Txid commit(String sql) {
        database.connection().exec(sql);
        return database.capture(true, RequestContext.anonymous());
    }

    /// Otherwise a reader between the commit and its capture would pass the gate with what it saw.
    @Test
    void commitIsAnnouncedBeforeItIsCaptured() {
        database.connection().exec("create table t(x)");

        assertThat(database.announced()).isEqualTo(new Txid(1));
        assertThat(database.durable()).isEqualTo(Txid.NONE);
        assertThat(database.capture(true, RequestContext.anonymous())).isEqualTo(new Txid(1));
    }

    @Test
    void commitIsAnnouncedBeforeAnybodyCanSeeIt() {
        commit("create table t(x)");
        try (SqliteConnection reader = database.connect(OpenMode.READ_ONLY_QUERY)) {
            long[] seen = new long[2];
            database.connection()
                    .onCommit(() -> {
                        database.gate().announce();
                        seen[0] = database.announced().value();
                        seen[1] = reader.queryLong("select count(*) from t");
                    });

            database.connection().exec("insert into t values (1)");

            assertThat(seen).containsExactly(2, 0);
            assertThat(reader.queryLong("select count(*) from t")).isEqualTo(1);
        }
    }

    @Test
    void severalCommitsCapturedAtOnceHaveTheirOwnTxids() {
        database.connection()
                .exec("create table t(x); insert into t values (1); insert into t values (2)");

        assertThat(database.announced()).isEqualTo(new Txid(3));
        assertThat(database.capture(true, RequestContext.anonymous())).isEqualTo(new Txid(3));
        TestSession.get(database.gate(new Txid(3)));
        assertThat(database.durable()).isEqualTo(new Txid(3));
    }

    @Test
    void failedDrainIsWrittenAgainWithTheSameBytesAndThenTheRest() {
        commit("create table t(x)");
        TestSession.get(database.gate(new Txid(1)));
        store.failNext(1);
        assertThatThrownBy(database::drain).isInstanceOf(StoreException.class);
        commit("insert into t values (1)");
        TestSession.get(database.gate(new Txid(2)));

        assertThat(database.drain()).isEqualTo(new Txid(2));

        assertThat(store.calm().listAll(TestSession.key("acme").prefix() + "0001/"))
                .extracting(object -> object.key().substring(object.key().length() - 37))
                .containsExactly(
                        "0000000000000001-0000000000000001.ltx",
                        "0000000000000002-0000000000000002.ltx");
    }

    @Test
    void hibernatedDatabaseOpensAgainWhereItStood() {
        commit("create table t(x)");
        commit("insert into t values (7)");
        TestSession.get(database.gate(new Txid(2)));
        database.drain();
        assertThat(database.checkpoint()).isEqualTo(ShippedDatabase.Checkpoint.COMPLETE);

        LocalDatabase closed = database.hibernate();
        database = open(closed);

        assertThat(closed.position().txid()).isEqualTo(new Txid(2));
        assertThat(closed.position().checksum()).isNotEqualTo(DatabaseChecksum.EMPTY);
        assertThat(database.connection().queryLong("select x from t")).isEqualTo(7);
        assertThat(commit("insert into t values (8)")).isEqualTo(new Txid(3));
    }

    @Test
    void cacheWhosePageChecksumsDoNotAddUpIsRefused() {
        commit("create table t(x)");
        TestSession.get(database.gate(new Txid(1)));
        database.drain();
        database.checkpoint();
        LocalDatabase closed = database.hibernate();
        var other =
                new LocalDatabase(
                        closed.directory(),
                        closed.key(),
                        new Position(closed.position().txid(), 1L << 63 | 5),
                        closed.pageSize(),
                        closed.lastMillis(),
                        true);

        assertThatThrownBy(() -> open(other)).isInstanceOf(Corrupt.class);
    }
}
