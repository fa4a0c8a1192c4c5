package dev.litefleet.replica.sim;

import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.TreeMap;

/// What the controllers know for certain: sessions and assignments. Written as text into the
/// catalog's database.
final class Catalog {
    enum State {
        LIVE,
        FENCING,
        CLOSED
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
    record Tenant(String session, long number, long floor) {
        boolean held() {
            return !session.isEmpty();
        }

        Tenant by(String next) {
            return new Tenant(next, number + 1, floor);
        }

        Tenant free(long durable) {
            return new Tenant("", number, Math.max(floor, durable));
        }
    }

    final Map<String, Session> sessions = new TreeMap<>();
    final Map<String, Tenant> tenants = new TreeMap<>();

    Catalog copy() {
        var copy = new Catalog();
        copy.sessions.putAll(sessions);
        copy.tenants.putAll(tenants);
        return copy;
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
        tenants.forEach((name, tenant) ->
                text.append(
                        "t %s %s %d %d%n"
                                .formatted(
                                        name,
                                        tenant.held() ? tenant.session() : "-",
                                        tenant.number(),
                                        tenant.floor())));
        return text.toString().getBytes(StandardCharsets.US_ASCII);
    }

    static Catalog decode(byte[] text) {
        var catalog = new Catalog();
        new String(text, StandardCharsets.US_ASCII)
                .lines()
                .map(line -> line.split(" "))
                .forEach(field -> {
                    if (field[0].equals("s")) {
                        catalog.sessions.put(
                                field[2],
                                new Session(
                                        field[1],
                                        field[2],
                                        State.valueOf(field[3]),
                                        Integer.parseInt(field[4])));
                    } else {
                        catalog.tenants.put(
                                field[1],
                                new Tenant(
                                        field[2].equals("-") ? "" : field[2],
                                        Long.parseLong(field[3]),
                                        Long.parseLong(field[4])));
                    }
                });
        return catalog;
    }
}
