package dev.litefleet.worker.hrana;

import static org.assertj.core.api.Assertions.assertThat;

import dev.litefleet.replica.TenantId;
import dev.litefleet.testing.Seeds;
import java.util.Arrays;
import java.util.Base64;
import java.util.SplittableRandom;

final class BatonsTest {
    private static final TenantId ACME = new TenantId("acme");
    private static final byte[] KEY = key(1);

    @Seeds(20)
    void anotherWorkerOfTheFleetReadsWhatOneSigned(long seed) {
        var random = new SplittableRandom(seed);
        var baton = new Baton(random.nextLong(), random.nextLong(), random.nextBoolean());

        String text = new Batons(KEY).sign(ACME, baton);

        assertThat(new Batons(KEY).open(ACME, text)).contains(baton);
        assertThat(text).matches("[A-Za-z0-9_-]{46}");
    }

    @Seeds(20)
    void nothingButTheSignedTextIsAccepted(long seed) {
        var random = new SplittableRandom(seed);
        var batons = new Batons(KEY);
        String text = batons.sign(ACME, new Baton(random.nextLong(), 7, random.nextBoolean()));
        byte[] bytes = Base64.getUrlDecoder().decode(text);

        for (int bit = 0; bit < bytes.length * 8; bit++) {
            byte[] flipped = bytes.clone();
            flipped[bit / 8] ^= (byte) (1 << bit % 8);
            String forged = Base64.getUrlEncoder().withoutPadding().encodeToString(flipped);
            assertThat(batons.open(ACME, forged)).as("bit %d", bit).isEmpty();
        }
        for (int length = 0; length < text.length(); length++) {
            assertThat(batons.open(ACME, text.substring(0, length))).isEmpty();
        }
        assertThat(batons.open(ACME, text + "A")).isEmpty();
        assertThat(batons.open(ACME, "!".repeat(46))).isEmpty();
    }

    @Seeds(1)
    void batonOpensItsTenantOnly(long seed) {
        var batons = new Batons(KEY);
        String text = batons.sign(ACME, new Baton(seed, 1, false));

        assertThat(batons.open(new TenantId("acme2"), text)).isEmpty();
        assertThat(new Batons(key(2)).open(ACME, text)).isEmpty();
    }

    private static byte[] key(int fill) {
        byte[] key = new byte[32];
        Arrays.fill(key, (byte) fill);
        return key;
    }
}
