package dev.litefleet.replica.history;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.litefleet.replica.ReplicaException.Corrupt;
import dev.litefleet.replica.ReplicaException.TooLarge;
import dev.litefleet.replica.ReplicaException.UnsupportedFormat;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.log.LogName;
import dev.litefleet.replica.log.SessionId;
import dev.litefleet.replica.log.Slot;
import dev.litefleet.replica.objects.ListedObject;
import dev.litefleet.replica.objects.ObjectBody;
import dev.litefleet.replica.objects.ObjectStore;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.zip.GZIPInputStream;
import java.util.zip.GZIPOutputStream;
import org.jspecify.annotations.Nullable;

/// A history object, `history/<min>-<max>.json.gz`: the exact points of one drain, or of a part of
/// a very large one. Layout: `FORMAT.md`.
public final class HistoryIndex {
    /// Most points in one object; a drain with more writes several.
    public static final int POINTS_MAX = 16_384;

    /// The format that this code writes and the newest that it reads.
    public static final int FORMAT = 1;

    /// A history object as a listing shows it.
    ///
    /// @param min first TXID in it
    /// @param max last TXID in it
    /// @param size in bytes
    /// @param modified as listed; for grouping and for retention, never for ordering
    public record Range(
            TenantKey tenant, Txid min, Txid max, String key, long size, Instant modified) {}

    private static final Pattern NAME =
            Pattern.compile("([0-7][0-9a-f]{15})-([0-7][0-9a-f]{15})\\.json\\.gz");
    private static final int JSON_BYTES_MAX = 32 << 20;
    private static final ObjectMapper JSON = new ObjectMapper(new JsonFactory());
    private static final HexFormat HEX = HexFormat.of();

    private HistoryIndex() {}

    /// Writes what holds `points`, in objects of at most [#POINTS_MAX] and of one UTC day each, so
    /// that a day's object ([HistoryDays]) has no more than its day; one that is there already is
    /// left alone.
    ///
    /// @param points ascending, none missing in between
    static void write(ObjectStore store, TenantKey tenant, List<IndexPoint> points) {
        for (int from = 0, to; from < points.size(); from = to) {
            to = from + 1;
            while (to < points.size()
                    && to - from < POINTS_MAX
                    && day(points.get(to)) == day(points.get(from))) {
                to++;
            }
            List<IndexPoint> part = points.subList(from, to);
            store.putIfAbsent(
                    key(tenant, part.getFirst().min(), part.getLast().max()),
                    ObjectBody.of(encode(tenant, part))
                            .withTimestamp(Instant.ofEpochMilli(part.getLast().lastMillis())));
        }
    }

    /// The UTC day of an entry: that of its last commit, counted from 1970-01-01.
    static long day(IndexPoint point) {
        return MergeSchedule.dayOf(point.lastMillis());
    }

    /// The history objects of a tenant, ascending. One LIST request per 1,000.
    public static List<Range> list(ObjectStore store, TenantKey tenant) {
        return store.listAll(folder(tenant))
                .flatMap(object -> range(tenant, object).stream())
                .sorted(Comparator.comparing(Range::min).thenComparing(Range::max))
                .toList();
    }

    /// The points of one object, ascending.
    ///
    /// @throws Corrupt if it is not what its name says
    /// @throws UnsupportedFormat if a newer version wrote it
    public static List<IndexPoint> read(ObjectStore store, Range range) {
        byte[] object =
                store.get(range.key())
                        .orElseThrow(() -> new Corrupt(range.key(), 0, "history object vanished"));
        return decode(range, object);
    }

    /// Every point of the history objects that overlap `min` to `max`, ascending, each once; also
    /// points outside of that range, if an object holds both.
    public static List<IndexPoint> points(ObjectStore store, TenantKey tenant, Txid min, Txid max) {
        var points = new TreeMap<Txid, IndexPoint>();
        for (Range range : list(store, tenant)) {
            if (range.max().compareTo(min) >= 0 && range.min().compareTo(max) <= 0) {
                read(store, range).forEach(point -> points.put(point.max(), point));
            }
        }
        return List.copyOf(points.values());
    }

    private static String folder(TenantKey tenant) {
        return tenant.prefix() + "history/";
    }

