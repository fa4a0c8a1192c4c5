package dev.litefleet.replica.log;

import java.util.HexFormat;
import java.util.random.RandomGenerator;
import java.util.regex.Pattern;

/// Random name of one frozen slot body. "Is it ours?" is decided by this, never by who wrote it: a
/// session may have been copied with its machine, a body id is drawn per body.
///
/// @param hex 32 lower-case hexadecimal digits
public record BodyId(String hex) {
    private static final Pattern FORM = Pattern.compile("[0-9a-f]{32}");

    public BodyId {
        if (!FORM.matcher(hex).matches()) {
            throw new IllegalArgumentException("not a body id: '" + hex + "'");
        }
    }

    static BodyId draw(RandomGenerator random) {
        HexFormat digits = HexFormat.of();
        return new BodyId(
                digits.toHexDigits(random.nextLong()) + digits.toHexDigits(random.nextLong()));
    }

    @Override
    public String toString() {
        return hex;
    }
}
