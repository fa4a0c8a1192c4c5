package dev.litefleet.journey;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.litefleet.journey.LocalFleet.Answer;
import dev.litefleet.journey.LocalFleet.Tenant;
import dev.litefleet.journey.Machines.Machine;
import dev.litefleet.testing.RealStores;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A worker whose volume is really full: a tmpfs of a few MiB, and no reserve that would refuse
/// writes before. Needs the right to mount; where that is missing the tests are left out and say
/// so.
final class FullDiskIT {
    private static final int MIB = 1 << 20;

    @TempDir Path dir;

    private Path mount;
    private Machines fleet;

    @BeforeEach
    void start() throws Exception {
        mount = Files.createDirectories(dir.resolve("volume"));
    }

    @AfterEach
    void stop() throws Exception {
        if (fleet != null) {
            fleet.close();
        }
        if (mounted) {
            run("umount", mount.toString());
        }
    }

    private boolean mounted;

    private void mount(int bytes) throws Exception {
        mounted =
                run("mount", "-t", "tmpfs", "-o", "size=" + bytes, "tmpfs", mount.toString()) == 0;
        if (!mounted) {
            System.out.println("skipped: full disks (no right to mount a tmpfs)");
        }
        assumeTrue(mounted, "no right to mount a tmpfs");
        fleet = new Machines(dir, RealStores.named("directory").orElseThrow(), List.of());
        fleet.controller().start();
    }

    private static int run(String... command) throws Exception {
        var process = new ProcessBuilder(command).redirectErrorStream(true).start();
        process.getInputStream().transferTo(OutputStream.nullOutputStream());
        assertThat(process.waitFor(30, TimeUnit.SECONDS)).isTrue();
        return process.exitValue();
    }

    /// Leaves about so many bytes free.
    private void fill(long leave) throws IOException {
        var volume = Files.getFileStore(mount);
        try (OutputStream out = Files.newOutputStream(mount.resolve("filler"))) {
            byte[] page = new byte[4096];
            while (volume.getUsableSpace() > leave) {
                out.write(page);
                out.flush();
            }
        }
    }

    private void free() throws IOException {
        Files.delete(mount.resolve("filler"));
    }

    private Machine worker(String... settings) {
        var all = new java.util.ArrayList<>(List.of(settings));
        all.add("tenant.disk-reserve-bytes=0");
        return fleet.worker("w-1", mount, all.toArray(String[]::new)).start();
    }

    private Answer execute(Tenant tenant, String sql, String... args) throws Exception {
        return fleet.client().execute(tenant, sql, args);
    }

    private void insert(Tenant tenant, String row) throws Exception {
        Answer answer = execute(tenant, "insert into rows values (?)", row);
        assertThat(answer.ok()).as(answer.body()).isTrue();
    }

    private List<List<String>> rows(Tenant tenant) throws Exception {
        Answer answer = execute(tenant, "select substr(id, 1, 20) from rows order by rowid");
        assertThat(answer.ok()).as(answer.body()).isTrue();
        return answer.rows();
    }

    /// Also drains go on, whose records have no room.
    @Test
    void writesFailByNameWhileReadsGoOnAndAllIsWellOnceThereIsRoom() throws Exception {
        mount(8 * MIB);
        Machine worker = worker("shipping.drain-quiet=1.5s", "shipping.drain-every=1.5s");
        long pid = worker.process().pid();
        List<Tenant> tenants = fleet.provision("agent-", 2, "{}");
        for (Tenant tenant : tenants) {
            insert(tenant, "before");
        }
        fill(0);
        for (Tenant tenant : tenants) {
            Answer refused = execute(tenant, "insert into rows values (hex(randomblob(100000)))");
            assertThat(refused.code()).as(refused.body()).isEqualTo("SQLITE_FULL");
        }
        // Longer than a drain takes to come round.
        for (int i = 0; i < 30; i++) {
            for (Tenant tenant : tenants) {
                assertThat(rows(tenant)).containsExactly(List.of("before"));
                assertThat(execute(tenant, "pragma integrity_check").rows())
                        .containsExactly(List.of("ok"));
            }
            await().pollDelay(java.time.Duration.ofMillis(100)).until(() -> true);
        }
        free();
        for (Tenant tenant : tenants) {
            insert(tenant, "after");
            assertThat(rows(tenant)).containsExactly(List.of("before"), List.of("after"));
        }
        assertThat(worker.process().pid()).isEqualTo(pid);
        assertThat(worker.alive()).isTrue();
        fleet.verifyStore();
    }