    static String key(TenantKey tenant, Txid min, Txid max) {
        return folder(tenant) + min + "-" + max + ".json.gz";
    }

    /// Whether a key has the form of a history object's.
    static boolean named(TenantKey tenant, String key) {
        return key.startsWith(folder(tenant))
                && NAME.matcher(key.substring(folder(tenant).length())).matches();
    }

    static Optional<Range> range(TenantKey tenant, ListedObject object) {
        String folder = folder(tenant);
        String key = object.key();
        Matcher name = NAME.matcher(key.startsWith(folder) ? key.substring(folder.length()) : "");
        if (!name.matches()) {
            return Optional.empty();
        }
        Txid min = Txid.parse(name.group(1));
        Txid max = Txid.parse(name.group(2));
        return min.value() < 1 || max.compareTo(min) < 0
                ? Optional.empty()
                : Optional.of(
                        new Range(
                                tenant, min, max, object.key(), object.size(), object.modified()));
    }

    static byte[] encode(TenantKey tenant, List<IndexPoint> points) {
        var bytes = new ByteArrayOutputStream();
        try (OutputStream zip = new GZIPOutputStream(bytes);
                JsonGenerator json = JSON.createGenerator(zip)) {
            var logs = new LinkedHashMap<LogName, Integer>();
            points.forEach(point -> logs.putIfAbsent(point.log().log(), logs.size()));
            json.writeStartObject();
            json.writeNumberField("format", FORMAT);
            json.writeStringField("tenant", tenant.tenant().name());
            json.writeStringField("lineage", tenant.lineage().ulid());
            json.writeStringField("min", points.getFirst().min().toString());
            json.writeStringField("max", points.getLast().max().toString());
            json.writeArrayFieldStart("logs");
            for (LogName log : logs.keySet()) {
                json.writeStartObject();
                json.writeStringField("worker", log.worker());
                json.writeStringField("session", log.session().ulid());
                json.writeEndObject();
            }
            json.writeEndArray();
            json.writeArrayFieldStart("points");
            for (IndexPoint point : points) {
                write(json, point, logs);
            }
            json.writeEndArray();
            json.writeEndObject();
        } catch (IOException impossible) {
            throw new UncheckedIOException(impossible);
        }
        return bytes.toByteArray();
    }

    private static void write(JsonGenerator json, IndexPoint point, Map<LogName, Integer> logs)
            throws IOException {
        json.writeStartObject();
        json.writeStringField("txid", point.max().toString());
        json.writeNumberField("millis", point.lastMillis());
        if (!point.min().equals(point.max())) {
            json.writeStringField("min", point.min().toString());
            json.writeNumberField("first_millis", point.firstMillis());
        }
        json.writeNumberField("page_size", point.pageSize());
        json.writeNumberField("commit", point.commit());
        json.writeNumberField("pages", point.pages());
        json.writeNumberField("bytes", point.bytes());
        json.writeNumberField("log", Objects.requireNonNull(logs.get(point.log().log())));
        json.writeNumberField("part", point.log().slot().part());
        json.writeNumberField("slot", point.log().slot().number());
        json.writeStringField("before", HEX.toHexDigits(point.checksumBefore()));
        json.writeStringField("after", HEX.toHexDigits(point.checksumAfter()));
        writeText(json, "actor", point.actor());
        writeText(json, "traceparent", point.traceparent());
        writeText(json, "request_id", point.requestId());
        json.writeEndObject();
    }

    private static void writeText(JsonGenerator json, String name, @Nullable String text)
            throws IOException {
        if (text != null) {
            json.writeStringField(name, text);
        }
    }

    static List<IndexPoint> decode(Range range, byte[] object) {
        try (JsonParser json = JSON.createParser(unzip(range.key(), object))) {
            return decode(range, json);
        } catch (JsonProcessingException | IllegalArgumentException malformed) {
            throw new Corrupt(range.key(), 0, "not a history object", malformed);
        } catch (IOException unreadable) {
            throw new Corrupt(range.key(), 0, "history object is damaged", unreadable);
        }
    }

