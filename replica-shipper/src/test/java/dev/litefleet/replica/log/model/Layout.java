package dev.litefleet.replica.log.model;

/// How a state of the model is packed into words: one per slot, session, stay of a tenant in a
/// session, tenant, derived file and fencer.
///
/// A slot has a linear number k from 1: parts one after another, each with a place more than it has
/// data slots, for the fence.
final class Layout {
    /// A field of a word.
    record Field(int shift, int bits) {
        int get(int word) {
            return word >>> shift & mask();
        }

        int set(int word, int value) {
            return word & ~(mask() << shift) | value << shift;
        }

        private int mask() {
            return (1 << bits) - 1;
        }
    }

    /// What lies in a slot: nothing, the writer's body, its second body, a fence.
    static final Field OBJECT = new Field(0, 2);

    static final int ABSENT = 0;
    static final int BODY = 1;
    static final int BODY_2 = 2;
    static final int FENCE = 3;

    /// The writer's body was there once.
    static final Field EVER = new Field(2, 1);

    /// It came when the fence was done already.
    static final Field LATE = new Field(3, 1);

    static final Field RESOLVED = new Field(4, 1);

    /// Which of the two entries are acknowledged.
    static final Field ACKED = new Field(5, 2);

    /// The entries of the body, 0 for none.
    static final Field ENTRY_0 = new Field(7, 5);

    static final Field ENTRY_1 = new Field(12, 5);
    static final Field REBUILT = new Field(17, 1);
    static final Field DELETE_SENT = new Field(18, 1);
    static final Field FENCE_SENT = new Field(19, 1);

    /// The writer's body is a part fence.
    static final Field PART_FENCE = new Field(20, 1);

    static final Field UNDRAINED_FROM = new Field(21, 5);

    // Session.
    /// The last slot attempted, 0 for none.
    static final Field ATTEMPTED = new Field(0, 5);

    /// Where the first fencer was done, 0 for none.
    static final Field FENCED_AT = new Field(5, 5);

    static final Field CATALOG = new Field(10, 2);
    static final int LIVE = 0;
    static final int FENCING = 1;
    static final int CLOSED = 2;

    /// The part that the catalog names, less one.
    static final Field CATALOG_PART = new Field(12, 3);

    static final Field LEASE = new Field(15, 1);
    static final Field OWN_LEASE = new Field(16, 1);

    // Stay.
    static final Field OPEN = new Field(0, 2);
    static final int SHUT = 0;
    static final int SERVING = 1;
    static final int RELEASING = 2;
    static final Field LAST_NUMBER = new Field(2, 4);

    /// TXID at which the tenant was hydrated.
    static final Field BASE = new Field(6, 4);

    static final Field CURRENT = new Field(10, 4);

    /// Messages sent, by assignment number; once sent, they may arrive at any time, again and
    /// again.
    static final Field ASSIGN_SENT = new Field(14, 8);

    static final Field RELEASE_SENT = new Field(22, 8);

    // Tenant.
    /// Session that the catalog names, plus one; 0 for none.
    static final Field OWNER = new Field(0, 3);

    static final Field NUMBER = new Field(3, 4);

    // Derived file of one TXID.
    /// Whose content was sent, 0 for none.
    static final Field CONTENT = new Field(0, 8);

    static final Field LANDED = new Field(8, 1);

    // Fencer.
    static final Field PHASE = new Field(0, 2);
    static final int IDLE = 0;
    static final int WALKING = 1;
    static final int RECOVERING = 2;
    static final Field OF = new Field(2, 3);
    static final Field AT = new Field(5, 5);

    static final int FENCERS = 2;

    final int slots;
    final int txids;
    final int words;
    private final int tenants;
    private final int sessionAt;
    private final int stayAt;
    private final int tenantAt;
    private final int derivedAt;
    private final int fencerAt;

    Layout(int sessions, int tenants, int slots, int txids) {
        if (slots > 31 || txids > 15 || tenants > 2) {
            throw new IllegalArgumentException(slots + " slots, " + txids + " TXIDs");
        }
        this.tenants = tenants;
        this.slots = slots;
        this.txids = txids;
        sessionAt = sessions * slots;
        stayAt = sessionAt + sessions;
        tenantAt = stayAt + sessions * tenants;
        derivedAt = tenantAt + tenants;
        fencerAt = derivedAt + tenants * txids;
        words = fencerAt + FENCERS;
    }

    int slot(int s, int k) {
        return s * slots + k - 1;
    }

    int session(int s) {
        return sessionAt + s;
    }

    int stay(int s, int t) {
        return stayAt + s * tenants + t;
    }

    int tenant(int t) {
        return tenantAt + t;
    }

    int derived(int t, int txid) {
        return derivedAt + t * txids + txid - 1;
    }

    int fencer(int i) {
        return fencerAt + i;
    }
}
