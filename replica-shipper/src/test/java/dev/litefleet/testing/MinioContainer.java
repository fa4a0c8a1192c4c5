package dev.litefleet.testing;

import dev.litefleet.replica.objects.StoreCredentials;
import org.testcontainers.DockerClientFactory;
import org.testcontainers.containers.MinIOContainer;
import org.testcontainers.utility.DockerImageName;

/// MinIO in a container. A class of its own, so that [RealStores] loads where Testcontainers is
/// missing.
record MinioContainer(MinIOContainer container) implements AutoCloseable {
    static boolean dockerRuns() {
        return DockerClientFactory.instance().isDockerAvailable();
    }

    static MinioContainer start(String image, StoreCredentials credentials) {
        var container =
                new MinIOContainer(
                                DockerImageName.parse(image)
                                        .asCompatibleSubstituteFor("minio/minio"))
                        .withUserName(credentials.accessKey())
                        .withPassword(credentials.secretKey());
        container.start();
        return new MinioContainer(container);
    }

    String endpoint() {
        return container.getS3URL();
    }

    @Override
    public void close() {
        container.stop();
    }
}
