package dev.litefleet.testing;

import dev.litefleet.replica.log.Tasks;
import dev.litefleet.replica.objects.ListPage;
import dev.litefleet.replica.objects.ListedObject;
import dev.litefleet.replica.objects.ObjectBody;
import dev.litefleet.replica.objects.ObjectStore;
import dev.litefleet.replica.objects.PutResult;
import dev.litefleet.replica.objects.StoreException;
import dev.litefleet.replica.objects.StoreException.Denied;
import dev.litefleet.replica.objects.StoreException.Unavailable;
import dev.litefleet.replica.objects.TailRead;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.SequenceInputStream;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import java.util.function.Supplier;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/// An object store behind a bad network, in a simulated world. A linearizable map; every request
/// takes virtual time on its way there and back, and the seed decides what becomes of it:
/// delivered, lost, answered into the void, delivered twice, delivered minutes after its sender
/// gave up, or refused in one of the store's ways. Puts and deletes are on their way by themselves,
/// so they land also when their sender has died, but not when they were signed [#EXPIRY] ago.
/// Listings come in short pages, and bodies may break off or arrive with a flipped bit, if asked
/// for.
///
/// The store itself is a client of its own; [#link] makes others, which can be cut off.
public final class SimObjectStore implements ObjectStore {
    /// What operations ask of a store.
    public enum Verb {
        PUT,
        /// A part of a body that is sent in parts; its PUT completes it.
        PART,
        READ,
        LIST,
        DELETE
    }

    /// How old the signature of a request may be, as S3 has it.
    public static final Duration EXPIRY = Duration.ofMinutes(15);

    private static final Duration TIMEOUT = Duration.ofSeconds(2);
    private static final int PART_BYTES = 1 << 10;
    private static final int PAGE_MAX = 7;
    private static final int LONG_PAGE_MAX = 60;

    private final SimTasks world;
    private final SimTasks.Node network;
    private final MemoryObjectStore store;
    private final RandomGenerator random;
    private final BiConsumer<String, byte[]> sending;
    private final Link own;
    private int faultPercent;
    private int manglePerMille;
    private boolean down;
    private boolean prompt;
    private boolean longPages;
    private boolean inParts;
    private boolean completesLeft;
    private final Map<Integer, Upload> uploads = new TreeMap<>(); // begun, not completed
    private int uploadsBegun;
    private BiConsumer<String, Instant> created = (_, _) -> {};
    private Consumer<String> deleted = _ -> {};

    /// @param faultPercent share of the requests that meet a fault, 0 to 100
    /// @param sending hears key and bytes of every put when it is sent; must not wait
    public SimObjectStore(SimTasks world, int faultPercent, BiConsumer<String, byte[]> sending) {
        this.world = world;
        this.network = world.node("network");
        this.store = MemoryObjectStore.likeS3(world.clock());
        this.random = world.fork();
        this.faultPercent = faultPercent;
        this.sending = sending;
        this.own = link();
    }

    /// The objects, without the network.
    public MemoryObjectStore objects() {
        return store;
    }

    /// No more faults from here on; what is on its way still arrives.
    public void calm() {
        faultPercent = 0;
        manglePerMille = 0;
        down = false;
    }

    /// The share of requests that meet a fault from here on, 0 to 100.
    public void faults(int percent) {
        faultPercent = percent;
    }

    /// The share of bodies that arrive broken from here on, 0 to 1,000. Keys under `controller/`
    /// are spared: their objects carry no checksum of their own.
    public void mangle(int perMille) {
        manglePerMille = perMille;
    }

    /// From here on nobody gets an answer but 503, until told otherwise.
    public void down(boolean isDown) {
        down = isDown;
    }

    /// Answers take milliseconds from here on, never so long that a client gives up.
    public void prompt() {
        prompt = true;
    }

    /// Most pages of listings may be longer from here on: for stores that fill for days.
    public void longPages() {
        longPages = true;
    }

