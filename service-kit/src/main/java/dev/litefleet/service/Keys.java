package dev.litefleet.service;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static java.nio.charset.StandardCharsets.UTF_8;

import io.vertx.core.Vertx;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.json.JsonObject;
import io.vertx.ext.auth.JWTOptions;
import io.vertx.ext.auth.PubSecKeyOptions;
import io.vertx.ext.auth.jwt.JWTAuth;
import io.vertx.ext.auth.jwt.JWTAuthOptions;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.KeyPairGenerator;
import java.security.MessageDigest;
import java.security.PrivateKey;
import java.security.SecureRandom;
import java.security.interfaces.EdECPublicKey;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.crypto.KDF;
import javax.crypto.spec.HKDFParameterSpec;

/// The fleet's private material: a folder with `fleet.key` (32 bytes) and one `jwt-<kid>.pem`
/// (Ed25519, PKCS#8, followed by its public key as a comment line) per signing key; never in the
/// object store, because whoever reads the bucket could mint tokens.
///
/// The newest signing key (by modification time) signs; all of them verify.
public final class Keys {
    private static final Pattern PEM_NAME = Pattern.compile("jwt-([0-9a-f]{16})\\.pem");
    private static final int FLEET_KEY_BYTES = 32;

    private record SigningKey(String kid, String pem, PublicKeyJwk jwk) {}

    private final byte[] fleet;
    private final List<SigningKey> signing; // the last one signs

    private Keys(byte[] fleet, List<SigningKey> signing) {
        this.fleet = fleet;
        this.signing = List.copyOf(signing);
    }

    /// Reads the folder; what is missing is generated (mode 0600), unless the folder is read-only.
    ///
    /// @throws IllegalArgumentException if a file is there but is not what it should be
    public static Keys open(Path folder, SecureRandom random) {
        try {
            Files.createDirectories(
                    folder,
                    PosixFilePermissions.asFileAttribute(
                            PosixFilePermissions.fromString("rwx------")));
            Path fleetKey = folder.resolve("fleet.key");
            if (!Files.exists(fleetKey)) {
                byte[] fresh = new byte[FLEET_KEY_BYTES];
                random.nextBytes(fresh);
                PrivateFile.create(fleetKey, fresh);
            }
            byte[] fleet = Files.readAllBytes(fleetKey);
            if (fleet.length != FLEET_KEY_BYTES) {
                throw new IllegalArgumentException(
                        "fleet.key must have 32 bytes [file=%s, bytes=%d]"
                                .formatted(fleetKey, fleet.length));
            }
            List<SigningKey> signing = signingKeys(folder);
            if (signing.isEmpty()) {
                generate(folder, random);
                signing = signingKeys(folder);
            }
            return new Keys(fleet, signing);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /// 32 bytes for one purpose, by HKDF-SHA-256 (RFC 5869) from the fleet key.
    public byte[] derive(String purpose) {
        try {
            return KDF.getInstance("HKDF-SHA256")
                    .deriveData(
                            HKDFParameterSpec.ofExtract()
                                    .addIKM(fleet)
                                    .thenExpand(purpose.getBytes(UTF_8), FLEET_KEY_BYTES));
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("no HKDF in this JDK", e);
        }
    }

    /// The public halves, for whoever verifies tokens.
    public List<PublicKeyJwk> publicKeys() {
        return signing.stream().map(SigningKey::jwk).toList();
    }

    /// A function that signs claims into a compact JWT (EdDSA, header with `kid`).
    public Signer signer(Vertx vertx) {
        SigningKey key = signing.getLast();
        JWTAuth auth =
                JWTAuth.create(
                        vertx,
                        new JWTAuthOptions()
                                .addPubSecKey(
                                        new PubSecKeyOptions()
                                                .setAlgorithm("EdDSA")
                                                .setId(key.kid())
                                                .setBuffer(Buffer.buffer(key.pem()))));
        var options =
                new JWTOptions()
                        .setAlgorithm("EdDSA")
                        .setHeader(new JsonObject().put("kid", key.kid()))
                        .setNoTimestamp(true);
        return claims -> auth.generateToken(claims, options);
    }

    /// Signs a set of claims.
    @FunctionalInterface
    public interface Signer {
        String sign(JsonObject claims);
    }

    private static List<SigningKey> signingKeys(Path folder) throws IOException {
        var found = new ArrayList<SigningKey>();
        List<Path> files;
        try (var list = Files.list(folder)) {
            files = new ArrayList<>(list.toList());
        }
        files.sort(
                Comparator.comparingLong((Path file) -> file.toFile().lastModified())
                        .thenComparing(Path::getFileName));
        for (Path file : files) {
            Matcher name = PEM_NAME.matcher(file.getFileName().toString());
            if (name.matches()) {
                found.add(read(file, name.group(1)));
            }
        }
        return found;
    }

    private static SigningKey read(Path file, String kid) throws IOException {
        String text = Files.readString(file, US_ASCII);
        String publicLine =
                text.lines()
                        .filter(line -> line.startsWith("# public "))
                        .findFirst()
                        .orElseThrow(() ->
                                new IllegalArgumentException(
                                        "no '# public' line [file=" + file + "]"));
        String pem = text.substring(text.indexOf("-----BEGIN"));
        try {
            String base64 = pem.replaceAll("-----[A-Z ]+-----|\\s", "");
            PrivateKey key =
                    KeyFactory.getInstance("Ed25519")
                            .generatePrivate(
                                    new PKCS8EncodedKeySpec(Base64.getDecoder().decode(base64)));
            if (!key.getAlgorithm().equals("EdDSA") && !key.getAlgorithm().equals("Ed25519")) {
                throw new IllegalArgumentException("not an Ed25519 key [file=" + file + "]");
            }
        } catch (GeneralSecurityException | IllegalArgumentException e) {
            throw new IllegalArgumentException("not a PKCS#8 Ed25519 key [file=" + file + "]", e);
        }
        return new SigningKey(
                kid, pem, new PublicKeyJwk(kid, publicLine.substring("# public ".length()).trim()));
    }

    private static void generate(Path folder, SecureRandom random) throws IOException {
        try {
            var generator = KeyPairGenerator.getInstance("Ed25519");
            generator.initialize(255, random);
            var pair = generator.generateKeyPair();
            var publicKey = (EdECPublicKey) pair.getPublic();
            byte[] digest = MessageDigest.getInstance("SHA-256").digest(publicKey.getEncoded());
            String kid = HexFormat.of().formatHex(digest, 0, 8);
            String pem =
                    "# public "
                            + PublicKeyJwk.of(kid, publicKey).x()
                            + "\n-----BEGIN PRIVATE KEY-----\n"
                            + Base64.getMimeEncoder(64, new byte[] {'\n'})
                                    .encodeToString(pair.getPrivate().getEncoded())
                            + "\n-----END PRIVATE KEY-----\n";
            PrivateFile.create(folder.resolve("jwt-" + kid + ".pem"), pem.getBytes(US_ASCII));
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("no Ed25519 in this JDK", e);
        }
    }
}
