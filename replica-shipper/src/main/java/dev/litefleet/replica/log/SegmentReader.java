package dev.litefleet.replica.log;

import com.fasterxml.jackson.core.JsonProcessingException;
import dev.litefleet.replica.Lineage;
import dev.litefleet.replica.ReplicaException.Corrupt;
import dev.litefleet.replica.TenantId;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.objects.ObjectStore;
import dev.litefleet.replica.objects.TailRead;
import dev.litefleet.replica.wal.WalChecksum;
import dev.litefleet.replica.wal.WalPosition;
import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// A segment as found in the store: its index is in memory, its bodies are read on demand.
/// Everything in it is checked before it is believed. Thread-safe.
public final class SegmentReader implements SlotObject {
    private static final Pattern NAME =
            Pattern.compile("([^/]+)/([^/]+)/([0-9a-f]{16})-([0-9a-f]{16})\\.ltx");

    private final ObjectStore store;
    private final SlotArchive archive;
    private final Segment.Comment comment;
    private final List<Entry> entries;
    private final Map<TenantKey, List<Integer>> places; // of each tenant's entries, ascending

    private SegmentReader(
            ObjectStore store, SlotArchive archive, Segment.Comment comment, List<Entry> entries) {
        this.store = store;
        this.archive = archive;
        this.comment = comment;
        this.entries = entries;
        this.places = new HashMap<>();
        for (int i = 0; i < entries.size(); i++) {
            places.computeIfAbsent(entries.get(i).tenant(), _ -> new ArrayList<>()).add(i);
        }
    }

    /// What is in a slot, by one ranged request (two for a large index), or nothing if it is free.
    ///
    /// @throws Corrupt if it is neither segment nor fence
    /// @throws dev.litefleet.replica.ReplicaException.UnsupportedFormat if a newer version wrote it
    public static Optional<SlotObject> read(ObjectStore store, LogName log, Slot slot) {
        return SlotArchive.read(store, slot.key(log)).map(archive -> of(store, log, slot, archive));
    }

    /// What is in a slot whose end has been read.
    static SlotObject parse(ObjectStore store, LogName log, Slot slot, TailRead tail) {
        return of(store, log, slot, SlotArchive.parse(store, slot.key(log), tail));
    }

    private static SlotObject of(ObjectStore store, LogName log, Slot slot, SlotArchive archive) {
        List<SlotArchive.Member> members = archive.entries();
        try {
            archive.checkFormat();
            if (members.size() == 1 && members.getFirst().name().equals(Fence.ENTRY)) {
                return fence(slot, Fence.parse(store, archive));
            }
            return segment(store, log, slot, archive);
        } catch (JsonProcessingException | IllegalArgumentException malformed) {
            throw new Corrupt(
                    archive.key(), archive.size(), "object does not make sense", malformed);
        }
    }

    /// A part fence that names another part than the next one would send its readers in circles, or
    /// past commits.
    private static FenceObject fence(Slot slot, FenceObject fence) {
        if (fence.endsPart() && fence.next() != slot.part() + 1) {
            throw new IllegalArgumentException(
                    "fence of part " + slot.part() + " names part " + fence.next());
        }
        return fence;
    }

    private static SegmentReader segment(
            ObjectStore store, LogName log, Slot slot, SlotArchive archive)
            throws JsonProcessingException {
        var json = SlotJson.read(archive.comment(), SlotJson.SegmentComment.class);
        if (!json.session().equals(log.session().ulid())
                || json.part() != slot.part()
                || json.slot() != slot.number()) {
            throw new Corrupt(archive.key(), archive.size(), "segment belongs elsewhere");
        }
        var comment =
                new Segment.Comment(
                        new BodyId(json.body()),
                        log,
                        slot,
                        json.k(),
                        new Slot(json.undrainedFrom().part(), json.undrainedFrom().slot()));
        var entries = new ArrayList<Entry>(archive.entries().size());
        var last = new HashMap<TenantKey, Txid>();
        for (SlotArchive.Member member : archive.entries()) {
            Entry entry = entry(log.blobPrefix(), archive, member);
            Txid before = last.put(entry.tenant(), entry.max());
            if (before != null && !before.next().equals(entry.min())) {
                throw new Corrupt(
                        archive.key(), member.offset(), "entries of a tenant do not follow");
            }
            entries.add(entry);
        }
        return new SegmentReader(store, archive, comment, List.copyOf(entries));
    }

