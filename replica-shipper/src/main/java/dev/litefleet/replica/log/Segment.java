package dev.litefleet.replica.log;

import dev.litefleet.replica.objects.ObjectBody;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.util.HexFormat;
import java.util.List;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.jspecify.annotations.Nullable;

/// The object in a slot: commits of many tenants in one ZIP archive.
///
/// Entries are STORED, so that `unzip` and `litestream` are enough to read a log by hand; the
/// central directory at the end is the index. Layout: `FORMAT.md`.
public final class Segment {
    /// Commits of one tenant that a segment keeps apart; more become one merged entry.
    public static final int COMMITS_MAX = 64;

    /// The format that this code writes and the newest that it reads.
    public static final int FORMAT = 1;

    /// A ZIP archive without the 64-bit extension counts its entries in 16 bits, and this many
    /// would need it.
    static final int ENTRIES_MAX = 0xfffe;

    private static final HexFormat HEX = HexFormat.of();

    private Segment() {}

    /// What a segment says about itself.
    ///
    /// @param log whose slot this is
    /// @param window the session's K
    /// @param undrainedFrom no slot before this one holds anything that derived files may lack
    public record Comment(BodyId body, LogName log, Slot slot, int window, Slot undrainedFrom) {
        public Comment {
            if (window < 1 || undrainedFrom.compareTo(slot) > 0) {
                throw new IllegalArgumentException(
                        "window " + window + ", undrained from " + undrainedFrom + " in " + slot);
            }
        }
    }

    /// One entry and its LTX file, empty if the entry names a blob.
    ///
    /// @param spool the LTX file if it is not in memory; such a body cannot be encoded
    @SuppressWarnings("ArrayRecordComponent") // Carried to one writer and never compared.
    public record Body(Entry entry, byte[] ltx, @Nullable SpooledBody spool) {
        public Body(Entry entry, byte[] ltx) {
            this(entry, ltx, null);
        }

        /// The LTX file, wherever it is.
        ObjectBody content() {
            return spool == null ? ObjectBody.of(ltx) : spool.content();
        }
    }

    /// The bytes of a segment. Equal arguments give equal bytes.
    public static byte[] encode(Comment comment, List<Body> bodies) {
        return archive(SlotJson.write(json(comment)), bodies);
    }

    /// Entries and their bodies as a sealed archive.
    ///
    /// @param comment ends in the field `crc`, not sealed yet
    static byte[] archive(String comment, List<Body> bodies) {
        if (bodies.size() > ENTRIES_MAX) {
            throw new IllegalArgumentException(bodies.size() + " entries in a segment");
        }
        long bytes = 1024;
        for (Body body : bodies) {
            bytes += body.ltx().length + 700L; // Two headers, two names and a comment.
        }
        var out = new ByteArrayOutputStream(Math.toIntExact(bytes));
        try (var zip = new ZipOutputStream(out)) {
            zip.setComment(comment);
            for (Body body : bodies) {
                if (body.spool() != null) {
                    throw new IllegalArgumentException("not in memory: " + body.entry());
                }
                put(zip, entryOf(body), body.ltx());
            }
        } catch (IOException impossible) {
            throw new UncheckedIOException(impossible);
        }
        return SlotArchive.sealed(out.toByteArray());
    }

    /// Adds a STORED entry.
    static void put(ZipOutputStream zip, ZipEntry entry, byte[] content) throws IOException {
        var crc = new CRC32();
        crc.update(content);
        entry.setMethod(ZipEntry.STORED);
        entry.setSize(content.length);
        entry.setCrc(crc.getValue());
        zip.putNextEntry(entry);
        zip.write(content);
        zip.closeEntry();
    }

    /// `<id>/<lineage>/<min>-<max>.ltx`.
    static String entryName(Entry entry) {
        return entry.tenant() + "/" + entry.min() + "-" + entry.max() + ".ltx";
    }

    private static ZipEntry entryOf(Body body) {
        var entry = new ZipEntry(entryName(body.entry()));
        long second = Math.floorDiv(body.entry().lastMillis(), 1000L);
        entry.setTimeLocal(LocalDateTime.ofEpochSecond(second, 0, ZoneOffset.UTC));
        entry.setComment(SlotJson.write(json(body.entry())));
        return entry;
    }

    private static SlotJson.SegmentComment json(Comment comment) {
        return new SlotJson.SegmentComment(
                FORMAT,
                comment.body().hex(),
                comment.log().session().ulid(),
                comment.slot().part(),
                comment.slot().number(),
                comment.window(),
                new SlotJson.SlotRef(
                        comment.undrainedFrom().part(), comment.undrainedFrom().number()),
                SlotArchive.UNSEALED);
    }

    private static SlotJson.EntryComment json(Entry entry) {
        var blob = entry.blob();
        var wal = entry.wal();
        return new SlotJson.EntryComment(
                entry.min().toString(),
                entry.max().toString(),
                entry.pageSize(),
                entry.commit(),
                entry.pages(),
                entry.commitMillis(),
                HEX.toHexDigits(entry.checksumBefore()),
                HEX.toHexDigits(entry.checksumAfter()),
                entry.merged() ? true : null,
                entry.actor(),
                entry.traceparent(),
                entry.requestId(),
                blob == null ? null : new SlotJson.BlobRef(blob.key(), entry.bytes()),
                wal == null
                        ? null
                        : new SlotJson.WalRef(
                                HEX.toHexDigits(wal.salt()),
                                wal.offset(),
                                HEX.toHexDigits(wal.checksum().stored())));
    }
}
