package dev.litefleet.controller.auth;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.litefleet.controller.Controller;
import dev.litefleet.controller.catalog.ApiKeyRow;
import dev.litefleet.service.PrivateFile;
import dev.litefleet.service.Refused;
import dev.litefleet.service.Reply;
import io.vertx.ext.web.RoutingContext;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.InstantSource;
import java.util.HexFormat;
import java.util.List;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/// Keys of the control plane: `lf_live_<id>_<secret>`. The catalog keeps SHA-256 hashes only (the
/// secret has 160 random bits, so a slow hash would add nothing). Any thread.
public final class ApiKeys {
    /// Shortest key that may be given by hand.
    public static final int KEY_CHARS_MIN = 24;

    private static final int KEY_CHARS_MAX = 256;
    private static final String ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz";

    private final List<byte[]> hashes;

    private ApiKeys(List<byte[]> hashes) {
        this.hashes = hashes;
    }

    /// Makes sure there is an admin key and reads what the catalog knows.
    ///
    /// @param given value of `LITEFLEET_ADMIN_KEY`; null to use `file`, which is generated (0600)
    ///   when missing
    /// @throws IllegalArgumentException if the given key is too short or too long
    public static ApiKeys open(
            Controller controller,
            @Nullable String given,
            Path file,
            InstantSource clock,
            RandomGenerator random) {
        String key = given == null ? fromFile(file, random) : given.trim();
        if (key.length() < KEY_CHARS_MIN || key.length() > KEY_CHARS_MAX) {
            throw new IllegalArgumentException(
                    "an admin key has %d to %d characters [source=%s]"
                            .formatted(
                                    KEY_CHARS_MIN,
                                    KEY_CHARS_MAX,
                                    given == null ? file : "LITEFLEET_ADMIN_KEY"));
        }
        String hash = HexFormat.of().formatHex(sha256(key));
        controller.addApiKey(new ApiKeyRow(hash, "admin", "admin", clock.instant())).join();
        return new ApiKeys(
                controller.apiKeys().join().stream()
                        .map(row -> HexFormat.of().parseHex(row.hash()))
                        .toList());
    }

    /// Accepts the value of an `Authorization` header.
    ///
    /// @throws Refused 401 `KEY_MISSING` or `KEY_INVALID`
    public void verify(@Nullable String header) {
        if (header == null || !header.regionMatches(true, 0, "Bearer ", 0, 7)) {
            throw Refused.of(
                    401,
                    "KEY_MISSING",
                    "send an API key as 'Authorization: Bearer'; `litefleet up` prints where it is",
                    false);
        }
        byte[] hash = sha256(header.substring(7).trim());
        boolean known = false;
        for (byte[] candidate : hashes) {
            known |= MessageDigest.isEqual(candidate, hash);
        }
        if (!known) {
            throw Refused.of(401, "KEY_INVALID", "the API key is not known to this fleet", false);
        }
    }

    /// A handler that lets only requests with a known key pass.
    public void admit(RoutingContext context) {
        try {
            verify(context.request().getHeader("authorization"));
        } catch (Refused refused) {
            Reply.of(refused.problem()).send(context.response());
            return;
        }
        context.next();
    }

    private static String fromFile(Path file, RandomGenerator random) {
        try {
            if (!Files.exists(file)) {
                String key = "lf_live_" + word(8, random) + "_" + word(32, random) + "\n";
                PrivateFile.create(file, key.getBytes(UTF_8));
            }
            return Files.readString(file).trim();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static String word(int length, RandomGenerator random) {
        var word = new StringBuilder(length);
        for (int i = 0; i < length; i++) {
            word.append(ALPHABET.charAt(random.nextInt(ALPHABET.length())));
        }
        return word.toString();
    }

    private static byte[] sha256(String text) {
        try {
            return MessageDigest.getInstance("SHA-256").digest(text.getBytes(UTF_8));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("no SHA-256 in this JDK", e);
        }
    }
}
