package dev.litefleet.controller.lease;

import dev.litefleet.replica.log.SessionId;
import dev.litefleet.replica.log.Slot;
import dev.litefleet.replica.log.Tasks;
import dev.litefleet.worker.control.Heartbeat;
import dev.litefleet.worker.control.Registration;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;

/// Grants, renews and expires the leases of worker sessions. A lease is the right to serve plain
/// reads and nothing else: who may write is decided by the logs (commit-log.md, "Reads by a
/// possible zombie").
///
/// A worker measures its lease from the time it sent the heartbeat, this side from the time it
/// answered, so this side's always ends later; `margin` covers clocks that run at different speeds.
/// Everything here is forgotten with the process. Thread-safe.
public final class Leases {
    /// How a heartbeat is to be answered.
    public enum Standing {
        /// Renewed.
        LIVE,
        /// Heard, and its session goes on, but no lease was granted.
        HEARD,
        /// It is being fenced, or is closed: no lease will be granted any more.
        CLOSED,
        /// It has not registered with this controller.
        UNKNOWN
    }

    /// A session as its own messages show it.
    ///
    /// @param registration null while it is known from the catalog only
    /// @param present it has registered and was heard within a lease
    /// @param accepting it is present and has not said that it is stopping
    /// @param residents tenants it holds open, by its last heartbeat
    public record Member(
            SessionId session,
            @Nullable Registration registration,
            boolean present,
            boolean accepting,
            int residents) {}

    private static final class Grant {
        @Nullable Registration registration;
        Slot durable = new Slot(1, 0);
        int named = 1; // the part that the catalog names, as far as this process has brought it
        boolean naming; // somebody is telling the catalog of a later one
        int unwanted; // the part that it is asked to end, or 0
        int residents;
        boolean stopping;
        boolean ended;
        boolean dead;
        long heardNanos;
        long endNanos; // when every lease of it has certainly ended

        Grant(long now) {
            heardNanos = now;
        }
    }

    private final long leaseNanos;
    private final long marginNanos;
    private final Tasks tasks;
    private final Tasks.Guard guard;
    private final Map<SessionId, Grant> grants = new HashMap<>(); // guard
    private long changes; // guard
    private boolean closed; // guard

    public Leases(Duration lease, Duration margin, Tasks tasks) {
        this.leaseNanos = lease.toNanos();
        this.marginNanos = margin.toNanos();
        this.tasks = tasks;
        this.guard = tasks.guard();
    }

    /// A session that the catalog calls live and this controller has not met. Its predecessor,
    /// whose log is fenced by now, may go on granting it leases until the last proof of its
    /// [Tenure] is one lease old. That age and the last lease are counted on clocks of two other
    /// machines, so each of them gets a margin.
    public void adopt(SessionId session) {
        locked(() -> grants.computeIfAbsent(session, _ -> unknown()));
    }

    private Grant unknown() {
        var grant = new Grant(tasks.nanos());
        grant.endNanos = grant.heardNanos + 2 * (leaseNanos + marginNanos);
        return grant;
    }

    /// A session has registered, or did so again, and the catalog calls it live. It has no lease by
    /// that: the next heartbeat asks for one.
    ///
    /// @return false if its lease has been ended meanwhile
    public boolean register(Registration registration) {
        var session = new SessionId(registration.session());
        guard.lock();
        try {
            long now = tasks.nanos();
            Grant grant =
                    grants.computeIfAbsent(
                            session,
                            _ -> {
                                var fresh = new Grant(now);
                                fresh.endNanos = now;
                                return fresh;
                            });
            if (grant.ended) {
                return false;
            }
            grant.registration = registration;
            grant.named = Math.max(grant.named, registration.part());
            grant.stopping = false;
            grant.heardNanos = now;
            changed();
            return true;
        } finally {
            guard.unlock();
        }
    }

