package dev.litefleet.replica.history;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.litefleet.replica.LockPage;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.log.ThreadTasks;
import dev.litefleet.replica.objects.ObjectBody;
import dev.litefleet.replica.objects.ObjectStore;
import dev.litefleet.testing.RealStores;
import dev.litefleet.testing.RealStores.RealStore;
import dev.litefleet.testing.RoughHistory;
import dev.litefleet.testing.S3FaultServer;
import dev.litefleet.testing.Seeds;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// No lock-in: `litestream restore` 0.5 reads a tenant's folder without us and gets, byte for byte,
/// what we get. By its command line tool and by its SQLite extension, whichever this machine has.
final class LitestreamOracleTest {
    private static final List<LitestreamRestore> LITESTREAM = LitestreamRestore.found();

    private static S3FaultServer server;

    @TempDir private Path folder;

    @BeforeAll
    static void start() {
        assumeTrue(!LITESTREAM.isEmpty());
        server = S3FaultServer.start();
    }

    @AfterAll
    static void stop() {
        if (server != null) {
            server.close();
        }
    }

    /// Rough histories of all page sizes, drained at random, with and without snapshots. Litestream
    /// must reach the newest state, and two ends of derived files by `-txid`.
    @ParameterizedTest(name = "seed {0}")
    @MethodSource("seeds")
    void litestreamRestoresWhatWeRestore(long seed) throws Exception {
        var url = server.url("fleet/s" + seed);
        try (var store = url.open(S3FaultServer.CREDENTIALS);
                var history = RoughHistory.seeded(folder, DrainedLife.TENANT, seed)) {
            var life = new DrainedLife(history, store, folder);
            var random = new SplittableRandom(seed);
            for (int drain = 0; drain < 8; drain++) {
                life.live(1 + random.nextInt(8));
                life.drain();
                if (random.nextInt(5) == 0) {
                    Snapshotter.write(store, life.listed(), folder);
                }
            }
            List<DerivedFile> files = life.listed().files();
            List<Txid> points =
                    List.of(files.get(random.nextInt(files.size())).max(), files.getFirst().max());

            for (LitestreamRestore litestream : LITESTREAM) {
                Path latest = litestream.restore(replica("fleet/s" + seed), folder);

                assertThat(latest)
                        .hasSameBinaryContentAs(ours(store, life, history.position().txid()))
                        .hasBinaryContent(history.image());
                for (Txid point : points) {
                    assertThat(restore(litestream, store, "fleet/s" + seed, point))
                            .as("%s by %s", point, litestream)
                            .hasSameBinaryContentAs(ours(store, life, point))
                            .hasBinaryContent(life.images().get(point));
                }
            }
        }
    }

    /// A JVM is started for every restore by the extension, so it gets fewer.
    static LongStream seeds() {
        boolean quick =
                LITESTREAM.stream().allMatch(LitestreamRestore.CommandLine.class::isInstance);
        Long replayed = Long.getLong("seed");
        return replayed == null ? LongStream.range(0, quick ? 100 : 12) : LongStream.of(replayed);
    }

    /// An earlier state. The extension knows only the newest: it gets a folder that ends there.
    private Path restore(LitestreamRestore litestream, ObjectStore store, String root, Txid point)
            throws IOException, InterruptedException {
        return switch (litestream) {
            case LitestreamRestore.CommandLine cli ->
                    cli.restore(replica(root), folder, List.of("-txid", point.toString()));
            case LitestreamRestore.Extension extension -> {
                String cut = root + "-" + point;
                try (var copy = server.url(cut).open(S3FaultServer.CREDENTIALS)) {
                    for (var object : store.listAll(DrainedLife.TENANT.prefix()).toList()) {
                        DerivedFile file = DerivedFile.of(DrainedLife.TENANT, object).orElse(null);
                        if (file != null && file.max().compareTo(point) <= 0) {
                            copy.putIfAbsent(
                                    object.key(),
                                    ObjectBody.of(store.get(object.key()).orElseThrow()));
                        }
                    }
                }
                yield extension.restore(replica(cut), folder);
            }
        };
    }

