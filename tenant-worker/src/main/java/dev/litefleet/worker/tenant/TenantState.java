package dev.litefleet.worker.tenant;

import org.jspecify.annotations.Nullable;

/// Where an assigned tenant is in its life on this worker.
///
/// ```
/// Hibernated --request--> Hydrating --> Active --idle--> Hibernating --> Hibernated
///      ^                      |            |
///      |     store silent     |            | files or history wrong
///      +----------------------+--> Failed <+       (a later request hydrates again)
/// ```
///
/// From every state the end of the log leads to [Fenced], which is final.
sealed interface TenantState {
    /// Closed; costs this object and perhaps a file.
    ///
    /// @param local its file, closed by this session and kept as a cache; null if there is none
    record Hibernated(@Nullable LocalDatabase local) implements TenantState {}

    /// Being read from the store, or only opened. Requests wait.
    record Hydrating() implements TenantState {}

    /// Open.
    record Active(OpenTenant open) implements TenantState {}

    /// Being closed, with nothing owed. Requests wait.
    record Hibernating() implements TenantState {}

    /// It could not be opened, or had to stop.
    ///
    /// @param until requests before this moment, in ticker nanoseconds, are refused with `cause`;
    ///   [Deadlines#NEVER] while what was open is still being closed
    record Failed(RuntimeException cause, long until) implements TenantState {}

    /// The session has lost its log.
    record Fenced(TenantException why) implements TenantState {}
}
