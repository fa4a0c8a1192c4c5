package dev.litefleet.testing;

import dev.litefleet.testing.SimDisk.Kind;
import java.io.IOException;
import java.net.URI;
import java.nio.channels.FileChannel;
import java.nio.channels.SeekableByteChannel;
import java.nio.file.AccessMode;
import java.nio.file.CopyOption;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileStore;
import java.nio.file.FileSystem;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.FileAttributeView;
import java.nio.file.attribute.FileStoreAttributeView;
import java.nio.file.attribute.FileTime;
import java.nio.file.spi.FileSystemProvider;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// What `java.nio.file.Files` and `FileChannel` ask of a [SimDisk].
final class SimFileProvider extends FileSystemProvider {
    private final SimDisk disk;

    SimFileProvider(SimDisk disk) {
        this.disk = disk;
    }

    @Override
    public String getScheme() {
        return "sim";
    }

    @Override
    public FileSystem newFileSystem(URI uri, Map<String, ?> env) {
        throw new UnsupportedOperationException("newFileSystem");
    }

    @Override
    public FileSystem getFileSystem(URI uri) {
        throw new UnsupportedOperationException("getFileSystem");
    }

    @Override
    public Path getPath(URI uri) {
        throw new UnsupportedOperationException("getPath");
    }

    @Override
    public SeekableByteChannel newByteChannel(
            Path path, Set<? extends OpenOption> options, FileAttribute<?>... attributes)
            throws IOException {
        return newFileChannel(path, options, attributes);
    }

    @Override
    public FileChannel newFileChannel(
            Path path, Set<? extends OpenOption> options, FileAttribute<?>... attributes)
            throws IOException {
        Set<OpenOption> known =
                Set.of(
                        StandardOpenOption.READ,
                        StandardOpenOption.WRITE,
                        StandardOpenOption.CREATE,
                        StandardOpenOption.CREATE_NEW,
                        StandardOpenOption.TRUNCATE_EXISTING);
        if (!known.containsAll(options) || attributes.length > 0) {
            throw new UnsupportedOperationException("open " + path + " " + options);
        }
        disk.begin(Kind.OPEN, path);
        boolean write = options.contains(StandardOpenOption.WRITE);
        boolean fresh = options.contains(StandardOpenOption.CREATE_NEW);
        SimDisk.Node node = disk.find(path);
        if (node != null && fresh) {
            throw new FileAlreadyExistsException(path.toString());
        }
        if (node == null) {
            if (!write || !(fresh || options.contains(StandardOpenOption.CREATE))) {
                throw new NoSuchFileException(path.toString());
            }
            disk.begin(Kind.CREATE, path);
            node = disk.create(folderOf(path), name(path), false);
        } else if (write && node.folder) {
            throw new IOException("Is a directory: " + path);
        } else if (write
                && node.size() > 0
                && options.contains(StandardOpenOption.TRUNCATE_EXISTING)) {
            disk.begin(Kind.TRUNCATE, path);
            disk.truncate(node, 0);
        }
        return new SimChannel(disk, node, path, write);
    }

    private static String name(Path path) throws IOException {
        Path name = path.getFileName();
        if (name == null) {
            throw new IOException("Is the root: " + path);
        }
        return name.toString();
    }

    private SimDisk.Node require(Path path) throws IOException {
        SimDisk.Node node = disk.find(path);
        if (node == null) {
            throw new NoSuchFileException(path.toString());
        }
        return node;
    }

    private SimDisk.Node folderOf(Path path) throws IOException {
        Path parent = path.toAbsolutePath().getParent();
        SimDisk.Node folder = parent == null ? null : disk.find(parent);
        if (folder == null) {
            throw new NoSuchFileException(path.toString());
        }
        if (!folder.folder) {
            throw new NotDirectoryException(path.toString());
        }
        return folder;
    }

    @Override
    public DirectoryStream<Path> newDirectoryStream(
            Path path, DirectoryStream.Filter<? super Path> filter) throws IOException {
        disk.begin(Kind.LIST, path);
        SimDisk.Node folder = require(path);
        if (!folder.folder) {
            throw new NotDirectoryException(path.toString());
        }
        List<Path> found = new ArrayList<>();
        for (String name : folder.entries().keySet()) {
            Path entry = path.resolve(name);
            if (filter.accept(entry)) {
                found.add(entry);
            }
        }
        return new DirectoryStream<>() {
            @Override
            public Iterator<Path> iterator() {
                return found.iterator();
            }

            @Override
            public void close() {}
        };
    }

