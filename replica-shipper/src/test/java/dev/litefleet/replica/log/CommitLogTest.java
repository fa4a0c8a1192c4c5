package dev.litefleet.replica.log;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.litefleet.replica.Txid;
import dev.litefleet.replica.objects.ObjectBody;
import dev.litefleet.replica.objects.ObjectStore;
import dev.litefleet.replica.objects.PutResult;
import dev.litefleet.replica.objects.StoreException.Denied;
import dev.litefleet.replica.objects.StoreException.Misconfigured;
import dev.litefleet.replica.objects.StoreException.Unavailable;
import dev.litefleet.testing.CountingObjectStore;
import dev.litefleet.testing.CountingObjectStore.Verb;
import dev.litefleet.testing.FlakyObjectStore;
import dev.litefleet.testing.MemoryObjectStore;
import dev.litefleet.testing.SimTasks;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/// The writer's rules, W1 to W5 and W9, one by one, in virtual time on a store with scripted
/// faults. The names follow "known ways to get this wrong" in `DESIGN.md`.
final class CommitLogTest {
    private static final LogName LOG =
            new LogName("w-1", new SessionId("01JD1111111111111111111111"));
    private static final Duration LONG = Duration.ofMinutes(1);
    private static final CommitLogConfig PARTS_OF_THREE =
            CommitLogConfig.DEFAULT.withParts(Duration.ofDays(365), 3);

    private final MemoryObjectStore objects = new MemoryObjectStore();
    private final CountingObjectStore counting = new CountingObjectStore(objects);
    private final FlakyObjectStore store = new FlakyObjectStore(counting);
    private final Commits commits = new Commits(1);
    private final RecordingStore recording = new RecordingStore(store);
    private final List<LogEnd> ends = new ArrayList<>();
    private final List<Long> durable = new ArrayList<>(); // sequences, as they were told
    private final Set<String> silent = new HashSet<>(); // keys whose puts get no answer

    @Test
    void openWritesAnEmptySegmentAndProvesThatItCannotBeWrittenTwice() {
        SimTasks.run(1, world -> open(world));

        assertThat(objects.keys()).containsExactly(Slot.FIRST.key(LOG));
        assertThat(counting.count(Verb.PUT)).isEqualTo(2);
        assertThat(segment(1).entries()).isEmpty();
        assertThat(segment(1).comment().window()).isEqualTo(4);
    }

    @Test
    void openRefusesAStoreThatCreatesTwice() {
        var broken =
                new RecordingStore(objects) {
                    @Override
                    public PutResult putIfAbsent(String key, ObjectBody body) {
                        super.putIfAbsent(key, body);
                        return new PutResult.Created();
                    }
                };
        SimTasks.run(
                1,
                world -> {
                    CommitLog log = log(world, broken);

                    assertThatThrownBy(log::open)
                            .isInstanceOf(Misconfigured.class)
                            .hasMessageContaining("created a second time");
                });
    }

    @Test
    void openGivesUpWhenTheStoreIsSilent() {
        store.down(true);
        SimTasks.run(
                1,
                world -> {
                    CommitLog log = log(world, recording);

                    assertThatThrownBy(log::open).isInstanceOf(Unavailable.class);

                    assertThat(world.nanos()).isLessThanOrEqualTo(Duration.ofSeconds(30).toNanos());
                });
    }

    @Test
    void syncCommitGoesAtOnce() {
        SimTasks.run(
                1,
                world -> {
                    CommitLog log = open(world);

                    log.awaitDurable(append(log, "a", true));

                    assertThat(world.nanos()).isZero();
                    assertThat(log.durable()).isEqualTo(new Slot(1, 2));
                });
    }

    @Test
    void asyncCommitsLingerForCompany() {
        SimTasks.run(
                1,
                world -> {
                    CommitLog log = open(world);
                    append(log, "a", false);
                    world.sleep(Duration.ofMillis(700));
                    long last = append(log, "b", false);
                    assertThat(log.durable()).isEqualTo(new Slot(1, 1));
                    assertThat(log.pendingBytes()).isEqualTo(4L * Commits.PAGE_SIZE);

                    log.awaitDurable(last);

                    assertThat(world.nanos()).isEqualTo(Duration.ofSeconds(1).toNanos());
                    assertThat(segment(2).entries()).hasSize(2);
                    assertThat(log.pendingBytes()).isZero();
                });
    }

    @Test
    void fullSegmentDoesNotLinger() {
        SimTasks.run(
                1,
                world -> {
                    CommitLog log = open(world);
                    long last = log.append(commits.large("a", 8192), false, (_, _) -> {});
                    log.awaitDurable(last);

                    assertThat(world.nanos()).isZero();
                });
    }

    @Test
    void flushMakesAsyncCommitsGoAtOnce() {
        SimTasks.run(
                1,
                world -> {
                    CommitLog log = open(world);
                    long last = append(log, "a", false);
                    log.flush();
                    log.awaitDurable(last);

                    assertThat(world.nanos()).isZero();
                });
    }

    @Test
    void commitLargerThanASegmentGoesAlone() {
        SimTasks.run(
                1,
                world -> {
                    CommitLog log = open(world);
                    append(log, "a", false);
                    log.append(commits.large("big", 9000), false, (_, _) -> {});
                    long last = append(log, "b", false);
                    log.flush();
                    log.awaitDurable(last);

                    assertThat(tenants(2)).containsExactly("a");
                    assertThat(tenants(3)).containsExactly("big");
                    assertThat(tenants(4)).containsExactly("b");
                });
    }

