package dev.litefleet.replica;

/// One lineage of one tenant: what derived files and log entries belong to.
public record TenantKey(TenantId tenant, Lineage lineage) {
    /// The folder of the derived files, with its closing slash. Without the slash it is a
    /// Litestream replica's path.
    public String prefix() {
        return "tenants/" + tenant + "/" + lineage + "/";
    }

    /// `<tenant>/<lineage>`, as in the entry names of a segment.
    @Override
    public String toString() {
        return tenant + "/" + lineage;
    }
}
