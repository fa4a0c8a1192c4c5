package dev.litefleet.testing;

import java.net.URI;
import java.nio.file.FileSystem;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.WatchEvent;
import java.nio.file.WatchKey;
import java.nio.file.WatchService;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// A path of a [SimDisk]: names, from its root or not.
final class SimPath implements Path {
    private final SimFileSystem files;
    private final boolean absolute;
    private final List<String> names;

    SimPath(SimFileSystem files, boolean absolute, List<String> names) {
        this.files = files;
        this.absolute = absolute;
        this.names = List.copyOf(names);
    }

    private SimPath of(boolean isAbsolute, List<String> parts) {
        return new SimPath(files, isAbsolute, parts);
    }

    @Override
    public FileSystem getFileSystem() {
        return files;
    }

    @Override
    public boolean isAbsolute() {
        return absolute;
    }

    @Override
    public @Nullable Path getRoot() {
        return absolute ? files.root() : null;
    }

    @Override
    public @Nullable Path getFileName() {
        return names.isEmpty() ? null : of(false, List.of(names.getLast()));
    }

    @Override
    public @Nullable Path getParent() {
        int count = names.size();
        return count == 0 || (count == 1 && !absolute)
                ? null
                : of(absolute, names.subList(0, count - 1));
    }

    @Override
    public int getNameCount() {
        return names.size();
    }

    @Override
    public Path getName(int index) {
        return of(false, List.of(names.get(index)));
    }

    @Override
    public Path subpath(int from, int to) {
        return of(false, names.subList(from, to));
    }

    @Override
    public boolean startsWith(Path other) {
        return other instanceof SimPath path
                && path.absolute == absolute
                && path.names.size() <= names.size()
                && names.subList(0, path.names.size()).equals(path.names);
    }

    @Override
    public boolean endsWith(Path other) {
        throw new UnsupportedOperationException("endsWith");
    }

    @Override
    public Path normalize() {
        return this;
    }

    @Override
    public Path resolve(Path other) {
        if (other.isAbsolute()) {
            return other;
        }
        var all = new ArrayList<>(names);
        other.forEach(name -> all.add(name.toString()));
        return of(absolute, all);
    }

    @Override
    public Path relativize(Path other) {
        if (!other.startsWith(this)) {
            throw new UnsupportedOperationException("relativize " + other + " to " + this);
        }
        return of(false, ((SimPath) other).names.subList(names.size(), other.getNameCount()));
    }

    @Override
    public URI toUri() {
        return URI.create("sim://" + toAbsolutePath());
    }

    @Override
    public Path toAbsolutePath() {
        return absolute ? this : of(true, names);
    }

    @Override
    public Path toRealPath(LinkOption... options) {
        return toAbsolutePath();
    }

    @Override
    public WatchKey register(
            WatchService watcher, WatchEvent.Kind<?>[] events, WatchEvent.Modifier... modifiers) {
        throw new UnsupportedOperationException("register");
    }

    @Override
    public int compareTo(Path other) {
        return toString().compareTo(other.toString());
    }

    @Override
    public boolean equals(@Nullable Object other) {
        return other instanceof SimPath path
                && path.files == files
                && path.absolute == absolute
                && path.names.equals(names);
    }

    @Override
    public int hashCode() {
        return Objects.hash(absolute, names);
    }

    @Override
    public String toString() {
        return (absolute ? "/" : "") + String.join("/", names);
    }
}
