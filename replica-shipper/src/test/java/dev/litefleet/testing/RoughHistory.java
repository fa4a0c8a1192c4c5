package dev.litefleet.testing;

import static dev.litefleet.replica.wal.WalPosition.start;

import dev.litefleet.replica.Position;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.log.Commit;
import dev.litefleet.replica.ltx.DatabaseChecksum;
import dev.litefleet.replica.wal.CommittedPages;
import dev.litefleet.replica.wal.WalPosition;
import dev.litefleet.replica.wal.WalRead;
import dev.litefleet.replica.wal.WalReader;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/// The rough life of one real SQLite database, decided by a seed: index churn, large values, mass
/// deletes, shrinking by auto_vacuum, tables dropped and made anew, VACUUM, pages that are
/// allocated and freed in one transaction, rollbacks. Every commit is read from the WAL as a worker
/// reads it and comes out as the [Commit] that a worker would append to its log.
///
/// The WAL is never checkpointed but by [#checkpoint], so until then the frames of all commits can
/// be read again. Single-threaded; on a platform thread, as everything of SQLite.
public final class RoughHistory implements AutoCloseable {
    /// Time of the first commit at the earliest, Unix milliseconds: 2026-01-01T00:00:00Z.
    public static final long EPOCH_MILLIS = 1_767_225_600_000L;

    private static final int TRANSACTION_BYTES_MAX = 256 << 20;

    private final Path file;
    private final TenantKey tenant;
    private final int pageSize;
    private final SplittableRandom random;
    private final Connection connection;
    private final List<byte @Nullable []> pages = new ArrayList<>();
    private final DatabaseChecksum sums;
    private @Nullable WalReader wal;
    private WalPosition read = start(0);
    private Txid txid = Txid.NONE;
    private long millis = EPOCH_MILLIS;
    private @Nullable CommittedPages captured;
    private boolean keepsImage = true;
    private boolean incremental;

    /// A history whose page size and auto_vacuum the seed decides too: 24 seeds in a row have every
    /// page size of SQLite with every mode.
    public static RoughHistory seeded(Path folder, TenantKey tenant, long seed) {
        int[] sizes = {4096, 512, 65536, 1024, 8192, 2048, 16384, 32768};
        String[] vacuums = {"full", "none", "incremental"};
        return new RoughHistory(
                folder,
                tenant,
                seed,
                sizes[(int) Math.floorMod(seed, 8L)],
                vacuums[(int) Math.floorMod(seed, 3L)]);
    }

    /// @param folder an existing one; the database in it is named after the tenant and the lineage
    /// @param autoVacuum whether the database gives pages back
    public RoughHistory(
            Path folder, TenantKey tenant, long seed, int pageSize, boolean autoVacuum) {
        this(folder, tenant, seed, pageSize, autoVacuum ? "full" : "none");
    }

    private RoughHistory(
            Path folder, TenantKey tenant, long seed, int pageSize, String autoVacuum) {
        this.file = folder.resolve(tenant.tenant().name() + "-" + tenant.lineage().ulid() + ".db");
        this.tenant = tenant;
        this.pageSize = pageSize;
        this.random = new SplittableRandom(seed);
        this.sums = new DatabaseChecksum(pageSize);
        try {
            connection = DriverManager.getConnection("jdbc:sqlite:" + file);
            run("pragma page_size = " + pageSize);
            run("pragma auto_vacuum = " + autoVacuum);
            incremental = autoVacuum.equals("incremental");
            run("pragma journal_mode = wal");
            run("pragma wal_autocheckpoint = 0");
            run("pragma synchronous = off");
        } catch (SQLException failed) {
            throw new IllegalStateException(failed);
        }
    }

    /// Stops keeping the image: for databases too large for memory.
    public void keepNoImage() {
        keepsImage = false;
        pages.clear();
    }

    /// One more random transaction that changed something.
    public Commit next() {
        while (true) {
            try {
                transaction();
            } catch (SQLException failed) {
                throw new IllegalStateException(failed);
            }
            List<CommittedPages> commits = capture();
            if (!commits.isEmpty()) {
                return commit(commits);
            }
        }
    }

    /// Several of them.
    public List<Commit> next(int count) {
        var commits = new ArrayList<Commit>();
        for (int i = 0; i < count; i++) {
            commits.add(next());
        }
        return commits;
    }

    /// A transaction of the caller's own: statements that together commit once.
    public Commit commit(String... statements) {
        try {
            for (String sql : statements) {
                run(sql);
            }
        } catch (SQLException failed) {
            throw new IllegalStateException(failed);
        }
        return commit(capture());
    }