    @Test
    void bodyTooLargeForASegmentIsABlobThatIsThereFirst() {
        SimTasks.run(
                1,
                world -> {
                    CommitLog log = open(world);
                    store.delayNextPut();
                    long last = log.append(commits.large("big", 17_000), true, (_, _) -> {});
                    log.awaitDurable(last);

                    Entry entry = segment(2).entries().getFirst();
                    String blob = entry.blob().key();
                    assertThat(blob).startsWith(LOG.prefix() + "blobs/");
                    assertThat(objects.get(blob).orElseThrow()).hasSize((int) entry.bytes());
                    try (var ltx = segment(2).ltx(entry)) {
                        assertThat(ltx.readAllBytes()).isEqualTo(objects.get(blob).orElseThrow());
                    }
                    assertThat(recording.sent(blob)).hasSize(1);
                });
    }

    /// "Re-batch on retry": what is sent again is what was sent, whatever was appended since.
    @Test
    void retrySendsTheSameBytes() {
        SimTasks.run(
                1,
                world -> {
                    CommitLog log = open(world);
                    silent.add(key(2));
                    append(log, "a", true);
                    world.sleep(Duration.ofSeconds(5));
                    long last = append(log, "b", true);
                    world.sleep(Duration.ofSeconds(5));
                    silent.clear();
                    log.awaitDurable(last, LONG);

                    assertThat(recording.sent(key(2))).hasSize(1);
                    assertThat(tenants(2)).containsExactly("a");
                });
    }

    /// "412 means someone else": it may be our own earlier attempt.
    @Test
    void occupiedByOurOwnBodyIsDurable() {
        SimTasks.run(
                1,
                world -> {
                    CommitLog log = open(world);
                    store.loseNextAnswer();

                    assertThat(log.awaitDurable(append(log, "a", true), LONG)).isTrue();

                    assertThat(ends).isEmpty();
                    assertThat(log.durable()).isEqualTo(new Slot(1, 2));
                });
    }

    /// "404 means not applied": a put without an answer may land any time later. Nobody asks; the
    /// slot stays this body's.
    @Test
    void unknownOutcomeIsNeverSettledByLooking() {
        SimTasks.run(
                1,
                world -> {
                    CommitLog log = open(world);
                    counting.reset();
                    store.delayNextPut();
                    long sequence = append(log, "a", true);
                    world.yield();
                    store.failNext(3);
                    assertThat(log.awaitDurable(sequence, LONG)).isTrue();

                    store.land();
                    assertThat(counting.count(Verb.GET)).isZero();
                    assertThat(counting.count(Verb.LIST)).isZero();
                    assertThat(recording.sent(key(2))).hasSize(1);
                    assertThat(recording.sent(key(3))).isEmpty();
                });
    }

    @Test
    void occupiedSlotThatCannotBeReadIsFatal() {
        SimTasks.run(
                1,
                world -> {
                    CommitLog log = open(world);
                    store.beforePut(key -> objects.damage(key, new byte[1]));
                    store.afterPut(objects::delete);
                    append(log, "a", true);
                    world.sleep(LONG);

                    assertThat(ends).hasSize(1);
                    assertThat(ends.getFirst().toString()).contains("INCONSISTENT_STORE");
                });
    }

    /// "Ack slot k while k-1 is unresolved".
    @Test
    void nothingIsDurableAboveAnUnresolvedSlot() {
        SimTasks.run(
                1,
                world -> {
                    CommitLog log = open(world);
                    silent.add(key(2));
                    append(log, "a", true);
                    world.sleep(Duration.ofMillis(1));
                    append(log, "b", true);
                    world.sleep(Duration.ofMillis(1));
                    long last = append(log, "c", true);
                    world.sleep(LONG);
                    assertThat(objects.keys()).contains(key(3)).doesNotContain(key(2));
                    assertThat(durable).isEmpty();
                    assertThat(log.durable()).isEqualTo(new Slot(1, 1));
                    assertThat(log.awaitDurable(last, Duration.ofSeconds(1))).isFalse();

                    silent.clear();
                    log.awaitDurable(last);

                    assertThat(durable).containsExactly(1L, 2L, 3L);
                });
    }

    /// "'K unresolved' for the window": slots are counted from the durable prefix, however many of
    /// those above it are resolved.
    @Test
    void windowIsCountedFromTheDurablePrefix() {
        SimTasks.run(
                1,
                world -> {
                    CommitLog log = open(world);
                    silent.add(key(2));
                    long last = 0;
                    for (int i = 0; i < 10; i++) {
                        last = append(log, "a", true);
                        world.sleep(Duration.ofMillis(10));
                    }
                    world.sleep(LONG);
                    assertThat(objects.keys()).containsExactly(key(1), key(3), key(4), key(5));
                    assertThat(recording.sent(key(6))).isEmpty();

                    silent.clear();
                    log.awaitDurable(last);

                    // What had to wait went together.
                    assertThat(segment(6).entries()).hasSize(6);
                });
    }

    /// "Identity by writer instead of body": a copied machine is the same session.
    @Test
    void segmentOfTheSameSessionThatIsNotOursIsFatal() {
        SimTasks.run(
                1,
                world -> {
                    CommitLog log = open(world);
                    var slot = new Slot(1, 2);
                    var comment =
                            new Segment.Comment(
                                    BodyId.draw(new SplittableRandom(99)), LOG, slot, 4, slot);
                    objects.damage(key(2), Segment.encode(comment, List.of()));
                    append(log, "a", true);
                    world.sleep(LONG);

                    assertThat(durable).isEmpty();
                    assertThat(ends).hasSize(1);
                    assertThat(ends.getFirst()).isInstanceOf(LogEnd.Fatal.class);
                });
    }

