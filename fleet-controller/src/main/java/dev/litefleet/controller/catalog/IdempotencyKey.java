package dev.litefleet.controller.catalog;

/// A client's name for one request, so that it may send it again.
///
/// @param key as the client gave it
/// @param hash of everything that the request says
public record IdempotencyKey(String key, String hash) {}
