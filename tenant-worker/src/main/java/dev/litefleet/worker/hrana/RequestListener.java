package dev.litefleet.worker.hrana;

/// Hears of every answer of the data plane.
@FunctionalInterface
public interface RequestListener {
    /// On an event loop; must be short.
    ///
    /// @param route template of the path, never the path
    /// @param nanos from the request's first byte to its last answer byte's hand-over
    void answered(String route, int status, long nanos);
}