    /// The index of the WAL is mapped; a page of it that could not be allocated would be a SIGBUS.
    @Test
    void indexOfTheWalThatCannotGrowIsAnErrorAndNoSignal() throws Exception {
        mount(64 * MIB);
        Machine worker =
                worker(
                        "shipping.drain-quiet=600s",
                        "shipping.drain-every=600s",
                        "shipping.drain-wal-bytes=1000000000",
                        "shipping.drain-slots=1000000");
        Tenant tenant = fleet.provision("agent-", 1, "{}").getFirst();
        // The first 32 KiB of the index have room for 4,062 frames.
        Path wal = wal();
        while (Files.size(wal) / (4096 + 24) < 4_000) {
            insert(tenant, "x".repeat(100_000));
        }
        long shm = Files.size(wal.resolveSibling("db-shm"));
        int acknowledged = rows(tenant).size();
        String refused = "";
        // Room for a commit's frames, but never for the next 32 KiB of the index.
        for (int i = 0; i < 200 && refused.isEmpty(); i++) {
            fill(20_000);
            Answer answer = execute(tenant, "insert into rows values ('small')");
            if (answer.ok()) {
                acknowledged++;
            } else {
                refused = answer.code();
            }
            free();
            if (!refused.isEmpty()) {
                assertThat(Files.size(wal) / (4096 + 24)).isGreaterThan(4_050);
            }
        }
        assertThat(refused).isIn("SQLITE_FULL", "SQLITE_IOERR");
        assertThat(worker.alive()).isTrue();
        assertThat(rows(tenant)).hasSize(acknowledged);
        insert(tenant, "after");
        assertThat(rows(tenant)).hasSize(acknowledged + 1);
        assertThat(Files.size(wal.resolveSibling("db-shm"))).isGreaterThan(shm);
    }

    @Test
    void hydrationThatFindsNoRoomSaysSoAndLeavesNothing() throws Exception {
        mount(8 * MIB);
        Machine worker = worker();
        List<Tenant> tenants = fleet.provision("agent-", 2, "{}");
        for (int i = 0; i < 10; i++) {
            insert(tenants.getFirst(), "x".repeat(100_000) + i);
        }
        worker.kill();
        LocalFleet.deleteFolder(mount.resolve("workers"));
        worker.start();
        insert(tenants.getLast(), "there is room for this one");
        fill(500_000);

        Answer refused = execute(tenants.getFirst(), "select count(*) from rows");
        assertThat(refused.ok()).isFalse();
        assertThat(refused.code()).as(refused.body()).isEqualTo("DISK_FULL");
        assertThat(refused.status()).isEqualTo(507);
        assertThat(refused.body()).contains("free space there or enlarge the volume");
        // Nor is the tenant called broken while nobody looks again.
        assertThat(execute(tenants.getFirst(), "select 1").code()).isEqualTo("DISK_FULL");
        assertThat(rows(tenants.getLast())).hasSize(1);
        try (var files = Files.walk(mount)) {
            assertThat(files).noneMatch(file -> file.toString().endsWith(".hydrating"));
        }

        free();
        await("served again")
                .atMost(Machines.SOON)
                .until(() -> execute(tenants.getFirst(), "select 1").ok());
        assertThat(rows(tenants.getFirst())).hasSize(10);
        assertThat(worker.alive()).isTrue();
    }

    /// A large commit that fits into the WAL and not beside it.
    @Test
    void commitThatFindsNoRoomForItsCopyIsNeverAcknowledged() throws Exception {
        mount(64 * MIB);
        Machine worker = worker();
        List<Tenant> tenants = fleet.provision("agent-", 2, "{}");
        for (Tenant tenant : tenants) {
            insert(tenant, "before");
        }
        fill(40 * MIB); // The WAL takes 26 MiB of it, and its copy would take another 13.

        Answer answer =
                execute(
                        tenants.getFirst(),
                        "with recursive n(i) as (select 1 union all select i + 1 from n where i <"
                                + " 130) insert into rows select hex(randomblob(100000)) from n");
        assertThat(answer.ok()).isFalse();
        System.out.println("commit without room: " + answer.status() + " " + answer.body());
        assertThat(rows(tenants.getLast())).containsExactly(List.of("before"));
        // What the copy took is given back, and what was written beside it.
        await("the others write again")
                .atMost(Machines.SOON)
                .until(() -> execute(tenants.getLast(), "insert into rows values ('after')").ok());

        free();
        await("served again")
                .atMost(Machines.SOON)
                .until(() -> execute(tenants.getFirst(), "select 1").ok());
        assertThat(rows(tenants.getFirst())).first().isEqualTo(List.of("before"));
        insert(tenants.getFirst(), "after");
        assertThat(worker.alive()).isTrue();
        fleet.verifyStore();
    }

    private Path wal() throws IOException {
        try (var files = Files.walk(mount)) {
            return files.filter(file -> file.endsWith("db-wal")).findFirst().orElseThrow();
        }
    }
}
