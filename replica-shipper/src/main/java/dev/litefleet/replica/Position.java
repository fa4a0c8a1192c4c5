package dev.litefleet.replica;

import java.util.HexFormat;

/// A state of a database: which commit, and what its pages must add up to.
///
/// @param checksum database checksum after that commit, bit 63 set (ltx.md, section 1.5)
public record Position(Txid txid, long checksum) {
    /// `<txid>/<checksum>`, 16 hexadecimal digits each.
    @Override
    public String toString() {
        return txid + "/" + HexFormat.of().toHexDigits(checksum);
    }
}
