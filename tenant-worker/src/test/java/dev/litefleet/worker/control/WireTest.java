package dev.litefleet.worker.control;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.litefleet.service.PublicKeyJwk;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

final class WireTest {
    private static final String ULID = "01HZZZZZZZZZZZZZZZZZZZZZZZ";
    private static final String TXID = "000000000000002a";

    static Stream<Record> messages() {
        return Stream.of(
                new Registration("w-1", ULID, "http://127.0.0.1:1", 1, null, 2000, "0.1.0"),
                new Registration("w-1", ULID, "http://127.0.0.1:1", 1, ULID, 2000, "0.1.0"),
                new Registered(ULID, 3, 3000, 1000, List.of(new PublicKeyJwk("k", "A".repeat(43)))),
                new Heartbeat("w-1", ULID, 1, 17, 2, 3, true, 4),
                new HeartbeatReply(
                        3, HeartbeatReply.LIVE, true, List.of(new TokenGen("acme", 2)), 5, null),
                new HeartbeatReply(3, HeartbeatReply.LIVE, true, List.of(), 5, 7),
                new Assignment(
                        "acme", ULID, ULID, 4, 3, TXID, null, Assignment.SYNC, Quotas.DEFAULT, 1),
                AssignmentReply.taken(),
                AssignmentReply.gone("released"),
                new ReleaseRequest("acme", ULID, 4, 3),
                new Release("acme", ULID, 4, ULID, TXID));
    }

    @ParameterizedTest
    @MethodSource("messages")
    void messageReadsBackAsItself(Record message) {
        assertThat(Wire.read(Wire.write(message), message.getClass())).isEqualTo(message);
    }

    @Test
    void membersAreSnakeCase() {
        assertThat(new String(Wire.write(new Heartbeat("w-1", ULID, 1, 17, 2, 3, true, 4)), UTF_8))
                .isEqualTo(
                        "{\"worker\":\"w-1\",\"session\":\""
                                + ULID
                                + "\",\"part\":1,\"durable_slot\":17,\"residents\":2,"
                                + "\"assigned\":3,\"lease_wanted\":true,\"token_gens_seen\":4}");
    }

    @Test
    void memberOfNewerVersionIsIgnored() {
        assertThat(
                        Wire.read(
                                "{\"accepted\":true,\"gone\":false,\"reason\":\"\",\"new\":{}}"
                                        .getBytes(UTF_8),
                                AssignmentReply.class))
                .isEqualTo(AssignmentReply.taken());
    }

    /// Of a controller that does not ask for the end of parts.
    @Test
    void replyOfAnOlderControllerEndsNoPart() {
        HeartbeatReply reply =
                Wire.read(
                        """
                        {"epoch":3,"status":"live","leased":true,"token_gens":[],"token_gens_seen":5}
                        """
                                .getBytes(UTF_8),
                        HeartbeatReply.class);

        assertThat(reply.endPart()).isNull();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "null",
                "[]",
                "{}",
                "{\"tenant\":\"acme\",\"session\":\"s\",\"number\":\"x\",\"epoch\":1}",
                "{\"tenant\":\"../x\",\"session\":\"s\",\"number\":1,\"epoch\":1}",
                "{\"tenant\":\"acme\",\"session\":null,\"number\":1,\"epoch\":1}",
                "{\"tenant\":\"acme\",\"session\":\"s\",\"number\":null,\"epoch\":1}",
            })
    void whatIsNoMessageIsRefused(String json) {
        assertThatThrownBy(() -> Wire.read(json.getBytes(UTF_8), ReleaseRequest.class))
                .isInstanceOf(IllegalArgumentException.class);
    }
}