    /// A machine copied with its random numbers draws the same body id for another body.
    @Test
    void otherBytesUnderOurBodyIdAreFatal() {
        SimTasks.run(
                1,
                world -> {
                    CommitLog log = open(world);
                    CommitLog copy =
                            new CommitLog(
                                    store,
                                    LOG,
                                    CommitLogConfig.DEFAULT,
                                    world.node("copy"),
                                    world.clock(),
                                    new SplittableRandom(7),
                                    ends::add);
                    copy.open(); // Equal bytes under an equal id: nobody could tell.
                    long mine = append(log, "a", true);
                    log.awaitDurable(mine);
                    copy.append(new Commits(2).next("b"), true, (_, _) -> durable.add(-1L));
                    world.sleep(LONG);

                    assertThat(durable).containsExactly(mine);
                    assertThat(ends.toString()).contains("other bytes under our body id");
                });
    }

    @Test
    void fenceEndsEverythingOnce() {
        SimTasks.run(
                1,
                world -> {
                    CommitLog log = open(world);
                    silent.add(key(2));
                    long first = append(log, "a", true);
                    var fence = new FenceObject(body(1), "01JD2222222222222222222222", 7, 0);
                    objects.damage(key(3), Fence.encode(fence));
                    world.sleep(Duration.ofMillis(1));
                    long second = append(log, "b", true);
                    world.sleep(Duration.ofSeconds(3));

                    silent.clear();
                    world.sleep(LONG);

                    assertThat(ends)
                            .containsExactly(
                                    new LogEnd.Fenced(
                                            new Slot(1, 3), "01JD2222222222222222222222", 7));
                    assertThat(durable).isEmpty();
                    assertThatThrownBy(() -> append(log, "c", true)).isInstanceOf(LogEnded.class);
                    assertThatThrownBy(() -> log.awaitDurable(first)).isInstanceOf(LogEnded.class);
                    assertThatThrownBy(() -> log.awaitDurable(second)).isInstanceOf(LogEnded.class);
                    assertThat(log.selfCheck()).isEqualTo(SelfCheck.FENCED);
                    assertThat(recording.sent(key(4))).isEmpty();
                });
    }

    /// A put that was in the air when the fence was met: its sender is told nothing any more.
    @Test
    void whatLandsAfterTheEndIsNotReported() {
        SimTasks.run(
                1,
                world -> {
                    CommitLog log = open(world);
                    store.beforePut(key -> {
                        if (key.equals(key(2))) {
                            world.sleep(Duration.ofSeconds(5));
                        }
                    });
                    append(log, "a", true);
                    world.sleep(Duration.ofMillis(1));
                    objects.damage(key(3), Fence.encode(new FenceObject(body(1), "x", 9, 0)));
                    append(log, "b", true);
                    world.sleep(LONG);

                    assertThat(objects.keys()).contains(key(2));
                    assertThat(durable).isEmpty();
                    assertThat(log.durable()).isEqualTo(new Slot(1, 1));
                    assertThat(ends).hasSize(1);
                });
    }

    @Test
    void fencedBeforeItBegan() {
        var fence = new FenceObject(body(1), "01JD2222222222222222222222", 7, 0);
        objects.damage(key(1), Fence.encode(fence));
        SimTasks.run(
                1,
                world -> {
                    CommitLog log = log(world, recording);

                    assertThatThrownBy(log::open).isInstanceOf(LogEnded.class);
                    assertThat(ends).hasSize(1);
                });
    }

    /// Of a part fence only its own writer can be the author.
    @Test
    void partFenceOfSomebodyElseEndsTheLogToo() {
        SimTasks.run(
                1,
                world -> {
                    CommitLog log = open(world);
                    objects.damage(key(2), Fence.encode(new FenceObject(body(1), "x", 0, 2)));
                    append(log, "a", true);
                    world.sleep(LONG);

                    assertThat(ends).containsExactly(new LogEnd.Fenced(new Slot(1, 2), "x", 0));
                });
    }

    @Test
    void deniedCredentialsKeepTheGateShutAndTheBodySame() {
        SimTasks.run(
                1,
                world -> {
                    CommitLog log = open(world);
                    for (int i = 0; i < 5; i++) {
                        store.failNext(request -> new Denied(request, "403 ExpiredToken", null));
                    }

                    log.awaitDurable(append(log, "a", true), LONG);

                    assertThat(durable).containsExactly(1L);
                    assertThat(recording.sent(key(2))).hasSize(1);
                });
    }

    @Test
    void misconfigurationIsFatalAndNamesTheAnswer() {
        SimTasks.run(
                1,
                world -> {
                    CommitLog log = open(world);
                    store.failNext(
                            request -> new Misconfigured(request, "501 NotImplemented", null));
                    append(log, "a", true);
                    world.sleep(LONG);

                    assertThat(ends.toString()).contains("501 NotImplemented");
                });
    }