    /// Bodies over a KiB are sent in parts from here on. Nothing of one is to be seen until its put
    /// completes it; one that its sender left stays until somebody ends it.
    public void inParts() {
        inParts = true;
    }

    /// Uploads that are ended are completed instead, with what has come of them: as nobody does.
    public void completeWhatIsLeft() {
        completesLeft = true;
    }

    /// When the oldest upload in parts began that was neither completed nor ended.
    public Optional<Instant> oldestUpload() {
        return uploads.values().stream().map(Upload::began).min(Comparator.naturalOrder());
    }

    /// Hears the key of every object when it has been created, and when its put was signed.
    public void onCreated(BiConsumer<String, Instant> listener) {
        created = listener;
    }

    /// Hears the key of every object when it has been deleted.
    public void onDeleted(Consumer<String> listener) {
        deleted = listener;
    }

    /// Another client of the same store.
    public Link link() {
        return new Link();
    }

    @Override
    public PutResult putIfAbsent(String key, ObjectBody body) {
        return own.putIfAbsent(key, body);
    }

    @Override
    public Optional<byte[]> get(String key) {
        return own.get(key);
    }

    @Override
    public Optional<byte[]> getRange(String key, long offset, int length) {
        return own.getRange(key, offset, length);
    }

    @Override
    public Optional<TailRead> getTail(String key, int length) {
        return own.getTail(key, length);
    }

    @Override
    public Optional<InputStream> open(String key, long offset) {
        return own.open(key, offset);
    }

    @Override
    public Optional<ListedObject> head(String key) {
        return own.head(key);
    }

    @Override
    public ListPage list(String prefix, String startAfter, int limit) {
        return own.list(prefix, startAfter, limit);
    }

    @Override
    public List<String> folders(String prefix) {
        return own.folders(prefix);
    }

    @Override
    public void delete(String key) {
        own.delete(key);
    }

    @Override
    public int abortUploads(String prefix, Instant before) {
        return own.abortUploads(prefix, before);
    }

    @Override
    public void close() {}

    private static final class Answer {
        private @Nullable PutResult result;
        private boolean gone; // the upload that it would have completed
    }

    private static final class Upload {
        private final String key;
        private final Instant began;
        private final ByteArrayOutputStream parts = new ByteArrayOutputStream();

        private Upload(String key, Instant began) {
            this.key = key;
            this.began = began;
        }

        private Instant began() {
            return began;
        }
    }

    /// One client's way to the store, with a count of what it asked for.
    public final class Link implements ObjectStore {
        private final Map<Verb, Integer> counts = new EnumMap<>(Verb.class);
        private final List<Long> puts = new ArrayList<>();
        private long bytesSent;
        private String lastRequest = "none";
        private boolean cut;
        private Consumer<String> sent = _ -> {};
        private BiConsumer<Verb, String> around = (_, _) -> {};

        private Link() {}

        /// Hears verb and key of every write twice, before it leaves and when its answer has come,
        /// in the actor that writes; may kill that.
        public void onWrite(BiConsumer<Verb, String> listener) {
            around = listener;
        }

        /// Hears the key of every put when it is sent; must not wait.
        public void onSend(Consumer<String> listener) {
            sent = listener;
        }

        /// Requests and answers get lost from here on, until told otherwise; what is on its way
        /// still arrives.
        public void cut(boolean isCut) {
            cut = isCut;
        }

        /// Requests sent, whatever became of them.
        public int count(Verb verb) {
            return counts.getOrDefault(verb, 0);
        }

        /// Of all kinds.
        public int count() {
            return counts.values().stream().mapToInt(Integer::intValue).sum();
        }

        /// The last one, for people.
        public String lastRequest() {
            return lastRequest;
        }

        /// When each put was sent, on the world's clock.
        public List<Long> puts() {
            return puts;
        }

        /// Bytes of bodies sent.
        public long bytesSent() {
            return bytesSent;
        }

