package dev.litefleet.replica;

import java.util.regex.Pattern;

/// The patterns of [Point#parse].
final class Notation {
    static final Pattern TXID = Pattern.compile("[0-9a-fA-F]{1,16}");
    static final Pattern BEFORE = Pattern.compile("~[0-9]{1,9}");
    static final Pattern AGO =
            Pattern.compile(
                    "-(?=.)(?:([0-9]{1,6})d)?(?:([0-9]{1,8})h)?(?:([0-9]{1,9})m)?(?:([0-9]{1,9})s)?");
    static final Pattern TIME =
            Pattern.compile(
                    "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})");

    private Notation() {}
}
