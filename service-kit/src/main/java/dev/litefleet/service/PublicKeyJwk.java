package dev.litefleet.service;

import java.math.BigInteger;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.interfaces.EdECPublicKey;
import java.security.spec.EdECPoint;
import java.security.spec.EdECPublicKeySpec;
import java.security.spec.NamedParameterSpec;
import java.util.Base64;

/// A public Ed25519 key as a JSON Web Key (RFC 8037): `kty` is always `OKP`, `crv` `Ed25519`.
///
/// @param kid key id
/// @param x the 32 bytes of RFC 8032, base64url without padding
public record PublicKeyJwk(String kid, String x) {
    private static final int BYTES = 32;

    public PublicKeyJwk {
        if (Base64.getUrlDecoder().decode(x).length != BYTES) {
            throw new IllegalArgumentException("not an Ed25519 public key [kid=" + kid + "]");
        }
    }

    static PublicKeyJwk of(String kid, EdECPublicKey key) {
        byte[] little = new byte[BYTES];
        byte[] big = key.getPoint().getY().toByteArray();
        for (int i = 0; i < big.length && i < BYTES; i++) {
            little[i] = big[big.length - 1 - i];
        }
        if (key.getPoint().isXOdd()) {
            little[BYTES - 1] |= (byte) 0x80;
        }
        return new PublicKeyJwk(
                kid, Base64.getUrlEncoder().withoutPadding().encodeToString(little));
    }

    EdECPublicKey key() {
        byte[] little = Base64.getUrlDecoder().decode(x);
        boolean odd = (little[BYTES - 1] & 0x80) != 0;
        little[BYTES - 1] &= 0x7f;
        byte[] big = new byte[BYTES];
        for (int i = 0; i < BYTES; i++) {
            big[i] = little[BYTES - 1 - i];
        }
        try {
            var spec =
                    new EdECPublicKeySpec(
                            NamedParameterSpec.ED25519, new EdECPoint(odd, new BigInteger(1, big)));
            return (EdECPublicKey) KeyFactory.getInstance("Ed25519").generatePublic(spec);
        } catch (GeneralSecurityException e) {
            throw new IllegalArgumentException("not an Ed25519 public key [kid=" + kid + "]", e);
        }
    }
}
