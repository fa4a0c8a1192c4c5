package dev.litefleet.replica.objects;

import java.util.Iterator;
import java.util.NoSuchElementException;

/// Walks a listing of any length, asking for the next page when the last one is used up.
final class ListPages implements Iterator<ListedObject> {
    private final ObjectStore store;
    private final String prefix;
    private ListPage page;
    private int next;

    ListPages(ObjectStore store, String prefix) {
        this.store = store;
        this.prefix = prefix;
        this.page = store.list(prefix, "", ObjectStore.LIST_MAX);
    }

    @Override
    public boolean hasNext() {
        // A page may be empty and still not be the last: its keys may have been deleted meanwhile.
        while (next == page.objects().size() && page.more()) {
            page = store.list(prefix, page.last(), ObjectStore.LIST_MAX);
            next = 0;
        }
        return next < page.objects().size();
    }

    @Override
    public ListedObject next() {
        if (!hasNext()) {
            throw new NoSuchElementException();
        }
        return page.objects().get(next++);
    }
}
