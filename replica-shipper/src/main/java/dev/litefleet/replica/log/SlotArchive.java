package dev.litefleet.replica.log;

import com.fasterxml.jackson.core.JsonProcessingException;
import dev.litefleet.replica.ReplicaException.Corrupt;
import dev.litefleet.replica.ReplicaException.UnsupportedFormat;
import dev.litefleet.replica.objects.ObjectStore;
import dev.litefleet.replica.objects.TailRead;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.zip.CRC32;

/// A ZIP archive in the store, read from its end: the JDK has no reader that works on a range of
/// bytes and tells the archive's comment. Accepts exactly what we write: one disk, no 64-bit
/// extension, STORED entries one after another from byte 0, nothing encrypted.
///
/// | end record, offset | size | field                                            |
/// | -----------------: | ---: | ------------------------------------------------ |
/// |                  0 |    4 | `504b0506`                                       |
/// |                  4 |    6 | this disk, directory's disk, entries here        |
/// |                 10 |    2 | entries                                          |
/// |                 12 |    4 | bytes of the directory                           |
/// |                 16 |    4 | offset of the directory                          |
/// |                 20 |    2 | bytes of the comment, which ends the object      |
///
/// Integers are little-endian. Source: PKWARE APPNOTE.TXT 6.3.10, sections 4.3.7, 4.3.12, 4.3.16.
///
/// @param key the object's, for errors
/// @param size of the object, in bytes
/// @param comment of the archive
/// @param entries in the order of their offsets
/// @param whole the object, if it was small enough to come with its index; else empty
@SuppressWarnings("ArrayRecordComponent") // Read by its own package only and never compared.
record SlotArchive(
        String key, long size, byte[] comment, List<Member> entries, Optional<byte[]> whole) {
    /// An entry of the directory.
    ///
    /// @param offset of its local header
    /// @param end offset of what follows it
    /// @param bytes of its content
    record Member(String name, byte[] comment, long offset, long end, int bytes, int crc) {}

    /// What is asked for first: a whole segment of a few small commits, or the directory of about
    /// thirty.
    static final int TAIL_BYTES = 16 << 10;

    /// What the comment's last field says before the archive is sealed.
    static final String UNSEALED = "00000000";

    /// From that field's first digit to the end of the object: eight digits, a quote, a brace.
    private static final int SEAL_END = UNSEALED.length() + 2;

    private static final int END_BYTES = 22;
    private static final int DIRECTORY_BYTES = 46;
    private static final int LOCAL_BYTES = 30;
    private static final int COMMENT_BYTES_MAX = 0xffff;

    /// Longest directory that is read: what [Segment#ENTRIES_MAX] entries of ours can need.
    private static final int DIRECTORY_BYTES_MAX = 64 << 20;

    /// Largest content of an entry that is read, twice what any setting lets be written
    /// ([CommitLogConfig#blobBytes]): it is held in memory.
    static final int CONTENT_BYTES_MAX = 64 << 20;

    /// Longest local extra field; we write none, `setTimeLocal` some for times outside DOS's.
    private static final int EXTRA_BYTES_MAX = 64;

    /// One request, two if the index is large; nothing if the key is free.
    ///
    /// @throws Corrupt if it is not such an archive
    static Optional<SlotArchive> read(ObjectStore store, String key) {
        Optional<TailRead> found = store.getTail(key, TAIL_BYTES);
        return found.map(tail -> parse(store, key, tail));
    }

    /// The index of an object whose end has been read.
    static SlotArchive parse(ObjectStore store, String key, TailRead tail) {
        if (tail.offset() > 0 && endRecord(tail.bytes()) < 0) {
            tail = reread(store, key, END_BYTES + COMMENT_BYTES_MAX, tail.size());
        }
        int record = endRecord(tail.bytes());
        if (record < 0) {
            throw new Corrupt(key, tail.size(), "no end record");
        }
        ByteBuffer in = little(tail.bytes());
        long end = tail.offset() + record;
        int count = Short.toUnsignedInt(in.getShort(record + 10));
        long bytes = Integer.toUnsignedLong(in.getInt(record + 12));
        long offset = Integer.toUnsignedLong(in.getInt(record + 16));
        if (in.getInt(record + 4) != 0
                || Short.toUnsignedInt(in.getShort(record + 8)) != count
                || count > Segment.ENTRIES_MAX) {
            throw new Corrupt(key, end, "archive on many disks or of 64 bits");
        }
        if (offset + bytes != end || bytes > DIRECTORY_BYTES_MAX) {
            throw new Corrupt(key, end, "directory is not before the end record");
        }
        if (offset < tail.offset()) {
            tail = reread(store, key, Math.toIntExact(tail.size() - offset), tail.size());
        }
        int directory = (int) (offset - tail.offset());
        byte[] index = Arrays.copyOfRange(tail.bytes(), directory, tail.bytes().length);
        int comment = index.length - (int) (tail.size() - end) + END_BYTES;
        checkSeal(key, offset, index, index.length - comment);
        return new SlotArchive(
                key,
                tail.size(),
                Arrays.copyOfRange(index, comment, index.length),
                directory(key, little(index).limit((int) bytes), offset, count),
                tail.offset() == 0 && tail.size() <= TAIL_BYTES
                        ? Optional.of(tail.bytes())
                        : Optional.empty());
    }

    /// Writes the checksum of the index, directory to end of object, into the last field of the
    /// archive's comment, where [#UNSEALED] stands. ZIP checks the contents of entries only, and it
    /// is the index that says what is durable and what is drained.
    ///
    /// @return `zip` itself
    static byte[] sealed(byte[] zip) {
        int directory = little(zip).getInt(endRecord(zip) + 16);
        byte[] crc = crc(zip, directory, zip.length);
        System.arraycopy(crc, 0, zip, zip.length - SEAL_END, UNSEALED.length());
        return zip;
    }

    private static void checkSeal(String key, long offset, byte[] index, int commentBytes) {
        int at = index.length - SEAL_END;
        if (commentBytes < SEAL_END) {
            throw new Corrupt(key, offset, "index is not sealed");
        }
        byte[] copy = index.clone();
        System.arraycopy(
                UNSEALED.getBytes(StandardCharsets.US_ASCII), 0, copy, at, UNSEALED.length());
        if (!Arrays.equals(
                crc(copy, 0, copy.length), Arrays.copyOfRange(index, at, index.length - 2))) {
            throw new Corrupt(key, offset, "index does not match its checksum");
        }
    }

    private static byte[] crc(byte[] bytes, int from, int to) {
        var crc = new CRC32();
        crc.update(bytes, from, to - from);
        return HexFormat.of().toHexDigits((int) crc.getValue()).getBytes(StandardCharsets.US_ASCII);
    }

    /// @throws UnsupportedFormat if a newer version wrote it
    void checkFormat() throws JsonProcessingException {
        int format = SlotJson.format(comment);
        if (format > Segment.FORMAT) {
            throw new UnsupportedFormat(key, "slot object of format " + format);
        }
    }

    /// The content of a member: one request, none if the object is small.
    ///
    /// @throws Corrupt if it is not what the directory says
    byte[] content(ObjectStore store, Member member) {
        int length = Math.toIntExact(member.end() - member.offset());
        byte[] bytes =
                whole.map(all -> Arrays.copyOfRange(all, (int) member.offset(), (int) member.end()))
                        .or(() -> store.getRange(key, member.offset(), length))
                        .orElseThrow(() -> corrupt(member, "object has gone"));
        if (bytes.length != length) {
            throw corrupt(member, "object is shorter than its index says");
        }
        ByteBuffer local = little(bytes);
        if (local.getInt(0) != 0x04034b50 || local.getShort(8) != 0) {
            throw corrupt(member, "no local header");
        }
        int at =
                LOCAL_BYTES
                        + Short.toUnsignedInt(local.getShort(26))
                        + Short.toUnsignedInt(local.getShort(28));
        if (at + member.bytes() != length) {
            throw corrupt(member, "local header differs from the directory");
        }
        String name = text(bytes, LOCAL_BYTES, Short.toUnsignedInt(local.getShort(26)));
        if (!name.equals(member.name())) {
            throw corrupt(member, "local name differs from the directory");
        }
        var crc = new CRC32();
        crc.update(bytes, at, member.bytes());
        if ((int) crc.getValue() != member.crc()) {
            throw corrupt(member, "content does not match its CRC");
        }
        return Arrays.copyOfRange(bytes, at, length);
    }

    private Corrupt corrupt(Member member, String problem) {
        return new Corrupt(key, member.offset(), problem);
    }

    private static TailRead reread(ObjectStore store, String key, int length, long size) {
        TailRead tail =
                store.getTail(key, length)
                        .orElseThrow(() -> new Corrupt(key, 0, "object has gone"));
        if (tail.size() != size || tail.bytes().length != Math.min(length, size)) {
            throw new Corrupt(key, 0, "object has changed");
        }
        return tail;
    }

    /// The last signature whose comment ends with the object, or -1.
    private static int endRecord(byte[] bytes) {
        ByteBuffer buffer = little(bytes);
        for (int at = bytes.length - END_BYTES; at >= 0; at--) {
            if (buffer.get(at) == 'P'
                    && buffer.getInt(at) == 0x06054b50
                    && Short.toUnsignedInt(buffer.getShort(at + 20))
                            == bytes.length - at - END_BYTES) {
                return at;
            }
        }
        return -1;
    }

    private static List<Member> directory(String key, ByteBuffer in, long start, int count) {
        var members = new ArrayList<Member>(Math.min(count, in.remaining() / DIRECTORY_BYTES));
        long free = 0; // where the next entry must begin
        for (int i = 0; i < count; i++) {
            long here = start + in.position();
            if (in.remaining() < DIRECTORY_BYTES || in.getInt(in.position()) != 0x02014b50) {
                throw new Corrupt(key, here, "directory breaks off");
            }
            int at = in.position();
            int flags = Short.toUnsignedInt(in.getShort(at + 8));
            int method = Short.toUnsignedInt(in.getShort(at + 10));
            int crc = in.getInt(at + 16);
            long packed = Integer.toUnsignedLong(in.getInt(at + 20));
            long bytes = Integer.toUnsignedLong(in.getInt(at + 24));
            int nameBytes = Short.toUnsignedInt(in.getShort(at + 28));
            int extraBytes = Short.toUnsignedInt(in.getShort(at + 30));
            int commentBytes = Short.toUnsignedInt(in.getShort(at + 32));
            int disk = Short.toUnsignedInt(in.getShort(at + 34));
            long offset = Integer.toUnsignedLong(in.getInt(at + 42));
            if ((flags & ~0x800) != 0 || method != 0 || packed != bytes || disk != 0) {
                throw new Corrupt(key, here, "entry is not simply stored");
            }
            if (in.remaining() < DIRECTORY_BYTES + nameBytes + extraBytes + commentBytes) {
                throw new Corrupt(key, here, "directory breaks off");
            }
            long end = offset + LOCAL_BYTES + nameBytes + bytes;
            if (offset < free || offset > free + EXTRA_BYTES_MAX || end > start) {
                throw new Corrupt(key, here, "entry lies outside its place");
            }
            if (bytes > CONTENT_BYTES_MAX) {
                throw new Corrupt(key, here, "entry of " + bytes + " bytes");
            }
            byte[] entry = new byte[nameBytes + extraBytes + commentBytes];
            in.position(at + DIRECTORY_BYTES);
            in.get(entry);
            if (i > 0) {
                members.add(endingAt(offset, members.removeLast()));
            }
            members.add(
                    new Member(
                            text(entry, 0, nameBytes),
                            Arrays.copyOfRange(entry, nameBytes + extraBytes, entry.length),
                            offset,
                            start,
                            (int) bytes,
                            crc));
            free = end;
        }
        if (in.hasRemaining() || free > start || start > free + EXTRA_BYTES_MAX) {
            throw new Corrupt(key, start + in.position(), "directory does not fit the archive");
        }
        return members;
    }

    private static Member endingAt(long end, Member member) {
        return new Member(
                member.name(),
                member.comment(),
                member.offset(),
                end,
                member.bytes(),
                member.crc());
    }

    private static String text(byte[] bytes, int offset, int length) {
        return new String(bytes, offset, length, StandardCharsets.UTF_8);
    }

    private static ByteBuffer little(byte[] bytes) {
        return ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }
}
