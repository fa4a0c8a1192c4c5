package dev.litefleet.replica.objects;

import static java.nio.file.StandardOpenOption.CREATE_NEW;
import static java.nio.file.StandardOpenOption.READ;
import static java.nio.file.StandardOpenOption.WRITE;

import dev.litefleet.replica.objects.PutResult.Created;
import dev.litefleet.replica.objects.PutResult.Occupied;
import dev.litefleet.replica.objects.StoreException.Denied;
import dev.litefleet.replica.objects.StoreException.Misconfigured;
import dev.litefleet.replica.objects.StoreException.Unavailable;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.file.AccessDeniedException;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.PriorityQueue;
import java.util.concurrent.atomic.AtomicLong;
import java.util.random.RandomGenerator;

/// Objects as files under a directory, in the same layout as on S3.
///
/// A put writes a temporary file in `.tmp/`, syncs it, and gives it its key by a hard link, which
/// fails if the key is taken; so a key appears with all its bytes or not at all, in every process
/// of this machine. Then it syncs the folder and removes the temporary name. An answer, whether
/// created or occupied, is given only after the folder is synced: what was answered survives a
/// power cut.
///
/// Any number of processes may share the directory, and a folder that one of them found empty may
/// disappear under another: nothing here relies on what an earlier call saw.
final class DirectoryObjectStore implements ObjectStore {
    private static final String TEMPORARY = ".tmp";

    /// How long a temporary file may stand unchanged before a starting store takes it for the
    /// remains of a crash.
    private static final Duration TEMPORARY_AGE = Duration.ofHours(1);

    /// Folders remembered as existing and synced; a forgotten one costs a few system calls and a
    /// sync of its parents.
    private static final int FOLDERS_MAX = 4096;

    /// How often a put creates its folder anew because someone deleted the last object in it.
    private static final int FOLDER_ATTEMPTS = 100;

    private final Path root;
    private final Path temporary;
    private final String owner;
    private final AtomicLong temporaries = new AtomicLong();
    private final Map<Path, Boolean> folders =
            Collections.synchronizedMap(
                    new LinkedHashMap<>(64, 0.75f, true) {
                        @Override
                        protected boolean removeEldestEntry(Map.Entry<Path, Boolean> eldest) {
                            return size() > FOLDERS_MAX;
                        }
                    });

    /// Creates the directory if need be, tries out a hard link in it, and removes temporary files
    /// that a crash left.
    ///
    /// @param random names temporary files, so that processes do not meet
    /// @throws Misconfigured if the directory cannot serve as a store
    DirectoryObjectStore(Path root, RandomGenerator random) {
        this(root, random, TEMPORARY_AGE);
    }

    /// @param temporaryAge instead of the usual one
    DirectoryObjectStore(Path root, RandomGenerator random, Duration temporaryAge) {
        this.root = root.toAbsolutePath().normalize();
        this.temporary = this.root.resolve(TEMPORARY);
        this.owner = Long.toUnsignedString(random.nextLong(), Character.MAX_RADIX);
        try {
            Files.createDirectories(temporary);
            sync(this.root);
            if (this.root.getParent() != null) {
                sync(this.root.getParent());
            }
            tryOut(temporaryAge);
        } catch (IOException unusable) {
            throw new Misconfigured("open " + this.root, words(unusable), unusable);
        }
    }

    private DirectoryObjectStore(Path root) {
        this.root = root.toAbsolutePath().normalize();
        this.temporary = this.root.resolve(TEMPORARY);
        this.owner = "";
        if (!Files.isDirectory(this.root)) {
            throw new Misconfigured("open " + this.root, "no such directory", null);
        }
    }

    /// A store that reads only: the directory must be there and nothing in it is touched, so it may
    /// lie on a read-only medium.
    static DirectoryObjectStore forReading(Path root) {
        return new DirectoryObjectStore(root);
    }

    private void checkWritable() {
        if (owner.isEmpty()) {
            throw new IllegalStateException("the store was opened for reading");
        }
    }

    @Override
    public PutResult putIfAbsent(String key, ObjectBody body) {
        checkWritable();
        Path target = root.resolve(ObjectKey.check(key));
        String request = "put " + key;
        try {
            // Saves the writing when a derived file is there already. The link below decides.
            if (Files.exists(target)) {
                return occupied(target, request);
            }
            Path file = temporary.resolve(owner + "-" + temporaries.incrementAndGet());
            try {
                write(file, body);
                if (!link(target, file)) {
                    return occupied(target, request);
                }
                syncFolder(target);
                return new Created();
            } finally {
                Files.deleteIfExists(file);
            }
        } catch (IOException failure) {
            throw failed(request, failure);
        }
    }

