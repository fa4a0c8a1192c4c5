package dev.litefleet.service;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.time.Duration;
import java.time.InstantSource;
import java.util.HexFormat;
import java.util.random.RandomGenerator;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import org.jspecify.annotations.Nullable;

/// Signs and checks requests between our own processes: HMAC-SHA-256 with a key derived from the
/// fleet key, over method, path, body hash, time and nonce.
///
/// Header `litefleet-signature: v1 <unix ms> <nonce> <body> <mac>`; `<body>` is the SHA-256 of the
/// body in hex, or `stream` for tenant traffic whose body is passed through unread (such a request
/// is authorised by the tenant's own token, never by this header alone). Any thread.
public final class InternalAuth {
    public static final String HEADER = "litefleet-signature";

    private static final String PURPOSE = "litefleet internal requests v1";
    private static final String STREAM = "stream";
    private static final Duration WINDOW = Duration.ofSeconds(60);
    private static final int NONCES_MAX = 200_000;

    private final SecretKeySpec key;
    private final InstantSource clock;
    private final RandomGenerator random;
    private final Cache<String, Boolean> seen =
            Caffeine.newBuilder()
                    .maximumSize(NONCES_MAX)
                    .expireAfterWrite(WINDOW.multipliedBy(2))
                    .build();

    public InternalAuth(Keys keys, InstantSource clock, RandomGenerator random) {
        this.key = new SecretKeySpec(keys.derive(PURPOSE), "HmacSHA256");
        this.clock = clock;
        this.random = random;
    }

    /// The header for a request.
    ///
    /// @param path with its query, as it will stand in the request line
    /// @param body null for a body that is streamed unread
    public String sign(String method, String path, byte @Nullable [] body) {
        long time = clock.millis();
        String nonce = HexFormat.of().toHexDigits(random.nextLong());
        String hash = body == null ? STREAM : sha256(body);
        return "v1 " + time + ' ' + nonce + ' ' + hash + ' ' + mac(method, path, hash, time, nonce);
    }

    /// Accepts a control request once: signature, time and body must match and the nonce be new.
    ///
    /// @throws Refused 401 `SIGNATURE_INVALID`
    public void verifyOnce(String method, String path, @Nullable String header, byte[] body) {
        String[] part = verified(method, path, header);
        if (!MessageDigest.isEqual(part[3].getBytes(UTF_8), sha256(body).getBytes(UTF_8))) {
            throw refused("the body is not the signed one");
        }
        if (seen.asMap().putIfAbsent(part[2], Boolean.TRUE) != null) {
            throw refused("this request was received before");
        }
    }

    /// Whether `header` was made by one of our gateways for this request line. The nonce is not
    /// remembered: what the request may do is decided by the tenant's token.
    public boolean fromGateway(String method, String path, @Nullable String header) {
        if (header == null) {
            return false;
        }
        try {
            verified(method, path, header);
            return true;
        } catch (Refused _) {
            return false;
        }
    }

    private String[] verified(String method, String path, @Nullable String header) {
        if (header == null) {
            throw refused("no signature");
        }
        String[] part = header.split(" ", -1);
        if (part.length != 5 || !part[0].equals("v1") || !part[1].matches("[0-9]{1,15}")) {
            throw refused("malformed signature");
        }
        long time = Long.parseLong(part[1]);
        if (Math.abs(clock.millis() - time) > WINDOW.toMillis()) {
            throw refused("signed too long ago or in the future; check the clocks");
        }
        String expected = mac(method, path, part[3], time, part[2]);
        if (!MessageDigest.isEqual(expected.getBytes(UTF_8), part[4].getBytes(UTF_8))) {
            throw refused("wrong signature; do all processes share one fleet.key?");
        }
        return part;
    }

    private String mac(String method, String path, String hash, long time, String nonce) {
        try {
            Mac mac = Mac.getInstance("HmacSHA256");
            mac.init(key);
            String text = "v1\n" + method + '\n' + path + '\n' + hash + '\n' + time + '\n' + nonce;
            return HexFormat.of().formatHex(mac.doFinal(text.getBytes(UTF_8)));
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("no HmacSHA256 in this JDK", e);
        }
    }

    private static String sha256(byte[] body) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(body));
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("no SHA-256 in this JDK", e);
        }
    }

    private static Refused refused(String why) {
        return Refused.of(401, "SIGNATURE_INVALID", why, false);
    }
}
