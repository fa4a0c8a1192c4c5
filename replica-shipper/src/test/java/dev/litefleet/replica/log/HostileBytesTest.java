package dev.litefleet.replica.log;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.fail;

import com.sun.management.ThreadMXBean;
import dev.litefleet.replica.Lineage;
import dev.litefleet.replica.ReplicaException;
import dev.litefleet.replica.TenantId;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.history.HistoryIndex;
import dev.litefleet.replica.ltx.LtxReader;
import dev.litefleet.replica.ltx.PageIndex;
import dev.litefleet.replica.objects.ObjectBody;
import dev.litefleet.replica.wal.WalPosition;
import dev.litefleet.replica.wal.WalRead;
import dev.litefleet.replica.wal.WalReader;
import dev.litefleet.testing.FrozenStore;
import dev.litefleet.testing.Hostile;
import dev.litefleet.testing.MemoryObjectStore;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.zip.GZIPInputStream;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// Whatever stands in a bucket, a reader answers with what it says or with a [ReplicaException],
/// and takes bounded memory for it. Real objects, damaged by seed; those that once broke a reader
/// are kept in `fuzz/corpus.txt`. `-Dfuzz.runs=1000000` for the long run, `-Dseed=` replays one.
final class HostileBytesTest {
    private static final Pattern SLOT =
            Pattern.compile("log/([^/]+)/([^/]+)/([0-9a-f]{4})/([0-9a-f]{16})\\.zip");
    private static final Pattern INDEX =
            Pattern.compile("tenants/([^/]+)/([^/]+)/history/.*\\.json\\.gz");
    private static final int RUNS = Integer.getInteger("fuzz.runs", 6_000);

    /// Bytes that one object may make its reader allocate, all pages that it goes through included.
    private static final long ALLOCATED_MAX = 192L << 20;

    private static final Map<String, byte[]> STORE = FrozenStore.objects("/frozen/store-1.txt.gz");

    @TempDir private Path folder;

    /// A reader and what it reads.
    enum Reader {
        LTX(".*\\.ltx") {
            @Override
            void read(String key, byte[] bytes, Path folder) {
                pages(new LtxReader(key, bytes));
            }
        },
        PAGE_INDEX(".*\\.ltx") {
            @Override
            void read(String key, byte[] bytes, Path folder) {
                var header = new LtxReader(key, bytes).header();
                byte[] tail = Arrays.copyOfRange(bytes, bytes.length / 2, bytes.length);
                long needed = PageIndex.tailBytes(key, tail, bytes.length);
                if (needed > tail.length) {
                    tail =
                            Arrays.copyOfRange(
                                    bytes, Math.toIntExact(bytes.length - needed), bytes.length);
                }
                var index = PageIndex.parse(key, tail, bytes.length, header);
                for (int i = 0; i < index.size(); i++) {
                    assertThat(index.offset(i) + index.length(i)).isLessThan(bytes.length);
                }
            }
        },
        SLOT_OBJECT("log/.*\\.zip") {
            @Override
            void read(String key, byte[] bytes, Path folder) throws IOException {
                slot(key, bytes);
            }
        },
        /// Damage that somebody sealed again.
        SEALED_SLOT_OBJECT("log/.*\\.zip") {
            @Override
            void read(String key, byte[] bytes, Path folder) throws IOException {
                byte[] seal = SlotArchive.UNSEALED.getBytes(StandardCharsets.US_ASCII);
                int at = bytes.length - seal.length - 2;
                byte[] sealed = bytes.clone();
                try {
                    System.arraycopy(seal, 0, sealed, at, seal.length);
                    sealed = SlotArchive.sealed(sealed);
                } catch (IndexOutOfBoundsException _) {
                    // Nothing is left that could be sealed.
                    sealed = bytes;
                }
                slot(key, sealed);
            }
        },
        HISTORY_INDEX(".*\\.json\\.gz") {
            @Override
            void read(String key, byte[] bytes, Path folder) {
                index(key, bytes);
            }
        },
        /// Damage inside the compression.
        HISTORY_JSON(".*\\.json\\.gz") {
            @Override
            byte[] opened(byte[] object) throws IOException {
                return new GZIPInputStream(new ByteArrayInputStream(object)).readAllBytes();
            }

            @Override
            void read(String key, byte[] bytes, Path folder) throws IOException {
                index(key, zipped(bytes));
            }
        },
        WAL("wal") {
            @Override
            void read(String key, byte[] bytes, Path folder) throws IOException {
                Path wal = folder.resolve("hostile-wal");
                Files.write(wal, bytes);
                try (var reader = WalReader.open(wal, 64 << 20)) {
                    var _ = reader.exceeds(WalPosition.start(0), 1 << 20);
                    WalRead read = reader.read(WalPosition.start(0), Long.MAX_VALUE);
                    if (read instanceof WalRead.Commits(var commits, _)) {
                        assertThat(commits.size()).isLessThanOrEqualTo(bytes.length);
                    }
                }
            }
        };

        private final Pattern keys;

        Reader(String keys) {
            this.keys = Pattern.compile(keys);
        }

        /// What is damaged of an object.
        byte[] opened(byte[] object) throws IOException {
            return object;
        }

        abstract void read(String key, byte[] bytes, Path folder) throws IOException;
    }

