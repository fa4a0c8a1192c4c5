package dev.litefleet.replica.objects;

import java.util.function.Predicate;

/// Erases what a plain listing shows, one request for each object.
final class Erasing {
    private Erasing() {}

    static Erased listed(ObjectStore store, String prefix, Predicate<String> which) {
        Erased erased = Erased.NOTHING;
        String after = "";
        ListPage page;
        do {
            page = store.list(prefix, after, ObjectStore.LIST_MAX);
            for (ListedObject object : page.objects()) {
                if (which.test(object.key())) {
                    erased = erased.plus(one(store, object));
                }
                if (erased.refused() >= Erased.REFUSED_MAX) {
                    return erased;
                }
                after = object.key();
            }
        } while (page.more());
        return erased;
    }

    private static Erased one(ObjectStore store, ListedObject object) {
        try {
            store.delete(object.key());
            return Erased.object(object.size());
        } catch (StoreException.Denied refused) {
            return Erased.refused(object.key(), refused.answer());
        }
    }
}
