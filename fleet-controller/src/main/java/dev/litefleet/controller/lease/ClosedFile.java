package dev.litefleet.controller.lease;

import org.jspecify.annotations.Nullable;

/// `controller/<epoch:016x>.closed.json`: that epoch's log is fenced and everything in it is in
/// derived files.
///
/// @param format [#FORMAT]; absent in what the first releases wrote, which is the same
/// @param session whose log it is
/// @param by session that fenced and recovered it, which may be the same one
/// @param part of the fence
/// @param slot of the fence
/// @param catalogTxid how far the catalog's derived files reached then, 16 hexadecimal digits;
///   fewer later is `HISTORY_INCOMPLETE`
/// @param at RFC 3339, for people
record ClosedFile(
        @Nullable Integer format,
        String session,
        String by,
        int part,
        long slot,
        String catalogTxid,
        String at) {
    static final int FORMAT = 1;
}
