package dev.litefleet.journey.failpoint;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.classfile.ClassFile;
import java.lang.classfile.ClassHierarchyResolver;
import java.lang.classfile.ClassModel;
import java.lang.classfile.ClassTransform;
import java.lang.classfile.CodeBuilder;
import java.lang.classfile.CodeElement;
import java.lang.classfile.CodeTransform;
import java.lang.classfile.Opcode;
import java.lang.classfile.constantpool.MemberRefEntry;
import java.lang.classfile.constantpool.PoolEntry;
import java.lang.classfile.instruction.InvokeInstruction;
import java.lang.classfile.instruction.ReturnInstruction;
import java.lang.constant.ClassDesc;
import java.lang.constant.ConstantDescs;
import java.lang.constant.MethodTypeDesc;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.ValueLayout;
import java.lang.instrument.ClassFileTransformer;
import java.lang.instrument.Instrumentation;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.ProtectionDomain;
import java.time.Clock;
import java.time.Instant;
import java.time.InstantSource;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/// Kills its own process with signal 9 when it comes to a point that is armed, and moves the clock
/// that the program sees. Driven by files in one folder, which a test writes while the process
/// runs:
///
/// - `points`, read at the start: a line `<name> <class>#<method> entry|exit` for each point.
/// - `<name>.armed`: the number of times from now that the point is passed, this time included; `1`
///   is the next time. It becomes `<name>.hit` at the moment of death.
/// - `clock`, milliseconds to add to the time of day. Only if it is there at the start.
///
/// The process also ends when its standard input does, so that none outlives a test.
public final class FailpointAgent {
    private static final ClassDesc HERE = FailpointAgent.class.describeConstable().orElseThrow();
    private static final MethodTypeDesc HIT =
            MethodTypeDesc.of(ConstantDescs.CD_void, ConstantDescs.CD_String);
    private static final int SIGKILL = 9;
    private static final long CLOCK_LOOK_NANOS = 20_000_000;

    /// Where programs get the time of day from, and what they get instead.
    private static final Map<String, String> CLOCKS =
            Map.of(
                    "java/time/Clock.systemUTC", "systemUTC",
                    "java/time/Clock.systemDefaultZone", "systemUTC",
                    "java/time/InstantSource.system", "system",
                    "java/time/Instant.now()Ljava/time/Instant;", "now",
                    "java/lang/System.currentTimeMillis", "currentTimeMillis");

    /// @param entry whether at the entry of the method, else at its return
    private record Point(String name, String method, boolean entry) {}

    private static final Map<String, List<Point>> points = new HashMap<>(); // by internal name
    private static Path folder = Path.of("");
    private static MethodHandle kill;
    private static int pid;
    private static volatile long offsetMillis;
    private static volatile long offsetReadAt;

    private FailpointAgent() {}

    /// @param argument the folder
    public static void premain(String argument, Instrumentation instrumentation)
            throws IOException {
        folder = Path.of(argument);
        pid = Math.toIntExact(ProcessHandle.current().pid());
        Linker linker = Linker.nativeLinker();
        kill =
                linker.downcallHandle(
                        linker.defaultLookup().findOrThrow("kill"),
                        FunctionDescriptor.of(
                                ValueLayout.JAVA_INT, ValueLayout.JAVA_INT, ValueLayout.JAVA_INT));
        for (String line : Files.readAllLines(folder.resolve("points"))) {
            String[] part = line.split("[ #]");
            points.merge(
                    part[1].replace('.', '/'),
                    List.of(new Point(part[0], part[2], part[3].equals("entry"))),
                    FailpointAgent::both);
        }
        boolean clock = Files.exists(folder.resolve("clock"));
        readOffset();
        instrumentation.addTransformer(new Transformer(clock));
        Thread.ofPlatform().daemon().name("test-gone").start(FailpointAgent::awaitTestGone);
    }

    private static List<Point> both(List<Point> some, List<Point> more) {
        var all = new java.util.ArrayList<>(some);
        all.addAll(more);
        return List.copyOf(all);
    }

    private static void awaitTestGone() {
        try (InputStream in = System.in) {
            while (in.read() >= 0) {
                // Nobody writes; the end of the stream is the message.
            }
        } catch (IOException gone) {
            // As good as its end.
        }
        die();
    }

    private static void die() {
        try {
            int _ = (int) kill.invokeExact(pid, SIGKILL);
        } catch (Throwable failed) {
            throw new AssertionError(failed);
        }
        throw new AssertionError("alive after signal 9");
    }

