package dev.litefleet.replica.history;

/// Pages to be written into a derived file, each once, in ascending order of their numbers.
/// [ChangedPages#source] makes one.
public interface PageSource {
    /// How many.
    int count();

    /// @param index 0 to `count() - 1`; numbers grow with it
    int pgno(int index);

    /// Copies one whole page to the start of `page`.
    ///
    /// @throws java.io.UncheckedIOException if it cannot be read
    void read(int index, byte[] page);
}
