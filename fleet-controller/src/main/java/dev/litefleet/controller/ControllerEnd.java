package dev.litefleet.controller;

/// Why a controller stopped by itself. The process must exit: 3 when fenced, 1 when it failed.
public sealed interface ControllerEnd {
    /// A successor closed its log. Nothing it had not answered yet is known to have happened.
    ///
    /// @param by who, and in which epoch, in words
    record Fenced(String by) implements ControllerEnd {}

    /// The store refused in a way that no repetition will change.
    record Failed(String reason) implements ControllerEnd {}
}