    @Test
    void silentStoreIsAskedAtMostOnceASecond() {
        SimTasks.run(
                1,
                world -> {
                    CommitLog log = open(world);
                    for (int slot = 2; slot <= 5; slot++) {
                        silent.add(key(slot));
                    }
                    for (int i = 0; i < 20; i++) {
                        append(log, "a", true);
                        world.sleep(Duration.ofMillis(1));
                    }
                    world.sleep(LONG);
                    int before = recording.attempts();
                    counting.reset();
                    world.sleep(LONG);

                    assertThat(recording.attempts() - before).isBetween(20, 60);
                    assertThat(counting.count(Verb.LIST)).isZero();
                    assertThat(counting.count(Verb.GET)).isZero();
                });
    }

    /// Some stores take one write a second of one key and count refused ones too: who asks again
    /// sooner is refused for ever.
    @Test
    void keyThatMayBeAskedOnceASecondIsNotHammered() {
        SimTasks.run(
                1,
                world -> {
                    CommitLog log = open(world);
                    var attempts = new HashMap<String, Integer>();
                    var last = new HashMap<String, Long>();
                    store.beforePut(key -> {
                        boolean first = attempts.merge(key, 1, Integer::sum) == 1;
                        Long before = last.put(key, world.nanos());
                        if (first || world.nanos() - before < Duration.ofSeconds(1).toNanos()) {
                            throw new Unavailable("put " + key, "429 TooManyRequests", null);
                        }
                    });
                    counting.reset();
                    long sequence = 0;
                    for (int i = 0; i < 12; i++) {
                        sequence = append(log, "a", true);
                        world.sleep(Duration.ofMillis(10));
                    }

                    log.awaitDurable(sequence);

                    assertThat(attempts.values()).allMatch(count -> count <= 8);
                    assertThat(counting.count(Verb.GET) + counting.count(Verb.LIST)).isZero();
                    assertThat(ends).isEmpty();
                });
    }

    @Test
    void answerEndsTheWaitingOfAll() {
        SimTasks.run(
                1,
                world -> {
                    CommitLog log = open(world);
                    for (int slot = 2; slot <= 5; slot++) {
                        silent.add(key(slot));
                    }
                    long last = 0;
                    for (int i = 0; i < 4; i++) {
                        last = append(log, "a", true);
                        world.sleep(Duration.ofMillis(1));
                    }
                    world.sleep(LONG);
                    silent.clear();
                    long healed = world.nanos();
                    log.awaitDurable(last);

                    assertThat(Duration.ofNanos(world.nanos() - healed))
                            .isLessThan(Duration.ofMillis(1100));
                });
    }

    @Test
    void idleLogHasNoTaskAndMakesNoRequest() {
        SimTasks.run(
                1,
                world -> {
                    CommitLog log = open(world);
                    log.awaitDurable(append(log, "a", true));
                    world.sleep(Duration.ofMillis(1));
                    counting.reset();
                    long steps = world.steps();
                    world.sleep(Duration.ofDays(1));

                    assertThat(world.steps() - steps).isLessThanOrEqualTo(1);
                    assertThat(counting.total()).isZero();
                });
    }

    @Test
    void selfCheckSeesAFence() {
        SimTasks.run(
                1,
                world -> {
                    CommitLog log = open(world);
                    assertThat(log.selfCheck()).isEqualTo(SelfCheck.ABSENT);
                    log.awaitDurable(append(log, "a", true));
                    assertThat(log.selfCheck()).isEqualTo(SelfCheck.ABSENT);
                    objects.damage(key(3), Fence.encode(new FenceObject(body(1), "x", 9, 0)));

                    assertThat(log.selfCheck()).isEqualTo(SelfCheck.FENCED);

                    world.yield();
                    assertThat(ends).containsExactly(new LogEnd.Fenced(new Slot(1, 3), "x", 9));
                });
    }

    /// A fence may stand below what is in flight, so a look above it would prove nothing.
    @Test
    void selfCheckWaitsForWhatIsInFlight() {
        SimTasks.run(
                1,
                world -> {
                    CommitLog log = open(world);
                    silent.add(key(2));
                    append(log, "a", true);
                    world.sleep(Duration.ofMillis(1));
                    counting.reset();

                    assertThat(log.selfCheck()).isEqualTo(SelfCheck.UNREACHABLE);

                    assertThat(world.nanos()).isGreaterThan(Duration.ofSeconds(2).toNanos());
                    assertThat(counting.count(Verb.GET)).isZero();
                    silent.clear();
                    assertThat(log.selfCheck()).isEqualTo(SelfCheck.ABSENT);
                });
    }

    @Test
    void selfCheckOfASilentStoreIsNoAnswer() {
        SimTasks.run(
                1,
                world -> {
                    CommitLog log = open(world);
                    store.down(true);

                    assertThat(log.selfCheck()).isEqualTo(SelfCheck.UNREACHABLE);
                    assertThat(ends).isEmpty();
                });
    }

    /// However many readers, drains and hydrations want to know whether it is back.
    @Test
    void silentStoreIsAskedByChecksAtMostOnceASecond() {
        SimTasks.run(
                1,
                world -> {
                    var asked = new CountingObjectStore(store);
                    CommitLog log = log(world, asked);
                    log.open();
                    store.down(true);
                    log.noAnswer();
                    asked.reset();

                    long began = world.nanos();
                    for (int i = 0; i < 100; i++) {
                        world.node("w-1")
                                .start("drain", () -> assertThat(log.reachable()).isFalse());
                    }
                    for (int i = 0; i < 1_000; i++) {
                        assertThat(log.selfCheck()).isEqualTo(SelfCheck.UNREACHABLE);
                        world.sleep(Duration.ofMillis(10));
                    }
                    for (int i = 0; i < 5; i++) {
                        assertThat(log.reachable()).isFalse();
                    }

                    long seconds = Duration.ofNanos(world.nanos() - began).toSeconds();
                    assertThat(asked.count(Verb.GET)).isBetween(seconds / 2, seconds + 1);
                    assertThat(asked.count(Verb.LIST)).isZero();
                    store.down(false);
                    world.sleep(Duration.ofSeconds(1));
                    assertThat(log.reachable()).isTrue();
                    assertThat(log.selfCheck()).isEqualTo(SelfCheck.ABSENT);
                });
    }

