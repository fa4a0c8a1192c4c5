package dev.litefleet.build;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/// Properties of the source itself, after TigerBeetle's `tidy.zig`. Stands in the topmost module,
/// which sees all others. A rule earns its place by having caught something; delete one that only
/// gets in the way.
final class TidyTest {
    private record Ban(String text, String instead) {}

    private static final Path TOP = Path.of("..").toAbsolutePath().normalize();
    private static final List<String> MODULES =
            List.of(
                    "replica-shipper",
                    "service-kit",
                    "tenant-worker",
                    "observer",
                    "fleet-controller",
                    "bench");

    private static final List<Ban> EVERYWHERE =
            List.of(
                    new Ban("Thread.sle" + "ep(", "a ticker the test can advance"),
                    new Ban("@Disab" + "led", "a finished test, or an assumption with its reason"),
                    new Ban("FIX" + "ME", "a finished change"),
                    new Ban("TO" + "DO", "an issue"));

    private static final List<Ban> IN_MAIN =
            List.of(
                    new Ban("System.currentTimeMillis(", "an InstantSource"),
                    new Ban("Instant.now()", "an InstantSource"),
                    new Ban("Math.random(", "an injected RandomGenerator"),
                    new Ban("new Random(", "an injected RandomGenerator"),
                    new Ban("UUID.randomUUID(", "a ULID"));

    /// Who opens files, and which: never a database that SQLite may have open, nor its `-shm`.
    private static final Set<String> OPENERS =
            Set.of(
                    // Only the WAL, on which SQLite takes no locks.
                    "WalReader",
                    "WalSurvey",
                    "ShippedDatabase",
                    // A database that an earlier process left, before SQLite sees it here.
                    "LocalScan",
                    // Files that become databases, or are copies of them, before SQLite sees them.
                    "ImageFile",
                    "LineageStart",
                    "DatabaseFile",
                    "PullCommand",
                    "FileCheck",
                    "OperationRoutes",
                    // A user's file that a command sends, in a process without a database of ours.
                    "ImportCommand",
                    "ApiClient",
                    // Spools, temporary files and folders, page checksums.
                    "Hydrator",
                    "SpooledBody",
                    "PageSpool",
                    "BodyBuffer",
                    "Merge",
                    "HeldCopies",
                    "Eject",
                    "EjectCommand",
                    "DatabaseChecksum",
                    // Objects.
                    "ObjectBody",
                    "DirectoryObjectStore",
                    // Locks, names, keys.
                    "WorkerFolder",
                    "LocalFiles",
                    "LocalPosition",
                    "DataDirectory",
                    "PrivateFile",
                    "Keys",
                    "ApiKeys",
                    "ApiOptions");

    /// Where the real clock, ticker and random source are wired in: programs, not logic.
    private static final Pattern WIRING =
            Pattern.compile(
                    ".*/(cli|bench)/.*|.*/(Worker|WorkerCommand|Main|ThreadTasks|Console)\\.java");

    private static final JavaClasses CLASSES =
            new ClassFileImporter()
                    .withImportOption(new ImportOption.DoNotIncludeTests())
                    // The test-jar is a jar like any other to ArchUnit.
                    .withImportOption(location -> !location.contains("/dev/litefleet/testing/"))
                    .importPackages("dev.litefleet");

    private static final String[] SERVICES = {
        "dev.litefleet.service..",
        "dev.litefleet.worker..",
        "dev.litefleet.observer..",
        "dev.litefleet.controller..",
        "dev.litefleet.cli.."
    };

    @Test
    void nothingBannedIsLeft() throws IOException {
        var findings = new ArrayList<String>();
        for (String module : MODULES) {
            for (Path file : sources(TOP.resolve(module).resolve("src"))) {
                if (file.endsWith("TidyTest.java")) {
                    continue;
                }
                boolean main = file.toString().contains("/src/main/");
                boolean wiring = WIRING.matcher(file.toString()).matches();
                List<Ban> bans = new ArrayList<>(EVERYWHERE);
                if (main && !wiring) {
                    bans.addAll(IN_MAIN);
                    bans.add(new Ban("System.nanoTime(", "a ticker"));
                    bans.add(new Ban("printStackTrace(", "the logger, or rethrow"));
                }
                find(bans, file, findings);
            }
        }
        assertThat(findings).isEmpty();
    }

    private static void find(List<Ban> bans, Path file, List<String> findings) throws IOException {
        List<String> lines = Files.readAllLines(file);
        for (int i = 0; i < lines.size(); i++) {
            for (Ban ban : bans) {
                if (lines.get(i).contains(ban.text())) {
                    findings.add(
                            "%s:%d: %s, use %s".formatted(file, i + 1, ban.text(), ban.instead()));
                }
            }
        }
    }

    /// A POSIX lock belongs to the process: who opens a live database, or its `-shm`, beside SQLite
    /// and closes it again drops SQLite's locks on it. So a file is opened, read or copied only in
    /// the places named here, and none of them is given a database that SQLite may have open.
    @Test
    void filesAreOpenedOnlyWhereNoLiveDatabaseCanBeMeant() throws IOException {
        var opens =
                Pattern.compile(
                        "FileChannel\\.open|Files\\.(newByteChannel|newInputStream|newOutputStream"
                                + "|newBufferedReader|newBufferedWriter|read\\w+|write\\w*|copy|lines|mismatch)\\(|new"
                                + " (RandomAccessFile|FileInputStream"
                                + "|FileOutputStream|FileReader|FileWriter)\\(");
        var findings = new ArrayList<String>();
        for (String module : MODULES.subList(0, MODULES.size() - 1)) { // not bench
            for (Path file : sources(TOP.resolve(module).resolve("src/main"))) {
                String type = file.getFileName().toString().replace(".java", "");
                if (!OPENERS.contains(type) && opens.matcher(Files.readString(file)).find()) {
                    findings.add(file.toString());
                }
            }
        }
        assertThat(findings).isEmpty();
    }

