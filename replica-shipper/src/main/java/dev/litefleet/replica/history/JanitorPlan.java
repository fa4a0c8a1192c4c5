package dev.litefleet.replica.history;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.litefleet.replica.ReplicaException.Corrupt;
import dev.litefleet.replica.ReplicaException.UnsupportedFormat;
import dev.litefleet.replica.objects.ObjectBody;
import dev.litefleet.replica.objects.ObjectStore;
import java.io.IOException;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.regex.Pattern;

/// What a run of the [Janitor] found that nobody needs: `janitor/<run>/<number>.json`. A later run
/// deletes what is in it and still not needed, then the plan. Layout: `FORMAT.md`.
///
/// @param folders lineages, and other folders of which objects go
/// @param logs parts of logs of which segments go
/// @param verified keys of derived files that were read whole and are good: what covers the
///   segments of this plan
record JanitorPlan(int format, List<Folder> folders, List<LogPart> logs, List<String> verified) {
    static final String PREFIX = "janitor/";

    /// The format that this code writes and the newest that it reads.
    static final int FORMAT = 1;

    /// Most keys in one plan.
    static final int KEYS_MAX = 5_000;

    /// @param prefix of all keys, ending in a slash
    /// @param keys without the prefix, in order of deletion
    record Folder(String prefix, List<String> keys) {
        Folder {
            keys = List.copyOf(keys);
        }
    }

    /// @param fence number of the fence of this part, 0 if none was seen: what is above it is void
    /// @param orphans keys of blobs that no slot names
    record LogPart(
            String worker,
            String session,
            int part,
            long fence,
            List<SlotKeys> slots,
            List<String> orphans) {
        LogPart {
            slots = List.copyOf(slots);
            orphans = List.copyOf(orphans);
        }
    }

    /// A segment that goes, and then the bodies that it names.
    record SlotKeys(long number, List<String> blobs) {
        SlotKeys {
            blobs = List.copyOf(blobs);
        }
    }

    private static final Pattern KEY =
            Pattern.compile("janitor/([0-7][0-9A-HJKMNP-TV-Z]{25})/[0-9a-f]{4}\\.json");
    private static final ObjectMapper JSON =
            JsonMapper.builder(
                            JsonFactory.builder()
                                    .streamReadConstraints(
                                            StreamReadConstraints.builder()
                                                    .maxNestingDepth(8)
                                                    .maxNumberLength(20)
                                                    .maxStringLength(ObjectStore.KEY_LENGTH_MAX)
                                                    .build())
                                    .build())
                    .disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
                    .enable(DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES)
                    .build();

    JanitorPlan {
        folders = List.copyOf(folders);
        logs = List.copyOf(logs);
        verified = List.copyOf(verified);
    }

    static String key(String run, int number) {
        return PREFIX + run + "/" + HexFormat.of().toHexDigits((short) number) + ".json";
    }

    /// The run that wrote the plan with this key; nothing for other keys.
    static Optional<String> run(String key) {
        var matcher = KEY.matcher(key);
        return matcher.matches() ? Optional.of(matcher.group(1)) : Optional.empty();
    }

    void write(ObjectStore store, String key) {
        try {
            store.putIfAbsent(key, ObjectBody.of(JSON.writeValueAsBytes(this)));
        } catch (JsonProcessingException impossible) {
            throw new IllegalStateException("cannot write a plan", impossible);
        }
    }

    /// @return nothing if it is gone: another janitor was faster
    /// @throws Corrupt if it is no plan
    static Optional<JanitorPlan> read(ObjectStore store, String key) {
        return store.get(key).map(bytes -> parse(key, bytes));
    }

    private static JanitorPlan parse(String key, byte[] bytes) {
        try {
            JanitorPlan plan = JSON.readValue(bytes, JanitorPlan.class);
            if (plan == null) {
                throw new Corrupt(key, 0, "not a plan");
            }
            if (plan.format() > FORMAT) {
                throw new UnsupportedFormat(key, "janitor plan of format " + plan.format());
            }
            return plan;
        } catch (IOException | RuntimeException malformed) {
            if (malformed instanceof UnsupportedFormat newer) {
                throw newer;
            }
            throw new Corrupt(key, 0, "not a plan", malformed);
        }
    }
}
