package dev.litefleet.replica.objects;

import static org.assertj.core.api.Assertions.assertThat;

import dev.litefleet.replica.objects.StoreAnswer.Outcome;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Table W3 of `commit-log.md`, first half, row by row.
final class StoreAnswerTest {
    @ParameterizedTest(name = "{0} {1} is {2}")
    @CsvSource({
        // ours, durable
        "200, '', DONE",
        "201, '', DONE",
        // occupied
        "412, '', OCCUPIED",
        "412, PreconditionFailed, OCCUPIED",
        "200, PreconditionFailed, OCCUPIED",
        "400, PreconditionFailed, OCCUPIED",
        "500, PreconditionFailed, OCCUPIED",
        // unknown, may land any time later
        "0, '', UNKNOWN",
        "409, ConditionalRequestConflict, UNKNOWN",
        "409, OperationAborted, UNKNOWN",
        "409, '', UNKNOWN",
        "429, TooManyRequests, UNKNOWN",
        "408, '', UNKNOWN",
        "500, InternalError, UNKNOWN",
        "502, '', UNKNOWN",
        "503, SlowDown, UNKNOWN",
        "503, ServiceUnavailable, UNKNOWN",
        "504, '', UNKNOWN",
        "507, '', UNKNOWN",
        "599, '', UNKNOWN",
        "400, RequestTimeout, UNKNOWN",
        "400, IncompleteBody, UNKNOWN",
        "400, BadDigest, UNKNOWN",
        "200, InternalError, UNKNOWN",
        "200, SlowDown, UNKNOWN",
        // credentials
        "403, AccessDenied, CREDENTIALS",
        "403, SignatureDoesNotMatch, CREDENTIALS",
        "403, RequestTimeTooSkewed, CREDENTIALS",
        "403, '', CREDENTIALS",
        "401, '', CREDENTIALS",
        "400, ExpiredToken, CREDENTIALS",
        "400, InvalidToken, CREDENTIALS",
        "400, TokenRefreshRequired, CREDENTIALS",
        // configuration, or our bug
        "400, '', FATAL",
        "400, InvalidRequest, FATAL",
        "400, InvalidArgument, FATAL",
        "400, EntityTooLarge, FATAL",
        "413, EntityTooLarge, FATAL",
        "301, PermanentRedirect, FATAL",
        "307, TemporaryRedirect, FATAL",
        "404, NoSuchBucket, FATAL",
        "404, NoSuchUpload, UNKNOWN",
        "404, '', FATAL",
        "405, MethodNotAllowed, FATAL",
        "501, NotImplemented, FATAL",
        // what the table does not name proves nothing good
        "202, '', FATAL",
        "204, '', FATAL",
        "304, '', FATAL",
        "411, MissingContentLength, FATAL",
        "600, '', FATAL",
    })
    void classify(int status, String code, Outcome expected) {
        assertThat(StoreAnswer.classify(status, code)).isEqualTo(expected);
    }

    /// Whatever a store may say, only these two claim that an object exists.
    @Test
    void nothingElseIsTakenForSuccess() {
        for (int status = 0; status < 1000; status++) {
            Outcome outcome = StoreAnswer.classify(status, "");
            assertThat(outcome == Outcome.DONE).isEqualTo(status == 200 || status == 201);
            assertThat(outcome == Outcome.OCCUPIED).isEqualTo(status == 412);
        }
    }
}
