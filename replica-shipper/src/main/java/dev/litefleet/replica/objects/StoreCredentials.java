package dev.litefleet.replica.objects;

/// Keys for a store that is not to be reached with AWS's usual chain of credentials: a test's own
/// server.
public record StoreCredentials(String accessKey, String secretKey) {
    /// Without the secret.
    @Override
    public String toString() {
        return "StoreCredentials[accessKey=" + accessKey + "]";
    }
}
