package dev.litefleet.replica.sim;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import dev.litefleet.testing.SimTasks;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.HashSet;
import java.util.Map;
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

/// A fleet whose processes are killed, stopped, resumed as zombies, put to sleep and cut off, over
/// a store and a network that lose, delay, repeat, refuse and mangle. The [Judge] watches every
/// object, answer and opening; at the end everything heals, all tenants are written again, idle
/// sessions ask for nothing, and every state there ever was can be read back.
///
/// `-Dsim.seeds=100000` and `-Dsim.others=1000` run more, `-Dsim.seed=42` one again,
/// `-Dsim.log=true` says what happens, `-Dsim.mutant=ERASES_ONCE` tries one mutant only.
final class FleetSim {
    private static final int SEEDS = 200;
    private static final int OTHERS = 10;
    private static final long MUTANT_EVENTS_MAX = 2_000_000;

    private static final Logger PRODUCTION =
            (Logger) LoggerFactory.getLogger("dev.litefleet.replica");

    private enum Story {
        MISFORTUNES,
        /// With [dev.litefleet.replica.log.WrongLog], done right.
        SIMPLEST_WRITER,
        /// [Fleet#tellOfCrashes].
        CRASHES,
        /// [Fleet#tellOfUsurper].
        USURPER,
        /// [Fleet#tellOfLateJanitors].
        LATE_JANITORS,
        /// [Fleet#tellOfErasures].
        ERASURES
    }

    private static long runs;
    private static long events;
    private static long segments;
    private static long deletions;
    private static long acks;
    private static long reads;
    private static final Map<Fleet.Work, Integer> deaths = new EnumMap<>(Fleet.Work.class);
    private static long nanos;

    /// Tens of thousands of warnings, all of them asked for.
    @BeforeAll
    static void hush() {
        if (!Boolean.getBoolean("sim.log")) {
            PRODUCTION.setLevel(Level.OFF);
        }
    }

    @AfterAll
    static void speak() {
        PRODUCTION.setLevel(null);
        LoggerFactory.getLogger(FleetSim.class)
                .atWarn()
                .addKeyValue("runs", runs)
                .addKeyValue("events", events)
                .addKeyValue("segments", segments)
                .addKeyValue("deletions", deletions)
                .addKeyValue("acks", acks)
                .addKeyValue("reads", reads)
                .addKeyValue("deaths", deaths)
                .addKeyValue("seconds", nanos / 1_000_000_000)
                .addKeyValue("events_per_second", events * 1_000_000_000.0 / Math.max(1, nanos))
                .log("simulated");
    }

    private static long run(long seed, @Nullable Mutant mutant, Story story) {
        long began = System.nanoTime();
        var fleet = new Fleet[1];
        try {
            Path memory = Path.of("/dev/shm"); // Nobody here waits for a disk.
            Path folder =
                    Files.isWritable(memory)
                            ? Files.createTempDirectory(memory, "sim")
                            : Files.createTempDirectory("sim");
            try {
                return SimTasks.run(
                        seed,
                        world -> {
                            fleet[0] =
                                    new Fleet(
                                            world, folder, mutant, story == Story.SIMPLEST_WRITER);
                            switch (story) {
                                case MISFORTUNES, SIMPLEST_WRITER -> fleet[0].tell(world);
                                case CRASHES -> fleet[0].tellOfCrashes();
                                case USURPER -> fleet[0].tellOfUsurper();
                                case LATE_JANITORS -> fleet[0].tellOfLateJanitors();
                                case ERASURES -> fleet[0].tellOfErasures();
                            }
                        });
            } finally {
                remove(folder);
            }
        } catch (IOException failed) {
            throw new IllegalStateException(failed);
        } finally {
            runs++;
            nanos += System.nanoTime() - began;
            Optional.ofNullable(fleet[0])
                    .ifPresent(one -> {
                        events += one.world.steps();
                        segments += one.judge.segments();
                        deletions += one.judge.deletions();
                        acks += one.judge.acks();
                        reads += one.judge.reads();
                        one.deaths()
                                .forEach((work, times) -> deaths.merge(work, times, Integer::sum));
                    });
        }
    }

