package dev.litefleet.controller.catalog;

import java.time.Instant;

/// A session of a worker, as operators see it: what the catalog says, joined with what its
/// heartbeats said.
///
/// @param address `http://host:port`
/// @param state `live`: it heartbeats; `silent`: live in the catalog, but its lease has lapsed or
///   it has not registered with this controller yet; `fencing`; `closed`
/// @param tenants assigned to it
/// @param residents of those, how many it holds open, by its last heartbeat
/// @param tenantsMax how many it takes; 0 if it has not registered with this controller
/// @param cordoned nothing new is placed on it
/// @param part of its log that the catalog names: a fence is looked for from there
/// @param version of its program; empty if it has not registered with this controller
public record WorkerRow(
        String name,
        String session,
        String address,
        String state,
        long tenants,
        int residents,
        int tenantsMax,
        boolean cordoned,
        Instant started,
        int part,
        String version) {}
