package dev.litefleet.worker.hrana;

/// The continuation of a stream, as the client holds it between two requests.
///
/// | offset | size | field                                                        |
/// | -----: | ---: | ------------------------------------------------------------ |
/// |      0 |    1 | version, 1                                                   |
/// |      1 |    1 | flags; bit 0: the stream has state                           |
/// |      2 |    8 | stream id, big-endian                                        |
/// |     10 |    8 | sequence number, big-endian, from 1                          |
/// |     18 |   16 | first half of HMAC-SHA-256 over bytes 0 to 17 and the tenant |
///
/// Printed as base64url without padding (46 characters). It describes itself, so a worker that has
/// never seen the stream can tell whether anything was lost with it: without state a new stream
/// takes its place unnoticed, also after a restart or a failover, because the key is the fleet's.
///
/// @param stream random id of the stream
/// @param sequence of the answer that carried this baton; each answer has a new one
/// @param stateful an open transaction, stored texts or changed settings lived in the stream
record Baton(long stream, long sequence, boolean stateful) {}
