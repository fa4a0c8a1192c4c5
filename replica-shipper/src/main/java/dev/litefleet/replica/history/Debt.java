package dev.litefleet.replica.history;

import dev.litefleet.replica.ReplicaException;
import dev.litefleet.replica.ReplicaException.Corrupt;
import dev.litefleet.replica.ReplicaException.HistoryIncomplete;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.history.EntryBodies.Located;
import dev.litefleet.replica.log.Entry;
import dev.litefleet.replica.ltx.LtxHeader;
import dev.litefleet.replica.ltx.LtxReader;
import dev.litefleet.replica.objects.ObjectStore;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// What a closed log owes one tenant. Used by one thread at a time.
final class Debt {
    private final TenantKey tenant;
    private final List<Located> entries = new ArrayList<>();
    private List<Located> lacking = List.of();
    private List<IndexPoint> unindexed = List.of();
    private Txid coverage = Txid.NONE;
    private @Nullable ChangedPages changed;
    private @Nullable ReplicaException failure;

    Debt(TenantKey tenant) {
        this.tenant = tenant;
    }

    TenantKey tenant() {
        return tenant;
    }

    void add(Located entry) {
        entries.add(entry);
    }

    /// Finds out what the store lacks: of derived files what [LineageHistory#coverage()] does not
    /// reach, and of history objects what none of them contains. A drain may have ended between the
    /// two. Whatever else happens to the tenant, nothing is built on a history that does not fit.
    void look(ObjectStore store) {
        try {
            // All or nothing: the caller repeats this if the store fails half-way.
            var history = LineageHistory.list(store, tenant);
            List<HistoryIndex.Range> indexed = HistoryIndex.list(store, tenant);
            Txid covered = history.coverage();
            List<Located> after =
                    entries.stream()
                            .filter(owed -> owed.entry().max().compareTo(covered) > 0)
                            .toList();
            Optional<LtxHeader> last =
                    after.isEmpty()
                            ? Optional.empty()
                            : history.last().map(file -> OpenFile.header(store, file));
            coverage = covered;
            checkChain(after, last);
            lacking = after;
            if (!after.isEmpty()) {
                changed =
                        new ChangedPages(
                                after.getFirst().entry().pageSize(),
                                last.map(LtxHeader::commit).orElse(0));
            }
            unindexed =
                    entries.stream()
                            .filter(owed -> indexed.stream().noneMatch(range -> holds(range, owed)))
                            .map(owed -> IndexPoint.of(owed.log(), owed.entry()))
                            .toList();
        } catch (ReplicaException broken) {
            failure = broken;
        }
    }

    private static boolean holds(HistoryIndex.Range range, Located owed) {
        return range.min().compareTo(owed.entry().min()) <= 0
                && range.max().compareTo(owed.entry().max()) >= 0;
    }

    private void checkChain(List<Located> after, Optional<LtxHeader> last) {
        Txid covered = coverage;
        long sum = last.map(LtxHeader::nodeId).orElse(0L); // 0: of another writer, or none
        int pageSize = last.map(LtxHeader::pageSize).orElse(0);
        for (Located owed : after) {
            Entry entry = owed.entry();
            if (entry.min().compareTo(covered.next()) > 0) {
                throw new HistoryIncomplete(tenant, covered, new Txid(entry.min().value() - 1));
            }
            boolean follows = entry.min().equals(covered.next());
            if (follows && sum != 0 && entry.checksumBefore() != sum) {
                throw new Corrupt(
                        owed.log().key(),
                        0,
                        "entry %s of %s was made on another database: %016x instead of %016x"
                                .formatted(entry.min(), tenant, entry.checksumBefore(), sum));
            }
            if (pageSize != 0 && entry.pageSize() != pageSize) {
                throw new Corrupt(
                        owed.log().key(),
                        0,
                        "page size of " + tenant + " changes at " + entry.min());
            }
            covered = entry.max();
            sum = entry.checksumAfter();
            pageSize = entry.pageSize();
        }
    }

    /// Nobody wants it any more.
    void forgive() {
        lacking = List.of();
        unindexed = List.of();
        changed = null;
        failure = null;
    }

    boolean failed() {
        return failure != null;
    }

    Optional<ReplicaException> failure() {
        return Optional.ofNullable(failure);
    }

    boolean lacksFile() {
        return failure == null && !lacking.isEmpty();
    }

    /// What must be read to pay, in the order of the log.
    List<Located> lacking() {
        return failure == null ? lacking : List.of();
    }

    /// The last TXID known to have been durable.
    Txid durable() {
        Txid last = entries.getLast().entry().max();
        return last.compareTo(coverage) > 0 ? last : coverage;
    }

    /// Takes the pages of the next lacking entry.
    void take(EntryBodies.Body body, PageSpool spool) {
        if (failure != null || changed == null) {
            return;
        }
        try (LtxReader ltx = body.open()) {
            // As many as come, not as many as the segment claims.
            var pgnos = new int[16];
            var places = new long[16];
            int count = 0;
            while (ltx.next()) {
                if (count == body.entry().pages()) {
                    throw new Corrupt(tenant.toString(), 0, "entry has more pages than it says");
                }
                if (count == pgnos.length) {
                    pgnos = Arrays.copyOf(pgnos, 2 * count);
                    places = Arrays.copyOf(places, 2 * count);
                }
                long place = changed.place(ltx.pgno());
                places[count] = place >= 0 ? place : spool.allocate(changed.pageSize());
                pgnos[count] = ltx.pgno();
                spool.write(places[count++], ltx.page(), changed.pageSize());
            }
            pgnos = Arrays.copyOf(pgnos, count);
            int before = changed.commit();
            int commit = body.entry().commit();
            int[] unwritten = ChangedPages.unwritten(changed.pageSize(), before, commit, pgnos);
            if (unwritten.length > 0) {
                throw new Corrupt(
                        tenant.toString(),
                        0,
                        "entry %s grows the database and lacks page %d"
                                .formatted(body.entry().max(), unwritten[0]));
            }
            changed.commit(commit, pgnos, places);
        } catch (ReplicaException broken) {
            failure = broken;
        }
    }

    /// Writes the derived file; a no-op for the store if another recoverer was faster.
    void payFile(ObjectStore store, PageSpool spool, Path tmp) {
        if (failure != null || changed == null) {
            return;
        }
        int pageSize = changed.pageSize();
        Entry last = lacking.getLast().entry();
        Drain.writeFile(
                store,
                tenant,
                new DrainInput(
                        pageSize,
                        changed.commitBefore(),
                        changed.commit(),
                        lacking.getFirst().entry().min(),
                        last.max(),
                        changed.source((place, page) -> spool.read(place, page, pageSize)),
                        last.lastMillis(),
                        last.checksumAfter(),
                        lacking.stream()
                                .map(owed -> IndexPoint.of(owed.log(), owed.entry()))
                                .toList()),
                tmp);
    }

    /// Writes the history objects, one for each unbroken row of entries that none holds.
    void payIndex(ObjectStore store) {
        if (failure != null) {
            return;
        }
        int from = 0;
        for (int to = 1; to <= unindexed.size(); to++) {
            boolean ends =
                    to == unindexed.size()
                            || !unindexed.get(to).min().equals(unindexed.get(to - 1).max().next());
            if (ends) {
                HistoryIndex.write(store, tenant, unindexed.subList(from, to));
                from = to;
            }
        }
    }
}
