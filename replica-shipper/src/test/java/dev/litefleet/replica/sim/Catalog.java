package dev.litefleet.replica.sim;

import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.history.HeldRange;
import dev.litefleet.replica.history.HistoryWindows;
import dev.litefleet.replica.history.LineageState;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/// What the controllers know for certain: sessions, assignments, lineages, holds, deletions.
/// Written as text into the catalog's database.
final class Catalog {
    enum State {
        LIVE,
        FENCING,
        CLOSED
    }

    enum Life {
        ACTIVE,
        /// A restore in place is under way; nobody is assigned it.
        MOVING,
        DELETED
    }

    /// @param part the highest that a heartbeat named
    record Session(String worker, String id, State state, int part) {
        Session is(State next) {
            return new Session(worker, id, next, part);
        }

        Session named(int highest) {
            return new Session(worker, id, state, highest);
        }
    }

    /// @param session that has the tenant, or empty
    /// @param number of the latest assignment
    /// @param floor TXID known to be durable
    /// @param lineage the current one
    /// @param unheld since when nobody has it, if it is deleted; else 0
    /// @param receipt when the receipt was written, or 0
    record Tenant(
            String session,
            long number,
            long floor,
            String lineage,
            Life life,
            long unheld,
            long receipt) {
        static Tenant fresh(String lineage, long floor) {
            return new Tenant("", 0, floor, lineage, Life.ACTIVE, 0, 0);
        }

        boolean held() {
            return !session.isEmpty();
        }

        boolean active() {
            return life == Life.ACTIVE;
        }

        Tenant by(String next) {
            return new Tenant(next, number + 1, floor, lineage, life, unheld, receipt);
        }

        /// @param now Unix milliseconds
        Tenant free(long durable, long now) {
            long since = life == Life.DELETED && unheld == 0 ? now : unheld;
            return new Tenant("", number, Math.max(floor, durable), lineage, life, since, receipt);
        }

        Tenant is(Life next) {
            return new Tenant(session, number, floor, lineage, next, unheld, receipt);
        }

        Tenant erased(long now) {
            return new Tenant(session, number, floor, lineage, life, unheld, now);
        }

        Tenant in(String next, long from) {
            return new Tenant(session, number, from, next, Life.ACTIVE, unheld, receipt);
        }

        private String encode() {
            return "%s %d %d %s %s %d %d"
                    .formatted(
                            held() ? session : "-", number, floor, lineage, life, unheld, receipt);
        }

        private static Tenant decode(String[] field) {
            return new Tenant(
                    field[2].equals("-") ? "" : field[2],
                    Long.parseLong(field[3]),
                    Long.parseLong(field[4]),
                    field[5],
                    Life.valueOf(field[6]),
                    Long.parseLong(field[7]),
                    Long.parseLong(field[8]));
        }
    }

    /// A lineage that another one has replaced.
    ///
    /// @param at Unix milliseconds
    record Ended(String tenant, String lineage, long at) {}

    record Hold(String tenant, String name, long from, long to) {}

    /// A fork, or a restore in place, that is under way.
    ///
    /// @param lineage that it begins
    /// @param source whose state `txid` it begins with
    record Copy(String target, String lineage, String source, String sourceLineage, long txid) {
        boolean inPlace() {
            return target.equals(source);
        }

        TenantKey from() {
            return Names.tenant(source, sourceLineage);
        }

        TenantKey to() {
            return Names.tenant(target, lineage);
        }
    }

    final Map<String, Session> sessions = new TreeMap<>();
    final Map<String, Tenant> tenants = new TreeMap<>();
    final Map<String, Ended> ended = new TreeMap<>(); // by tenant and lineage
    final Map<String, Hold> holds = new TreeMap<>(); // by name
    final Map<String, Copy> copies = new TreeMap<>(); // by lineage
    long cleanings;

    Catalog copy() {
        var copy = new Catalog();
        copy.sessions.putAll(sessions);
        copy.tenants.putAll(tenants);
        copy.ended.putAll(ended);
        copy.holds.putAll(holds);
        copy.copies.putAll(copies);
        copy.cleanings = cleanings;
        return copy;
    }

    void end(Ended over) {
        ended.put(over.tenant() + "/" + over.lineage(), over);
    }

    TenantKey key(String tenant) {
        return Names.tenant(tenant, tenants.get(tenant).lineage());
    }

    /// What retention asks, answered as production's catalog does.
    LineageState lineage(TenantKey key, HistoryWindows windows) {
        String name = key.tenant().name();
        String lineage = key.lineage().ulid();
        Tenant tenant = tenants.get(name);
        Ended over = ended.get(name + "/" + lineage);
        if (tenant != null && tenant.life() != Life.DELETED) {
            Optional<Instant> end =
                    Optional.ofNullable(over).map(one -> Instant.ofEpochMilli(one.at()));
            if (end.isPresent() || tenant.lineage().equals(lineage)) {
                return new LineageState.Named(windows, holdsOf(name), end);
            }
        }
        return copies.containsKey(lineage)
                ? new LineageState.Named(windows, List.of(), Optional.empty())
                : new LineageState.Unnamed();
    }

    private List<HeldRange> holdsOf(String tenant) {
        return holds.values().stream()
                .filter(hold -> hold.tenant().equals(tenant))
                .map(hold -> new HeldRange(new Txid(hold.from()), new Txid(hold.to())))
                .toList();
    }

    byte[] encode() {
        var text = new StringBuilder();
        for (Session session : sessions.values()) {
            text.append(
                    "s %s %s %s %d%n"
                            .formatted(
                                    session.worker(),
                                    session.id(),
                                    session.state(),
                                    session.part()));
        }
        tenants.forEach(
                (name, tenant) -> text.append("t %s %s%n".formatted(name, tenant.encode())));
        ended.values()
                .forEach(one ->
                        text.append(
                                "e %s %s %d%n".formatted(one.tenant(), one.lineage(), one.at())));
        holds.values()
                .forEach(one ->
                        text.append(
                                "h %s %s %d %d%n"
                                        .formatted(
                                                one.tenant(), one.name(), one.from(), one.to())));
        copies.values()
                .forEach(one ->
                        text.append(
                                "c %s %s %s %s %d%n"
                                        .formatted(
                                                one.target(),
                                                one.lineage(),
                                                one.source(),
                                                one.sourceLineage(),
                                                one.txid())));
        text.append("n %d%n".formatted(cleanings));
        return text.toString().getBytes(StandardCharsets.US_ASCII);
    }

    static Catalog decode(byte[] text) {
        var catalog = new Catalog();
        new String(text, StandardCharsets.US_ASCII)
                .lines()
                .map(line -> line.split(" "))
                .forEach(catalog::take);
        return catalog;
    }

    private void take(String[] field) {
        switch (field[0]) {
            case "s" ->
                    sessions.put(
                            field[2],
                            new Session(
                                    field[1],
                                    field[2],
                                    State.valueOf(field[3]),
                                    Integer.parseInt(field[4])));
            case "t" -> tenants.put(field[1], Tenant.decode(field));
            case "e" -> end(new Ended(field[1], field[2], Long.parseLong(field[3])));
            case "h" ->
                    holds.put(
                            field[2],
                            new Hold(
                                    field[1],
                                    field[2],
                                    Long.parseLong(field[3]),
                                    Long.parseLong(field[4])));
            case "c" ->
                    copies.put(
                            field[2],
                            new Copy(
                                    field[1],
                                    field[2],
                                    field[3],
                                    field[4],
                                    Long.parseLong(field[5])));
            default -> cleanings = Long.parseLong(field[1]);
        }
    }
}
