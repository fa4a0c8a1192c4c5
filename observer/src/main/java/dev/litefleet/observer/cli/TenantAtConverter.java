package dev.litefleet.observer.cli;

import dev.litefleet.observer.history.TenantAt;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/// Reads `tenant[@point]`; anything else is wrong usage.
public final class TenantAtConverter implements ITypeConverter<TenantAt> {
    @Override
    public TenantAt convert(String text) {
        try {
            return TenantAt.parse(text);
        } catch (IllegalArgumentException unreadable) {
            throw new TypeConversionException(String.valueOf(unreadable.getMessage()));
        }
    }
}
