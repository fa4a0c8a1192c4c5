package dev.litefleet.replica.objects;

import java.util.List;

/// A piece of a listing.
///
/// @param objects in order of their keys' bytes
/// @param more whether keys greater than the last one may follow; never true of an empty page
public record ListPage(List<ListedObject> objects, boolean more) {
    public ListPage {
        objects = List.copyOf(objects);
        if (more && objects.isEmpty()) {
            throw new IllegalArgumentException("an empty page cannot have a successor");
        }
    }

    /// Where the next page starts.
    public String last() {
        return objects.getLast().key();
    }
}
