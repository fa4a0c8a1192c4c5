package dev.litefleet.replica.objects;

/// What the store's answer to a write means: the first half of the table W3 in `commit-log.md`, and
/// the only copy of it. Reads use it for what is not an answer of their own, like 404.
final class StoreAnswer {
    /// What is known after an attempt.
    enum Outcome {
        /// The object is ours and durable.
        DONE,
        /// The key is taken, perhaps by an attempt of our own.
        OCCUPIED,
        /// It may have happened, or happen any time later: send the same bytes again.
        UNKNOWN,
        /// Refresh the credentials and send the same bytes again.
        CREDENTIALS,
        /// Configuration, or our bug: no repetition helps.
        FATAL
    }

    /// In place of a status when there was none: a timeout, a reset, a connection refused.
    static final int NO_ANSWER = 0;

    private static final String PRECONDITION_FAILED = "PreconditionFailed";

    private StoreAnswer() {}

    /// @param status of the HTTP answer, or [#NO_ANSWER]
    /// @param code from the error document, empty if there was none
    static Outcome classify(int status, String code) {
        // A failed precondition may surface under any status, even 200 (aws-sdk-java-v2 #6023).
        return switch (code.equals(PRECONDITION_FAILED) ? 412 : status) {
            case 412 -> Outcome.OCCUPIED;
            // An error document under a status of success proves nothing.
            case 200, 201 -> code.isEmpty() ? Outcome.DONE : Outcome.UNKNOWN;
            case 401, 403 -> Outcome.CREDENTIALS;
            case NO_ANSWER, 408, 409, 429 -> Outcome.UNKNOWN;
            case 400 ->
                    switch (code) {
                        case "RequestTimeout", "IncompleteBody", "BadDigest" -> Outcome.UNKNOWN;
                        case "ExpiredToken", "InvalidToken", "TokenRefreshRequired" ->
                                Outcome.CREDENTIALS;
                        default -> Outcome.FATAL;
                    };
            // Parts that the bucket's own rule, or somebody's abort, has removed: begin anew.
            case 404 -> code.equals("NoSuchUpload") ? Outcome.UNKNOWN : Outcome.FATAL;
            case 501 -> Outcome.FATAL;
            default -> status >= 500 && status <= 599 ? Outcome.UNKNOWN : Outcome.FATAL;
        };
    }
}