    private static void remove(Path folder) throws IOException {
        try (var files = Files.walk(folder)) {
            for (Path file : files.toList().reversed()) {
                Files.delete(file);
            }
        }
    }

    private static LongStream seeds() {
        Long one = Long.getLong("sim.seed");
        return one == null
                ? LongStream.range(0, Long.getLong("sim.seeds", SEEDS))
                : LongStream.of(one);
    }

    /// And nobody is spared: in so many runs processes die in the middle of each kind of work.
    @Test
    void promisesHoldWhateverHappens() {
        assertThat(
                        seeds().mapToObj(seed -> failure(seed, null, Story.MISFORTUNES))
                                .flatMap(Optional::stream))
                .isEmpty();
        if (seeds().count() >= SEEDS) {
            assertThat(deaths).containsOnlyKeys(Fleet.Work.values());
        }
    }

    /// The message of a failed run.
    private static Optional<String> failure(long seed, @Nullable Mutant mutant, Story story) {
        try {
            run(seed, mutant, story);
            return Optional.empty();
        } catch (AssertionError failed) {
            if (Boolean.getBoolean("sim.log")) {
                throw failed;
            }
            return Optional.of(String.valueOf(failed.getMessage()));
        }
    }

    @Test
    void sameSeedIsTheSameRun() {
        Set<Long> hashes = new HashSet<>();
        for (long seed = 0; seed < 3; seed++) {
            long first = run(seed, null, Story.MISFORTUNES);
            assertThat(run(seed, null, Story.MISFORTUNES)).isEqualTo(first);
            hashes.add(first);
        }

        assertThat(hashes).hasSize(3);
    }

    @ParameterizedTest
    @EnumSource
    void mutantIsKilled(Mutant mutant, TestReporter reporter) {
        assumeTrue(mutant.name().matches(System.getProperty("sim.mutant", ".*")));
        Story story =
                switch (mutant) {
                    // Whoever writes or commits meets the fence, so this one shows them.
                    case GRANTS_WITHOUT_LOOKING, READS_WITHOUT_LEASE -> Story.USURPER;
                    case COVERAGE_IS_HIGHEST_TXID -> Story.CRASHES;
                    case JANITOR_TRUSTS_ITS_CLOCK -> Story.LATE_JANITORS;
                    case ERASES_ONCE, RECOVERS_THE_DELETED -> Story.ERASURES;
                    default -> Story.MISFORTUNES;
                };
        long before = events;
        Optional<String> killed = Optional.empty();
        long first = Long.getLong("sim.seed", 0);
        for (long seed = first; killed.isEmpty() && events - before < MUTANT_EVENTS_MAX; seed++) {
            killed = failure(seed, mutant, story);
        }

        reporter.publishEntry(
                mutant.name(), killed.orElse("lives") + " [" + (events - before) + " events]");
        assertThat(killed).as(mutant.name()).isPresent();
    }

    /// The controls of the mutants that need a story of their own.
    @ParameterizedTest
    @EnumSource(names = {"CRASHES", "USURPER", "LATE_JANITORS", "ERASURES"})
    void promisesHoldInTheOtherStories(Story story) {
        assertThat(
                        LongStream.range(0, Long.getLong("sim.others", OTHERS))
                                .mapToObj(seed -> failure(seed, null, story))
                                .flatMap(Optional::stream))
                .isEmpty();
    }

    /// The control of the mutants that are writers: it is their defect that kills them.
    @Test
    void simplestWriterDoneRightIsNotKilled() {
        assertThat(
                        LongStream.range(0, Long.getLong("sim.others", OTHERS))
                                .mapToObj(seed -> failure(seed, null, Story.SIMPLEST_WRITER))
                                .flatMap(Optional::stream))
                .isEmpty();
    }
}
