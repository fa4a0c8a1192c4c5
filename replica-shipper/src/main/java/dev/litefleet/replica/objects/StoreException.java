package dev.litefleet.replica.objects;

import org.jspecify.annotations.Nullable;

/// An object-store request that failed, classed by what the caller should do about it. Which answer
/// belongs to which class is decided in [StoreAnswer].
public abstract sealed class StoreException extends RuntimeException {
    private final String answer;

    private StoreException(
            String request, String problem, String answer, @Nullable Throwable cause) {
        super(request + " " + problem + " [answer=" + answer + "]", cause);
        this.answer = answer;
    }

    /// What the store said: status and code, or the failure in words when it said nothing.
    public String answer() {
        return answer;
    }

    /// No usable answer. Nothing is known about the effect, which may come any time later; send the
    /// same bytes again, after a pause.
    public static final class Unavailable extends StoreException {
        /// @param request verb and key
        public Unavailable(String request, String answer, @Nullable Throwable cause) {
            super(request, "has an unknown outcome", answer, cause);
        }
    }

    /// The credentials were refused or have expired. Refresh them and send the same bytes again.
    public static final class Denied extends StoreException {
        /// @param request verb and key
        public Denied(String request, String answer, @Nullable Throwable cause) {
            super(request, "was refused", answer, cause);
        }
    }

    /// The store cannot or will not do this, whoever asks and however often: a wrong setting, an
    /// unsuitable store, or our bug. Stop, and show the answer to a person.
    public static final class Misconfigured extends StoreException {
        /// @param request verb and key
        public Misconfigured(String request, String answer, @Nullable Throwable cause) {
            super(request, "cannot work with this store", answer, cause);
        }
    }
}