    /// What a member of an archive says it is.
    ///
    /// @param blobPrefix where a body that is not in the archive must lie
    static Entry entry(String blobPrefix, SlotArchive archive, SlotArchive.Member member)
            throws JsonProcessingException {
        Matcher name = NAME.matcher(member.name());
        if (!name.matches()) {
            throw new Corrupt(archive.key(), member.offset(), "entry has a strange name");
        }
        var json = SlotJson.read(member.comment(), SlotJson.EntryComment.class);
        if (!json.min().equals(name.group(3)) || !json.max().equals(name.group(4))) {
            throw new Corrupt(archive.key(), member.offset(), "entry's name and comment differ");
        }
        var entry =
                new Entry(
                        new TenantKey(new TenantId(name.group(1)), new Lineage(name.group(2))),
                        Txid.parse(json.min()),
                        Txid.parse(json.max()),
                        json.pageSize(),
                        json.commit(),
                        json.pages(),
                        json.blob() == null ? member.bytes() : json.blob().bytes(),
                        json.times(),
                        HexFormat.fromHexDigitsToLong(json.before()),
                        HexFormat.fromHexDigitsToLong(json.after()),
                        json.actor(),
                        json.traceparent(),
                        json.requestId(),
                        blob(json.blob()),
                        wal(json.wal(), json.commit()));
        Entry.Blob blob = entry.blob();
        if (blob != null && (member.bytes() != 0 || !blob.key().startsWith(blobPrefix))) {
            throw new Corrupt(archive.key(), member.offset(), "entry names a strange blob");
        }
        return entry;
    }

    private static Entry.@Nullable Blob blob(SlotJson.@Nullable BlobRef json) {
        return json == null ? null : new Entry.Blob(json.key());
    }

    private static @Nullable WalPosition wal(SlotJson.@Nullable WalRef json, int pages) {
        return json == null
                ? null
                : new WalPosition(
                        HexFormat.fromHexDigitsToLong(json.salt()),
                        json.offset(),
                        WalChecksum.of(HexFormat.fromHexDigitsToLong(json.sum())),
                        pages);
    }

    @Override
    public BodyId body() {
        return comment.body();
    }

    public Slot slot() {
        return comment.slot();
    }

    public Segment.Comment comment() {
        return comment;
    }

    /// In the order they were written; those of one tenant follow one another without a gap.
    public List<Entry> entries() {
        return entries;
    }

    /// The LTX file of an entry, from this segment (one request, none if the segment is small) or
    /// from its blob, streamed. The caller closes it.
    ///
    /// @param entry one of [#entries]
    /// @throws Corrupt if the bytes are not what the index says, or a blob is missing
    public InputStream ltx(Entry entry) {
        Entry.Blob blob = entry.blob();
        if (blob != null) {
            return store.open(blob.key(), 0)
                    .orElseThrow(() -> new Corrupt(blob.key(), 0, "blob is missing"));
        }
        return new ByteArrayInputStream(archive.content(store, member(entry)));
    }

    private SlotArchive.Member member(Entry entry) {
        for (int place : places.getOrDefault(entry.tenant(), List.of())) {
            if (entries.get(place).min().equals(entry.min())) {
                return archive.entries().get(place);
            }
        }
        throw new IllegalArgumentException("not an entry of this segment: " + entry);
    }

    @Override
    public String toString() {
        return "segment " + comment.log() + " " + slot();
    }
}
