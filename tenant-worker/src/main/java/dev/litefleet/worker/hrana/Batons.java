package dev.litefleet.worker.hrana;

import static java.nio.charset.StandardCharsets.US_ASCII;

import dev.litefleet.replica.TenantId;
import java.nio.ByteBuffer;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.Base64;
import java.util.Optional;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/// Signs and opens [Baton]s. Any thread.
final class Batons {
    /// What the fleet key is derived for.
    static final String PURPOSE = "litefleet batons v1";

    private static final byte VERSION = 1;
    private static final byte STATEFUL = 1;
    private static final int BODY_BYTES = 18;
    private static final int MAC_BYTES = 16;
    private static final int CHARS = (BODY_BYTES + MAC_BYTES) * 4 / 3 + 1;
    private static final Base64.Encoder PRINT = Base64.getUrlEncoder().withoutPadding();

    private final ThreadLocal<Mac> macs;

    /// @param key 32 bytes, the same in every worker of the fleet
    Batons(byte[] key) {
        var spec = new SecretKeySpec(key, "HmacSHA256");
        macs = ThreadLocal.withInitial(() -> mac(spec));
    }

    String sign(TenantId tenant, Baton baton) {
        ByteBuffer bytes = ByteBuffer.allocate(BODY_BYTES + MAC_BYTES);
        bytes.put(VERSION)
                .put(baton.stateful() ? STATEFUL : 0)
                .putLong(baton.stream())
                .putLong(baton.sequence());
        bytes.put(mac(tenant, bytes.array()));
        return PRINT.encodeToString(bytes.array());
    }

    /// @return empty if the text was not signed by this fleet for this tenant
    Optional<Baton> open(TenantId tenant, String text) {
        byte[] bytes;
        try {
            bytes = text.length() == CHARS ? Base64.getUrlDecoder().decode(text) : new byte[0];
        } catch (IllegalArgumentException notBase64) {
            return Optional.empty();
        }
        if (bytes.length != BODY_BYTES + MAC_BYTES
                || !MessageDigest.isEqual(
                        mac(tenant, bytes), Arrays.copyOfRange(bytes, BODY_BYTES, bytes.length))
                || bytes[0] != VERSION) {
            return Optional.empty();
        }
        ByteBuffer body = ByteBuffer.wrap(bytes);
        return Optional.of(
                new Baton(body.getLong(2), body.getLong(10), (bytes[1] & STATEFUL) != 0));
    }

    private byte[] mac(TenantId tenant, byte[] bytes) {
        Mac mac = macs.get();
        mac.update(bytes, 0, BODY_BYTES);
        return Arrays.copyOf(mac.doFinal(tenant.name().getBytes(US_ASCII)), MAC_BYTES);
    }

    private static Mac mac(SecretKeySpec key) {
        try {
            Mac mac = Mac.getInstance("HmacSHA256");
            mac.init(key);
            return mac;
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("no HmacSHA256 in this JDK", e);
        }
    }
}
