package dev.litefleet.controller;

import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import dev.litefleet.testing.SimTasks;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.HashSet;
import java.util.Optional;
import java.util.Set;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestReporter;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.slf4j.LoggerFactory;

/// Production's controller, catalog and all, on a seeded scheduler in virtual time: controllers and
/// workers are killed, stopped, resumed as zombies, put to sleep and cut off, over a store and a
/// network that lose, delay, repeat and refuse, with clocks that run fast and slow and jump. The
/// [FleetJudge] watches every object, message and answer.
///
/// `-Dsim.seeds=100000` runs more, `-Dsim.seed=42` one again, `-Dsim.log=true` says what happens.
final class ControllerSim {
    private static final int SEEDS = 200;
    private static final long MUTANT_EVENTS_MAX = 2_000_000;
    private static final int RATE_MAX = 75;

    private static final Logger PRODUCTION = (Logger) LoggerFactory.getLogger("dev.litefleet");

    private enum Story {
        MISFORTUNES,
        /// With the failover that some mutants go wrong in.
        RETOLD,
        DELETION,
        USURPER,
        SILENCE,
        MOVES
    }

    private static long runs;
    private static long events;
    private static long commits;
    private static long acks;
    private static long reads;
    private static long nanos;

    @BeforeAll
    static void hush() {
        if (!Boolean.getBoolean("sim.log")) {
            PRODUCTION.setLevel(Level.OFF);
        }
    }

    @AfterAll
    static void speak() {
        PRODUCTION.setLevel(null);
        LoggerFactory.getLogger(ControllerSim.class)
                .atWarn()
                .addKeyValue("runs", runs)
                .addKeyValue("events", events)
                .addKeyValue("catalog_commits", commits)
                .addKeyValue("acks", acks)
                .addKeyValue("reads", reads)
                .addKeyValue("seconds", nanos / 1_000_000_000)
                .log("simulated");
    }

    private static long run(long seed, @Nullable FleetMutant mutant, Story story) {
        long began = System.nanoTime();
        try {
            Path memory = Path.of("/dev/shm"); // Nobody here waits for a disk.
            Path folder =
                    Files.isWritable(memory)
                            ? Files.createTempDirectory(memory, "sim")
                            : Files.createTempDirectory("sim");
            try {
                long hash =
                        SimTasks.run(
                                seed,
                                world -> {
                                    var fleet =
                                            new SimFleet(
                                                    world,
                                                    folder,
                                                    mutant,
                                                    RATE_MAX,
                                                    story == Story.RETOLD);
                                    try (fleet) {
                                        switch (story) {
                                            case MISFORTUNES, RETOLD -> fleet.tell();
                                            case DELETION -> fleet.tellOfDeletion();
                                            case USURPER -> fleet.tellOfUsurper();
                                            case SILENCE -> fleet.tellOfSilence();
                                            case MOVES -> fleet.tellOfMoves();
                                        }
                                    } finally {
                                        events += world.steps();
                                        commits += fleet.judge.commits();
                                        acks += fleet.judge.acks();
                                        reads += fleet.judge.reads();
                                    }
                                });
                if (mutant == null) {
                    assertThat(SimFleet.filesOpen(folder))
                            .as("left open by seed " + seed)
                            .isEmpty();
                }
                return hash;
            } finally {
                remove(folder);
            }
        } catch (IOException failed) {
            throw new UncheckedIOException(failed);
        } finally {
            runs++;
            nanos += System.nanoTime() - began;
        }
    }

    private static void remove(Path folder) throws IOException {
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
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

    @Test
    void rulesHoldWhateverHappens() {
        assertThat(
                        seeds().mapToObj(seed -> failure(seed, null, Story.MISFORTUNES))
                                .flatMap(Optional::stream))
                .isEmpty();
    }

    /// The message of a failed run.
    private static Optional<String> failure(long seed, @Nullable FleetMutant mutant, Story story) {
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
    void mutantIsKilled(FleetMutant mutant, TestReporter reporter) {
        Story story =
                switch (mutant) {
                    // Whoever commits meets the fence, so only these show it.
                    case GRANTS_AFTER_DOUBT, SUCCESSOR_WAITS_ONE_LEASE -> Story.USURPER;
                    case COUNTS_SHORTER_LEASES, LEASE_FROM_ANSWER, GRANTS_ITSELF -> Story.SILENCE;
                    case RELEASE_WITHOUT_NUMBER, ASSIGNMENT_WITHOUT_NUMBER -> Story.MOVES;
                    default -> Story.MISFORTUNES;
                };
        long before = events;
        Optional<String> killed = Optional.empty();
        for (long seed = 0; killed.isEmpty() && events - before < MUTANT_EVENTS_MAX; seed++) {
            killed = failure(seed, mutant, story);
        }

        reporter.publishEntry(
                mutant.name(), killed.orElse("lives") + " [" + (events - before) + " events]");
        assertThat(killed).as(mutant.name()).isPresent();
    }

    /// The controls of the mutants that need a story of their own, and deletions.
    @ParameterizedTest
    @EnumSource(mode = EnumSource.Mode.EXCLUDE, names = "MISFORTUNES")
    void rulesHoldInTheOtherStories(Story story) {
        assertThat(
                        LongStream.range(0, 10)
                                .mapToObj(seed -> failure(seed, null, story))
                                .flatMap(Optional::stream))
                .isEmpty();
    }
}
