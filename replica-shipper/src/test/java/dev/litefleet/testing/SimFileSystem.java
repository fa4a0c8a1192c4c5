package dev.litefleet.testing;

import java.nio.file.FileStore;
import java.nio.file.FileSystem;
import java.nio.file.Path;
import java.nio.file.PathMatcher;
import java.nio.file.WatchService;
import java.nio.file.attribute.UserPrincipalLookupService;
import java.nio.file.spi.FileSystemProvider;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/// The files of a [SimDisk].
final class SimFileSystem extends FileSystem {
    private final SimFileProvider provider;
    private final Path root = new SimPath(this, true, List.of());

    SimFileSystem(SimDisk disk) {
        provider = new SimFileProvider(disk);
    }

    Path root() {
        return root;
    }

    @Override
    public FileSystemProvider provider() {
        return provider;
    }

    @Override
    public void close() {
        throw new UnsupportedOperationException("close");
    }

    @Override
    public boolean isOpen() {
        return true;
    }

    @Override
    public boolean isReadOnly() {
        return false;
    }

    @Override
    public String getSeparator() {
        return "/";
    }

    @Override
    public Iterable<Path> getRootDirectories() {
        return List.of(root);
    }

    @Override
    public Iterable<FileStore> getFileStores() {
        throw new UnsupportedOperationException("getFileStores");
    }

    @Override
    public Set<String> supportedFileAttributeViews() {
        return Set.of("basic");
    }

    @Override
    public Path getPath(String first, String... more) {
        var names = new ArrayList<String>();
        String all = more.length == 0 ? first : first + "/" + String.join("/", more);
        for (String name : all.split("/", -1)) {
            if (!name.isEmpty()) {
                names.add(name);
            }
        }
        return new SimPath(this, first.startsWith("/"), names);
    }

    @Override
    public PathMatcher getPathMatcher(String syntaxAndPattern) {
        throw new UnsupportedOperationException("getPathMatcher");
    }

    @Override
    public UserPrincipalLookupService getUserPrincipalLookupService() {
        throw new UnsupportedOperationException("getUserPrincipalLookupService");
    }

    @Override
    public WatchService newWatchService() {
        throw new UnsupportedOperationException("newWatchService");
    }
}
