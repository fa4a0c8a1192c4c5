package dev.litefleet.observer.history;

import dev.litefleet.replica.Point;
import dev.litefleet.replica.TenantId;

/// A tenant at a point: `tenant[@point]`, the one notation of every command.
public record TenantAt(TenantId tenant, Point point) {
    /// @throws IllegalArgumentException naming the part that cannot be read
    public static TenantAt parse(String text) {
        int at = text.indexOf('@');
        return at < 0
                ? new TenantAt(TenantId.parse(text), new Point.Latest())
                : new TenantAt(
                        TenantId.parse(text.substring(0, at)), Point.parse(text.substring(at + 1)));
    }

    @Override
    public String toString() {
        return tenant + "@" + point;
    }
}
