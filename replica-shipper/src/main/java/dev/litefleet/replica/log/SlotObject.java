package dev.litefleet.replica.log;

/// What a slot holds.
public sealed interface SlotObject permits SegmentReader, FenceObject {
    /// Which frozen body this is.
    BodyId body();
}
