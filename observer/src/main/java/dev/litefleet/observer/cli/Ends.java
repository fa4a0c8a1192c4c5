package dev.litefleet.observer.cli;

import dev.litefleet.observer.query.Console.NotReadOnly;
import dev.litefleet.replica.ReplicaException;
import dev.litefleet.replica.ReplicaException.PointNotExact;
import dev.litefleet.replica.ReplicaException.PointNotFound;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.objects.StoreException;
import dev.litefleet.replica.sqlite.SqlFailure;
import java.io.IOException;
import java.io.UncheckedIOException;
import picocli.CommandLine.Model.CommandSpec;

/// How commands end: a code for programs and, if it is not 0, a line for people that says what to
/// do next. Wrong usage (2) is picocli's.
public final class Ends {
    public static final int OK = 0;
    public static final int FAILED = 1;
    public static final int USAGE = 2;
    public static final int NOT_FOUND = 3;
    public static final int DENIED = 4;
    public static final int CONFLICT = 5;

    /// The time of `--wait` was over before the operation was.
    public static final int TIMEOUT = 6;

    /// What was read is not what it should be.
    public static final int BAD = 8;

    /// The body of a command.
    public interface Work {
        int run() throws IOException;
    }

    private Ends() {}

    /// Runs `work`. What nobody expects leaves as it is, for the program's own handler.
    public static int of(CommandSpec spec, Work work) throws IOException {
        try {
            return work.run();
        } catch (NotFound failure) {
            return say(spec, NOT_FOUND, message(failure));
        } catch (PointNotFound failure) {
            return say(spec, NOT_FOUND, outside(failure));
        } catch (PointNotExact failure) {
            return say(spec, NOT_FOUND, failure.words());
        } catch (StoreException.Denied failure) {
            return say(spec, DENIED, message(failure));
        } catch (ReplicaException
                | StoreException
                | SqlFailure
                | NotReadOnly
                | UncheckedIOException failure) {
            return say(spec, FAILED, message(failure));
        }
    }

    public static int say(CommandSpec spec, int code, String line) {
        spec.commandLine().getErr().println("litefleet: " + line);
        spec.commandLine().getErr().flush();
        return code;
    }

    private static String outside(PointNotFound failure) {
        return failure.last().equals(Txid.NONE)
                ? "the tenant has no commit yet"
                : "no state at %s: the history does not reach there; its last commit is @%s"
                        .formatted(failure.requested(), shortHex(failure.last()));
    }

    /// As people write it.
    public static String shortHex(Txid txid) {
        return Long.toHexString(txid.value());
    }

    private static String message(RuntimeException failure) {
        return String.valueOf(failure.getMessage());
    }
}