        @Override
        public PutResult putIfAbsent(String key, ObjectBody body) {
            byte[] bytes = bytes(body);
            sending.accept(key, bytes);
            sent.accept(key);
            String request = "put " + key;
            int upload = inParts && bytes.length > PART_BYTES ? ++uploadsBegun : 0;
            if (upload > 0) {
                upload(upload, key, bytes);
            }
            around.accept(Verb.PUT, key);
            one(Verb.PUT, request);
            puts.add(world.nanos());
            bytesSent += bytes.length;
            Fault fault = fault();
            switch (fault) {
                case REFUSED -> {
                    travel();
                    uploads.remove(upload);
                    throw refusal(request);
                }
                case LOST -> {
                    world.sleep(TIMEOUT);
                    uploads.remove(upload);
                    throw timeout(request);
                }
                case LATE -> {
                    Duration late = Duration.ofMillis(random.nextInt(120_000));
                    deliver(key, bytes, upload, late, null, null);
                    world.sleep(TIMEOUT);
                    throw timeout(request);
                }
                case TWICE -> {
                    Duration late = Duration.ofMillis(random.nextInt(60_000));
                    deliver(key, bytes, upload, late, null, null);
                }
                case ANSWER_LOST, NONE -> {}
            }
            var answer = new Answer();
            Tasks.Guard arrived = network.guard();
            deliver(key, bytes, upload, delay(), answer, arrived);
            long deadline = world.nanos() + TIMEOUT.toNanos();
            arrived.lock();
            try {
                while (answer.result == null && !answer.gone && world.nanos() < deadline) {
                    arrived.await(Duration.ofNanos(deadline - world.nanos()));
                }
            } finally {
                arrived.unlock();
            }
            PutResult result = answer.result;
            if (fault == Fault.ANSWER_LOST || cut || result == null) {
                world.sleep(TIMEOUT);
                throw timeout(request);
            }
            around.accept(Verb.PUT, key);
            return result;
        }

        /// Sends all of a body but its completion. Who lives to see it fail ends it, as S3's client
        /// does.
        private void upload(int number, String key, byte[] bytes) {
            try {
                sendParts(number, key, bytes);
            } catch (StoreException failed) {
                uploads.remove(number);
                throw failed;
            }
        }

        private void sendParts(int number, String key, byte[] bytes) {
            for (int at = 0; at < bytes.length; at += PART_BYTES) {
                String request = "put part " + at / PART_BYTES + " of " + key;
                around.accept(Verb.PART, key);
                one(Verb.PART, request);
                // All parts together meet about as many faults as a body in one piece.
                boolean spared = !cut && !down && random.nextInt(4) != 0;
                Fault fault = spared ? Fault.NONE : fault();
                if (fault == Fault.LOST || fault == Fault.LATE) {
                    world.sleep(TIMEOUT);
                    throw timeout(request);
                }
                travel();
                if (fault == Fault.REFUSED) {
                    throw refusal(request);
                }
                Upload upload = uploads.get(number);
                if (at > 0 && upload == null) {
                    throw new Unavailable(request, "404 NoSuchUpload", null);
                }
                uploads.computeIfAbsent(number, _ -> new Upload(key, world.clock().instant()))
                        .parts
                        .write(bytes, at, Math.min(PART_BYTES, bytes.length - at));
                world.record(request);
                travel();
                if (cut || fault == Fault.ANSWER_LOST) {
                    throw timeout(request);
                }
                around.accept(Verb.PART, key);
            }
        }

        @Override
        public int abortUploads(String prefix, Instant before) {
            return read(
                    Verb.LIST,
                    "uploads " + prefix,
                    () -> {
                        List<Map.Entry<Integer, Upload>> old =
                                uploads.entrySet().stream()
                                        .filter(one ->
                                                one.getValue().key.startsWith(prefix)
                                                        && one.getValue().began.isBefore(before))
                                        .toList();
                        old.forEach(one -> {
                            uploads.remove(one.getKey());
                            if (completesLeft) {
                                byte[] some = one.getValue().parts.toByteArray();
                                deliver(one.getValue().key, some, 0, delay(), null, null);
                            }
                        });
                        return old.size();
                    });
        }

