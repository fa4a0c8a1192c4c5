package dev.litefleet.replica.objects;

import java.time.Instant;

/// An object as a listing shows it.
///
/// @param size in bytes
/// @param modified the store's clock when the object was created, or the time that its writer gave
///   a file; for people and for retention, never for ordering
public record ListedObject(String key, long size, Instant modified) {}