    /// While slots are sent again nothing else asks.
    @Test
    void slotThatIsSentAgainAsksForEverybody() {
        SimTasks.run(
                1,
                world -> {
                    var asked = new CountingObjectStore(store);
                    CommitLog log = log(world, asked);
                    log.open();
                    store.down(true);
                    append(log, "a", true);
                    world.sleep(Duration.ofSeconds(5));
                    asked.reset();

                    assertThat(log.reachable()).isFalse();
                    assertThat(asked.count(Verb.GET)).isZero();

                    store.down(false);
                    world.sleep(Duration.ofSeconds(5));
                    assertThat(log.reachable()).isTrue();
                });
    }

    /// What is drained says who drained it, not what is durable or was sent.
    @Test
    void undrainedFromMovesOnlyWhenAllOfASlotIsDrained() {
        SimTasks.run(
                1,
                world -> {
                    CommitLog log = open(world);
                    append(log, "a", false);
                    append(log, "a", false);
                    append(log, "b", false);
                    log.flush();
                    log.awaitDurable(3);
                    log.awaitDurable(append(log, "a", true));
                    log.awaitDurable(append(log, "c", true));
                    assertThat(log.undrainedFrom()).isEqualTo(new Slot(1, 2));
                    assertThat(segment(4).comment().undrainedFrom()).isEqualTo(new Slot(1, 2));

                    log.drained(Commits.tenant("a"), new Txid(1));
                    log.drained(Commits.tenant("b"), new Txid(1));
                    assertThat(log.undrainedFrom()).isEqualTo(new Slot(1, 2));
                    log.drained(Commits.tenant("a"), new Txid(2));
                    assertThat(log.undrainedFrom()).isEqualTo(new Slot(1, 3));
                    log.drained(Commits.tenant("a"), new Txid(3));
                    assertThat(log.undrainedFrom()).isEqualTo(new Slot(1, 4));
                    log.drained(Commits.tenant("c"), new Txid(1));
                    assertThat(log.undrainedFrom()).isEqualTo(new Slot(1, 5));

                    log.awaitDurable(append(log, "d", true));
                    assertThat(segment(5).comment().undrainedFrom()).isEqualTo(new Slot(1, 5));
                });
    }

    @Test
    void slotInFlightIsUndrained() {
        SimTasks.run(
                1,
                world -> {
                    CommitLog log = open(world);
                    silent.add(key(2));
                    append(log, "a", true);
                    world.sleep(Duration.ofMillis(1));
                    append(log, "b", true);
                    world.sleep(Duration.ofMillis(1));

                    assertThat(segment(3).comment().undrainedFrom()).isEqualTo(new Slot(1, 2));
                });
    }

    @Test
    void txidsOfATenantMustFollow() {
        SimTasks.run(
                1,
                world -> {
                    CommitLog log = open(world);
                    append(log, "a", false);
                    commits.next("a");

                    assertThatThrownBy(() -> append(log, "a", false))
                            .isInstanceOf(IllegalStateException.class);

                    append(log, "b", true);
                    world.sleep(LONG);
                    assertThat(ends).isEmpty();
                });
    }

    @Test
    void growthMustBeWhole() {
        SimTasks.run(
                1,
                world -> {
                    CommitLog log = open(world);
                    append(log, "a", false);
                    Commit gap = commits.next("a", 4, 1, 4);

                    assertThatThrownBy(() -> log.append(gap, false, (_, _) -> {}))
                            .isInstanceOf(IllegalStateException.class);
                });
    }

    @Test
    void failingCallbackHarmsNobodyElse() {
        SimTasks.run(
                1,
                world -> {
                    CommitLog log = open(world);
                    log.append(
                            commits.next("a"),
                            false,
                            (_, _) -> {
                                throw new IllegalStateException("of tenant a");
                            });
                    log.awaitDurable(append(log, "b", true), LONG);

                    assertThat(durable).containsExactly(2L);
                });
    }

    @Test
    void closeSendsWhatIsPending() {
        SimTasks.run(
                1,
                world -> {
                    CommitLog log = open(world);
                    append(log, "a", false);
                    log.close();

                    assertThat(durable).containsExactly(1L);
                    assertThat(world.nanos()).isZero();
                    assertThat(ends).isEmpty();
                    assertThatThrownBy(() -> append(log, "a", false)).isInstanceOf(LogEnded.class);
                });
    }

    @Test
    void closeGivesUpInTimeAndThenNothingIsReported() {
        SimTasks.run(
                1,
                world -> {
                    CommitLog log = open(world);
                    silent.add(key(2));
                    append(log, "a", true);
                    log.close(Duration.ofSeconds(5));
                    assertThat(world.nanos()).isEqualTo(Duration.ofSeconds(5).toNanos());
                    silent.clear();
                    world.sleep(LONG);

                    assertThat(durable).isEmpty();
                    assertThat(ends).isEmpty();
                });
    }