    /// The newest commit as it lies in the WAL.
    public CommittedPages captured() {
        if (captured == null) {
            throw new IllegalStateException("nothing was committed yet");
        }
        return captured;
    }

    public TenantKey tenant() {
        return tenant;
    }

    public int pageSize() {
        return pageSize;
    }

    /// The WAL file; reading it is harmless.
    public Path wal() {
        return file.resolveSibling(file.getFileName() + "-wal");
    }

    /// After the newest commit.
    public Position position() {
        return new Position(txid, sums.value());
    }

    /// Size of the database in pages, after the newest commit.
    public int databasePages() {
        return sums.pages();
    }

    /// Time of the newest commit, Unix milliseconds.
    public long millis() {
        return millis;
    }

    /// What the database file must be after the newest commit, put together from the commits.
    public byte[] image() {
        if (!keepsImage) {
            throw new IllegalStateException("no image is kept");
        }
        byte[] image = new byte[pages.size() * pageSize];
        for (int i = 0; i < pages.size(); i++) {
            byte[] page = pages.get(i);
            if (page != null) {
                System.arraycopy(page, 0, image, i * pageSize, pageSize);
            }
        }
        return image;
    }

    /// Brings the WAL into the database file, so that the next commit begins it anew: what a worker
    /// does after a drain.
    public void checkpoint() {
        try {
            run("pragma wal_checkpoint(passive)");
        } catch (SQLException failed) {
            throw new IllegalStateException(failed);
        }
    }

    /// A digest of everything that SQL can see in `database`.
    public static int content(Path database) {
        try (var reader =
                DriverManager.getConnection("jdbc:sqlite:file:" + database + "?immutable=1")) {
            return content(reader);
        } catch (SQLException failed) {
            throw new IllegalStateException(failed);
        }
    }

    /// The same of the live database.
    public int content() {
        try {
            return content(connection);
        } catch (SQLException failed) {
            throw new IllegalStateException(failed);
        }
    }

    @Override
    public void close() {
        try {
            if (wal != null) {
                wal.close();
            }
            connection.close();
        } catch (SQLException failed) {
            throw new IllegalStateException(failed);
        }
    }

    private static int content(Connection connection) throws SQLException {
        var rows = new ArrayList<Object>();
        for (String table : tables(connection)) {
            try (Statement statement = connection.createStatement();
                    ResultSet row =
                            statement.executeQuery(
                                    "select id, kind, length(body), hex(body) from " + table)) {
                while (row.next()) {
                    rows.add(
                            List.of(
                                    table,
                                    row.getLong(1),
                                    row.getLong(2),
                                    row.getLong(3),
                                    row.getString(4)));
                }
            }
        }
        try (Statement statement = connection.createStatement();
                ResultSet check = statement.executeQuery("pragma integrity_check")) {
            rows.add(check.getString(1));
            if (!check.getString(1).equals("ok")) {
                throw new AssertionError(check.getString(1));
            }
        }
        return rows.hashCode();
    }

    private static List<String> tables(Connection connection) throws SQLException {
        var tables = new ArrayList<String>();
        try (Statement statement = connection.createStatement();
                ResultSet row =
                        statement.executeQuery(
                                "select name from sqlite_master where type = 'table' and name glob"
                                        + " 't[0-9]*' order by name")) {
            while (row.next()) {
                tables.add(row.getString(1));
            }
        }
        return tables;
    }

    private List<CommittedPages> capture() {
        if (wal == null) {
            wal = WalReader.open(wal(), TRANSACTION_BYTES_MAX);
        }
        while (true) {
            switch (wal.read(read, Long.MAX_VALUE)) {
                case WalRead.Restarted(var position) -> read = position;
                case WalRead.Commits(var commits, var end) -> {
                    read = end;
                    return commits;
                }
            }
        }
    }

    private Commit commit(List<CommittedPages> commits) {
        if (commits.size() != 1) {
            throw new IllegalStateException(commits.size() + " commits of one transaction");
        }
        CommittedPages one = commits.getFirst();
        if (txid.value() == 0 && one.pgnos()[0] != 1) {
            throw new IllegalStateException("the first commit did not write page 1");
        }
        captured = one;
        txid = txid.next();
        millis += random.nextInt(4) == 0 ? 0 : random.nextInt(3000);
        byte[] contents = contents(one);
        keep(one, contents);
        long before = sums.value();
        long after = sums.apply(one.commit(), one.pgnos(), contents);
        return new Commit(
                tenant,
                txid,
                millis,
                pageSize,
                one.commit(),
                one.pgnos(),
                contents,
                before,
                after,
                random.nextInt(3) == 0 ? "agent-" + random.nextInt(5) : null,
                null,
                random.nextBoolean() ? "req-" + txid.value() : null);
    }

