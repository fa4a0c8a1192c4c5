package dev.litefleet.testing;

import dev.litefleet.replica.objects.StoreCredentials;
import java.net.URI;
import java.nio.file.Path;
import org.gaul.s3proxy.S3Proxy;
import org.gaul.s3proxy.auth.AuthenticationType;
import org.gaul.s3proxy.nio2blob.FilesystemNio2BlobStore;

/// s3proxy over a folder. A class of its own, so that [RealStores] loads where s3proxy is missing.
record S3ProxyServer(S3Proxy proxy) implements AutoCloseable {
    static S3ProxyServer start(Path folder, StoreCredentials credentials) throws Exception {
        S3Proxy proxy =
                S3Proxy.builder()
                        .blobStore(new FilesystemNio2BlobStore(folder.toString()))
                        .endpoint(URI.create("http://127.0.0.1:0"))
                        .awsAuthentication(
                                AuthenticationType.AWS_V4,
                                credentials.accessKey(),
                                credentials.secretKey())
                        .build();
        proxy.start();
        return new S3ProxyServer(proxy);
    }

    String endpoint() {
        return "http://127.0.0.1:" + proxy.getPort();
    }

    @Override
    public void close() throws Exception {
        proxy.stop();
    }
}