    /// Enough drains for merges of both levels, with snapshots between.
    @Seeds(2)
    void litestreamRestoresMergedHistories(long seed) throws Exception {
        var url = server.url("fleet/m" + seed);
        try (var store = url.open(S3FaultServer.CREDENTIALS);
                var history = RoughHistory.seeded(folder, DrainedLife.TENANT, seed)) {
            var life = new DrainedLife(history, store, folder);
            var random = new SplittableRandom(seed);
            int drains = seed == 0 ? 270 : 60;
            for (int drain = 0; drain < drains; drain++) {
                life.live(1);
                life.drain();
                history.checkpoint();
                if (drain == 40) {
                    Snapshotter.write(store, life.listed(), folder);
                }
                if (drain % 16 == 15) {
                    Merges.write(
                            store,
                            DrainedLife.TENANT,
                            (long) history.databasePages() * history.pageSize(),
                            Instant.ofEpochMilli(history.millis()),
                            folder);
                    for (LitestreamRestore litestream : LITESTREAM) {
                        if (litestream instanceof LitestreamRestore.CommandLine) {
                            assertThat(litestream.restore(replica("fleet/m" + seed), folder))
                                    .as("after drain %d", drain)
                                    .hasBinaryContent(history.image());
                        }
                    }
                }
            }
            List<DerivedFile> files = life.listed().files();
            assertThat(files).anyMatch(file -> file.level() == (seed == 0 ? 3 : 2));
            assertThat(files).anyMatch(file -> file.level() == 9);
            List<Txid> points =
                    List.of(
                            files.get(random.nextInt(files.size())).max(),
                            files.get(random.nextInt(files.size())).max());
            for (LitestreamRestore litestream : LITESTREAM) {
                assertThat(litestream.restore(replica("fleet/m" + seed), folder))
                        .hasBinaryContent(history.image());
                for (Txid point : points) {
                    assertThat(restore(litestream, store, "fleet/m" + seed, point))
                            .as("%s by %s", point, litestream)
                            .hasSameBinaryContentAs(ours(store, life, point))
                            .hasBinaryContent(life.images().get(point));
                }
            }
        }
    }

    /// We ship and merge while it reads: what it gets is a state that was the newest at some moment
    /// of its run, whole.
    @Test
    void litestreamReadsWhileWeShip() throws Exception {
        assumeTrue(LITESTREAM.getFirst() instanceof LitestreamRestore.CommandLine);
        try (var store = server.url("fleet/live").open(S3FaultServer.CREDENTIALS);
                var history = new RoughHistory(folder, DrainedLife.TENANT, 5, 4096, true);
                var shipper = Executors.newSingleThreadExecutor()) {
            var life = new DrainedLife(history, store, folder);
            life.drains(1, 1);
            var stop = new AtomicBoolean();
            Future<?> shipping =
                    shipper.submit(() -> {
                        for (int drain = 2; drain <= 400 && !stop.get(); drain++) {
                            life.live(1);
                            life.drain();
                            history.checkpoint();
                            if (drain % 16 == 0) {
                                Merges.write(
                                        store,
                                        DrainedLife.TENANT,
                                        (long) history.databasePages() * history.pageSize(),
                                        Instant.ofEpochMilli(history.millis()),
                                        folder);
                            }
                        }
                    });
            var read = new ArrayList<byte[]>();
            long drained = 0;
            for (int i = 0; i < 6; i++) {
                read.add(
                        Files.readAllBytes(
                                LITESTREAM.getFirst().restore(replica("fleet/live"), folder)));
                drained = server.keys("fleet").size();
            }
            stop.set(true);
            shipping.get(60, TimeUnit.SECONDS);

            assertThat(drained).isGreaterThan(8);
            int from = 0;
            List<byte[]> states = List.copyOf(life.images().values());
            for (byte[] image : read) {
                int at = from;
                while (at < states.size() && !Arrays.equals(states.get(at), image)) {
                    at++;
                }
                assertThat(at).as("a state not before %d", from).isLessThan(states.size());
                from = at;
            }
        }
    }

