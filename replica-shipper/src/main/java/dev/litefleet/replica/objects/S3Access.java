package dev.litefleet.replica.objects;

import dev.litefleet.replica.objects.StoreException.Denied;
import dev.litefleet.replica.objects.StoreException.Misconfigured;
import dev.litefleet.replica.objects.StoreException.Unavailable;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.AwsCredentials;
import software.amazon.awssdk.auth.credentials.AwsCredentialsProvider;
import software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider;
import software.amazon.awssdk.auth.credentials.ProfileCredentialsProvider;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.awscore.exception.AwsServiceException;
import software.amazon.awssdk.core.exception.SdkClientException;
import software.amazon.awssdk.core.exception.SdkException;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.regions.providers.DefaultAwsRegionProviderChain;
import software.amazon.awssdk.services.sts.StsClient;
import software.amazon.awssdk.services.sts.auth.StsAssumeRoleCredentialsProvider;
import software.amazon.awssdk.utils.SdkAutoCloseable;

/// Whose keys sign the requests to a bucket ([StoreUrl.S3.Access]). Asked for each request; has
/// them renewed, by the thread that asks, before they expire.
final class S3Access implements AwsCredentialsProvider, AutoCloseable {
    private static final int CONNECTIONS = 2;
    private static final int TOO_MANY = 429;
    private static final String SESSION = "litefleet";

    /// Renewed so long before they expire that a store of credentials which is down for a while is
    /// not noticed.
    private static final Duration PREFETCH = Duration.ofMinutes(5);

    private final StoreUrl.S3 url;
    private final AwsCredentialsProvider provider;
    private final List<SdkAutoCloseable> resources; // in the order they are closed

    private S3Access(
            StoreUrl.S3 url, AwsCredentialsProvider provider, List<SdkAutoCloseable> resources) {
        this.url = url;
        this.provider = provider;
        this.resources = resources;
    }

    /// Sends nothing yet.
    ///
    /// @param given in place of profile and chain
    static S3Access open(StoreUrl.S3 url, Optional<StoreCredentials> given) {
        var resources = new ArrayList<SdkAutoCloseable>();
        AwsCredentialsProvider provider = own(url, given, resources);
        if (url.access().roleArn().isPresent()) {
            provider = role(url, url.access().roleArn().get(), provider, resources);
        }
        return new S3Access(url, provider, resources);
    }

    private static AwsCredentialsProvider own(
            StoreUrl.S3 url, Optional<StoreCredentials> given, List<SdkAutoCloseable> resources) {
        if (given.isPresent()) {
            StoreCredentials keys = given.get();
            return StaticCredentialsProvider.create(
                    AwsBasicCredentials.create(keys.accessKey(), keys.secretKey()));
        }
        if (url.access().profile().isPresent()) {
            var profile = ProfileCredentialsProvider.create(url.access().profile().get());
            resources.add(profile);
            return profile;
        }
        var chain = DefaultCredentialsProvider.builder().build();
        resources.add(chain);
        return chain;
    }

    private static AwsCredentialsProvider role(
            StoreUrl.S3 url,
            String arn,
            AwsCredentialsProvider own,
            List<SdkAutoCloseable> resources) {
        StoreUrl.S3.Access access = url.access();
        var sts =
                StsClient.builder()
                        .credentialsProvider(own)
                        .httpClientBuilder(
                                S3ObjectStore.http(url, access.stsEndpoint(), CONNECTIONS))
                        .overrideConfiguration(it -> it.apiCallTimeout(url.requestTimeout()));
        access.stsEndpoint().ifPresent(sts::endpointOverride);
        region(url).ifPresent(sts::region);
        StsClient client;
        try {
            client = sts.build();
        } catch (SdkClientException unusable) {
            throw new Misconfigured("open " + url, S3ObjectStore.words(unusable), unusable);
        }
        var role =
                StsAssumeRoleCredentialsProvider.builder()
                        .stsClient(client)
                        .prefetchTime(PREFETCH)
                        .refreshRequest(it ->
                                it.roleArn(arn)
                                        .roleSessionName(access.sessionName().orElse(SESSION))
                                        .externalId(access.externalId().orElse(null)))
                        .build();
        resources.addFirst(client);
        resources.addFirst(role);
        return role;
    }

    /// What the clients are told; absent if they find it out.
    static Optional<Region> region(StoreUrl.S3 url) {
        return url.region()
                .or(() -> url.endpoint().map(_ -> "us-east-1"))
                .map(Region::of)
                .or(() -> url.access().profile().map(S3Access::regionOfProfile));
    }

    private static Region regionOfProfile(String profile) {
        return DefaultAwsRegionProviderChain.builder().profileName(profile).build().getRegion();
    }

    /// @throws Denied if there are none to be had
    /// @throws Unavailable if the service that gives them did not answer
    @Override
    public AwsCredentials resolveCredentials() {
        try {
            return provider.resolveCredentials();
        } catch (AwsServiceException refused) {
            String request = "assume role for " + url;
            String answer =
                    (refused.statusCode() + " " + refused.awsErrorDetails().errorCode()).strip();
            if (refused.statusCode() >= 500 || refused.statusCode() == TOO_MANY) {
                throw new Unavailable(request, answer, refused);
            }
            throw new Denied(request, answer, refused);
        } catch (SdkException none) {
            throw new Denied("credentials for " + url, S3ObjectStore.words(none), none);
        }
    }

    @Override
    public void close() {
        resources.forEach(SdkAutoCloseable::close);
    }
}