    @Test
    void typeNamesSayWhatTheTypeIs() throws IOException {
        var vague =
                Pattern.compile(
                        ".*(Manager|Helper|Utils?|Impl|Abstract[A-Z].*|Common|Processor|Wrapper)\\.java");
        var findings = new ArrayList<Path>();
        for (String module : MODULES) {
            sources(TOP.resolve(module).resolve("src/main")).stream()
                    .filter(file -> vague.matcher(file.getFileName().toString()).matches())
                    .forEach(findings::add);
        }
        assertThat(findings).isEmpty();
    }

    @Test
    void everyPackageIsNullMarked() throws IOException {
        var findings = new ArrayList<Path>();
        for (String module : MODULES) {
            Path main = TOP.resolve(module).resolve("src/main/java");
            sources(main).stream()
                    .map(Path::getParent)
                    .distinct()
                    .filter(folder -> {
                        Path info = folder.resolve("package-info.java");
                        try {
                            return !Files.exists(info)
                                    || !Files.readString(info).contains("@NullMarked");
                        } catch (IOException e) {
                            throw new java.io.UncheckedIOException(e);
                        }
                    })
                    .forEach(findings::add);
        }
        assertThat(findings).isEmpty();
    }

    /// The top level is fixed by the architecture page.
    @Test
    void topLevelHoldsOnlyWhatBelongsThere() throws IOException {
        var allowed =
                Set.of(
                        "replica-shipper",
                        "service-kit",
                        "tenant-worker",
                        "observer",
                        "fleet-controller",
                        "bench",
                        "helm",
                        "pom.xml",
                        "README.md",
                        "CHANGELOG.md",
                        "LICENSE",
                        "Dockerfile",
                        "litefleet",
                        // Made by running and building; ignored by git.
                        "litefleet-data",
                        "target");
        try (Stream<Path> entries = Files.list(TOP)) {
            assertThat(entries.map(path -> path.getFileName().toString()))
                    .filteredOn(name -> !name.startsWith("."))
                    .isSubsetOf(allowed);
        }
    }

    @Test
    void layersPointDown() {
        never("dev.litefleet.replica..", SERVICES);
        never(
                "dev.litefleet.service..",
                "dev.litefleet.worker..",
                "dev.litefleet.observer..",
                "dev.litefleet.controller..",
                "dev.litefleet.cli..");
        never(
                "dev.litefleet.worker..",
                "dev.litefleet.observer..",
                "dev.litefleet.controller..",
                "dev.litefleet.cli..");
        never(
                "dev.litefleet.observer..",
                "dev.litefleet.worker..",
                "dev.litefleet.controller..",
                "dev.litefleet.cli..");
        never("dev.litefleet.controller..", "dev.litefleet.cli..", "dev.litefleet.observer..");
        slices().matching("dev.litefleet.(**)").should().beFreeOfCycles().check(CLASSES);
    }

    /// Values first, codecs on them, then stores, logs and histories.
    @Test
    void replicaIsLayered() {
        never("dev.litefleet.replica", "dev.litefleet.replica.*..");
        for (String codec : List.of("wal", "ltx")) {
            never(
                    "dev.litefleet.replica." + codec + "..",
                    "dev.litefleet.replica.log..",
                    "dev.litefleet.replica.history..",
                    "dev.litefleet.replica.objects..",
                    "dev.litefleet.replica.sqlite..");
        }
        never(
                "dev.litefleet.replica.objects..",
                "dev.litefleet.replica.ltx..",
                "dev.litefleet.replica.wal..",
                "dev.litefleet.replica.log..",
                "dev.litefleet.replica.history..");
        never("dev.litefleet.replica.log..", "dev.litefleet.replica.history..");
        never(
                "dev.litefleet.replica.sqlite..",
                "dev.litefleet.replica.log..",
                "dev.litefleet.replica.history..");
    }

    /// Each foreign library has one place.
    @Test
    void librariesStayWhereTheyBelong() {
        noClasses()
                .that()
                .resideInAPackage("dev.litefleet..")
                .and()
                .haveNameNotMatching(".*\\.S3(ObjectStore|Access|Versions).*")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage("software.amazon..")
                .check(CLASSES);
        noClasses()
                .that()
                .resideOutsideOfPackages("dev.litefleet.replica.sqlite..", "dev.litefleet.bench..")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage("org.sqlite..", "java.sql..")
                .check(CLASSES);
        noClasses()
                .that()
                .haveNameNotMatching(".*\\.Lz4Block.*")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage("net.jpountz..")
                .check(CLASSES);
    }

    /// Vert.x stays at the edge: what decides things is plain code that a test can call.
    @Test
    void vertxStaysAtTheEdge() {
        for (String inside :
                List.of(
                        "replica..",
                        "worker.tenant..",
                        "observer.history..",
                        "observer.query..",
                        "controller.catalog..",
                        "controller.placement..",
                        "controller.operation..",
                        "controller.lease..")) {
            never("dev.litefleet." + inside, "io.vertx..");
        }
    }

    private static void never(String from, String... to) {
        noClasses()
                .that()
                .resideInAPackage(from)
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage(to)
                .check(CLASSES);
    }

    private static List<Path> sources(Path root) throws IOException {
        if (!Files.exists(root)) {
            return List.of();
        }
        try (var files = Files.walk(root)) {
            return files.filter(file -> file.toString().endsWith(".java")).toList();
        }
    }
}
