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
import java.util.Optional;
import picocli.CommandLine.Model.CommandSpec;

/// How commands end: a code for programs and, if it is not 0, a line for people that says what to
/// do next. Wrong usage (2) is picocli's.
final class Ends {
    static final int OK = 0;
    static final int FAILED = 1;
    static final int NOT_FOUND = 3;
    static final int DENIED = 4;
    static final int CONFLICT = 5;

    /// What was read is not what it should be.
    static final int BAD = 8;

    /// The body of a command.
    interface Work {
        int run() throws IOException;
    }

    private Ends() {}

    /// Runs `work`. What nobody expects leaves as it is, for the program's own handler.
    static int of(CommandSpec spec, Work work) throws IOException {
        try {
            return work.run();
        } catch (NotFound failure) {
            return say(spec, NOT_FOUND, message(failure));
        } catch (PointNotFound failure) {
            return say(spec, NOT_FOUND, outside(failure));
        } catch (PointNotExact failure) {
            return say(spec, NOT_FOUND, inexact(failure));
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

    static int say(CommandSpec spec, int code, String line) {
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

    private static String inexact(PointNotExact failure) {
        return "%s can no longer be restored exactly; before it: %s, after it: %s"
                .formatted(failure.requested(), place(failure.before()), place(failure.after()));
    }

    private static String place(Optional<Txid> txid) {
        return txid.map(at -> "@" + shortHex(at)).orElse("nothing");
    }

    /// As people write it.
    static String shortHex(Txid txid) {
        return Long.toHexString(txid.value());
    }

    private static String message(RuntimeException failure) {
        return String.valueOf(failure.getMessage());
    }
}
