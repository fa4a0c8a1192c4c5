package dev.litefleet.replica.history;

import static org.assertj.core.api.Assertions.assertThat;

import dev.litefleet.testing.Seeds;
import java.util.SplittableRandom;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

final class PagePlacesTest {
    /// Runs, single pages, ends that move and pages that come again, as a database does it, beside
    /// a [TreeMap].
    @Seeds(60)
    void holdsWhatATreeMapHolds(long seed) {
        var random = new SplittableRandom(seed);
        int pages = 1 << random.nextInt(3, 14);
        var places = new PagePlaces();
        var model = new TreeMap<Integer, Long>();
        for (int step = 0; step < 300; step++) {
            switch (random.nextInt(20)) {
                case 0 -> {
                    int last = random.nextInt(pages + 1);
                    places.truncate(last);
                    model.tailMap(last, false).clear();
                }
                case 1, 2 -> {
                    int first = random.nextInt(1, pages + 1);
                    int end = first + random.nextInt(2_000);
                    for (int pgno = first; pgno < end; pgno++) {
                        put(places, model, pgno, random.nextLong());
                    }
                }
                case 3 -> {
                    if (random.nextInt(10) == 0) {
                        places.clear();
                        model.clear();
                    }
                }
                case 4 -> {
                    int first = random.nextInt(1, pages + 1);
                    for (int pgno = first; pgno > 0 && pgno > first - 700; pgno--) {
                        put(places, model, pgno, random.nextLong());
                    }
                }
                default -> put(places, model, random.nextInt(1, pages + 1), random.nextLong());
            }
            int pgno = random.nextInt(1, pages + 2);
            assertThat(places.place(pgno, -7)).isEqualTo(model.getOrDefault(pgno, -7L));
            assertThat(places.size()).isEqualTo(model.size());
            if (step % 10 == 0) {
                assertSame(places, model);
            }
        }
        assertSame(places, model);
    }

    /// In the worst order blocks are half full: the bytes are those of arrays, so they are counted.
    @Test
    void pagesInAnyOrderLieInFewBlocks() {
        var ascending = new PagePlaces();
        var descending = new PagePlaces();
        var random = new PagePlaces();
        var shuffled = new SplittableRandom(1);
        int pages = 200 * PagePlaces.BLOCK_PAGES;
        for (int i = 1; i <= pages; i++) {
            ascending.put(i, i);
            descending.put(pages - i + 1, i);
            random.put(shuffled.nextInt(1, Integer.MAX_VALUE), i);
        }

        assertThat(ascending.blocks()).isEqualTo(200);
        assertThat(descending.blocks()).isLessThanOrEqualTo(400);
        assertThat(random.blocks()).isLessThanOrEqualTo(400);
    }

    private static void put(PagePlaces places, TreeMap<Integer, Long> model, int pgno, long at) {
        places.put(pgno, at);
        model.put(pgno, at);
    }

    private static void assertSame(PagePlaces places, TreeMap<Integer, Long> model) {
        int[] pgnos = new int[places.size()];
        long[] at = new long[places.size()];
        places.copyTo(pgnos, at);
        assertThat(pgnos).isEqualTo(model.keySet().stream().mapToInt(it -> it).toArray());
        assertThat(at).isEqualTo(model.values().stream().mapToLong(it -> it).toArray());
    }
}
