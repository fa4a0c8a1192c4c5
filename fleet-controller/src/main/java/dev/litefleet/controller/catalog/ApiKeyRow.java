package dev.litefleet.controller.catalog;

import java.time.Instant;

/// An API key without the key.
///
/// @param hash hexadecimal; the catalog does not care which function made it
/// @param name for people
/// @param scopes separated by spaces
public record ApiKeyRow(String hash, String name, String scopes, Instant created) {}
