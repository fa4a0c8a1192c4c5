package dev.litefleet.replica.wal;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.TreeMap;

/// A database made of nothing but delivered commits; follows a reader over restarts of the WAL.
final class Rebuilt {
    final List<CommittedPages> commits = new ArrayList<>();
    private final TreeMap<Integer, byte[]> pages = new TreeMap<>();
    private WalPosition position = WalPosition.start(0);
    private int size;

    /// Reads whatever is there. Returns how many commits that was.
    int follow(WalReader reader, long bytesMax) {
        int before = commits.size();
        while (true) {
            switch (reader.read(position, bytesMax)) {
                case WalRead.Restarted(var start) -> position = start;
                case WalRead.Commits(var more, var end) -> {
                    more.forEach(this::apply);
                    position = end;
                    if (more.isEmpty()) {
                        return commits.size() - before;
                    }
                }
            }
        }
    }

    private void apply(CommittedPages commit) {
        commits.add(commit);
        assertThat(commit.pgnos()).isSorted().doesNotHaveDuplicates();
        assertThat(commit.bytes()).isEqualTo(commit.pgnos().length * (long) commit.pageSize());
        if (commit.inMemory()) {
            assertThat(commit.pages()).hasSize((int) commit.bytes());
        }
        assertThat(commit.offsets()).hasSameSizeAs(commit.pgnos());
        assertThat(commit.from().pages()).isEqualTo(size);
        assertThat(commit.to().pages()).isEqualTo(commit.commit());
        for (int i = 0; i < commit.pgnos().length; i++) {
            byte[] page = new byte[commit.pageSize()];
            commit.read(i, page);
            pages.put(commit.pgnos()[i], page);
        }
        size = commit.commit();
        pages.tailMap(size, false).clear();
        assertThat(pages)
                .hasSize(size); // no page is missing; these databases end before the lock page
    }

    WalPosition position() {
        return position;
    }

    void requireEqual(byte[] database, int pageSize) {
        byte[] ours = bytes(pageSize);
        assertThat(ours).hasSameSizeAs(database);
        for (int at = 0; at < ours.length; at += pageSize) {
            assertThat(Arrays.mismatch(ours, at, at + pageSize, database, at, at + pageSize))
                    .as("first byte that differs in page %d", at / pageSize + 1)
                    .isEqualTo(-1);
        }
    }

    byte[] bytes(int pageSize) {
        byte[] database = new byte[size * pageSize];
        pages.forEach((pgno, page) ->
                System.arraycopy(page, 0, database, (pgno - 1) * pageSize, pageSize));
        return database;
    }
}
