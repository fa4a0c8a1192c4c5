package dev.litefleet.replica.history;

import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import java.util.List;

/// What [Verifier] found out about a lineage.
///
/// @param first first state that files produce, [Txid#NONE] if there is none
/// @param last last durable commit
/// @param files derived files read
/// @param points of the history index
/// @param entries log entries read, from segments, blobs and held copies
/// @param entriesGone points whose entry is not in the store any more: no longer exact, which is
///   what the exact window says, or a loss
/// @param bytesRead of objects, about
/// @param problems what is wrong, at most [Verifier#PROBLEMS_MAX], in the order of the walk
/// @param notChecked what could not be verified, and why
public record Verification(
        TenantKey tenant,
        Txid first,
        Txid last,
        int files,
        long points,
        long entries,
        long entriesGone,
        long bytesRead,
        List<Problem> problems,
        List<String> notChecked) {
    public Verification {
        problems = List.copyOf(problems);
        notChecked = List.copyOf(notChecked);
    }

    /// Whether nothing was found.
    public boolean whole() {
        return problems.isEmpty();
    }

    /// What can be wrong, and what to do about it.
    public enum Kind {
        /// An object is not what its writer wrote.
        CORRUPT(
                "bring this object back from an earlier version or a copy of the bucket; leave it"
                        + " in place until then. States that need it are refused, never wrong"),
        /// Sound objects contradict one another.
        INCONSISTENT(
                "somebody wrote past the rules: compare both objects with a copy of the bucket, and"
                        + " find out who may write below this prefix"),
        /// The index or its neighbours name a file that is not there.
        MISSING_FILE(
                "bring it back from an earlier version or a copy of the bucket, and check who may"
                        + " delete below this prefix"),
        /// Commits that no object of the index names.
        MISSING_INDEX(
                "bring the history object back; without it these commits cannot be opened one by"
                        + " one, only the ends of files"),
        /// Commits that are in no object at all.
        GAP(
                "states behind the gap need the missing files: bring them back from an earlier"
                        + " version or a copy of the bucket"),
        /// The objects end before what the catalog knows to have been durable.
        LOST_COMMITS(
                "do not write to this tenant: bring the missing objects back, or accept the loss by"
                        + " restoring to the last state that is left"),
        /// A state that the objects should make, and do not, or that SQLite finds unsound.
        NOT_RESTORED(
                "if an object is named above, bring that one back; else keep the bucket as it is"
                        + " and report it: this is a bug, or damage that no checksum covers"),
        /// A newer release wrote it.
        UNSUPPORTED("verify with the release that wrote it");

        private final String advice;

        Kind(String advice) {
            this.advice = advice;
        }

        /// What to do, for people.
        public String advice() {
            return advice;
        }
    }

    /// One thing that is wrong.
    ///
    /// @param key of the object
    /// @param offset of the first byte that cannot be right, 0 if the object as a whole is meant
    public record Problem(Kind kind, String key, long offset, String text) {}
}
