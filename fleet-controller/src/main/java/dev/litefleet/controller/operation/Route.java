package dev.litefleet.controller.operation;

/// The way to a tenant: a session that has acknowledged its assignment.
///
/// @param address `http://host:port` of the worker
/// @param session its ULID
/// @param number of the assignment
/// @param tokenGen the oldest generation of the tenant's tokens that is accepted
public record Route(String address, String session, long number, long tokenGen) {}
