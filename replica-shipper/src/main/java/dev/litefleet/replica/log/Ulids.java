package dev.litefleet.replica.log;

import com.github.f4b6a3.ulid.Ulid;
import java.time.InstantSource;
import java.util.random.RandomGenerator;
import java.util.regex.Pattern;

/// ULIDs from an injected clock and injected chance.
final class Ulids {
    private static final Pattern FORM = Pattern.compile("[0-7][0-9A-HJKMNP-TV-Z]{25}");

    private Ulids() {}

    static boolean valid(String text) {
        return FORM.matcher(text).matches();
    }

    static String draw(InstantSource clock, RandomGenerator random) {
        byte[] chance = new byte[Ulid.RANDOM_BYTES];
        random.nextBytes(chance);
        return new Ulid(clock.millis(), chance).toString();
    }
}
