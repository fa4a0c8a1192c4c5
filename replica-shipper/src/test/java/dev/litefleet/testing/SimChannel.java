package dev.litefleet.testing;

import dev.litefleet.testing.SimDisk.Kind;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.MappedByteBuffer;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.NonWritableChannelException;
import java.nio.channels.OverlappingFileLockException;
import java.nio.channels.ReadableByteChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Path;

/// An open file or folder of a [SimDisk]. Of no more use once its process has ended.
final class SimChannel extends FileChannel {
    private final SimDisk disk;
    private final SimDisk.Node node;
    private final Path path;
    private final boolean writable;
    private final int boot;
    private long position;
    private boolean holdsLock;

    SimChannel(SimDisk disk, SimDisk.Node node, Path path, boolean writable) {
        this.disk = disk;
        this.node = node;
        this.path = path;
        this.writable = writable;
        this.boot = disk.boots();
    }

    private void begin(Kind kind) throws IOException {
        if (!isOpen()) {
            throw new ClosedChannelException();
        }
        if (kind != Kind.FORCE) {
            disk.begin(kind, path);
        }
        disk.requireBoot(boot, path);
        if (!writable && (kind == Kind.WRITE || kind == Kind.TRUNCATE)) {
            throw new NonWritableChannelException();
        }
        if (node.folder && kind == Kind.READ) {
            throw new IOException("Is a directory: " + path);
        }
    }

    @Override
    public int read(ByteBuffer into) throws IOException {
        int count = read(into, position);
        position += Math.max(0, count);
        return count;
    }

    @Override
    public int read(ByteBuffer into, long at) throws IOException {
        begin(Kind.READ);
        return disk.read(node, at, into);
    }

    @Override
    public int write(ByteBuffer from) throws IOException {
        int count = write(from, position);
        position += count;
        return count;
    }

    @Override
    public int write(ByteBuffer from, long at) throws IOException {
        begin(Kind.WRITE);
        return disk.write(node, at, from);
    }

    @Override
    public long position() {
        return position;
    }

    @Override
    public FileChannel position(long to) {
        position = to;
        return this;
    }

    @Override
    public long size() throws IOException {
        begin(Kind.STAT);
        return node.size();
    }

    @Override
    public FileChannel truncate(long size) throws IOException {
        begin(Kind.TRUNCATE);
        disk.truncate(node, size);
        position = Math.min(position, size);
        return this;
    }

    @Override
    public void force(boolean metadata) throws IOException {
        begin(Kind.FORCE);
        disk.force(node, path);
    }

    @Override
    protected void implCloseChannel() {
        unlock();
    }

    @Override
    public long read(ByteBuffer[] into, int offset, int length) {
        throw new UnsupportedOperationException("read");
    }

    @Override
    public long write(ByteBuffer[] from, int offset, int length) {
        throw new UnsupportedOperationException("write");
    }

    @Override
    public long transferTo(long at, long count, WritableByteChannel target) {
        throw new UnsupportedOperationException("transferTo");
    }

    @Override
    public long transferFrom(ReadableByteChannel source, long at, long count) {
        throw new UnsupportedOperationException("transferFrom");
    }

    @Override
    public MappedByteBuffer map(MapMode mode, long at, long size) {
        throw new UnsupportedOperationException("map");
    }

    @Override
    public FileLock lock(long at, long size, boolean shared) {
        throw new UnsupportedOperationException("lock");
    }

    /// The only process there is gets it, once.
    @Override
    public FileLock tryLock(long at, long size, boolean shared) {
        if (node.lockedAt == boot) {
            throw new OverlappingFileLockException();
        }
        node.lockedAt = boot;
        holdsLock = true;
        return new FileLock(this, at, size, shared) {
            @Override
            public boolean isValid() {
                return holdsLock;
            }

            @Override
            public void release() {
                unlock();
            }
        };
    }

    private void unlock() {
        if (holdsLock) {
            holdsLock = false;
            node.lockedAt = -1;
        }
    }
}
