package dev.litefleet.worker.tenant;

import static java.nio.charset.StandardCharsets.UTF_8;
import static java.util.Objects.requireNonNull;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.litefleet.replica.Lineage;
import dev.litefleet.replica.TenantId;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.wal.WalChecksum;
import dev.litefleet.replica.wal.WalPosition;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.HexFormat;
import java.util.Optional;

/// `position.json`: which commit of the history stands where in the files beside it, as the session
/// knew that wrote them. Layout: replica-shipper's `FORMAT.md`.
///
/// It is on the disk before the file is opened, and after each drain before the checkpoint that may
/// follow. So whatever WAL is found with it is the one it names, and then `wal` is exact; or the
/// one that SQLite began after a checkpoint of all that is `durable`, and then it begins there.
///
/// @param session that wrote the files
/// @param durable the last commit that it knew to be in the store
/// @param drained the last that it knew to be in derived files
/// @param wal where `durable` ends; salt 0 if there was no WAL
/// @param clean the file was closed with everything in it: there is no WAL
record LocalPosition(
        TenantKey key, String session, Txid durable, Txid drained, WalPosition wal, boolean clean) {
    private static final int FORMAT = 1;
    private static final int BYTES_MAX = 4096;
    private static final HexFormat HEX = HexFormat.of();
    private static final ObjectMapper JSON =
            JsonMapper.builder(
                            JsonFactory.builder()
                                    .streamReadConstraints(
                                            StreamReadConstraints.builder()
                                                    .maxNestingDepth(4)
                                                    .maxNumberLength(20)
                                                    .build())
                                    .build())
                    .propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE)
                    .disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
                    .enable(
                            DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES,
                            DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
                    .build();

    /// As stored. A file of a version that knew no `clean` is not.
    private record Stored(
            int format,
            String tenant,
            String lineage,
            String session,
            String durable,
            String drained,
            String walSalt,
            long walOffset,
            String walSum,
            boolean clean) {}

    /// What the file says; nothing if it is not there, torn, or of a newer version: then nothing is
    /// known of what lies beside it.
    static Optional<LocalPosition> read(Path file) {
        try {
            if (!Files.exists(file) || Files.size(file) > BYTES_MAX) {
                return Optional.empty();
            }
            return parse(Files.readAllBytes(file));
        } catch (IOException e) {
            throw new UncheckedIOException("cannot read " + file, e);
        }
    }

    private static Optional<LocalPosition> parse(byte[] json) {
        try {
            Stored stored = requireNonNull(JSON.readValue(json, Stored.class));
            if (stored.format() != FORMAT) {
                return Optional.empty();
            }
            return Optional.of(
                    new LocalPosition(
                            new TenantKey(
                                    new TenantId(stored.tenant()), new Lineage(stored.lineage())),
                            requireNonNull(stored.session()),
                            Txid.parse(stored.durable()),
                            Txid.parse(stored.drained()),
                            new WalPosition(
                                    HexFormat.fromHexDigitsToLong(stored.walSalt()),
                                    stored.walOffset(),
                                    WalChecksum.of(HexFormat.fromHexDigitsToLong(stored.walSum())),
                                    0),
                            stored.clean()));
        } catch (IOException | IllegalArgumentException | NullPointerException torn) {
            return Optional.empty();
        }
    }

    String json() {
        return """
        {"format": %d, "tenant": "%s", "lineage": "%s", "session": "%s", "durable": "%s", \
        "drained": "%s", "wal_salt": "%s", "wal_offset": %d, "wal_sum": "%s", "clean": %s}
        """
                .formatted(
                        FORMAT,
                        key.tenant(),
                        key.lineage(),
                        session,
                        durable,
                        drained,
                        HEX.toHexDigits(wal.salt()),
                        wal.offset(),
                        HEX.toHexDigits(wal.checksum().stored()),
                        clean);
    }

    /// Replaces the file: when this returns, the new one is there after any crash.
    void write(Path file) {
        replace(file, json());
    }

    /// Replaces a small file by way of one beside it, both forced.
    static void replace(Path file, String text) {
        Path fresh = file.resolveSibling(file.getFileName() + ".tmp");
        try {
            try (var channel =
                    FileChannel.open(
                            fresh,
                            StandardOpenOption.WRITE,
                            StandardOpenOption.CREATE,
                            StandardOpenOption.TRUNCATE_EXISTING)) {
                ByteBuffer bytes = ByteBuffer.wrap(text.getBytes(UTF_8));
                while (bytes.hasRemaining()) {
                    channel.write(bytes);
                }
                channel.force(true);
            }
            Files.move(
                    fresh,
                    file,
                    StandardCopyOption.ATOMIC_MOVE,
                    StandardCopyOption.REPLACE_EXISTING);
            forceNames(requireNonNull(file.toAbsolutePath().getParent()));
        } catch (IOException e) {
            throw new UncheckedIOException("cannot write " + file, e);
        }
    }

    /// Makes what was created, renamed and removed in a folder durable.
    static void forceNames(Path folder) throws IOException {
        try (var names = FileChannel.open(folder)) {
            names.force(true);
        }
    }
}
