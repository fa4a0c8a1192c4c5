package dev.litefleet.replica.history;

import dev.litefleet.replica.log.ThreadTasks;
import dev.litefleet.replica.objects.ObjectStore;
import dev.litefleet.replica.objects.StoreUrl;
import dev.litefleet.testing.RealStores;
import dev.litefleet.testing.RealStores.RealStore;
import dev.litefleet.testing.RoughHistory;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/// How long a 256 MiB database takes from an S3 server to a verified file, beside `litestream
/// restore` of the same folder, which verifies less. One snapshot and some drains; half of the
/// content compresses. Prints every round.
public final class HydrateBench {
    private static final int ROUNDS = 10;

    private HydrateBench() {}

    /// @param arguments name of the store (`minio`), MiB of the database
    public static void main(String[] arguments) throws Exception {
        String name = arguments.length > 0 ? arguments[0] : "minio";
        int mib = arguments.length > 1 ? Integer.parseInt(arguments[1]) : 256;
        Path folder = Files.createTempDirectory("hydrate-bench");
        RealStore real =
                RealStores.s3().filter(one -> one.name().equals(name)).findFirst().orElseThrow();
        try (ObjectStore store = real.open()) {
            LineageHistory history = write(store, folder, mib);
            System.out.printf(
                    "%s: %d MiB in %d files of %d MiB%n",
                    name,
                    mib,
                    history.files().size(),
                    history.files().stream().mapToLong(DerivedFile::size).sum() >> 20);
            for (int round = 0; round < ROUNDS; round++) {
                long cpu = cpu();
                double ours = ours(store, history, folder);
                double ourCpu = (cpu() - cpu) / 1e9;
                double theirs = theirs(real, folder);
                System.out.printf(
                        "litefleet %.2f s (%.0f MB/s, %.2f s CPU), litestream %.2f s (%.0f MB/s),"
                                + " %.1f times%n",
                        ours,
                        mib * 1.048576 / ours,
                        ourCpu,
                        theirs,
                        mib * 1.048576 / theirs,
                        theirs / ours);
            }
        }
        for (Path file : Files.list(folder).toList()) {
            Files.delete(file);
        }
        Files.delete(folder);
        System.exit(0);
    }

    private static long cpu() {
        return ((com.sun.management.OperatingSystemMXBean)
                        java.lang.management.ManagementFactory.getOperatingSystemMXBean())
                .getProcessCpuTime();
    }

    private static LineageHistory write(ObjectStore store, Path folder, int mib) {
        try (var rough = new RoughHistory(folder, DrainedLife.TENANT, 1, 4096, false)) {
            var life = new DrainedLife(rough, store, folder);
            life.keepNoImages();
            life.commit("create table t0(id integer primary key, kind int, body blob)");
            int id = 0;
            while (rough.databasePages() < mib * 256) {
                String values =
                        "with recursive n(i) as (select 1 union all select i + 1 from n where i <"
                                + " 8000) insert into t0 select "
                                + id
                                + " + i, i % 100, randomblob(500) || zeroblob(500) from n";
                life.commit(values);
                id += 8000;
                if (id % 32000 == 0) {
                    life.drain();
                    rough.checkpoint();
                }
            }
            life.commit("update t0 set kind = kind + 1 where id % 200 = 0");
            life.drain();
            rough.checkpoint();
            Snapshotter.write(store, life.listed(), folder);
            for (int i = 1; i < 8; i++) {
                life.commit("update t0 set kind = kind + 1 where id % 1000 = " + i);
                life.drain();
                rough.checkpoint();
            }
            return life.listed();
        }
    }

    private static double ours(ObjectStore store, LineageHistory history, Path folder) {
        long start = System.nanoTime();
        Hydrator.hydrate(
                store,
                RestorePlan.latest(history),
                folder.resolve("our.db"),
                Hydrator.Limits.DEFAULT,
                new ThreadTasks(),
                Progress.NONE);
        return (System.nanoTime() - start) / 1e9;
    }

    private static double theirs(RealStore real, Path folder)
            throws IOException, InterruptedException {
        Path target = folder.resolve("their.db");
        Files.deleteIfExists(target);
        var url = (StoreUrl.S3) real.url();
        String endpoint =
                Arrays.stream(java.net.URI.create(url.toString()).getQuery().split("&"))
                        .filter(setting -> setting.startsWith("endpoint="))
                        .map(setting -> setting.substring(9))
                        .findFirst()
                        .orElseThrow();
        var at = java.net.URI.create(url.toString());
        String prefix = DrainedLife.TENANT.prefix();
        var command = new ArrayList<String>();
        // The shell's `time` tells the processor time, which a busy machine does not change much.
        command.addAll(List.of("bash", "-c", "time \"$0\" \"$@\" 2>/dev/null"));
        command.add(System.getenv("LITEFLEET_TEST_LITESTREAM"));
        command.addAll(List.of("restore", "-o", target.toString()));
        command.add(
                "s3://%s%s/%s?endpoint=%s&region=us-east-1&forcePathStyle=true"
                        .formatted(
                                at.getHost(),
                                at.getPath(),
                                prefix.substring(0, prefix.length() - 1),
                                endpoint));
        var builder = new ProcessBuilder(command).inheritIO();
        Map<String, String> environment = builder.environment();
        environment.remove("AWS_CA_BUNDLE");
        environment.put("LITESTREAM_ACCESS_KEY_ID", real.credentials().accessKey());
        environment.put("LITESTREAM_SECRET_ACCESS_KEY", real.credentials().secretKey());
        long start = System.nanoTime();
        if (builder.start().waitFor() != 0) {
            throw new IllegalStateException("litestream failed");
        }
        return (System.nanoTime() - start) / 1e9;
    }
}
