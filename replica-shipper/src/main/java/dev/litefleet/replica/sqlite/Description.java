package dev.litefleet.replica.sqlite;

import java.util.List;
import org.jspecify.annotations.Nullable;

/// What a statement takes and gives, without running it.
///
/// @param parameters names by index as in [GatedStatement]
public record Description(
        List<@Nullable String> parameters,
        List<Column> columns,
        boolean explain,
        boolean readonly) {}
