package dev.litefleet.replica.history;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/// Page numbers in order, each with a place: a map in primitive arrays, because a large transaction
/// has millions of pages.
///
/// The numbers lie in blocks of at most 512, in order, and full where they came in order. 12 bytes
/// for each page then, at most 25 in any other order of arrival. Every operation on a page costs
/// two binary searches and the move of a part of one block, whatever the pages are: a tenant
/// chooses them. Not thread-safe.
final class PagePlaces {
    static final int BLOCK_PAGES = 512;
    private static final int BLOCK_PAGES_FIRST = 8;

    private static final class Block {
        private int[] pgnos;
        private long[] places;
        private int size;

        private Block(int room) {
            pgnos = new int[room];
            places = new long[room];
        }

        private int find(int pgno) {
            return Arrays.binarySearch(pgnos, 0, size, pgno);
        }

        private void insert(int at, int pgno, long place) {
            if (size == pgnos.length) {
                int room = Math.min(2 * size, BLOCK_PAGES);
                pgnos = Arrays.copyOf(pgnos, room);
                places = Arrays.copyOf(places, room);
            }
            System.arraycopy(pgnos, at, pgnos, at + 1, size - at);
            System.arraycopy(places, at, places, at + 1, size - at);
            pgnos[at] = pgno;
            places[at] = place;
            size++;
        }

        /// Takes the upper half out of this block, which is full.
        private Block split() {
            var upper = new Block(BLOCK_PAGES);
            int half = size / 2;
            upper.size = size - half;
            System.arraycopy(pgnos, half, upper.pgnos, 0, upper.size);
            System.arraycopy(places, half, upper.places, 0, upper.size);
            size = half;
            return upper;
        }
    }

    /// Ascending; none is empty.
    private final List<Block> blocks = new ArrayList<>(1);

    private int size;

    int size() {
        return size;
    }

    /// How many blocks hold the pages.
    int blocks() {
        return blocks.size();
    }

    /// @return the place of a page, or `otherwise` if it has none
    long place(int pgno, long otherwise) {
        int index = blockOf(pgno);
        if (index < 0) {
            return otherwise;
        }
        Block block = blocks.get(index);
        int at = block.find(pgno);
        return at < 0 ? otherwise : block.places[at];
    }

    /// Sets the place of a page, 1 or more, in place of an older one.
    void put(int pgno, long place) {
        int index = blockOf(pgno);
        if (index < 0) {
            if (blocks.isEmpty()) {
                blocks.add(new Block(BLOCK_PAGES_FIRST));
            }
            index = 0;
        }
        Block block = blocks.get(index);
        int found = block.find(pgno);
        if (found >= 0) {
            block.places[found] = place;
            return;
        }
        int at = -found - 1;
        if (block.size == BLOCK_PAGES) {
            // What comes in order leaves full blocks behind.
            boolean atEnd = at == BLOCK_PAGES && index == blocks.size() - 1;
            Block next = atEnd ? new Block(BLOCK_PAGES) : block.split();
            blocks.add(index + 1, next);
            if (at > block.size || atEnd) {
                at -= block.size;
                block = next;
            }
        }
        block.insert(at, pgno, place);
        size++;
    }

    /// Forgets the pages beyond `last`.
    void truncate(int last) {
        while (!blocks.isEmpty()) {
            Block end = blocks.getLast();
            int found = end.find(last);
            int kept = found >= 0 ? found + 1 : -found - 1;
            size -= end.size - kept;
            end.size = kept;
            if (kept > 0) {
                return;
            }
            blocks.removeLast();
        }
    }

    void clear() {
        blocks.clear();
        size = 0;
    }

    /// Copies everything, ascending.
    ///
    /// @param pgnos at least [#size] long, as `places`
    void copyTo(int[] pgnos, long[] places) {
        int at = 0;
        for (Block block : blocks) {
            System.arraycopy(block.pgnos, 0, pgnos, at, block.size);
            System.arraycopy(block.places, 0, places, at, block.size);
            at += block.size;
        }
    }

    /// The block where a page belongs, the last that does not begin behind it; -1 if all do.
    private int blockOf(int pgno) {
        int low = 0;
        int high = blocks.size() - 1;
        while (low <= high) {
            int middle = (low + high) >>> 1;
            if (blocks.get(middle).pgnos[0] <= pgno) {
                low = middle + 1;
            } else {
                high = middle - 1;
            }
        }
        return high;
    }
}
