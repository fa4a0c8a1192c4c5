package dev.litefleet.worker.tenant;

import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.wal.WalPosition;
import dev.litefleet.replica.wal.WalSurvey;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;

/// Decides what the files are worth that an earlier session left (commit-log.md, "Warm disk").
///
/// Two things are asked. Which commit of the history is the last in the WAL: the session that wrote
/// the files must be the last that wrote the tenant, `position.json` must lead to that commit by
/// counting, and if it lies beyond what `position.json` knows, the log's own entry must name the
/// same salts, offset and running checksum. And is the database file below it what it should be:
/// after an unclean stop only a scan can say so, and of a small one it is not even asked.
///
/// Whatever is in doubt is not used.
final class WarmStart {
    /// What the log says of the last commit of the history.
    ///
    /// @param session that wrote it
    /// @param wal where it ended in that session's WAL; null if the log does not say
    record LoggedEnd(String session, @Nullable WalPosition wal) {}

    /// All that is known.
    ///
    /// @param key the tenant and the lineage that is assigned
    /// @param previousSession the last that could have written the tenant, as the assignment says:
    ///   it has released the tenant, or its log is fenced and recovered
    /// @param floor the assignment's: at the last recovery or release this was durable
    /// @param durable where the history ends
    /// @param position null if there is none that can be read
    /// @param end of the history by the log; only needed where it is beyond what `position` knows
    /// @param wal null if there is none that SQLite would read
    /// @param walBytes size of the WAL file, whatever is in it; 0 if there is none
    /// @param fileBytes size of the database file; 0 if there is none
    /// @param scanBytesMin size from which scanning a file is thought cheaper than reading it from
    ///   the store, also when it was not closed
    record Facts(
            TenantKey key,
            @Nullable String previousSession,
            Txid floor,
            Txid durable,
            @Nullable LocalPosition position,
            @Nullable LoggedEnd end,
            @Nullable WalSurvey wal,
            long walBytes,
            long fileBytes,
            long scanBytesMin) {}

    /// What to do.
    sealed interface Verdict {
        /// Use file and WAL, if a scan finds that they add up to what the history says.
        ///
        /// @param commits of the WAL that the history has
        /// @param ahead commits behind those, to be shipped
        record Reuse(int commits, int ahead) implements Verdict {}

        /// Hydrate, and ship what the WAL has beyond it.
        ///
        /// @param ahead at least 1
        record ShipAhead(int commits, int ahead) implements Verdict {}

        /// The history has everything that is here, and more: hydrate.
        record Behind(String reason) implements Verdict {}

        /// There may be commits that the history has not, and that cannot be shipped: keep them for
        /// people, and hydrate.
        record Diverged(String reason) implements Verdict {}

        /// Nothing here is worth keeping: hydrate.
        record Hydrate(String reason) implements Verdict {}
    }

    private WarmStart() {}

    static Verdict decide(Facts facts) {
        LocalPosition position = facts.position();
        if (position == null) {
            return doubt(facts, "nothing says what the files are");
        }
        if (!position.key().equals(facts.key())) {
            return doubt(facts, "the files are of " + position.key());
        }
        if (!position.session().equals(facts.previousSession())) {
            return doubt(
                    facts,
                    "session %s wrote them, session %s was the last"
                            .formatted(position.session(), facts.previousSession()));
        }
        long beyond = facts.durable().value() - position.durable().value();
        if (beyond < 0) {
            return doubt(
                    facts,
                    "%s was durable, the history ends at %s"
                            .formatted(position.durable(), facts.durable()));
        }
        WalSurvey wal = facts.wal();
        if (wal == null && facts.walBytes() > 0) {
            return doubt(facts, "the WAL has no header");
        }
        if (wal == null || wal.commits() == 0) {
            return beyond > 0 ? new Verdict.Behind("the WAL is gone") : file(facts, position, 0, 0);
        }
        int known = known(wal, position.wal());
        if (known < 0 && wal.salt() != position.wal().salt()) {
            return doubt(facts, "the WAL has other salts");
        }
        if (known < 0 || known + beyond > wal.commits()) {
            return wal.goesOn()
                    ? doubt(facts, "the WAL breaks off before " + facts.durable())
                    : new Verdict.Behind("the WAL ends before " + facts.durable());
        }
        int commits = (int) (known + beyond);
        if (beyond > 0) {
            if (!facts.floor().equals(facts.durable())) {
                return doubt(
                        facts,
                        "recovery came to %s, the history ends at %s"
                                .formatted(facts.floor(), facts.durable()));
            }
            LoggedEnd end = facts.end();
            if (end == null || end.wal() == null || !end.session().equals(position.session())) {
                return doubt(facts, "the log does not say where the WAL has " + facts.durable());
            }
            if (wal.find(end.wal()) != commits) {
                return doubt(facts, "the WAL has another commit at " + facts.durable());
            }
        }
        return file(facts, position, commits, wal.commits() - commits);
    }

    /// After how many commits of this WAL `position` stands; -1 if it is not certain.
    private static int known(WalSurvey wal, WalPosition position) {
        if (position.salt() == 0) {
            return 0; // There was no WAL, so this is the first since.
        }
        int found = wal.find(position);
        // All of the WAL that `position` names was in the file before SQLite began this one.
        return found < 0 && wal.follows(position.salt()) ? 0 : found;
    }

    /// The number of the last commit in a WAL, as far as `position` leads there.
    static OptionalLong last(LocalPosition position, WalSurvey wal) {
        int known = known(wal, position.wal());
        return known < 0
                ? OptionalLong.empty()
                : OptionalLong.of(position.durable().value() + wal.commits() - known);
    }

    private static Verdict file(Facts facts, LocalPosition position, int commits, int ahead) {
        boolean asked = position.clean() || facts.fileBytes() >= facts.scanBytesMin();
        if (facts.fileBytes() > 0 && asked && facts.durable().value() > 0) {
            return new Verdict.Reuse(commits, ahead);
        }
        return ahead > 0
                ? new Verdict.ShipAhead(commits, ahead)
                : new Verdict.Hydrate("it was not closed, and is small");
    }

    private static Verdict doubt(Facts facts, String reason) {
        WalSurvey wal = facts.wal();
        boolean nothing = wal == null ? facts.walBytes() == 0 : wal.commits() == 0 && !wal.goesOn();
        return nothing ? new Verdict.Hydrate(reason) : new Verdict.Diverged(reason);
    }
}
