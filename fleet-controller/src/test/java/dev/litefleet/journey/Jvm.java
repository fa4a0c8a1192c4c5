package dev.litefleet.journey;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.litefleet.cli.Litefleet;
import dev.litefleet.journey.LocalFleet.Tenant;
import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.spi.ToolProvider;
import java.util.stream.Stream;

/// How tests start `litefleet` as a process. A JVM that loads 6,000 classes from jars needs seconds
/// for it, most of a short journey; so the classes come from an archive (class data sharing). It is
/// made when the first process is started and there is none for these very classes: a fleet starts,
/// serves a tenant and stops, and what it loaded is dumped. Without it everything works, slower.
final class Jvm {
    private static final List<String> FLAGS =
            List.of(
                    "--enable-native-access=ALL-UNNAMED",
                    "-XX:+UseSerialGC",
                    "-XX:TieredStopAtLevel=1",
                    "-Dlogback.configurationFile=logback.xml");

    /// Archives of classes that have changed since; the newest few may be in use.
    private static final int KEPT = 3;

    private record Made(String classPath, List<String> flags) {}

    private static final class Holder {
        static final Made MADE = make();
    }

    private Jvm() {}

    /// `java`, its flags, and litefleet's main class.
    static List<String> command(String... flags) {
        var all = new ArrayList<>(Holder.MADE.flags());
        all.addAll(List.of(flags));
        return command(Holder.MADE.classPath(), all, Litefleet.class.getName());
    }

    private static List<String> command(String classPath, List<String> flags, String... main) {
        var command = new ArrayList<String>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(FLAGS);
        command.addAll(flags);
        command.addAll(List.of("-cp", classPath));
        command.addAll(List.of(main));
        return command;
    }

    private static Made make() {
        List<Path> entries =
                Stream.of(System.getProperty("java.class.path").split(File.pathSeparator))
                        .map(entry -> Path.of(entry).toAbsolutePath())
                        .filter(Files::exists)
                        .toList();
        try {
            Path all = Files.createDirectories(Path.of("target", "journey").toAbsolutePath());
            Path folder = all.resolve(fingerprint(entries));
            // Another JVM may be at the same.
            try (var file =
                            FileChannel.open(
                                    all.resolve("lock"),
                                    StandardOpenOption.CREATE,
                                    StandardOpenOption.WRITE);
                    var _ = file.lock()) {
                Path archive = folder.resolve("classes.jsa");
                String classPath = jars(entries, folder);
                if (!Files.exists(archive)) {
                    deleteAllBut(KEPT, all, folder);
                    dump(classPath, folder, archive);
                }
                return new Made(
                        classPath,
                        Files.exists(archive)
                                ? List.of(
                                        "-XX:SharedArchiveFile=" + archive,
                                        "-Xshare:auto",
                                        "-Xlog:cds=off",
                                        "-Xlog:cds+dynamic=off")
                                : List.of());
            }
        } catch (IOException failed) {
            throw new UncheckedIOException(failed);
        }
    }

    /// Of names, sizes and times of all files.
    private static String fingerprint(List<Path> entries) throws IOException {
        try {
            var digest = MessageDigest.getInstance("SHA-256");
            digest.update(System.getProperty("java.home").getBytes(UTF_8));
            for (Path entry : entries) {
                for (Path file : filesOf(entry)) {
                    digest.update(
                            "%s %d %s\n"
                                    .formatted(
                                            file, Files.size(file), Files.getLastModifiedTime(file))
                                    .getBytes(UTF_8));
                }
            }
            return HexFormat.of().formatHex(digest.digest(), 0, 8);
        } catch (NoSuchAlgorithmException impossible) {
            throw new AssertionError(impossible);
        }
    }

    private static TreeSet<Path> filesOf(Path entry) throws IOException {
        var files = new TreeSet<Path>();
        try (Stream<Path> found = Files.walk(entry)) {
            found.filter(Files::isRegularFile).forEach(files::add);
        }
        return files;
    }