    /// W9: three slots, a fence of our own, and on in the next part, where D starts again.
    @Test
    void longPartEndsWithAFenceOfOurOwn() {
        SimTasks.run(
                1,
                world -> {
                    CommitLog log = open(world, PARTS_OF_THREE);
                    for (int i = 0; i < 5; i++) {
                        log.awaitDurable(append(log, "a", true));
                    }

                    assertThat(objects.keys())
                            .containsExactly(
                                    key(1), key(2), key(3), key(4), key(2, 1), key(2, 2),
                                    key(2, 3));
                    assertThat(fence(1, 4).by()).isEqualTo(LOG.session().ulid());
                    assertThat(fence(1, 4).next()).isEqualTo(2);
                    assertThat(log.durable()).isEqualTo(new Slot(2, 3));
                    assertThat(durable).containsExactly(1L, 2L, 3L, 4L, 5L);
                    assertThat(ends).isEmpty();
                });
    }

    @Test
    void oldPartEndsWhenItsNextSlotIsOpenedAndNotBefore() {
        SimTasks.run(
                1,
                world -> {
                    CommitLog log = open(world);
                    log.awaitDurable(append(log, "a", true));
                    world.sleep(Duration.ofMinutes(59));
                    log.awaitDurable(append(log, "a", true));
                    counting.reset();
                    world.sleep(Duration.ofDays(3));
                    assertThat(counting.total()).isZero();
                    assertThat(log.durable()).isEqualTo(new Slot(1, 3));

                    log.awaitDurable(append(log, "a", true));

                    assertThat(fence(1, 4).next()).isEqualTo(2);
                    assertThat(log.durable()).isEqualTo(new Slot(2, 1));
                    assertThat(counting.count(Verb.PUT)).isEqualTo(2);
                    world.sleep(Duration.ofMinutes(59));
                    log.awaitDurable(append(log, "a", true));
                    assertThat(log.durable()).isEqualTo(new Slot(2, 2));
                });
    }

    /// P8: somebody wants to delete what an idle worker has in its part. Asked again, late, or of
    /// another part, nothing happens.
    @Test
    void idlePartEndsWhenItIsAsked() {
        SimTasks.run(
                1,
                world -> {
                    CommitLog log = open(world);
                    log.awaitDurable(append(log, "a", true));
                    world.sleep(Duration.ofDays(3));
                    counting.reset();

                    log.endPart(2);
                    world.sleep(LONG);
                    assertThat(counting.total()).isZero();
                    log.endPart(1);
                    log.endPart(1);
                    world.sleep(LONG);

                    assertThat(fence(1, 3).next()).isEqualTo(2);
                    assertThat(log.durable()).isEqualTo(new Slot(2, 0));
                    assertThat(counting.total()).isEqualTo(1);
                    log.endPart(1);
                    log.endPart(2); // It has no segment yet.
                    world.sleep(LONG);
                    assertThat(counting.total()).isEqualTo(1);
                    log.awaitDurable(append(log, "a", true));
                    assertThat(log.durable()).isEqualTo(new Slot(2, 1));
                });
    }

    /// W9's own rule holds for it too: the window is empty, and nothing goes on before the fence is
    /// resolved ours.
    @Test
    void partThatIsAskedToEndWaitsForItsWindow() {
        SimTasks.run(
                1,
                world -> {
                    CommitLog log = open(world);
                    silent.add(key(2));
                    append(log, "a", true);
                    world.sleep(Duration.ofMillis(1));
                    log.endPart(1);
                    long last = append(log, "b", true);
                    world.sleep(LONG);
                    assertThat(objects.keys()).containsExactly(key(1));
                    assertThat(recording.sent(key(3))).isEmpty();

                    silent.clear();
                    silent.add(key(3));
                    world.sleep(LONG);
                    assertThat(objects.keys()).containsExactly(key(1), key(2));
                    assertThat(log.durable()).isEqualTo(new Slot(1, 2));
                    assertThat(recording.sent(key(2, 1))).isEmpty();
                    silent.clear();
                    log.awaitDurable(last);

                    assertThat(fence(1, 3).next()).isEqualTo(2);
                    assertThat(segment(2, 1).entries()).hasSize(1);
                    assertThat(durable).containsExactly(1L, 2L);
                });
    }

    @Test
    void partThatIsAskedToEndDoesNotWaitForACommitThatLingers() {
        SimTasks.run(
                1,
                world -> {
                    CommitLog log = open(world);
                    long late = append(log, "a", false);
                    world.sleep(Duration.ofMillis(10));
                    log.endPart(1);
                    world.sleep(Duration.ofMillis(10));
                    assertThat(objects.keys()).containsExactly(key(1), key(2));
                    assertThat(fence(1, 2).next()).isEqualTo(2);

                    log.awaitDurable(late);

                    assertThat(segment(2, 1).entries()).hasSize(1);
                });
    }

    @Test
    void endedLogEndsNoPart() {
        SimTasks.run(
                1,
                world -> {
                    CommitLog log = log(world, recording);
                    log.endPart(1);
                    log.open();
                    log.close();
                    counting.reset();
                    log.endPart(1);
                    world.sleep(LONG);

                    assertThat(counting.total()).isZero();
                    assertThat(objects.keys()).containsExactly(key(1));
                });
    }

