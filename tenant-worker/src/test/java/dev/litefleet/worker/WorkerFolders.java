package dev.litefleet.worker;

import java.nio.file.Path;

/// Lets the tests of other packages begin as a process begins.
public final class WorkerFolders {
    private WorkerFolders() {}

    /// As [WorkerFolder#take].
    public static AutoCloseable take(Path folder) {
        return WorkerFolder.take(folder);
    }
}