    /// Notes that the session lives, and renews its lease if the answer is [Standing#LIVE].
    ///
    /// @param grant whether a lease may be granted: it is wanted, and [Tenure#sure] said so after
    ///   the heartbeat had arrived
    public Standing heartbeat(Heartbeat heartbeat, boolean grant) {
        guard.lock();
        try {
            Grant known = grants.get(new SessionId(heartbeat.session()));
            if (known == null) {
                return Standing.UNKNOWN;
            }
            if (known.ended) {
                return Standing.CLOSED;
            }
            if (known.registration == null) {
                return Standing.UNKNOWN;
            }
            known.heardNanos = tasks.nanos();
            known.residents = heartbeat.residents();
            var durable = new Slot(heartbeat.part(), heartbeat.durableSlot());
            if (durable.compareTo(known.durable) > 0) {
                known.durable = durable;
            }
            if (!grant) {
                return Standing.HEARD;
            }
            long end = known.heardNanos + leaseNanos + marginNanos;
            known.endNanos = end - known.endNanos > 0 ? end : known.endNanos;
            return Standing.LIVE;
        } finally {
            guard.unlock();
        }
    }

    /// The session said that it is stopping: nothing new is placed on it.
    public void stopping(SessionId session) {
        locked(() -> {
            Grant grant = grants.get(session);
            if (grant != null) {
                grant.stopping = true;
            }
        });
    }

    /// Waits until sessions have been silent for a lease, and ends them: the first step of their
    /// failover.
    ///
    /// When this process itself was stopped for a while, the heartbeats of that time are lost, not
    /// missing: then everybody gets one more lease. Waiting longer is always safe.
    ///
    /// @return their sessions, each once; empty after [#close]
    public List<SessionId> awaitLapsed() {
        guard.lock();
        try {
            while (!closed) {
                long now = tasks.nanos();
                var lapsed = new ArrayList<SessionId>();
                long nearest = Long.MAX_VALUE;
                for (Map.Entry<SessionId, Grant> entry : grants.entrySet()) {
                    Grant grant = entry.getValue();
                    if (grant.ended) {
                        continue;
                    }
                    long left = grant.heardNanos + leaseNanos - now;
                    if (left <= 0) {
                        lapsed.add(entry.getKey());
                    } else {
                        nearest = Math.min(nearest, left);
                    }
                }
                if (!lapsed.isEmpty()) {
                    lapsed.forEach(session -> end(grants.get(session)));
                    return lapsed;
                }
                awaitLapse(now, nearest);
            }
            return List.of();
        } finally {
            guard.unlock();
        }
    }

    private void awaitLapse(long now, long nanos) {
        if (nanos == Long.MAX_VALUE) {
            guard.await();
            return;
        }
        guard.await(Duration.ofNanos(nanos));
        long woke = tasks.nanos();
        if (woke - now - nanos > marginNanos) {
            grants.values().forEach(grant -> grant.heardNanos = woke);
        }
    }

    /// No lease will be granted to this session any more.
    ///
    /// @param dead its process is known to have ended, so its lease has too
    public void end(SessionId session, boolean dead) {
        locked(() -> {
            Grant grant = grants.computeIfAbsent(session, _ -> unknown());
            grant.dead |= dead;
            end(grant);
        });
    }

    private void end(@Nullable Grant grant) {
        if (grant != null) {
            grant.ended = true;
            changed();
        }
    }

    /// Waits until the last lease of an ended session has certainly ended.
    public void awaitEnded(SessionId session) {
        guard.lock();
        try {
            while (true) {
                Grant grant = grants.get(session);
                if (grant == null || grant.dead) {
                    return;
                }
                if (!grant.ended) {
                    throw new IllegalStateException(
                            "lease still renewed [session=" + session + "]");
                }
                long left = grant.endNanos - tasks.nanos();
                if (left <= 0) {
                    return;
                }
                guard.await(Duration.ofNanos(left));
            }
        } finally {
            guard.unlock();
        }
    }

