package dev.litefleet.testing;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.Predicate;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/// A disk in memory, behind a file system of its own, that forgets what it was not told to keep.
///
/// Of a file survives a loss of power what was forced; of what was written since, each sector of
/// 512 bytes is there or not, as the seed says, and so is each change of its length. A name that
/// was made, replaced or removed is certain only when its folder was forced; each such change is
/// there or not by itself, a rename as a whole. Forcing a file does not force its name.
///
/// Writes may be short. The space may end, and any operation may fail; when forcing a file fails,
/// what was to be forced is gone (fsyncgate), and forcing it again says nothing of that.
///
/// Not thread-safe: for one actor at a time, as [SimTasks] has it. What production code does not
/// use throws [UnsupportedOperationException].
public final class SimDisk {
    /// Bytes that survive together.
    public static final int SECTOR = 512;

    /// What is done to a disk.
    public enum Kind {
        OPEN,
        READ,
        WRITE,
        TRUNCATE,
        FORCE,
        CREATE,
        RENAME,
        LINK,
        REMOVE,
        LIST,
        STAT;

        /// Whether it changes what is on the disk, or what of it survives.
        public boolean changes() {
            return this != OPEN && this != READ && this != LIST && this != STAT;
        }
    }

    /// One operation.
    ///
    /// @param path of a file that is open: under which it was opened
    public record Operation(Kind kind, Path path) {}

    /// A file or a folder, whatever its names.
    final class Node {
        final boolean folder;
        final long number = ++nodes;
        FileTime modified = now();
        int lockedAt = -1; // boot of the process that has it locked

        private byte[] bytes = new byte[0]; // and room behind `length`
        private int length;
        private byte[] forced = new byte[0];
        private final List<Change> changes = new ArrayList<>();

        private Map<String, Node> entries = new LinkedHashMap<>();
        private Map<String, Node> forcedEntries = new LinkedHashMap<>();
        private final List<Map<String, Naming>> namings = new ArrayList<>();

        private Node(boolean folder) {
            this.folder = folder;
        }

        int size() {
            return length;
        }

        private byte[] content() {
            return Arrays.copyOf(bytes, length);
        }

        private void become(byte[] content) {
            bytes = content;
            length = content.length;
        }

        private void resize(int size) {
            if (size > bytes.length) {
                bytes = Arrays.copyOf(bytes, Math.max(size, 2 * length));
            } else if (size < length) {
                Arrays.fill(bytes, size, length, (byte) 0);
            }
            length = size;
        }

        private void put(int at, byte[] from, int start, int count) {
            if (at + count > length) {
                resize(at + count);
            }
            System.arraycopy(from, start, bytes, at, count);
        }

        Map<String, Node> entries() {
            return entries;
        }

        /// Changes names as one: none of them, or all, survive.
        private void name(Map<String, Naming> naming) {
            modified = now();
            namings.add(naming);
            apply(naming, entries);
        }

        private void survive() {
            if (folder) {
                entries = new LinkedHashMap<>(forcedEntries);
                boolean[] kept = some(namings.size());
                for (int i = 0; i < kept.length; i++) {
                    if (kept[i]) {
                        apply(namings.get(i), entries);
                    }
                }
                settleNames();
                entries.values().forEach(Node::survive);
                return;
            }
            become(forced.clone());
            int sectors = changes.stream().mapToInt(Change::sectors).sum();
            boolean[] kept = some(sectors);
            int at = 0;
            for (Change change : changes) {
                for (int sector = 0; sector < change.sectors(); sector++) {
                    if (kept[at++]) {
                        change.survive(sector, this);
                    }
                }
            }
            settle();
        }

        private void settle() {
            forced = content();
            changes.clear();
        }

        private void settleNames() {
            forcedEntries = new LinkedHashMap<>(entries);
            namings.clear();
        }
    }

    /// @param node null for a name that was removed
    private record Naming(@Nullable Node node) {}

    private static void apply(Map<String, Naming> naming, Map<String, Node> entries) {
        naming.forEach((name, what) -> {
            if (what.node() == null) {
                entries.remove(name);
            } else {
                entries.put(name, what.node());
            }
        });
    }

    /// @param bytes null for a new length
    private record Change(int at, byte @Nullable [] bytes) {
        int sectors() {
            return bytes == null ? 1 : (at + bytes.length + SECTOR - 1) / SECTOR - at / SECTOR;
        }

        private void survive(int sector, Node in) {
            if (bytes == null) {
                in.resize(Math.min(in.length, at));
                return;
            }
            int from = Math.max(at, (at / SECTOR + sector) * SECTOR);
            int to = Math.min(at + bytes.length, (at / SECTOR + sector + 1) * SECTOR);
            in.put(from, bytes, from - at, to - from);
        }
    }

    private final RandomGenerator random;
    private final Node root;
    private final SimFileSystem files = new SimFileSystem(this);
    private Consumer<Operation> watch = _ -> {};
    private Predicate<Operation> failing = _ -> false;
    private Predicate<Operation> ignored = _ -> false;
    private boolean shortWrites;
    private long capacity = Long.MAX_VALUE;
    private long nodes;
    private long time;
    private int boots;

    /// An empty one, without faults.
    public SimDisk(RandomGenerator random) {
        this.random = random;
        this.root = new Node(true);
    }

    /// Its root folder.
    public Path root() {
        return files.root();
    }

    /// Hears of each operation before it is done, and may see to it that it never is.
    public void watch(Consumer<Operation> watcher) {
        watch = watcher;
    }

    /// Operations that fail from here on, with EIO.
    public void fail(Predicate<Operation> which) {
        failing = which;
    }

    /// Forces that do nothing from here on, and say that they did: a disk that lies.
    public void ignoreForce(Predicate<Operation> which) {
        ignored = which;
    }

