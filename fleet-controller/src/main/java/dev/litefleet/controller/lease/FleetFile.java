package dev.litefleet.controller.lease;

import dev.litefleet.replica.FormatNumber;
import dev.litefleet.replica.Lineage;
import dev.litefleet.replica.ReplicaException.UnsupportedFormat;
import dev.litefleet.replica.log.SessionId;
import dev.litefleet.replica.objects.ObjectBody;
import dev.litefleet.replica.objects.ObjectStore;
import dev.litefleet.worker.control.Wire;
import java.time.InstantSource;
import java.util.Optional;
import java.util.random.RandomGenerator;

/// `fleet.json`: which fleet owns this prefix, and in which lineage its catalog lies. Created once
/// and never changed.
///
/// @param format of the whole layout, [#FORMAT]
/// @param fleet a ULID, for people
/// @param catalogLineage the only lineage of `_catalog`, for ever
/// @param created RFC 3339, for people
public record FleetFile(int format, String fleet, String catalogLineage, String created) {
    static final String KEY = "fleet.json";
    static final int FORMAT = 1;

    /// Reads it; the first controller of a fleet creates it.
    ///
    /// @throws UnsupportedFormat if a newer version of this program made it
    static FleetFile open(ObjectStore store, InstantSource clock, RandomGenerator random) {
        Optional<FleetFile> found = read(store);
        if (found.isPresent()) {
            return found.get();
        }
        var fresh =
                new FleetFile(
                        FORMAT,
                        SessionId.create(clock, random).ulid(),
                        SessionId.create(clock, random).ulid(),
                        clock.instant().toString());
        store.putIfAbsent(KEY, ObjectBody.of(Wire.write(fresh)));
        // Whoever was first: the answer to our own attempt may even be lost.
        return read(store)
                .orElseThrow(
                        () -> new IllegalStateException("fleet.json is gone after its creation"));
    }

    private static Optional<FleetFile> read(ObjectStore store) {
        return store.get(KEY)
                .map(bytes -> {
                    FormatNumber.check(KEY, "fleet", bytes, FORMAT);
                    return Wire.read(bytes, FleetFile.class);
                });
    }

    /// As a value.
    public Lineage catalog() {
        return new Lineage(catalogLineage);
    }
}