    private byte[] contents(CommittedPages one) {
        if (one.inMemory()) {
            return one.pages();
        }
        byte[] contents = new byte[Math.toIntExact(one.bytes())];
        byte[] page = new byte[pageSize];
        for (int i = 0; i < one.pgnos().length; i++) {
            one.read(i, page);
            System.arraycopy(page, 0, contents, i * pageSize, pageSize);
        }
        return contents;
    }

    private void keep(CommittedPages one, byte[] contents) {
        if (!keepsImage) {
            return;
        }
        while (pages.size() > one.commit()) {
            pages.removeLast();
        }
        while (pages.size() < one.commit()) {
            pages.add(null);
        }
        for (int i = 0; i < one.pgnos().length; i++) {
            pages.set(
                    one.pgnos()[i] - 1,
                    Arrays.copyOfRange(contents, i * pageSize, (i + 1) * pageSize));
        }
    }

    private void transaction() throws SQLException {
        List<String> tables = tables(connection);
        if (tables.isEmpty()) {
            create(0);
            return;
        }
        String table = tables.get(random.nextInt(tables.size()));
        switch (random.nextInt(20)) {
            case 0 -> create(tables.size());
            case 1 -> {
                if (tables.size() > 2) {
                    run("drop table " + table);
                }
            }
            case 2 ->
                    run("create index if not exists " + table + "_kind on " + table + "(kind, id)");
            case 3 -> run("drop index if exists " + table + "_kind");
            case 4 -> run("delete from " + table + " where id % 4 <> 0");
            case 5 -> {
                run("begin");
                run("delete from " + table);
                if (incremental) {
                    run("pragma incremental_vacuum");
                }
                run("commit");
            }
            case 6 -> run("vacuum");
            case 7 -> {
                // Allocated and freed at once: pages that SQLite leaves unwritten.
                run("begin");
                insert(table, 1, pageSize * (2 + random.nextInt(12)));
                run("delete from " + table + " where id = (select max(id) from " + table + ")");
                insert(table, 1, 10);
                run("commit");
            }
            case 8 -> {
                run("begin");
                insert(table, 20, 200);
                run("rollback");
            }
            case 9, 10 -> insert(table, 1, pageSize * (1 + random.nextInt(20)));
            case 11, 12 ->
                    run(
                            "update "
                                    + table
                                    + " set kind = kind + 1, body = randomblob(length(body))"
                                    + " where id % 7 = "
                                    + random.nextInt(7)
                                    + " and length(body) < 2000");
            case 13 -> run("update " + table + " set id = id + 100000 where id % 11 = 3");
            default -> insert(table, 1 + random.nextInt(60), 10 + random.nextInt(400));
        }
    }

    private void create(int number) throws SQLException {
        String table = "t" + number;
        run("begin");
        run(
                "create table if not exists "
                        + table
                        + "(id integer primary key, kind int, body blob)");
        insert(table, 1 + random.nextInt(5), 50);
        run("commit");
    }

    private void insert(String table, int rows, int bytes) throws SQLException {
        boolean own = connection.getAutoCommit() && rows > 1 && !inTransaction;
        if (own) {
            run("begin");
        }
        try (PreparedStatement insert =
                connection.prepareStatement(
                        "insert into " + table + "(kind, body) values (?, ?)")) {
            for (int i = 0; i < rows; i++) {
                insert.setInt(1, random.nextInt(100));
                insert.setBytes(2, body(bytes));
                insert.executeUpdate();
            }
        }
        if (own) {
            run("commit");
        }
    }

    private boolean inTransaction;

    private byte[] body(int bytes) {
        byte[] body = new byte[bytes];
        random.nextBytes(body);
        if (random.nextBoolean()) {
            Arrays.fill(
                    body, bytes / 5, bytes, (byte) 'x'); // Half of what people store compresses.
        }
        return body;
    }

    private void run(String sql) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.execute(sql);
        }
        switch (sql) {
            case "begin" -> inTransaction = true;
            case "commit", "rollback" -> inTransaction = false;
            default -> {}
        }
    }
}