    /// From here on now and then only the beginning of what is written is taken at first.
    public void writeShort(boolean isShort) {
        shortWrites = isShort;
    }

    /// How much all files may hold together from here on.
    public void capacity(long bytesMax) {
        capacity = bytesMax;
    }

    /// No more faults.
    public void calm() {
        capacity = Long.MAX_VALUE;
        shortWrites = false;
        fail(_ -> false);
    }

    /// The process ends: no file is open any more. What was written stays.
    public void processEnds() {
        boots++;
    }

    /// The power fails: what was not forced is there or not.
    public void powerFails() {
        boots++;
        root.survive();
    }

    /// Changes one bit of a file, if it has any.
    ///
    /// @return whether it has
    public boolean flipBit(Path file) {
        Node node = find(file);
        if (node == null || node.length == 0) {
            return false;
        }
        byte[] flipped = node.content();
        flipped[random.nextInt(flipped.length)] ^= (byte) (1 << random.nextInt(8));
        node.become(flipped);
        node.settle();
        return true;
    }

    /// What a file holds now, or null. Nobody hears of it.
    public byte @Nullable [] content(Path file) {
        Node node = find(file);
        return node == null || node.folder ? null : node.content();
    }

    /// Puts a file there, forced, whatever was there before. Nobody hears of it.
    public void put(Path file, byte[] content) {
        Node folder = find(file.getParent());
        if (folder == null) {
            throw new IllegalArgumentException("no folder for " + file);
        }
        Node node = new Node(false);
        node.become(content.clone());
        node.settle();
        folder.name(Map.of(file.getFileName().toString(), new Naming(node)));
        folder.settleNames();
    }

    /// Bytes in all files.
    public long used() {
        var seen = new LinkedHashMap<Node, Integer>();
        count(root, seen);
        return seen.values().stream().mapToLong(Integer::longValue).sum();
    }

    private static void count(Node node, Map<Node, Integer> into) {
        if (node.folder) {
            node.entries.values().forEach(entry -> count(entry, into));
        } else {
            into.put(node, node.length);
        }
    }

    // What follows is for the file system.

    long free() {
        return Math.max(0, capacity - used());
    }

    int boots() {
        return boots;
    }

    /// To be called before each operation.
    void begin(Kind kind, Path path) throws IOException {
        var operation = new Operation(kind, path);
        watch.accept(operation);
        if (failing.test(operation)) {
            throw new IOException("Input/output error: " + kind + " " + path);
        }
    }

    void requireBoot(int boot, Path path) throws IOException {
        if (boot != boots) {
            throw new IOException("opened by a process that has ended: " + path);
        }
    }

    @Nullable Node find(Path path) {
        Node node = root;
        for (Path name : path.toAbsolutePath()) {
            node = node.entries.get(name.toString());
            if (node == null) {
                return null;
            }
        }
        return node;
    }

    Node create(Node folder, String name, boolean isFolder) {
        var node = new Node(isFolder);
        folder.name(Map.of(name, new Naming(node)));
        return node;
    }

    void link(Node folder, String name, Node node) {
        folder.name(Map.of(name, new Naming(node)));
    }

    void remove(Node folder, String name) {
        folder.name(Map.of(name, new Naming(null)));
    }

    void rename(Node folder, String from, String to) {
        Node node = folder.entries.get(from);
        var naming = new LinkedHashMap<String, Naming>();
        naming.put(from, new Naming(null));
        naming.put(to, new Naming(node));
        folder.name(naming);
    }

    int read(Node node, long at, ByteBuffer into) {
        int left = (int) Math.max(0, node.length - at);
        if (left == 0) {
            return into.hasRemaining() ? -1 : 0;
        }
        int count = Math.min(left, into.remaining());
        into.put(node.bytes, (int) at, count);
        return count;
    }

    int write(Node node, long at, ByteBuffer from) throws IOException {
        int count = from.remaining();
        if (shortWrites && count > 1 && random.nextInt(8) == 0) {
            count = 1 + random.nextInt(count - 1);
        }
        if (at + count > node.length && capacity != Long.MAX_VALUE) {
            long room = Math.max(0, node.length - at) + free();
            if (room <= 0) {
                throw new IOException("No space left on device");
            }
            count = (int) Math.min(count, room);
        }
        byte[] bytes = new byte[count];
        from.get(bytes);
        int start = Math.toIntExact(at);
        node.put(start, bytes, 0, count);
        node.changes.add(new Change(start, bytes));
        node.modified = now();
        return count;
    }

    void truncate(Node node, long size) {
        if (size < node.length) {
            node.resize((int) size);
            node.changes.add(new Change((int) size, null));
            node.modified = now();
        }
    }

    void force(Node node, Path path) throws IOException {
        try {
            begin(Kind.FORCE, path);
        } catch (IOException failed) {
            if (!node.folder) {
                node.become(node.forced.clone());
                node.changes.clear();
            }
            throw failed;
        }
        if (ignored.test(new Operation(Kind.FORCE, path))) {
            return;
        }
        if (node.folder) {
            node.settleNames();
        } else {
            node.settle();
        }
    }

    private FileTime now() {
        return FileTime.fromMillis(++time);
    }

    /// Which of so many things survive: none, all, the first ones, or any.
    private boolean[] some(int count) {
        boolean[] kept = new boolean[count];
        switch (random.nextInt(4)) {
            case 0 -> {}
            case 1 -> Arrays.fill(kept, true);
            case 2 -> Arrays.fill(kept, 0, random.nextInt(count + 1), true);
            default -> {
                int percent = random.nextInt(101);
                for (int i = 0; i < count; i++) {
                    kept[i] = random.nextInt(100) < percent;
                }
            }
        }
        return kept;
    }
}
