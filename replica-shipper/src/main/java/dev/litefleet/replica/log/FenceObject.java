package dev.litefleet.replica.log;

import java.util.regex.Pattern;

/// The object that closes a log, or one part of it.
///
/// @param by who put it there: a controller's session, or the log's own session for a part fence; 1
///   to 64 letters, digits and `._:/-`
/// @param epoch of the controller that put it there; 0 for a part fence
/// @param next the part in which the log goes on, or 0 if it ends here
public record FenceObject(BodyId body, String by, long epoch, int next) implements SlotObject {
    private static final Pattern BY = Pattern.compile("[A-Za-z0-9._:/-]{1,64}");

    public FenceObject {
        if (!BY.matcher(by).matches() || epoch < 0) {
            throw new IllegalArgumentException("not a fence: by '" + by + "', epoch " + epoch);
        }
        if (next < 0 || next > Slot.PART_MAX) {
            throw new IllegalArgumentException("not a part: " + next);
        }
    }

    /// Whether only a part ends here.
    public boolean endsPart() {
        return next != 0;
    }
}
