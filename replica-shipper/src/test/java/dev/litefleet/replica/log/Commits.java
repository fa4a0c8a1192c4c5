package dev.litefleet.replica.log;

import dev.litefleet.replica.Lineage;
import dev.litefleet.replica.TenantId;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.random.RandomGenerator;

/// Commits as SQLite could have made them, one tenant after another's.
final class Commits {
    static final int PAGE_SIZE = 512;

    private final RandomGenerator random;
    private final TreeMap<String, Long> last = new TreeMap<>();
    private final TreeMap<String, Integer> pages = new TreeMap<>();

    Commits(long seed) {
        random = new SplittableRandom(seed);
    }

    static TenantKey tenant(String name) {
        return new TenantKey(new TenantId(name), new Lineage("01JD0000000000000000000000"));
    }

    /// The tenant's next commit, of one or two pages.
    Commit next(String tenant) {
        int before = pages.getOrDefault(tenant, 0);
        int after = before == 0 ? 2 : before + (random.nextInt(8) == 0 ? 1 : 0);
        int[] pgnos =
                before == 0
                        ? new int[] {1, 2}
                        : after > before
                                ? new int[] {1, after}
                                : new int[] {1 + random.nextInt(after)};
        return next(tenant, after, pgnos);
    }

    /// The tenant's next commit, writing these pages.
    Commit next(String tenant, int pagesAfter, int... pgnos) {
        byte[] content = new byte[pgnos.length * PAGE_SIZE];
        for (int i = 0; i < content.length; i += 1 + random.nextInt(64)) {
            content[i] = (byte) random.nextInt();
        }
        pages.put(tenant, pagesAfter);
        long txid = last.merge(tenant, 1L, Long::sum);
        return new Commit(
                tenant(tenant),
                new Txid(txid),
                1_700_000_000_000L + txid,
                PAGE_SIZE,
                pagesAfter,
                pgnos,
                content,
                checksum(tenant, txid - 1),
                checksum(tenant, txid),
                "agent-" + tenant,
                null,
                "request-" + txid);
    }

    /// A commit of `count` incompressible pages, which is the tenant's first.
    Commit large(String tenant, int count) {
        int[] pgnos = new int[count];
        Arrays.setAll(pgnos, i -> i + 1);
        Commit commit = next(tenant, count, pgnos);
        random.nextBytes(commit.pages());
        return commit;
    }

    private static long checksum(String tenant, long txid) {
        return Long.MIN_VALUE | tenant.hashCode() * 31L + txid;
    }
}
