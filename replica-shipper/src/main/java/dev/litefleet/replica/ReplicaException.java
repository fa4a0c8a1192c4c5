package dev.litefleet.replica;

import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// A replica operation that failed, classed by what the caller should do about it.
///
/// Add a subclass only if callers must act differently. The message is for people and may change;
/// code switches on the type, and clients on [#code].
public abstract sealed class ReplicaException extends RuntimeException {
    private ReplicaException(String message) {
        super(message);
    }

    private ReplicaException(String message, @Nullable Throwable cause) {
        super(message, cause);
    }

    /// A stable name of the class, for answers to clients: `HISTORY_INCOMPLETE`.
    public abstract String code();

    /// Another writer closed this log. Stop serving its tenants; never retry.
    public static final class Fenced extends ReplicaException {
        /// @param slot key of the slot that holds the fence
        /// @param by session that wrote the fence
        public Fenced(String slot, String by) {
            super("log is fenced [slot=" + slot + ", by=" + by + "]");
        }

        @Override
        public String code() {
            return "FENCED";
        }
    }

    /// Stored bytes are not what their writer wrote. Leave them where they are and tell a person.
    public static final class Corrupt extends ReplicaException {
        private final String key;
        private final long offset;

        /// @param offset of the first byte that cannot be right, as far as it is known
        public Corrupt(String key, long offset, String problem) {
            this(key, offset, problem, null);
        }

        public Corrupt(String key, long offset, String problem, @Nullable Throwable cause) {
            super(problem + " [key=" + key + ", offset=" + offset + "]", cause);
            this.key = key;
            this.offset = offset;
        }

        public String key() {
            return key;
        }

        public long offset() {
            return offset;
        }

        @Override
        public String code() {
            return "CORRUPT";
        }
    }

    /// The objects that exist do not reach a state that was durable. Never serve an older one.
    public static final class HistoryIncomplete extends ReplicaException {
        private final Txid covered;
        private final Txid needed;

        /// @param covered what the objects reach without a gap
        /// @param needed what is known to have been durable
        public HistoryIncomplete(TenantKey tenant, Txid covered, Txid needed) {
            super(
                    "history is incomplete [tenant=%s, covered=%s, needed=%s]"
                            .formatted(tenant, covered, needed));
            this.covered = covered;
            this.needed = needed;
        }

        public Txid covered() {
            return covered;
        }

        public Txid needed() {
            return needed;
        }

        @Override
        public String code() {
            return "HISTORY_INCOMPLETE";
        }
    }

    /// The history contains the point, but no longer exactly: only its neighbours can be opened.
    public static final class PointNotExact extends ReplicaException {
        private final Point requested;
        private final @Nullable Txid before;
        private final @Nullable Txid after;
        private final @Nullable Instant timeBefore;
        private final @Nullable Instant timeAfter;

        public PointNotExact(Point requested, @Nullable Txid before, @Nullable Txid after) {
            this(requested, before, null, after, null);
        }

        /// @param timeBefore commit time of `before`, null if it is not known
        /// @param timeAfter commit time of `after`, null if it is not known
        public PointNotExact(
                Point requested,
                @Nullable Txid before,
                @Nullable Instant timeBefore,
                @Nullable Txid after,
                @Nullable Instant timeAfter) {
            super(
                    "point is not exact any more [point=%s, before=%s, after=%s]"
                            .formatted(requested, before, after));
            this.requested = requested;
            this.before = before;
            this.after = after;
            this.timeBefore = timeBefore;
            this.timeAfter = timeAfter;
        }

        public Point requested() {
            return requested;
        }

        /// The nearest exact point before the requested one.
        public Optional<Txid> before() {
            return Optional.ofNullable(before);
        }

        /// The nearest exact point after the requested one.
        public Optional<Txid> after() {
            return Optional.ofNullable(after);
        }

        /// When [#before] was committed, if that is known.
        public Optional<Instant> timeBefore() {
            return Optional.ofNullable(timeBefore);
        }

        /// When [#after] was committed, if that is known.
        public Optional<Instant> timeAfter() {
            return Optional.ofNullable(timeAfter);
        }

        /// For people: what cannot be had, and what is left around it.
        public String words() {
            return "%s can no longer be restored exactly; before it: %s, after it: %s"
                    .formatted(requested, place(before, timeBefore), place(after, timeAfter));
        }

        private static String place(@Nullable Txid txid, @Nullable Instant time) {
            if (txid == null) {
                return "nothing";
            }
            String point = "@" + Long.toHexString(txid.value());
            return time == null
                    ? point
                    : "%s (%s)".formatted(point, time.truncatedTo(ChronoUnit.MILLIS));
        }

        @Override
        public String code() {
            return "POINT_NOT_EXACT";
        }
    }

    /// The point lies before the first or after the last durable commit.
    public static final class PointNotFound extends ReplicaException {
        private final Point requested;
        private final Txid last;

        /// @param last the last durable commit, [Txid#NONE] if there is none
        public PointNotFound(Point requested, Txid last) {
            super("point not found [point=" + requested + ", last=" + last + "]");
            this.requested = requested;
            this.last = last;
        }

        public Point requested() {
            return requested;
        }

        public Txid last() {
            return last;
        }

        @Override
        public String code() {
            return "POINT_NOT_FOUND";
        }
    }

    /// Objects that are each well-formed contradict one another, as after a write past our rules.
    public static final class InconsistentStore extends ReplicaException {
        public InconsistentStore(String key, String problem) {
            super(problem + " [key=" + key + "]");
        }

        @Override
        public String code() {
            return "INCONSISTENT_STORE";
        }
    }

    /// Something is over a limit. The limit's name is in the message.
    public static final class TooLarge extends ReplicaException {
        /// @param limit the name of the limit, as in `transactionBytesMax`
        public TooLarge(String what, long size, String limit, long max) {
            super(what + " is too large [size=" + size + ", " + limit + "=" + max + "]");
        }

        @Override
        public String code() {
            return "TOO_LARGE";
        }
    }

    /// The local disk has less room than is needed. Nothing is wrong with the history or with what
    /// was asked for; free space, and ask again.
    public static final class DiskFull extends ReplicaException {
        private final long bytes;

        /// @param what does not fit
        /// @param bytes it needs
        /// @param free bytes there are
        public DiskFull(String what, long bytes, long free) {
            super(
                    "%s needs %d bytes and the local disk has %d left; free space there or enlarge the volume, then try again"
                            .formatted(what, bytes, free));
            this.bytes = bytes;
        }

        /// The disk was full in the middle of it: how much it needs nobody knows.
        public DiskFull(String what, Throwable cause) {
            super(
                    what
                            + " does not fit on the local disk, which is full; free space there or"
                            + " enlarge the volume, then try again",
                    cause);
            this.bytes = 0;
        }

        /// What it needs; 0 if that is not known.
        public long bytes() {
            return bytes;
        }

        @Override
        public String code() {
            return "DISK_FULL";
        }
    }

    /// The object was written in a format this version does not know. A newer one may.
    public static final class UnsupportedFormat extends ReplicaException {
        /// @param format what was found, as in `ltx flags 0x0`
        public UnsupportedFormat(String key, String format) {
            super("unsupported format: " + format + " [key=" + key + "]");
        }

        @Override
        public String code() {
            return "UNSUPPORTED_FORMAT";
        }
    }
}