        @Override
        public Optional<byte[]> get(String key) {
            return read(Verb.READ, "get " + key, () -> store.get(key))
                    .map(bytes -> arrived(key, bytes));
        }

        @Override
        public Optional<byte[]> getRange(String key, long offset, int length) {
            return read(Verb.READ, "get " + key, () -> store.getRange(key, offset, length))
                    .map(bytes -> arrived(key, bytes));
        }

        @Override
        public Optional<TailRead> getTail(String key, int length) {
            return read(Verb.READ, "get " + key, () -> store.getTail(key, length))
                    .map(tail -> new TailRead(arrived(key, tail.bytes()), tail.size()));
        }

        @Override
        public Optional<InputStream> open(String key, long offset) {
            int length = Integer.MAX_VALUE;
            return read(Verb.READ, "get " + key, () -> store.getRange(key, offset, length))
                    .map(bytes -> stream(key, bytes));
        }

        @Override
        public Optional<ListedObject> head(String key) {
            return read(Verb.READ, "head " + key, () -> store.head(key));
        }

        @Override
        public ListPage list(String prefix, String startAfter, int limit) {
            int page = longPages && random.nextInt(4) != 0 ? LONG_PAGE_MAX : PAGE_MAX;
            int most = Math.min(limit, 1 + random.nextInt(page));
            return read(
                    Verb.LIST,
                    "list " + prefix,
                    () -> store.list(prefix, startAfter, faultPercent == 0 ? limit : most));
        }

        @Override
        public List<String> folders(String prefix) {
            return read(Verb.LIST, "list " + prefix, () -> store.folders(prefix));
        }

        @Override
        public void delete(String key) {
            String request = "delete " + key;
            around.accept(Verb.DELETE, key);
            one(Verb.DELETE, request);
            Fault fault = fault();
            if (fault == Fault.LATE || fault == Fault.TWICE) {
                Instant signed = world.clock().instant();
                int delay = random.nextInt(120_000);
                network.start(
                        "delete",
                        () -> {
                            world.sleep(Duration.ofMillis(delay));
                            if (!isExpired(signed)) {
                                remove(key);
                            }
                        });
            }
            if (cut || fault == Fault.LOST || fault == Fault.LATE) {
                world.sleep(TIMEOUT);
                throw timeout(request);
            }
            travel();
            if (fault == Fault.REFUSED) {
                throw refusal(request);
            }
            remove(key);
            travel();
            if (cut || fault == Fault.ANSWER_LOST) {
                throw timeout(request);
            }
            around.accept(Verb.DELETE, key);
        }

        @Override
        public void close() {}

        private <T> T read(Verb verb, String request, Supplier<T> action) {
            one(verb, request);
            Fault fault = fault();
            if (cut || fault == Fault.LOST) {
                world.sleep(TIMEOUT);
                throw timeout(request);
            }
            travel();
            if (fault == Fault.REFUSED) {
                throw refusal(request);
            }
            T result = action.get();
            world.record(request);
            travel();
            if (cut || fault == Fault.ANSWER_LOST) {
                throw timeout(request);
            }
            return result;
        }

        private void one(Verb verb, String request) {
            lastRequest = request;
            counts.merge(verb, 1, Integer::sum);
        }

        private Fault fault() {
            if (cut) {
                return Fault.LOST;
            }
            if (down) {
                return Fault.REFUSED;
            }
            return random.nextInt(100) >= faultPercent
                    ? Fault.NONE
                    : Fault.values()[1 + random.nextInt(Fault.values().length - 1)];
        }
    }