    @Override
    public Optional<byte[]> get(String key) {
        return read(
                "get " + key,
                ObjectKey.check(key),
                file -> {
                    long size = file.size();
                    if (size > GET_BYTES_MAX) {
                        throw new IllegalStateException(
                                "object is too large to read whole [key=%s, size=%d]"
                                        .formatted(key, size));
                    }
                    return bytes(file, 0, (int) size);
                });
    }

    @Override
    public Optional<byte[]> getRange(String key, long offset, int length) {
        if (offset < 0 || length < 0) {
            throw new IllegalArgumentException("range out of bounds: " + offset + "+" + length);
        }
        return read("get " + key, ObjectKey.check(key), file -> bytes(file, offset, length));
    }

    @Override
    public Optional<TailRead> getTail(String key, int length) {
        if (length < 1) {
            throw new IllegalArgumentException("length out of bounds: " + length);
        }
        return read(
                "get " + key,
                ObjectKey.check(key),
                file -> {
                    long size = file.size();
                    return new TailRead(bytes(file, Math.max(0, size - length), length), size);
                });
    }

    @Override
    public Optional<InputStream> open(String key, long offset) {
        Path path = root.resolve(ObjectKey.check(key));
        if (offset < 0) {
            throw new IllegalArgumentException("offset out of bounds: " + offset);
        }
        try {
            if (Files.isDirectory(path)) {
                return Optional.empty();
            }
            FileChannel file = FileChannel.open(path, READ);
            file.position(offset);
            return Optional.of(Channels.newInputStream(file));
        } catch (IOException failure) {
            if (isAbsent(failure)) {
                return Optional.empty();
            }
            throw failed("get " + key, failure);
        }
    }

    @Override
    public Optional<ListedObject> head(String key) {
        try {
            return attributes(ObjectKey.check(key))
                    .filter(file -> !file.isDirectory())
                    .map(file -> listed(key, file));
        } catch (IOException failure) {
            throw failed("head " + key, failure);
        }
    }

    /// Walks the tree in the order of the keys. A name is looked at, as file or folder, only when
    /// its turn comes, because a folder stands where its slash puts it: `a-b/x` comes before `a/x`.
    @Override
    public ListPage list(String prefix, String startAfter, int limit) {
        ObjectKey.checkPrefix(prefix);
        ObjectKey.checkLimit(limit);
        var page = new ArrayList<ListedObject>();
        var next = new PriorityQueue<>(ObjectKey.ORDER);
        try {
            next.add(prefix.substring(0, prefix.lastIndexOf('/') + 1));
            while (!next.isEmpty()) {
                String name = next.remove();
                if (name.isEmpty() || name.endsWith("/")) {
                    for (String child : children(name)) {
                        String path = name + child;
                        boolean within = path.startsWith(prefix) || prefix.startsWith(path + "/");
                        // '0' follows '/': greater than whatever a folder of this name may hold.
                        if (within && ObjectKey.ORDER.compare(path + "0", startAfter) > 0) {
                            next.add(path);
                        }
                    }
                    continue;
                }
                Optional<BasicFileAttributes> file = attributes(name);
                if (file.isEmpty()) {
                    continue; // Deleted since its folder was read.
                }
                if (file.get().isDirectory()) {
                    next.add(name + "/");
                } else if (name.startsWith(prefix)
                        && ObjectKey.ORDER.compare(name, startAfter) > 0) {
                    if (page.size() == limit) {
                        return new ListPage(page, true);
                    }
                    page.add(listed(name, file.get()));
                }
            }
        } catch (IOException failure) {
            throw failed("list " + prefix, failure);
        }
        return new ListPage(page, false);
    }

    @Override
    public List<String> folders(String prefix) {
        ObjectKey.checkFolder(prefix);
        try {
            var names = new ArrayList<String>();
            for (String child : children(prefix)) {
                // A folder without an object is the trace of a put or delete, not a folder.
                if (Files.isDirectory(root.resolve(prefix + child))
                        && !list(prefix + child + "/", "", 1).objects().isEmpty()) {
                    names.add(child);
                }
            }
            names.sort(ObjectKey.ORDER);
            return List.copyOf(names);
        } catch (IOException failure) {
            throw failed("list " + prefix, failure);
        }
    }