    /// "A part fence with the window not empty": a fencer that took the open slot would leave what
    /// was acknowledged behind the fence without its readers.
    @Test
    void partFenceWaitsUntilTheWindowIsEmpty() {
        SimTasks.run(
                1,
                world -> {
                    CommitLog log = open(world, PARTS_OF_THREE);
                    silent.add(key(2));
                    append(log, "a", true);
                    world.sleep(Duration.ofMillis(1));
                    append(log, "b", true);
                    world.sleep(Duration.ofMillis(1));
                    long last = append(log, "c", true);
                    world.sleep(LONG);
                    assertThat(objects.keys()).containsExactly(key(1), key(3));
                    assertThat(recording.sent(key(4))).isEmpty();

                    silent.clear();
                    log.awaitDurable(last);

                    assertThat(objects.keys())
                            .containsExactly(key(1), key(2), key(3), key(4), key(2, 1));
                });
    }

    /// "Slot 1 of the next part before the part fence is resolved", and the heartbeat does not name
    /// that part, and no self-check passes, and what is sent again is the same fence.
    @Test
    void nothingGoesOnBeforeThePartFenceIsResolved() {
        SimTasks.run(
                1,
                world -> {
                    CommitLog log = open(world, PARTS_OF_THREE);
                    log.awaitDurable(append(log, "a", true));
                    log.awaitDurable(append(log, "a", true));
                    silent.add(key(4));
                    append(log, "a", true);
                    world.sleep(Duration.ofMillis(1));
                    long last = append(log, "b", true);
                    world.sleep(LONG);
                    counting.reset();

                    assertThat(log.selfCheck()).isEqualTo(SelfCheck.UNREACHABLE);

                    assertThat(counting.count(Verb.GET)).isZero();
                    assertThat(recording.sent(key(4))).hasSize(1);
                    assertThat(recording.sent(key(2, 1))).isEmpty();
                    assertThat(log.durable()).isEqualTo(new Slot(1, 3));
                    assertThat(durable).containsExactly(1L, 2L);

                    silent.clear();
                    log.awaitDurable(last);

                    assertThat(log.durable().part()).isEqualTo(2);
                    assertThat(recording.sent(key(4))).hasSize(1);
                    assertThat(durable).containsExactly(1L, 2L, 3L, 4L);
                });
    }

    /// A fencer that met our part fence before we heard of it stands in the next part already.
    @Test
    void selfCheckDuringAPartFenceLooksAtTheNextPart() {
        SimTasks.run(
                1,
                world -> {
                    CommitLog log = open(world, PARTS_OF_THREE);
                    log.awaitDurable(append(log, "a", true));
                    log.awaitDurable(append(log, "a", true));
                    store.loseNextAnswer();
                    append(log, "a", true);
                    world.sleep(Duration.ofMillis(1));
                    assertThat(objects.keys()).contains(key(4));
                    objects.damage(
                            key(2, 1), Fence.encode(new FenceObject(body(1), "other", 9, 0)));

                    assertThat(log.selfCheck()).isEqualTo(SelfCheck.FENCED);

                    world.sleep(LONG);
                    assertThat(ends).containsExactly(new LogEnd.Fenced(new Slot(2, 1), "other", 9));
                    assertThat(durable).containsExactly(1L, 2L);
                });
    }

    @Test
    void selfCheckAfterAPartFenceReadsTheNextPartsFirstSlot() {
        SimTasks.run(
                1,
                world -> {
                    CommitLog log = open(world, PARTS_OF_THREE);
                    log.awaitDurable(append(log, "a", true));
                    log.awaitDurable(append(log, "a", true));
                    log.awaitDurable(append(log, "a", true));
                    assertThat(log.durable()).isEqualTo(new Slot(2, 1));
                    assertThat(log.selfCheck()).isEqualTo(SelfCheck.ABSENT);
                    objects.damage(
                            key(2, 2), Fence.encode(new FenceObject(body(1), "other", 9, 0)));

                    assertThat(log.selfCheck()).isEqualTo(SelfCheck.FENCED);
                });
    }

    @Test
    void partFenceWhoseAnswerWasLostIsOursByItsBody() {
        SimTasks.run(
                1,
                world -> {
                    CommitLog log = open(world, PARTS_OF_THREE);
                    log.awaitDurable(append(log, "a", true));
                    log.awaitDurable(append(log, "a", true));
                    store.loseNextAnswer();
                    log.awaitDurable(append(log, "a", true));

                    assertThat(recording.sent(key(4))).hasSize(1);
                    assertThat(log.durable()).isEqualTo(new Slot(2, 1));
                    assertThat(ends).isEmpty();
                });
    }

    @Test
    void fenceInThePlaceOfOurPartFenceEndsTheLog() {
        SimTasks.run(
                1,
                world -> {
                    CommitLog log = open(world, PARTS_OF_THREE);
                    log.awaitDurable(append(log, "a", true));
                    log.awaitDurable(append(log, "a", true));
                    objects.damage(key(4), Fence.encode(new FenceObject(body(1), "other", 9, 0)));
                    append(log, "a", true);
                    world.sleep(LONG);

                    assertThat(ends).containsExactly(new LogEnd.Fenced(new Slot(1, 4), "other", 9));
                    assertThat(durable).containsExactly(1L, 2L);
                    assertThat(recording.sent(key(2, 1))).isEmpty();
                });
    }

