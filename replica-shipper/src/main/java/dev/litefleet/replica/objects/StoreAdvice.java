package dev.litefleet.replica.objects;

import java.net.UnknownHostException;
import java.security.cert.CertPathBuilderException;
import java.security.cert.CertificateException;
import java.security.cert.CertificateExpiredException;
import java.util.Optional;
import javax.net.ssl.SSLException;
import javax.net.ssl.SSLPeerUnverifiedException;
import org.jspecify.annotations.Nullable;

/// What a person has to do when a store refuses for a reason that no repetition mends. Words for
/// messages only: what a program does is decided in [StoreAnswer].
final class StoreAdvice {
    /// As deep as a failure is wrapped at most; deeper is a cycle.
    private static final int CAUSES_MAX = 16;

    private StoreAdvice() {}

    /// @param code of the error document, empty if there was none
    /// @param region where the store says that the bucket is, if it says so
    /// @return nothing if the answer speaks for itself, or passes
    static Optional<String> of(int status, String code, Optional<String> region) {
        return switch (code) {
            case "NoSuchBucket" ->
                    Optional.of("create the bucket, or name another in the store's URL");
            case "RequestTimeTooSkewed" ->
                    Optional.of("this machine's clock and the store's differ too much; set it");
            case "AuthorizationHeaderMalformed",
                    "PermanentRedirect",
                    "TemporaryRedirect",
                    "IllegalLocationConstraintException" ->
                    Optional.of(elsewhere(region));
            case "InvalidAccessKeyId", "SignatureDoesNotMatch" ->
                    Optional.of("the access key or its secret is not the store's");
            case "" -> status == 301 || status == 307 ? Optional.of(elsewhere(region)) : none();
            default -> none();
        };
    }

    private static Optional<String> none() {
        return Optional.empty();
    }

    private static String elsewhere(Optional<String> region) {
        return region.map(it ->
                        "the bucket is in region %s; say region=%s in the store's URL"
                                .formatted(it, it))
                .orElse("the bucket is in another region; say region= in the store's URL");
    }

    /// The same of a request that had no answer at all.
    static Optional<String> of(Throwable failure) {
        SSLException tls = null;
        Throwable deepest = failure;
        Throwable cause = failure;
        for (int depth = 0; cause != null && depth < CAUSES_MAX; depth++) {
            tls = tls == null && cause instanceof SSLException found ? found : tls;
            deepest = cause;
            cause = cause.getCause();
        }
        if (deepest instanceof UnknownHostException) {
            return Optional.of("no such host; look at endpoint= and region= in the store's URL");
        }
        return tls == null ? Optional.empty() : Optional.of(tls(tls, deepest));
    }

    private static String tls(SSLException failure, Throwable deepest) {
        if (failure instanceof SSLPeerUnverifiedException) {
            return "the certificate is for another host than endpoint= names";
        }
        return switch (deepest) {
            case CertificateExpiredException _ -> "the store's certificate has expired";
            case CertPathBuilderException _ ->
                    "the store's certificate is not trusted; import its authority into a trust"
                            + " store and name that in JAVA_TOOL_OPTIONS,"
                            + " -Djavax.net.ssl.trustStore=<file>";
            case CertificateException _ -> "the store's certificate was refused";
            default ->
                    isPlain(deepest.getMessage())
                            ? "the endpoint does not speak TLS; try http://"
                            : "TLS failed";
        };
    }

    private static boolean isPlain(@Nullable String message) {
        return message != null && message.contains("Unsupported or unrecognized SSL message");
    }
}