    @ParameterizedTest
    @EnumSource
    void damageIsReadOrRefused(Reader reader) throws Exception {
        List<String> keys = keys(reader);
        assertThat(keys).isNotEmpty();
        Long replayed = Long.getLong("seed");
        // A WAL is read from a file.
        int runs = reader == Reader.WAL ? RUNS / 8 : RUNS;
        int refused = 0;
        for (long seed = replayed == null ? 0 : replayed;
                seed < (replayed == null ? runs : replayed + 1);
                seed++) {
            var random = new SplittableRandom(seed);
            String key = keys.get(random.nextInt(keys.size()));
            byte[] other = object(reader, keys.get(random.nextInt(keys.size())));
            byte[] bytes = Hostile.damaged(object(reader, key), other, random);
            if (survives(reader, key, bytes, "seed " + seed)) {
                refused++;
            }
        }
        // Otherwise the damage did not reach what is read. A damaged WAL just ends earlier.
        assertThat(refused).matches(count -> count > 0 || reader == Reader.WAL);
    }

    /// What the readers read is sound, or refusing it all would pass.
    @ParameterizedTest
    @EnumSource
    void soundObjectsAreRead(Reader reader) throws Exception {
        for (String key : keys(reader)) {
            reader.read(key, object(reader, key), folder);
        }
    }

    /// `<reader> <key> <base64> <what it was>`
    @Test
    void corpusIsReadOrRefused() throws Exception {
        try (var corpus = HostileBytesTest.class.getResourceAsStream("/fuzz/corpus.txt")) {
            for (String line : new String(corpus.readAllBytes()).lines().toList()) {
                String[] words = line.split(" ", 4);
                survives(
                        Reader.valueOf(words[0]),
                        words[1],
                        Base64.getDecoder().decode(words[2]),
                        words[3]);
            }
        }
    }

    /// A few bytes of gzip that become a gibibyte.
    @Test
    void bombIsRefusedWithinBounds() throws IOException {
        String key = keys(Reader.HISTORY_INDEX).getFirst();
        var bomb = new ByteArrayOutputStream();
        try (var gzip = new GZIPOutputStream(bomb)) {
            var zeros = new byte[1 << 20];
            for (int i = 0; i < 1024; i++) {
                gzip.write(zeros);
            }
        }
        assertThat(survives(Reader.HISTORY_INDEX, key, bomb.toByteArray(), "bomb")).isTrue();
    }

    /// @return whether it was refused
    private boolean survives(Reader reader, String key, byte[] bytes, String what)
            throws IOException {
        var memory = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        long before = memory.getCurrentThreadAllocatedBytes();
        boolean refused = false;
        try {
            reader.read(key, bytes, folder);
        } catch (ReplicaException _) {
            refused = true;
        } catch (RuntimeException | Error escaped) {
            fail(
                    "%s of %s: add to the corpus: %s %s %s %s"
                            .formatted(
                                    what,
                                    reader,
                                    reader,
                                    key,
                                    Base64.getEncoder().encodeToString(bytes),
                                    escaped),
                    escaped);
        }
        assertThat(memory.getCurrentThreadAllocatedBytes() - before)
                .as("%s of %s: %s, %d bytes", what, reader, key, bytes.length)
                .isLessThan(ALLOCATED_MAX);
        return refused;
    }

    private List<String> keys(Reader reader) {
        return reader == Reader.WAL
                ? List.of("wal")
                : STORE.keySet().stream().filter(reader.keys.asMatchPredicate()).toList();
    }

    private byte[] object(Reader reader, String key) throws IOException {
        return reader == Reader.WAL ? wal() : reader.opened(STORE.get(key));
    }

    private byte[] wal() throws IOException {
        Path copy = folder.resolve("copy-wal");
        if (!Files.exists(copy)) {
            Path database = folder.resolve("some.db");
            try (var connection = DriverManager.getConnection("jdbc:sqlite:" + database);
                    var statement = connection.createStatement()) {
                statement.execute("pragma journal_mode=wal");
                statement.execute("create table t(a, b)");
                for (int i = 0; i < 5; i++) {
                    statement.execute("insert into t values (" + i + ", randomblob(3000))");
                }
                Files.copy(folder.resolve("some.db-wal"), copy);
            } catch (SQLException e) {
                throw new IllegalStateException(e);
            }
        }
        return Files.readAllBytes(copy);
    }

    private static void pages(LtxReader reader) {
        try (reader) {
            while (reader.next()) {
                assertThat(reader.page().length).isEqualTo(reader.header().pageSize());
            }
            assertThat(reader.trailer()).isNotNull();
        }
    }

    private static void slot(String key, byte[] bytes) throws IOException {
        Matcher name = SLOT.matcher(key);
        assertThat(name.matches()).as(key).isTrue();
        var store = new MemoryObjectStore();
        STORE.forEach((other, body) -> {
            if (other.contains("/blobs/")) {
                store.putIfAbsent(other, ObjectBody.of(body));
            }
        });
        store.putIfAbsent(key, ObjectBody.of(bytes));
        var log = new LogName(name.group(1), new SessionId(name.group(2)));
        var slot = new Slot(Integer.parseInt(name.group(3), 16), Long.parseLong(name.group(4), 16));
        SlotObject found = SegmentReader.read(store, log, slot).orElseThrow();
        if (found instanceof SegmentReader segment) {
            for (Entry entry : segment.entries()) {
                try (InputStream ltx = segment.ltx(entry)) {
                    pages(new LtxReader(key, ltx));
                }
            }
        }
    }

    private static void index(String key, byte[] bytes) {
        Matcher name = INDEX.matcher(key);
        assertThat(name.matches()).as(key).isTrue();
        var tenant = new TenantKey(new TenantId(name.group(1)), new Lineage(name.group(2)));
        var store = new MemoryObjectStore();
        store.putIfAbsent(key, ObjectBody.of(bytes));
        for (HistoryIndex.Range range : HistoryIndex.list(store, tenant)) {
            assertThat(HistoryIndex.read(store, range)).isNotEmpty();
        }
    }

    private static byte[] zipped(byte[] json) {
        var out = new ByteArrayOutputStream();
        try (var gzip = new GZIPOutputStream(out)) {
            gzip.write(json);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return out.toByteArray();
    }
}