    /// To its end, where gzip keeps its checksum, and no further than [#JSON_BYTES_MAX]: a few
    /// bytes of gzip can become any number.
    private static byte[] unzip(String key, byte[] object) throws IOException {
        try (InputStream in = new GZIPInputStream(new ByteArrayInputStream(object))) {
            byte[] json = in.readNBytes(JSON_BYTES_MAX + 1);
            if (json.length > JSON_BYTES_MAX) {
                throw new TooLarge(
                        "history object " + key, json.length, "jsonBytesMax", JSON_BYTES_MAX);
            }
            return json;
        }
    }

    private static List<IndexPoint> decode(Range range, JsonParser json) throws IOException {
        var logs = new ArrayList<LogName>();
        var points = new ArrayList<IndexPoint>();
        require(json.nextToken() == JsonToken.START_OBJECT, "no object");
        while (json.nextToken() == JsonToken.FIELD_NAME) {
            String field = json.currentName();
            json.nextToken();
            switch (field) {
                case "format" -> {
                    if (json.getIntValue() != FORMAT) {
                        throw new UnsupportedFormat(range.key(), "history " + json.getIntValue());
                    }
                }
                case "tenant" -> require(range.tenant().tenant().name(), json.getText());
                case "lineage" -> require(range.tenant().lineage().ulid(), json.getText());
                case "min" -> require(range.min().toString(), json.getText());
                case "max" -> require(range.max().toString(), json.getText());
                case "logs" -> {
                    require(json.currentToken() == JsonToken.START_ARRAY, "logs");
                    while (json.nextToken() == JsonToken.START_OBJECT) {
                        logs.add(log(json.readValueAsTree()));
                        require(logs.size() <= POINTS_MAX, "too many logs");
                    }
                }
                case "points" -> {
                    require(json.currentToken() == JsonToken.START_ARRAY, "points");
                    while (json.nextToken() == JsonToken.START_OBJECT) {
                        points.add(point(json.readValueAsTree(), logs));
                        require(points.size() <= POINTS_MAX, "too many points");
                    }
                }
                default -> json.skipChildren(); // A later version may say more.
            }
        }
        require(json.nextToken() == null, "more behind its end");
        long covered = range.min().value() - 1;
        for (IndexPoint point : points) {
            require(point.min().value() == covered + 1, "a gap or overlap at " + point.min());
            covered = point.max().value();
        }
        require(covered == range.max().value(), "it ends at " + covered);
        return List.copyOf(points);
    }

    private static LogName log(JsonNode json) {
        return new LogName(text(json, "worker"), new SessionId(text(json, "session")));
    }

    private static IndexPoint point(JsonNode json, List<LogName> logs) {
        Txid max = Txid.parse(text(json, "txid"));
        long millis = number(json, "millis");
        boolean merged = json.has("min");
        int log = integer(json, "log");
        require(log >= 0 && log < logs.size(), "no log " + log);
        return new IndexPoint(
                merged ? Txid.parse(text(json, "min")) : max,
                max,
                merged ? number(json, "first_millis") : millis,
                millis,
                integer(json, "page_size"),
                integer(json, "commit"),
                integer(json, "pages"),
                number(json, "bytes"),
                new LogRef(logs.get(log), new Slot(integer(json, "part"), number(json, "slot"))),
                HexFormat.fromHexDigitsToLong(text(json, "before")),
                HexFormat.fromHexDigitsToLong(text(json, "after")),
                optionalText(json, "actor"),
                optionalText(json, "traceparent"),
                optionalText(json, "request_id"));
    }

    private static String text(JsonNode json, String field) {
        JsonNode value = json.path(field);
        require(value.isTextual(), field);
        return value.textValue();
    }

    private static @Nullable String optionalText(JsonNode json, String field) {
        return json.has(field) ? text(json, field) : null;
    }

    private static long number(JsonNode json, String field) {
        JsonNode value = json.path(field);
        require(value.isIntegralNumber() && value.canConvertToLong(), field);
        return value.longValue();
    }

    private static int integer(JsonNode json, String field) {
        JsonNode value = json.path(field);
        require(value.isIntegralNumber() && value.canConvertToInt(), field);
        return value.intValue();
    }

    private static void require(String expected, String found) {
        require(expected.equals(found), "it is of " + found);
    }

    private static void require(boolean holds, String problem) {
        if (!holds) {
            throw new IllegalArgumentException(problem);
        }
    }
}