    /// Also removes the folders that became empty, so that a directory grows with its objects only.
    @Override
    public void delete(String key) {
        checkWritable();
        Path target = root.resolve(ObjectKey.check(key));
        try {
            if (Files.isDirectory(target)) {
                return;
            }
            Files.deleteIfExists(target);
            Path folder = parent(target);
            while (!folder.equals(root) && removeIfEmpty(folder)) {
                folder = parent(folder);
            }
            sync(folder);
        } catch (IOException failure) {
            if (!isAbsent(failure)) {
                throw failed("delete " + key, failure);
            }
        }
    }

    /// The remains of puts by processes that died, whatever their keys: names do not tell.
    @Override
    public int abortUploads(String prefix, Instant before) {
        checkWritable();
        try {
            return sweep(TEMPORARY_AGE);
        } catch (IOException failure) {
            throw failed("sweep", failure);
        }
    }

    /// Holds nothing open.
    @Override
    public void close() {}

    private void tryOut(Duration temporaryAge) throws IOException {
        Path probe = temporary.resolve(owner + "-0");
        Path link = temporary.resolve(owner + "-0-link");
        try {
            Files.createFile(probe);
            Files.createLink(link, probe);
        } finally {
            Files.deleteIfExists(link);
            Files.deleteIfExists(probe);
        }
        sweep(temporaryAge);
    }

    /// Removes temporary files that nobody has touched for so long.
    private int sweep(Duration age) throws IOException {
        Path probe = temporary.resolve(owner + "-" + temporaries.incrementAndGet());
        int removed = 0;
        try {
            Files.createFile(probe);
            // The file system's own clock, and the one time of a file that a body cannot set.
            Instant oldest = changed(probe).minus(age);
            try (DirectoryStream<Path> files = Files.newDirectoryStream(temporary)) {
                for (Path file : files) {
                    removed += removeOlder(file, oldest) ? 1 : 0;
                }
            }
        } finally {
            Files.deleteIfExists(probe);
        }
        return removed;
    }

    private static boolean removeOlder(Path file, Instant oldest) throws IOException {
        try {
            return changed(file).isBefore(oldest) && Files.deleteIfExists(file);
        } catch (NoSuchFileException finished) {
            return false; // Another process's put ended meanwhile.
        }
    }

    private static Instant changed(Path file) throws IOException {
        return ((FileTime) Files.getAttribute(file, "unix:ctime")).toInstant();
    }

    private static void write(Path file, ObjectBody body) throws IOException {
        try (FileChannel out = FileChannel.open(file, CREATE_NEW, WRITE)) {
            if (body.inMemory().isPresent()) {
                ByteBuffer bytes = ByteBuffer.wrap(body.inMemory().get());
                while (bytes.hasRemaining()) {
                    out.write(bytes);
                }
            } else {
                try (FileChannel in = FileChannel.open(body.path(), READ)) {
                    long at = 0;
                    while (at < body.length()) {
                        long moved = in.transferTo(at, body.length() - at, out);
                        if (moved == 0) {
                            throw new IOException("body is shorter than it was: " + body.path());
                        }
                        at += moved;
                    }
                }
            }
            if (body.timestamp().isPresent()) {
                Files.setLastModifiedTime(file, FileTime.from(body.timestamp().get()));
            }
            out.force(body.timestamp().isPresent());
        }
    }

    /// @return false if `target` is taken
    private boolean link(Path target, Path file) throws IOException {
        for (int attempt = 1; ; attempt++) {
            try {
                makeFolder(parent(target));
                Files.createLink(target, file);
                return true;
            } catch (FileAlreadyExistsException taken) {
                return false;
            } catch (NoSuchFileException gone) {
                forget(target);
                if (attempt == FOLDER_ATTEMPTS) {
                    throw gone;
                }
            }
        }
    }

    private PutResult occupied(Path target, String request) throws IOException {
        if (Files.isDirectory(target)) {
            throw new Misconfigured(request, "the key is a folder", null);
        }
        // Whoever created it may not have synced the folder yet, and our caller may build on it.
        syncFolder(target);
        return new Occupied();
    }

