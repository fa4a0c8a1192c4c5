package dev.litefleet.replica.log;

import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import java.util.ArrayDeque;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Which slots still hold commits that derived files may lack, and how far each tenant has come.
/// Guarded by the log's lock.
final class Undrained {
    /// A slot and how many of its entries are not drained.
    private static final class Debt {
        private final Slot slot;
        private int entries;

        private Debt(Slot slot, int entries) {
            this.slot = slot;
            this.entries = entries;
        }
    }

    private record Owed(Debt debt, Txid max) {}

    /// A tenant with commits that are not drained.
    private static final class Tail {
        private long last; // TXID appended
        private int pages; // of the database after it, 0 if not known
        private final ArrayDeque<Owed> owed = new ArrayDeque<>(1);
    }

    private final ArrayDeque<Debt> debts = new ArrayDeque<>(); // ascending, the first one owes
    private final Map<TenantKey, Tail> tails = new HashMap<>();

    /// A commit was appended.
    ///
    /// @throws IllegalStateException if it does not follow the tenant's last one (W6), or grows the
    ///   database without writing every new page
    void appended(Commit commit) {
        Tail tail = tails.computeIfAbsent(commit.tenant(), _ -> new Tail());
        Txid last = new Txid(tail.last);
        if (tail.last != 0 && !commit.txid().equals(last.next())) {
            throw new IllegalStateException(
                    "txid " + commit.txid() + " of " + commit.tenant() + " after " + last);
        }
        if (tail.pages != 0 && !commit.growsWhole(tail.pages)) {
            throw new IllegalStateException(
                    "txid %s of %s grows from %d to %d pages and leaves some out"
                            .formatted(
                                    commit.txid(),
                                    commit.tenant(),
                                    tail.pages,
                                    commit.commitPages()));
        }
        tail.last = commit.txid().value();
        tail.pages = commit.commitPages();
    }

    /// A slot was taken. It counts as owing until [#holds] told what is in it.
    void taken(Slot slot) {
        debts.add(new Debt(slot, 1));
    }

    /// Says what a taken slot holds.
    void holds(Slot slot, Iterable<Entry> entries) {
        Debt debt = debt(slot);
        for (Entry entry : entries) {
            Tail tail = tails.computeIfAbsent(entry.tenant(), _ -> new Tail());
            tail.owed.add(new Owed(debt, entry.max()));
            debt.entries++;
        }
        paid(debt);
    }

    /// Derived files reach `through`.
    void drained(TenantKey tenant, Txid through) {
        Tail tail = tails.get(tenant);
        if (tail == null) {
            return;
        }
        for (Owed first = tail.owed.peek();
                first != null && first.max().compareTo(through) <= 0;
                first = tail.owed.peek()) {
            tail.owed.remove();
            paid(first.debt());
        }
        if (tail.last <= through.value()) {
            tails.remove(tenant);
        }
    }

    /// The first slot that owes anything, or `next` if none does.
    Slot from(Slot next) {
        @Nullable Debt first = debts.peek();
        return first == null ? next : first.slot;
    }

    private void paid(Debt debt) {
        debt.entries--;
        for (Debt first = debts.peek(); first != null && first.entries == 0; first = debts.peek()) {
            debts.remove();
        }
    }

    private Debt debt(Slot slot) {
        for (var newest = debts.descendingIterator(); newest.hasNext(); ) {
            Debt debt = newest.next();
            if (debt.slot.equals(slot)) {
                return debt;
            }
        }
        throw new IllegalStateException("slot " + slot + " was not taken");
    }
}