    @Test
    void undrainedFromReachesBackOverParts() {
        SimTasks.run(
                1,
                world -> {
                    CommitLog log = open(world, PARTS_OF_THREE);
                    log.awaitDurable(append(log, "a", true));
                    log.awaitDurable(append(log, "b", true));
                    log.drained(Commits.tenant("a"), new Txid(1));
                    log.awaitDurable(append(log, "c", true));

                    assertThat(segment(2, 1).comment().undrainedFrom()).isEqualTo(new Slot(1, 3));
                    log.drained(Commits.tenant("b"), new Txid(1));
                    log.drained(Commits.tenant("c"), new Txid(1));
                    assertThat(log.undrainedFrom()).isEqualTo(new Slot(2, 2));
                    log.awaitDurable(append(log, "d", true));
                    assertThat(segment(2, 2).comment().undrainedFrom()).isEqualTo(new Slot(2, 2));
                });
    }

    @Test
    void closeGoesOverTheEndOfAPart() {
        SimTasks.run(
                1,
                world -> {
                    CommitLog log = open(world, PARTS_OF_THREE);
                    log.awaitDurable(append(log, "a", true));
                    log.awaitDurable(append(log, "a", true));
                    append(log, "a", false);
                    log.close();

                    assertThat(durable).containsExactly(1L, 2L, 3L);
                    assertThat(log.durable()).isEqualTo(new Slot(2, 1));
                });
    }

    /// Before and after each of its writes, in turn, the writer dies for ever. Whatever part the
    /// catalog names by then, the fence ends the log above everything that was acknowledged.
    @Test
    void killedAtAnyStepOfItsPartsLosesNothingAcknowledged() {
        int steps = alive().kill(1);
        assertThat(steps).isGreaterThan(20);
        for (int kill = 1; kill <= steps; kill++) {
            for (int named = 1; named <= 4; named++) {
                CommitLogTest dying = alive();
                dying.killAt = kill;
                dying.kill(named);
            }
        }
    }

    private static CommitLogTest alive() {
        return new CommitLogTest();
    }

    private int killAt;
    private int events;

    private int kill(int named) {
        SimTasks.run(
                killAt,
                world -> {
                    SimTasks.Node worker = world.node("w-1");
                    store.beforePut(_ -> died(world, worker));
                    store.afterPut(_ -> died(world, worker));
                    var log =
                            new CommitLog(
                                    recording,
                                    LOG,
                                    PARTS_OF_THREE,
                                    worker,
                                    world.clock(),
                                    new SplittableRandom(7),
                                    ends::add);
                    worker.start(
                            "main",
                            () -> {
                                log.open();
                                for (int i = 0; i < 9; i++) {
                                    long last = append(log, i % 2 == 0 ? "a" : "b", true);
                                    if (i % 3 == 0) {
                                        log.awaitDurable(last);
                                    }
                                    worker.sleep(Duration.ofMillis(1));
                                }
                            });
                    world.sleep(LONG);
                    int part = Math.min(named, log.durable().part());
                    Fence.Closed closed =
                            Fence.close(
                                    objects,
                                    LOG,
                                    Slot.firstOf(part),
                                    "01JD2222222222222222222222",
                                    1,
                                    world.node("c"),
                                    world.fork());
                    LogTail below = LogTail.below(objects, LOG, closed, world.node("c"));
                    long recovered =
                            below.segments().stream()
                                    .flatMap(segment -> segment.entries().stream())
                                    .mapToLong(
                                            entry -> entry.max().value() - entry.min().value() + 1)
                                    .sum();
                    assertThat(recovered).isGreaterThanOrEqualTo(durable.size());
                    assertThat(LogTail.read(objects, LOG, Slot.FIRST, world.node("c")).end())
                            .isEqualTo(closed.slot());
                });
        return events;
    }

    private void died(SimTasks world, SimTasks.Node worker) {
        if (++events == killAt) {
            worker.pause();
        }
        world.yield();
    }

    private void refuseTheSilent(String key) {
        if (silent.contains(key)) {
            throw new Unavailable("put " + key, "timeout", null);
        }
    }

    private CommitLog open(SimTasks world) {
        return open(world, CommitLogConfig.DEFAULT);
    }

    private CommitLog open(SimTasks world, CommitLogConfig config) {
        store.beforePut(this::refuseTheSilent);
        CommitLog log = log(world, recording, config);
        log.open();
        return log;
    }

    private CommitLog log(SimTasks world, ObjectStore under) {
        return log(world, under, CommitLogConfig.DEFAULT);
    }

    private CommitLog log(SimTasks world, ObjectStore under, CommitLogConfig config) {
        return new CommitLog(
                under,
                LOG,
                config,
                world.node("w-1"),
                world.clock(),
                new SplittableRandom(7),
                ends::add);
    }

    private long append(CommitLog log, String tenant, boolean sync) {
        long[] sequence = new long[1];
        sequence[0] = log.append(commits.next(tenant), sync, (_, _) -> durable.add(sequence[0]));
        return sequence[0];
    }

    private SegmentReader segment(long number) {
        return segment(1, number);
    }

    private SegmentReader segment(int part, long number) {
        return (SegmentReader)
                SegmentReader.read(objects, LOG, new Slot(part, number)).orElseThrow();
    }

    private FenceObject fence(int part, long number) {
        return (FenceObject) SegmentReader.read(objects, LOG, new Slot(part, number)).orElseThrow();
    }

    private List<String> tenants(long number) {
        return segment(number).entries().stream()
                .map(entry -> entry.tenant().tenant().name())
                .toList();
    }

    private static BodyId body(long seed) {
        return BodyId.draw(new SplittableRandom(seed));
    }

    private static String key(long number) {
        return key(1, number);
    }

    private static String key(int part, long number) {
        return new Slot(part, number).key(LOG);
    }
}
