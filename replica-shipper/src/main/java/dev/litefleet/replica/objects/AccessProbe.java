package dev.litefleet.replica.objects;

import dev.litefleet.replica.objects.StoreException.Denied;
import java.util.function.Supplier;

/// Tries out whether credentials may do what they will be needed for, before anybody depends on it.
///
/// Without the right to list, Amazon answers 403, not 404, to a read of a key that is free. Nothing
/// could then be known to be absent: a worker whose lease has lapsed could never again prove that
/// its log is open.
public final class AccessProbe {
    private static final String REFUSED = "AccessDenied";

    private AccessProbe() {}

    /// Lists, reads what is there and reads what is not; three requests.
    ///
    /// @param present key of an object
    /// @param absent key of none
    /// @throws Denied naming the permission that is missing
    /// @throws StoreException if the store does not answer
    public static void run(ObjectStore store, String present, String absent) {
        needs("s3:ListBucket", () -> store.list(present, "", 1));
        needs("s3:GetObject", () -> store.getRange(present, 0, 1));
        // Reading itself is allowed, as was just seen.
        needs("s3:ListBucket, without a condition on s3:prefix,", () -> store.get(absent));
    }

    /// Runs `request` and names `permission` when it is refused for want of a right, not of keys.
    static <T> T needs(String permission, Supplier<T> request) {
        try {
            return request.get();
        } catch (Denied refused) {
            if (!refused.answer().contains(REFUSED)) {
                throw refused;
            }
            throw new Denied(
                    "a probe that needs " + permission,
                    refused.answer() + "; grant " + permission + " to these credentials",
                    refused);
        }
    }
}
