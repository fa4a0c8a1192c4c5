package dev.litefleet.replica.objects;

import java.util.Comparator;

/// The rules for keys, and their order, for who implements a store.
public final class ObjectKey {
    /// The order in which stores list: bytes of the UTF-8, unsigned. Our own keys are ASCII, but a
    /// listing may meet a stranger's, and `String.compareTo` puts surrogates before U+E000.
    public static final Comparator<String> ORDER = ObjectKey::compare;

    private ObjectKey() {}

    /// @return `key`
    /// @throws IllegalArgumentException if it breaks the rules of [ObjectStore]
    public static String check(String key) {
        checkPrefix(key);
        if (key.isEmpty() || key.charAt(key.length() - 1) == '/') {
            throw refused(key, "has an empty segment");
        }
        return key;
    }

    /// Like [#check], for a key that may be cut short anywhere.
    ///
    /// @return `prefix`
    public static String checkPrefix(String prefix) {
        if (prefix.length() > ObjectStore.KEY_LENGTH_MAX) {
            throw refused(prefix, "is too long");
        }
        boolean first = true; // Whether this character begins a segment.
        for (int i = 0; i < prefix.length(); i++) {
            char c = prefix.charAt(i);
            if (c < 0x20 || c > 0x7e || c == '\\') {
                throw refused(prefix, "has a character that keys may not have");
            }
            if (first && c == '/') {
                throw refused(prefix, "has an empty segment");
            }
            // Neither `..` nor the directory store's `.tmp`.
            if (first && c == '.') {
                throw refused(prefix, "has a segment beginning with a dot");
            }
            first = c == '/';
        }
        return prefix;
    }

    /// Like [#checkPrefix], for one that is empty or ends in a slash.
    ///
    /// @return `prefix`
    public static String checkFolder(String prefix) {
        checkPrefix(prefix);
        if (!prefix.isEmpty() && prefix.charAt(prefix.length() - 1) != '/') {
            throw refused(prefix, "is not a folder");
        }
        return prefix;
    }

    /// Checks the size of a page.
    ///
    /// @return `limit`
    public static int checkLimit(int limit) {
        if (limit < 1 || limit > ObjectStore.LIST_MAX) {
            throw new IllegalArgumentException("limit out of range: " + limit);
        }
        return limit;
    }

    private static IllegalArgumentException refused(String key, String problem) {
        return new IllegalArgumentException("key " + problem + ": '" + key + "'");
    }

    private static int compare(String a, String b) {
        int length = Math.min(a.length(), b.length());
        for (int i = 0; i < length; i++) {
            char x = a.charAt(i);
            char y = b.charAt(i);
            if (x != y) {
                // UTF-8 sorts by code point; of UTF-16 only the surrogates stand too low for that.
                boolean xPaired = Character.isSurrogate(x);
                boolean yPaired = Character.isSurrogate(y);
                return xPaired == yPaired ? Character.compare(x, y) : xPaired ? 1 : -1;
            }
        }
        return Integer.compare(a.length(), b.length());
    }
}