    /// A slot of `part` that the session reported durable; slot 1 if it reported none.
    public Slot durable(SessionId session, int part) {
        guard.lock();
        try {
            Grant grant = grants.get(session);
            return grant != null && grant.durable.part() == part && grant.durable.number() > 0
                    ? grant.durable
                    : Slot.firstOf(part);
        } finally {
            guard.unlock();
        }
    }

    /// The part that the session reported and the catalog does not name yet. Whoever is given it
    /// tells the catalog and then [#named]; until then nobody else is.
    public OptionalInt partToName(SessionId session) {
        guard.lock();
        try {
            Grant grant = grants.get(session);
            if (grant == null || grant.naming || grant.durable.part() <= grant.named) {
                return OptionalInt.empty();
            }
            grant.naming = true;
            return OptionalInt.of(grant.durable.part());
        } finally {
            guard.unlock();
        }
    }

    /// The end of what [#partToName] began.
    ///
    /// @param part that the catalog names now; 0 if it could not be told
    public void named(SessionId session, int part) {
        locked(() -> {
            Grant grant = grants.get(session);
            if (grant != null) {
                grant.naming = false;
                grant.named = Math.max(grant.named, part);
            }
        });
    }

    /// Asks the session to end a part of its log: with every answer to it, until it writes a later
    /// one. Forgotten with the process; the next round of the janitor asks again.
    public void endPart(SessionId session, int part) {
        locked(() -> {
            Grant grant = grants.get(session);
            if (grant != null) {
                grant.unwanted = Math.max(grant.unwanted, part);
            }
        });
    }

    /// The part that the session is to end, if that is the one it says it writes.
    public OptionalInt partToEnd(Heartbeat heartbeat) {
        guard.lock();
        try {
            Grant grant = grants.get(new SessionId(heartbeat.session()));
            return grant != null && grant.unwanted == heartbeat.part()
                    ? OptionalInt.of(heartbeat.part())
                    : OptionalInt.empty();
        } finally {
            guard.unlock();
        }
    }

    /// Everybody who is not ended.
    public List<Member> members() {
        guard.lock();
        try {
            long now = tasks.nanos();
            return grants.entrySet().stream()
                    .filter(entry -> !entry.getValue().ended)
                    .map(entry -> member(entry.getKey(), entry.getValue(), now))
                    .toList();
        } finally {
            guard.unlock();
        }
    }

    private Member member(SessionId session, Grant grant, long now) {
        boolean present = grant.registration != null && now - grant.heardNanos < leaseNanos;
        return new Member(
                session, grant.registration, present, present && !grant.stopping, grant.residents);
    }

    /// The session's member, unless it is ended or unknown.
    public Optional<Member> member(SessionId session) {
        return members().stream().filter(member -> member.session().equals(session)).findAny();
    }

    /// Tells those who wait in [#awaitChange] to look again.
    public void signal() {
        locked(this::changed);
    }

    /// A number that grows whenever somebody registers, is ended or is closed.
    public long changes() {
        guard.lock();
        try {
            return changes;
        } finally {
            guard.unlock();
        }
    }

    /// Waits until [#changes] is greater than `seen`, at most `max`.
    public void awaitChange(long seen, Duration max) {
        guard.lock();
        try {
            long deadline = tasks.nanos() + max.toNanos();
            while (changes <= seen && !closed) {
                long left = deadline - tasks.nanos();
                if (left <= 0 || !guard.await(Duration.ofNanos(left))) {
                    return;
                }
            }
        } finally {
            guard.unlock();
        }
    }

    /// A closed session: it will never be heard of again, and a late heartbeat of it is answered
    /// [Standing#CLOSED] by way of the catalog.
    public void forget(SessionId session) {
        locked(() -> {
            grants.remove(session);
            changed();
        });
    }

    /// Everybody who waits here returns.
    public void close() {
        locked(() -> {
            closed = true;
            changed();
        });
    }

    private void changed() {
        changes++;
        guard.signalAll();
    }

    private void locked(Runnable change) {
        guard.lock();
        try {
            change.run();
            guard.signalAll();
        } finally {
            guard.unlock();
        }
    }
}
