package dev.litefleet.testing;

import io.vertx.core.net.PfxOptions;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;

/// A certificate that nobody trusts, made by the JDK's own tool.
public final class SelfSigned {
    private static final String PASSWORD = "litefleet";

    private SelfSigned() {}

    /// @param folder where its key is kept
    /// @param name what it is for, as in `ip:127.0.0.1` or `dns:elsewhere.test`
    public static PfxOptions certificate(Path folder, String name) {
        Path file = folder.resolve("self-signed.p12");
        List<String> command =
                List.of(
                        Path.of(System.getProperty("java.home"), "bin", "keytool").toString(),
                        "-genkeypair",
                        "-alias",
                        "store",
                        "-keyalg",
                        "EC",
                        "-dname",
                        "CN=store",
                        "-ext",
                        "san=" + name,
                        "-storetype",
                        "PKCS12",
                        "-storepass",
                        PASSWORD,
                        "-keystore",
                        file.toString());
        try {
            Process keytool =
                    new ProcessBuilder(command)
                            .redirectErrorStream(true)
                            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                            .start();
            if (!keytool.waitFor(60, TimeUnit.SECONDS) || keytool.exitValue() != 0) {
                throw new IllegalStateException("keytool failed: " + command);
            }
        } catch (IOException | InterruptedException failed) {
            throw new IllegalStateException(failed);
        }
        return new PfxOptions().setPath(file.toString()).setPassword(PASSWORD);
    }
}
