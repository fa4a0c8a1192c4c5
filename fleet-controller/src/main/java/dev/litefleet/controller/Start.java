package dev.litefleet.controller;

/// What became of an attempt to start a controller.
public sealed interface Start {
    /// It serves. Close it in the end.
    record Serving(Controller controller) implements Start {}

    /// Another controller of the same fleet is alive.
    ///
    /// @param address of its internal port
    record AlreadyRunning(String address) implements Start {}
}
