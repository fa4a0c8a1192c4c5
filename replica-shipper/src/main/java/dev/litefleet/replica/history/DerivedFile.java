package dev.litefleet.replica.history;

import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.objects.ListedObject;
import java.time.Instant;
import java.util.Comparator;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// An LTX file of a tenant as a listing shows it: the pages that changed in TXIDs `min` to `max`,
/// newest content only. One with `min` 1 holds a whole database.
///
/// @param level the folder: 0 foreign (Litestream's own), 1 drains, 2 and 3 merges, 9 snapshots
/// @param min first TXID, at least 1
/// @param max last TXID, at least `min`
/// @param size in bytes
/// @param modified as listed; for people and for retention, never for ordering
public record DerivedFile(int level, Txid min, Txid max, long size, Instant modified, String key) {
    public static final int LEVEL_DRAIN = 1;
    public static final int LEVEL_SNAPSHOT = 9;

    /// By range, the one reaching further first where two begin together.
    static final Comparator<DerivedFile> BY_RANGE =
            Comparator.comparing(DerivedFile::min)
                    .thenComparing(DerivedFile::max, Comparator.reverseOrder())
                    .thenComparing(DerivedFile::level, Comparator.reverseOrder());

    // Header, end of pages, empty index, trailer: a shorter object is not an LTX file.
    private static final int BYTES_MIN = 100 + 6 + 9 + 16;
    private static final Pattern NAME =
            Pattern.compile("000([0-9])/([0-9a-f]{16})-([0-9a-f]{16})\\.ltx");

    public DerivedFile {
        if (min.value() < 1 || max.compareTo(min) < 0) {
            throw new IllegalArgumentException("no TXID range: " + min + "-" + max);
        }
    }

    /// The key of a derived file.
    public static String key(TenantKey tenant, int level, Txid min, Txid max) {
        return tenant.prefix() + "000" + level + "/" + min + "-" + max + ".ltx";
    }

    /// The file that `object` is, or nothing for names that are none of ours and for objects too
    /// short to be one: what lies beside the files is ignored, as Litestream does.
    static Optional<DerivedFile> of(TenantKey tenant, ListedObject object) {
        String prefix = tenant.prefix();
        if (!object.key().startsWith(prefix) || object.size() < BYTES_MIN) {
            return Optional.empty();
        }
        Matcher name = NAME.matcher(object.key().substring(prefix.length()));
        if (!name.matches() || isNegative(name.group(2)) || isNegative(name.group(3))) {
            return Optional.empty();
        }
        Txid min = Txid.parse(name.group(2));
        Txid max = Txid.parse(name.group(3));
        return min.value() < 1 || max.compareTo(min) < 0
                ? Optional.empty()
                : Optional.of(
                        new DerivedFile(
                                Integer.parseInt(name.group(1)),
                                min,
                                max,
                                object.size(),
                                object.modified(),
                                object.key()));
    }

    /// Whether a key has the form of a derived file's, whatever lies there.
    static boolean named(TenantKey tenant, String key) {
        return key.startsWith(tenant.prefix())
                && NAME.matcher(key.substring(tenant.prefix().length())).matches();
    }

    /// Whether it holds a whole database.
    public boolean isWhole() {
        return min.value() == 1;
    }

    private static boolean isNegative(String hex) {
        return hex.charAt(0) > '7';
    }
}
