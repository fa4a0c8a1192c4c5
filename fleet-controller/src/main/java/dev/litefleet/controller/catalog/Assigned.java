package dev.litefleet.controller.catalog;

import org.jspecify.annotations.Nullable;

/// Where the catalog says a tenant is, after it was asked to assign it.
public sealed interface Assigned {
    /// A session has it: it was just assigned, or had it before.
    ///
    /// @param lastSession the last other session that could have written it; null if none
    record To(TenantRow tenant, SessionRow session, @Nullable String lastSession)
            implements Assigned {}

    /// No session has it and none can take it.
    ///
    /// @param reason in words, for the operator
    record NoRoom(String reason) implements Assigned {}

    /// It is a tombstone.
    record Deleted() implements Assigned {}

    /// The catalog does not know the id.
    record NotFound() implements Assigned {}
}