    private void makeFolder(Path folder) throws IOException {
        if (folder.equals(root) || folders.get(folder) != null) {
            return;
        }
        makeFolder(parent(folder));
        try {
            Files.createDirectory(folder);
        } catch (FileAlreadyExistsException existing) {
            // One look: a folder that vanished since must not be taken for an object in its place.
            // Then this throws NoSuchFileException, and the caller tries again.
            if (!Files.readAttributes(folder, BasicFileAttributes.class).isDirectory()) {
                throw new NotDirectoryException(folder.toString());
            }
        }
        // Even if another process created it: it may not have come to its sync.
        sync(parent(folder));
        folders.put(folder, true);
    }

    private void forget(Path target) {
        for (Path folder = parent(target); !folder.equals(root); folder = parent(folder)) {
            folders.remove(folder);
        }
    }

    private boolean removeIfEmpty(Path folder) throws IOException {
        try {
            Files.delete(folder);
            folders.remove(folder);
            return true;
        } catch (DirectoryNotEmptyException used) {
            return false;
        } catch (NoSuchFileException gone) {
            return true;
        }
    }

    /// Makes the entry of `target` survive a power cut.
    private static void syncFolder(Path target) throws IOException {
        try {
            sync(parent(target));
        } catch (NoSuchFileException gone) {
            // The object was deleted at once and its folder with it: there is nothing to keep.
        }
    }

    private static void sync(Path folder) throws IOException {
        try (FileChannel channel = FileChannel.open(folder, READ)) {
            channel.force(true);
        }
    }

    private static Path parent(Path path) {
        Path parent = path.getParent();
        if (parent == null) {
            throw new IllegalStateException("outside of the store: " + path);
        }
        return parent;
    }

    /// Names in a folder, unordered; none if it does not exist.
    private List<String> children(String folder) throws IOException {
        var names = new ArrayList<String>();
        try (DirectoryStream<Path> files = Files.newDirectoryStream(root.resolve(folder))) {
            for (Path file : files) {
                String name = file.getFileName().toString();
                if (!name.startsWith(".")) {
                    names.add(name);
                }
            }
        } catch (DirectoryIteratorException failure) {
            throw failure.getCause();
        } catch (NoSuchFileException | NotDirectoryException absent) {
            return List.of();
        }
        return names;
    }

    private Optional<BasicFileAttributes> attributes(String key) throws IOException {
        try {
            return Optional.of(Files.readAttributes(root.resolve(key), BasicFileAttributes.class));
        } catch (IOException failure) {
            if (isAbsent(failure)) {
                return Optional.empty();
            }
            throw failure;
        }
    }

    private static ListedObject listed(String key, BasicFileAttributes file) {
        return new ListedObject(key, file.size(), file.lastModifiedTime().toInstant());
    }

    @FunctionalInterface
    private interface Reading<T> {
        T from(FileChannel file) throws IOException;
    }

    private <T> Optional<T> read(String request, String key, Reading<T> reading) {
        Path path = root.resolve(key);
        try (FileChannel file = FileChannel.open(path, READ)) {
            return Optional.of(reading.from(file));
        } catch (IOException failure) {
            // A folder opens like a file; only its bytes cannot be read.
            if (isAbsent(failure) || Files.isDirectory(path)) {
                return Optional.empty();
            }
            throw failed(request, failure);
        }
    }

    private static byte[] bytes(FileChannel file, long offset, int length) throws IOException {
        long available = Math.max(0, file.size() - offset);
        ByteBuffer bytes = ByteBuffer.allocate((int) Math.min(length, available));
        while (bytes.hasRemaining()) {
            if (file.read(bytes, offset + bytes.position()) < 0) {
                throw new IOException("file was cut short while it was read");
            }
        }
        return bytes.array();
    }

    private static boolean isAbsent(IOException failure) {
        return failure instanceof NoSuchFileException
                || failure instanceof NotDirectoryException
                || (failure instanceof FileSystemException path
                        && "Not a directory".equals(path.getReason()));
    }

    private static StoreException failed(String request, IOException failure) {
        return switch (failure) {
            case AccessDeniedException denied -> new Denied(request, words(denied), denied);
            case NotDirectoryException mixed ->
                    new Misconfigured(request, "a folder of the key is an object", mixed);
            default -> new Unavailable(request, words(failure), failure);
        };
    }

    private static String words(IOException failure) {
        String message = failure.getMessage();
        return failure.getClass().getSimpleName() + (message == null ? "" : ": " + message);
    }
}
