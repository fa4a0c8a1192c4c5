package dev.litefleet.worker.tenant;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import dev.litefleet.testing.SimTasks;
import dev.litefleet.worker.tenant.DiskStory.Death;
import dev.litefleet.worker.tenant.DiskStory.Settings;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestReporter;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.slf4j.LoggerFactory;

/// Processes die at any operation on their disk, which keeps what was forced and, of the rest, what
/// the seed says; it is full for a while, and operations fail. The next process begins with what is
/// left. The [DiskJudge] knows what was committed and what clients were told.
///
/// Beside FleetSim, and not in it: what makes a database of leftovers ([WarmDisk], [LocalFiles],
/// [Quarantine]) and decides when its files change ([ShippedDatabase]) is the worker's.
///
/// `-Ddisk.seeds=10000` runs more, `-Ddisk.seed=42` one again, `-Ddisk.log=true` says what happens.
final class DiskSim {
    private static final int SEEDS = 60;
    private static final int LARGE_SEEDS = 2;
    private static final int MUTANT_SEEDS_MAX = 3000;
    private static final Settings LARGE = new Settings(2100, 2, 0, null);

    private static final List<Logger> PRODUCTION =
            List.of(
                    (Logger) LoggerFactory.getLogger("dev.litefleet.replica"),
                    (Logger) LoggerFactory.getLogger("dev.litefleet.worker"));

    private static long runs;
    private static long steps;
    private static long opened;
    private static long aheads;
    private static long reports;
    private static long refusals;
    private static long acks;

    @BeforeAll
    static void hush() {
        if (!Boolean.getBoolean("disk.log")) {
            PRODUCTION.forEach(logger -> logger.setLevel(Level.OFF));
        }
    }

    @AfterAll
    static void speak() {
        PRODUCTION.forEach(logger -> logger.setLevel(null));
        LoggerFactory.getLogger(DiskSim.class)
                .atWarn()
                .addKeyValue("runs", runs)
                .addKeyValue("steps", steps)
                .addKeyValue("opened", opened)
                .addKeyValue("ahead", aheads)
                .addKeyValue("reports", reports)
                .addKeyValue("refusals", refusals)
                .addKeyValue("acks", acks)
                .log("simulated");
    }

    private static long run(long seed, @Nullable DiskMutant mutant, Settings settings) {
        var story = new DiskStory[1];
        try {
            return SimTasks.run(
                    seed,
                    world -> {
                        story[0] = new DiskStory(world, mutant, settings);
                        story[0].tell(world);
                    });
        } finally {
            runs++;
            Optional.ofNullable(story[0])
                    .ifPresent(one -> {
                        steps += one.world.steps();
                        opened += one.judge.opened;
                        aheads += one.judge.aheads;
                        reports += one.judge.reports;
                        refusals += one.judge.refusals;
                        acks += one.judge.acks;
                    });
        }
    }

    private static Optional<String> failure(
            long seed, @Nullable DiskMutant mutant, Settings settings) {
        try {
            run(seed, mutant, settings);
            return Optional.empty();
        } catch (AssertionError failed) {
            if (Boolean.getBoolean("disk.log")) {
                throw failed;
            }
            return Optional.of(settings + ": " + failed.getMessage());
        }
    }

    private static List<String> failures(int seeds, Settings settings) {
        Long one = Long.getLong("disk.seed");
        return (one == null
                        ? LongStream.range(0, Long.getLong("disk.seeds", seeds))
                        : LongStream.of(one))
                .mapToObj(seed -> failure(seed, null, settings))
                .flatMap(Optional::stream)
                .toList();
    }

    @Test
    void nothingIsLostWhateverTheDiskForgets() {
        assertThat(failures(SEEDS, Settings.USUAL)).isEmpty();
    }

    /// Their bodies are files, made when they are captured and gone when they are in the store, or
    /// with the next process.
    @Test
    void spoolsOfLargeTransactionsAreSwept() {
        assertThat(failures(LARGE_SEEDS, LARGE)).isEmpty();
    }

    /// One run, ended at each of its operations in turn.
    @ParameterizedTest
    @EnumSource(names = {"KILLED", "POWER"})
    void processMayDieAtEachOperation(Death death) {
        assertThat(
                        LongStream.rangeClosed(1, Long.getLong("disk.operations", 40))
                                .mapToObj(
                                        at -> failure(1, null, new Settings(0, 1, (int) at, death)))
                                .flatMap(Optional::stream))
                .isEmpty();
    }

    @Test
    void sameSeedIsTheSameRun() {
        Set<Long> hashes = new HashSet<>();
        for (long seed = 0; seed < 3; seed++) {
            long first = run(seed, null, Settings.USUAL);
            assertThat(run(seed, null, Settings.USUAL)).isEqualTo(first);
            hashes.add(first);
        }

        assertThat(hashes).hasSize(3);
    }

    @ParameterizedTest
    @EnumSource
    void mutantIsKilled(DiskMutant mutant, TestReporter reporter) {
        assumeTrue(mutant.name().matches(System.getProperty("disk.mutant", ".*")));
        Settings settings = mutant == DiskMutant.LEAVES_SPOOLS ? LARGE : Settings.USUAL;
        Optional<String> killed = Optional.empty();
        long seed = Long.getLong("disk.seed", 0);
        long last = seed + MUTANT_SEEDS_MAX;
        while (killed.isEmpty() && seed < last) {
            killed = failure(seed++, mutant, settings);
        }

        reporter.publishEntry(mutant.name(), killed.orElse("lives") + " [" + seed + " seeds]");
        assertThat(killed).as(mutant.name()).isPresent();
    }
}