    /// Called by the program at each point.
    public static void hit(String name) {
        Path armed = folder.resolve(name + ".armed");
        if (!Files.exists(armed)) {
            return;
        }
        synchronized (FailpointAgent.class) {
            try {
                int left = Integer.parseInt(Files.readString(armed).trim());
                if (left > 1) {
                    Files.writeString(armed, String.valueOf(left - 1));
                    return;
                }
                Files.move(armed, folder.resolve(name + ".hit"), StandardCopyOption.ATOMIC_MOVE);
            } catch (NoSuchFileException _) {
                return; // Disarmed in this moment.
            } catch (IOException failed) {
                throw new UncheckedIOException(failed);
            }
            die();
        }
    }

    // What the program sees instead of the system's time of day.

    private static void readOffset() {
        offsetReadAt = System.nanoTime();
        Path clock = folder.resolve("clock");
        try {
            if (Files.exists(clock)) {
                offsetMillis = Long.parseLong(Files.readString(clock).trim());
            }
        } catch (IOException failed) {
            throw new UncheckedIOException(failed);
        }
    }

    public static long currentTimeMillis() {
        if (System.nanoTime() - offsetReadAt > CLOCK_LOOK_NANOS) {
            readOffset();
        }
        return System.currentTimeMillis() + offsetMillis;
    }

    public static Instant now() {
        return Instant.ofEpochMilli(currentTimeMillis());
    }

    public static Clock systemUTC() {
        return new Moved(ZoneOffset.UTC);
    }

    public static InstantSource system() {
        return FailpointAgent::now;
    }

    private static final class Moved extends Clock {
        private final ZoneId zone;

        Moved(ZoneId zone) {
            this.zone = zone;
        }

        @Override
        public ZoneId getZone() {
            return zone;
        }

        @Override
        public Clock withZone(ZoneId zone) {
            return new Moved(zone);
        }

        @Override
        public Instant instant() {
            return now();
        }
    }

    private record Transformer(boolean clock) implements ClassFileTransformer {
        @Override
        public byte[] transform(
                ClassLoader loader,
                String name,
                Class<?> redefined,
                ProtectionDomain domain,
                byte[] bytes) {
            // The JDK's own classes cannot see this one.
            if (loader != ClassLoader.getSystemClassLoader()
                    || name == null
                    || name.startsWith("dev/litefleet/journey/failpoint/")) {
                return null;
            }
            List<Point> here = points.getOrDefault(name, List.of());
            if (here.isEmpty() && !clock) {
                return null;
            }
            try {
                ClassFile file =
                        ClassFile.of(
                                ClassFile.ClassHierarchyResolverOption.of(
                                        ClassHierarchyResolver.ofResourceParsing(loader)
                                                .orElse(ClassHierarchyResolver.defaultResolver())));
                ClassModel model = file.parse(bytes);
                boolean tells = clock && asksForTime(model);
                if (here.isEmpty() && !tells) {
                    return null;
                }
                return file.transformClass(model, transform(here, tells));
            } catch (RuntimeException | LinkageError broken) {
                // Thrown from here it would be swallowed, and the point never be reached.
                System.err.println("failpoint agent: cannot transform " + name + ": " + broken);
                return null;
            }
        }

        private static boolean asksForTime(ClassModel model) {
            for (PoolEntry entry : model.constantPool()) {
                if (entry instanceof MemberRefEntry member && instead(member) != null) {
                    return true;
                }
            }
            return false;
        }

        private static String instead(MemberRefEntry member) {
            String method = member.owner().asInternalName() + '.' + member.name().stringValue();
            String exact = CLOCKS.get(method + member.type().stringValue());
            return exact == null ? CLOCKS.get(method) : exact;
        }

        private static ClassTransform transform(List<Point> here, boolean tells) {
            return (builder, element) -> {
                if (element instanceof java.lang.classfile.MethodModel method) {
                    String name = method.methodName().stringValue();
                    List<Point> inside =
                            here.stream().filter(point -> point.method().equals(name)).toList();
                    builder.transformMethod(
                            method,
                            java.lang.classfile.MethodTransform.transformingCode(
                                    new Code(inside, tells)));
                } else {
                    builder.with(element);
                }
            };
        }
    }

    private record Code(List<Point> inside, boolean tells) implements CodeTransform {
        @Override
        public void atStart(CodeBuilder code) {
            inside.stream().filter(Point::entry).forEach(point -> call(code, point));
        }

        @Override
        public void accept(CodeBuilder code, CodeElement element) {
            if (element instanceof ReturnInstruction) {
                inside.stream().filter(point -> !point.entry()).forEach(it -> call(code, it));
            }
            if (tells
                    && element instanceof InvokeInstruction invoke
                    && invoke.opcode() == Opcode.INVOKESTATIC
                    && Transformer.instead(invoke.method()) instanceof String method) {
                code.invokestatic(HERE, method, invoke.typeSymbol());
            } else {
                code.with(element);
            }
        }

        private static void call(CodeBuilder code, Point point) {
            code.ldc(point.name()).invokestatic(HERE, "hit", HIT);
        }
    }
}