    /// An archive knows classes of jars only, so folders of classes become jars.
    private static String jars(List<Path> entries, Path folder) throws IOException {
        Files.createDirectories(folder);
        var classPath = new ArrayList<String>();
        for (Path entry : entries) {
            if (!Files.isDirectory(entry)) {
                classPath.add(entry.toString());
                continue;
            }
            Path jar = folder.resolve(classPath.size() + ".jar");
            if (!Files.exists(jar)) {
                Path made = folder.resolve(classPath.size() + ".jar.new");
                int failed =
                        ToolProvider.findFirst("jar")
                                .orElseThrow()
                                .run(
                                        System.out,
                                        System.err,
                                        "--create",
                                        "--no-compress",
                                        "--file",
                                        made.toString(),
                                        "-C",
                                        entry.toString(),
                                        ".");
                if (failed != 0) {
                    throw new IOException("jar ended with " + failed + " [folder=" + entry + "]");
                }
                Files.move(made, jar, StandardCopyOption.ATOMIC_MOVE);
            }
            classPath.add(jar.toString());
        }
        return String.join(File.pathSeparator, classPath);
    }

    private static void deleteAllBut(int kept, Path all, Path ours) throws IOException {
        try (Stream<Path> folders = Files.list(all)) {
            List<Path> old =
                    folders.filter(Files::isDirectory)
                            .filter(folder -> !folder.equals(ours))
                            .sorted((a, b) ->
                                    Long.compare(
                                            b.toFile().lastModified(), a.toFile().lastModified()))
                            .skip(kept)
                            .toList();
            for (Path folder : old) {
                LocalFleet.deleteFolder(folder);
            }
        }
    }

    private static void dump(String classPath, Path folder, Path archive) throws IOException {
        Path work = Files.createTempDirectory(folder, "training");
        // Every process of the fleet writes a list of its own; workers inherit the flag.
        var listing = List.of("-XX:DumpLoadedClassList=" + work.resolve("%p.classes"));
        var java = command(classPath, listing, Litefleet.class.getName());
        try (LocalFleet fleet =
                LocalFleet.startBy(java, work.resolve("data"), Map.of(), "--workers", "1")) {
            Tenant tenant = fleet.provision("training");
            fleet.execute(tenant, "create table t(x)");
            fleet.execute(tenant, "insert into t values (?)", "x");
            fleet.execute(tenant, "select x from t");
            fleet.stop();
        } catch (IOException failed) {
            throw failed;
        } catch (Exception failed) {
            throw new IOException("no fleet to learn from", failed);
        }
        var classes = new LinkedHashSet<String>();
        var details = new LinkedHashSet<String>(); // of classes that are named before
        try (Stream<Path> lists = Files.list(work)) {
            for (Path list : lists.filter(it -> it.toString().endsWith(".classes")).toList()) {
                // Numbers are those of one process.
                Files.readAllLines(list).stream()
                        .filter(line -> !line.startsWith("#") && !line.contains(" super: "))
                        .map(line -> line.replaceFirst(" id: [0-9]+.*", ""))
                        .forEach(line -> (line.startsWith("@") ? details : classes).add(line));
            }
        }
        classes.addAll(details);
        Path list = Files.write(folder.resolve("classes"), classes);
        Path made = folder.resolve("classes.jsa.new");
        Path log = folder.resolve("dump.log");
        var dumping =
                List.of(
                        "-Xshare:dump",
                        "-XX:SharedClassListFile=" + list,
                        "-XX:SharedArchiveFile=" + made);
        Process process =
                new ProcessBuilder(command(classPath, dumping))
                        .redirectErrorStream(true)
                        .redirectOutput(log.toFile())
                        .start();
        try {
            if (process.waitFor() == 0) {
                Files.move(made, archive, StandardCopyOption.ATOMIC_MOVE);
            } else {
                System.out.println("no archive of classes, processes start slowly: see " + log);
            }
        } catch (InterruptedException stopped) {
            Thread.currentThread().interrupt();
        } finally {
            LocalFleet.deleteFolder(work);
        }
    }
}