    /// The same folder on every S3 server there is.
    @ParameterizedTest(name = "{0}")
    @MethodSource
    void litestreamReadsOurFolderOnEveryServer(RealStore real) throws Exception {
        try (var store = real.open();
                var history = new RoughHistory(folder, DrainedLife.TENANT, 77, 4096, true)) {
            var life = new DrainedLife(history, store, folder);
            life.drains(4, 6);
            Snapshotter.write(store, life.listed(), folder);
            life.drains(2, 3);

            for (LitestreamRestore litestream : LITESTREAM) {
                Path latest = litestream.restore(replica(real), folder);

                assertThat(latest).hasBinaryContent(history.image());
                assertThat(ours(store, life, history.position().txid()))
                        .hasSameBinaryContentAs(latest);
            }
        }
    }

    static Stream<RealStore> litestreamReadsOurFolderOnEveryServer() {
        return LITESTREAM.isEmpty() ? Stream.of() : RealStores.s3();
    }

    /// More than 1 GiB, so that the page on which SQLite takes its locks lies inside. Almost all
    /// pages were allocated and freed again, so they are zeros, and holes in our file. Other page
    /// sizes by `-Doracle.lockPageSize=4096`.
    @Test
    void databaseWithALockPageIsRestored() throws Exception {
        boolean wanted = !"false".equals(System.getProperty("litefleet.large"));
        if (!wanted) {
            System.out.println("skipped: database over 1 GiB, by -Dlitefleet.large=false");
        }
        assumeTrue(wanted);
        int pageSize = Integer.getInteger("oracle.lockPageSize", 65536);
        var url = server.url("fleet/lock");
        try (var store = url.open(S3FaultServer.CREDENTIALS);
                var history = new RoughHistory(folder, DrainedLife.TENANT, 1, pageSize, false)) {
            var life = new DrainedLife(history, store, folder);
            life.keepNoImages();
            life.commit("create table t0(id integer primary key, kind int, body blob)");
            for (int id = 1; id <= 12; id++) {
                life.commit("insert into t0 values (" + id + ", 1, zeroblob(98000000))");
                life.drain();
                history.checkpoint();
            }
            life.commit("insert into t0 values (100, 1, randomblob(90000))");
            life.commit("delete from t0 where id < 12");
            life.commit("update t0 set kind = 2");
            life.drain();
            assertThat(history.databasePages()).isGreaterThan(LockPage.of(pageSize));

            Path theirs = LITESTREAM.getFirst().restore(replica("fleet/lock"), folder);

            Path ours = ours(store, life, history.position().txid());
            assertThat(Files.mismatch(theirs, ours)).isEqualTo(-1);
        }
    }

    private static String replica(RealStore real) {
        var url = java.net.URI.create(real.url().toString());
        String endpoint =
                java.util.Arrays.stream(url.getQuery().split("&"))
                        .filter(setting -> setting.startsWith("endpoint="))
                        .map(setting -> setting.substring("endpoint=".length()))
                        .findFirst()
                        .orElseThrow();
        return replica(url.getHost() + url.getPath(), endpoint);
    }

    private static String replica(String bucketAndPrefix) {
        return replica(bucketAndPrefix, server.endpoint());
    }

    private static String replica(String bucketAndPrefix, String endpoint) {
        String tenant = DrainedLife.TENANT.prefix();
        return LitestreamRestore.url(
                bucketAndPrefix + "/" + tenant.substring(0, tenant.length() - 1), endpoint);
    }

    private Path ours(ObjectStore store, DrainedLife life, Txid txid) throws IOException {
        Path target = Files.createTempDirectory(folder, "ours").resolve("our.db");
        Hydrator.hydrate(
                store,
                RestorePlan.of(life.tenant(), life.listed().files(), txid, List.of()),
                target,
                Hydrator.Limits.DEFAULT,
                new ThreadTasks(),
                Progress.NONE);
        return target;
    }
}
