package dev.litefleet.chart;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.MappingIterator;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import com.marcnuri.helm.Helm;
import com.marcnuri.helm.LintResult;
import com.marcnuri.helm.TemplateCommand;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The chart, rendered and linted by real Helm.
final class ChartTest {
    private static final Path CHART =
            Path.of("..", "helm", "litefleet").toAbsolutePath().normalize();
    private static final YAMLMapper YAML = new YAMLMapper();

    /// Lint takes no values, so it gets a copy of the chart with the two that only an operator
    /// knows.
    @Test
    void lintsWithoutWarnings(@TempDir Path copy) throws Exception {
        try (var files = Files.walk(CHART)) {
            for (Path file : files.toList()) {
                Files.copy(
                        file,
                        copy.resolve(CHART.relativize(file).toString()),
                        StandardCopyOption.REPLACE_EXISTING);
            }
        }
        Path values = copy.resolve("values.yaml");
        Files.writeString(
                values,
                Files.readString(values)
                        .replace("bucket: \"\"", "bucket: acme-fleet")
                        .replace("existingSecret: \"\"", "existingSecret: litefleet-keys"));

        LintResult result = new Helm(copy).lint().strict().call();

        assertThat(result.getMessages())
                .noneMatch(message -> message.contains("[ERROR]") || message.contains("[WARNING]"));
        assertThat(result.isFailed()).isFalse();
    }

    @Test
    void rendersControllerWorkersAndObserver() throws Exception {
        List<JsonNode> objects = render(configured());

        assertThat(objects.stream().map(o -> o.path("kind").asText() + " " + component(o)))
                .containsExactlyInAnyOrder(
                        "StatefulSet controller",
                        "Service controller",
                        "StatefulSet worker",
                        "Service worker",
                        "PodDisruptionBudget worker",
                        "Deployment observer");
    }

    @Test
    void everyPodIsUnprivilegedAndKnowsItsStore() throws Exception {
        for (JsonNode object : render(configured())) {
            JsonNode pod = object.path("spec").path("template").path("spec");
            if (pod.isMissingNode()) {
                continue;
            }
            assertThat(pod.path("automountServiceAccountToken").asBoolean(true)).isFalse();
            assertThat(pod.path("securityContext").path("runAsNonRoot").asBoolean()).isTrue();
            JsonNode container = pod.path("containers").path(0);
            assertThat(container.path("securityContext").path("readOnlyRootFilesystem").asBoolean())
                    .isTrue();
            assertThat(container.toString())
                    .contains(
                            "s3://acme-fleet/prod?region=eu-central-1&endpoint=http://minio:9000");
        }
    }

    @Test
    void controllerIsToldHowLongHistoriesAreKept() throws Exception {
        assertThat(controllerArguments(configured()))
                .contains("--history-exact=7d", "--history-merged=30d", "--janitor-every=1d")
                .noneMatch(argument -> argument.startsWith("--janitor-store"));
        assertThat(
                        controllerArguments(
                                configured()
                                        .set("history.exact", "36h")
                                        .set("janitor.store", "s3://acme-fleet/prod?profile=del")))
                .contains(
                        "--history-exact=36h", "--janitor-store=s3://acme-fleet/prod?profile=del");
        assertThatThrownBy(() -> configured().set("history.exact", "soon").call())
                .hasMessageContaining("exact");
    }

    private static List<String> controllerArguments(TemplateCommand command) throws Exception {
        return render(command).stream()
                .filter(object -> object.path("kind").asText().equals("StatefulSet"))
                .filter(object -> component(object).equals("controller"))
                .flatMap(object -> object.at("/spec/template/spec/containers/0/args").valueStream())
                .map(JsonNode::asText)
                .toList();
    }

    @Test
    void observerCanBeLeftOut() throws Exception {
        assertThat(render(configured().set("observer.enabled", "false")))
                .noneMatch(object -> component(object).equals("observer"));
    }

    @Test
    void missingBucketAndMisspeltSettingsAreRefused() {
        assertThatThrownBy(() ->
                        new Helm(CHART)
                                .template()
                                .withKubeVersion("1.30.0")
                                .withName("fleet")
                                .call())
                .hasMessageContaining("bucket");
        assertThatThrownBy(() -> configured().set("worker.replcas", "2").call())
                .hasMessageContaining("replcas");
    }

    private static TemplateCommand configured() {
        return new Helm(CHART)
                .template()
                .withName("fleet")
                .withKubeVersion("1.30.0")
                .set("objectStore.bucket", "acme-fleet")
                .set("objectStore.prefix", "prod")
                .set("objectStore.region", "eu-central-1")
                .set("objectStore.endpoint", "http://minio:9000")
                .set("auth.existingSecret", "litefleet-keys");
    }

    private static List<JsonNode> render(TemplateCommand command) throws Exception {
        var objects = new ArrayList<JsonNode>();
        try (MappingIterator<JsonNode> documents =
                YAML.readerFor(JsonNode.class).readValues(command.call())) {
            documents.forEachRemaining(node -> {
                if (node.has("kind")) {
                    objects.add(node);
                }
            });
        }
        return objects;
    }

    private static String component(JsonNode object) {
        return object.path("metadata").path("labels").path("app.kubernetes.io/component").asText();
    }
}