    @Override
    public void createDirectory(Path path, FileAttribute<?>... attributes) throws IOException {
        disk.begin(Kind.CREATE, path);
        if (disk.find(path) != null) {
            throw new FileAlreadyExistsException(path.toString());
        }
        disk.create(folderOf(path), name(path), true);
    }

    @Override
    public void createLink(Path link, Path existing) throws IOException {
        disk.begin(Kind.LINK, link);
        if (disk.find(link) != null) {
            throw new FileAlreadyExistsException(link.toString());
        }
        disk.link(folderOf(link), name(link), require(existing));
    }

    @Override
    public void delete(Path path) throws IOException {
        disk.begin(Kind.REMOVE, path);
        SimDisk.Node node = require(path);
        if (node.folder && !node.entries().isEmpty()) {
            throw new DirectoryNotEmptyException(path.toString());
        }
        disk.remove(folderOf(path), name(path));
    }

    @Override
    public void copy(Path source, Path target, CopyOption... options) {
        throw new UnsupportedOperationException("copy");
    }

    @Override
    public void move(Path source, Path target, CopyOption... options) throws IOException {
        if (!List.of(options).contains(StandardCopyOption.ATOMIC_MOVE)
                || !source.resolveSibling("x").equals(target.resolveSibling("x"))) {
            throw new UnsupportedOperationException("move " + source + " to " + target);
        }
        disk.begin(Kind.RENAME, target);
        require(source);
        disk.rename(folderOf(source), name(source), name(target));
    }

    @Override
    public boolean isSameFile(Path path, Path other) throws IOException {
        return require(path) == require(other);
    }

    @Override
    public boolean isHidden(Path path) {
        return false;
    }

    @Override
    public void checkAccess(Path path, AccessMode... modes) throws IOException {
        disk.begin(Kind.STAT, path);
        require(path);
    }

    @Override
    public <V extends FileAttributeView> V getFileAttributeView(
            Path path, Class<V> type, LinkOption... options) {
        throw new UnsupportedOperationException("getFileAttributeView");
    }

    @Override
    public <A extends BasicFileAttributes> A readAttributes(
            Path path, Class<A> type, LinkOption... options) throws IOException {
        if (type != BasicFileAttributes.class) {
            throw new UnsupportedOperationException(type.getName());
        }
        disk.begin(Kind.STAT, path);
        return type.cast(new Attributes(require(path)));
    }

    @Override
    public Map<String, Object> readAttributes(Path path, String names, LinkOption... options) {
        throw new UnsupportedOperationException("readAttributes " + names);
    }

    @Override
    public void setAttribute(Path path, String name, Object value, LinkOption... options) {
        throw new UnsupportedOperationException("setAttribute " + name);
    }

    private record Attributes(SimDisk.Node node) implements BasicFileAttributes {
        @Override
        public FileTime lastModifiedTime() {
            return node.modified;
        }

        @Override
        public FileTime lastAccessTime() {
            return node.modified;
        }

        @Override
        public FileTime creationTime() {
            return node.modified;
        }

        @Override
        public boolean isRegularFile() {
            return !node.folder;
        }

        @Override
        public boolean isDirectory() {
            return node.folder;
        }

        @Override
        public boolean isSymbolicLink() {
            return false;
        }

        @Override
        public boolean isOther() {
            return false;
        }

        @Override
        public long size() {
            return node.size();
        }

        @Override
        public @Nullable Object fileKey() {
            return node.number;
        }
    }

    @Override
    public FileStore getFileStore(Path path) throws IOException {
        require(path);
        return new FileStore() {
            @Override
            public String name() {
                return "sim";
            }

            @Override
            public String type() {
                return "sim";
            }

            @Override
            public boolean isReadOnly() {
                return false;
            }

            @Override
            public long getTotalSpace() {
                throw new UnsupportedOperationException("getTotalSpace");
            }

            @Override
            public long getUsableSpace() {
                return disk.free();
            }

            @Override
            public long getUnallocatedSpace() {
                return disk.free();
            }

            @Override
            public boolean supportsFileAttributeView(Class<? extends FileAttributeView> type) {
                return false;
            }

            @Override
            public boolean supportsFileAttributeView(String name) {
                return false;
            }

            @Override
            public <V extends FileStoreAttributeView> @Nullable V getFileStoreAttributeView(
                    Class<V> type) {
                return null;
            }

            @Override
            public Object getAttribute(String attribute) {
                throw new UnsupportedOperationException(attribute);
            }
        };
    }
}
