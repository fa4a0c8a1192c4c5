package dev.litefleet.journey;

import static org.assertj.core.api.Assertions.assertThat;

import dev.litefleet.cli.Litefleet;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/// `litefleet observe` in this process: starting one for each question would be most of a journey.
final class Observe {
    private Observe() {}

    /// Fails unless it ends with 0.
    ///
    /// @param credentials as environment variables; this process gets them for the while
    /// @return what it printed
    static String run(String store, Map<String, String> credentials, String... arguments) {
        var all = new ArrayList<>(List.of("observe"));
        all.addAll(List.of(arguments));
        all.addAll(List.of("--store", store));
        var out = new StringWriter();
        var err = new StringWriter();
        credentials.forEach((name, value) -> System.setProperty(property(name), value));
        try {
            int exit = Litefleet.run(new PrintWriter(out), new PrintWriter(err), all);
            assertThat(exit).as(all + "\n" + out + "\n" + err).isZero();
        } finally {
            credentials.keySet().forEach(name -> System.clearProperty(property(name)));
        }
        return out.toString();
    }

    private static String property(String variable) {
        return switch (variable) {
            case "AWS_ACCESS_KEY_ID" -> "aws.accessKeyId";
            case "AWS_SECRET_ACCESS_KEY" -> "aws.secretAccessKey";
            default -> throw new IllegalArgumentException(variable);
        };
    }
}