    private void deliver(
            String key,
            byte[] bytes,
            int upload,
            Duration after,
            @Nullable Answer answer,
            Tasks.@Nullable Guard arrived) {
        Instant signed = world.clock().instant();
        network.start(
                "put",
                () -> {
                    world.sleep(after);
                    if (isExpired(signed)) {
                        world.record("expired " + key);
                        return; // 403, which nobody waits for any more.
                    }
                    if (upload > 0 && uploads.remove(upload) == null) {
                        world.record("no upload " + key);
                        gone(answer, arrived);
                        return;
                    }
                    PutResult result = store.putIfAbsent(key, ObjectBody.of(bytes));
                    world.record(key + result);
                    if (result instanceof PutResult.Created) {
                        created.accept(key, signed);
                    }
                    if (answer == null || arrived == null) {
                        return;
                    }
                    travel();
                    arrived.lock();
                    answer.result = result;
                    arrived.signalAll();
                    arrived.unlock();
                });
    }

    private void gone(@Nullable Answer answer, Tasks.@Nullable Guard arrived) {
        if (answer != null && arrived != null) {
            arrived.lock();
            answer.gone = true;
            arrived.signalAll();
            arrived.unlock();
        }
    }

    private boolean isExpired(Instant signed) {
        return signed.plus(EXPIRY).isBefore(world.clock().instant());
    }

    private void remove(String key) {
        boolean there = store.head(key).isPresent();
        store.delete(key);
        world.record("delete " + key);
        if (there) {
            deleted.accept(key);
        }
    }

    /// A body as it arrives: cut short is what a client notices by its length, so that is an answer
    /// that did not come; a flipped bit is for the reader to notice.
    private byte[] arrived(String key, byte[] bytes) {
        if (!mangled(key, bytes)) {
            return bytes;
        }
        if (random.nextBoolean()) {
            throw new Unavailable("get " + key, "body broke off", null);
        }
        return flipped(bytes);
    }

    private InputStream stream(String key, byte[] bytes) {
        if (!mangled(key, bytes)) {
            return new ByteArrayInputStream(bytes);
        }
        if (random.nextBoolean()) {
            return new ByteArrayInputStream(flipped(bytes));
        }
        var some = new ByteArrayInputStream(bytes, 0, random.nextInt(bytes.length));
        return new SequenceInputStream(some, new BreakingStream());
    }

    private boolean mangled(String key, byte[] bytes) {
        return manglePerMille > 0
                && bytes.length > 0
                && !key.startsWith("controller/")
                && random.nextInt(1000) < manglePerMille;
    }

    private byte[] flipped(byte[] bytes) {
        byte[] copy = bytes.clone();
        copy[random.nextInt(copy.length)] ^= (byte) (1 << random.nextInt(8));
        return copy;
    }

    private static final class BreakingStream extends InputStream {
        @Override
        public int read() throws IOException {
            throw new IOException("connection reset");
        }
    }

    private enum Fault {
        NONE,
        REFUSED,
        LOST,
        ANSWER_LOST,
        LATE,
        TWICE
    }

    private void travel() {
        world.sleep(delay());
    }

    /// Mostly a few milliseconds, now and then much longer.
    private Duration delay() {
        return Duration.ofMillis(random.nextInt(!prompt && random.nextInt(20) == 0 ? 1500 : 20));
    }

    private StoreException refusal(String request) {
        return switch (random.nextInt(5)) {
            case 0 -> new Denied(request, "403 ExpiredToken", null);
            case 1 -> new Unavailable(request, "409 ConditionalRequestConflict", null);
            case 2 -> new Unavailable(request, "500 InternalError", null);
            default -> new Unavailable(request, "503 SlowDown", null);
        };
    }

    private static Unavailable timeout(String request) {
        return new Unavailable(request, "timeout", null);
    }

    private static byte[] bytes(ObjectBody body) {
        try (InputStream in = body.open()) {
            return in.readAllBytes();
        } catch (IOException impossible) {
            throw new UncheckedIOException(impossible);
        }
    }
}
