package dev.litefleet.journey;

import java.io.IOException;
import java.net.Inet4Address;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;

/// A TCP port that a process listens on, as Linux tells it.
record ListeningSocket(InetAddress host, int port) {
    private static final String LISTEN = "0A";

    /// Those of all these processes.
    static List<ListeningSocket> of(List<ProcessHandle> processes) throws IOException {
        var found = new ArrayList<ListeningSocket>();
        for (ProcessHandle process : processes) {
            Path proc = Path.of("/proc/" + process.pid());
            Set<String> inodes = inodes(proc);
            for (String table : List.of("net/tcp", "net/tcp6")) {
                Path file = proc.resolve(table);
                if (Files.exists(file)) {
                    // sl local_address rem_address st tx:rx tr:tm retrnsmt uid timeout inode
                    for (String line : Files.readAllLines(file)) {
                        String[] fields = line.strip().split(" +");
                        if (fields[3].equals(LISTEN) && inodes.contains(fields[9])) {
                            found.add(parse(fields[1]));
                        }
                    }
                }
            }
        }
        return List.copyOf(found);
    }

    private static Set<String> inodes(Path proc) throws IOException {
        var inodes = new HashSet<String>();
        try (var descriptors = Files.list(proc.resolve("fd"))) {
            for (Path descriptor : descriptors.toList()) {
                try {
                    String target = Files.readSymbolicLink(descriptor).toString();
                    if (target.startsWith("socket:[")) {
                        inodes.add(target.substring("socket:[".length(), target.length() - 1));
                    }
                } catch (IOException closed) {
                    // Meanwhile.
                }
            }
        }
        return inodes;
    }

    /// Words of 4 bytes in the machine's order.
    private static ListeningSocket parse(String text) throws IOException {
        int colon = text.indexOf(':');
        byte[] bytes = HexFormat.of().parseHex(text.substring(0, colon));
        var address = ByteBuffer.allocate(bytes.length);
        ByteBuffer words = ByteBuffer.wrap(bytes).order(ByteOrder.nativeOrder());
        while (words.hasRemaining()) {
            address.putInt(words.getInt());
        }
        return new ListeningSocket(
                InetAddress.getByAddress(address.array()),
                Integer.parseInt(text.substring(colon + 1), 16));
    }

    boolean isLoopback() {
        return host.isLoopbackAddress();
    }

    /// The first twelve characters that come back for these bytes: a status line as far as the
    /// status, or more than the head of an HTTP/2 frame; fewer if the other side closes.
    String sends(String bytes) throws IOException {
        try (var socket = new Socket()) {
            InetAddress to = host instanceof Inet4Address ? host : InetAddress.getLoopbackAddress();
            socket.connect(new InetSocketAddress(to, port));
            socket.setSoTimeout(20_000);
            socket.getOutputStream().write(bytes.getBytes(StandardCharsets.ISO_8859_1));
            return new String(socket.getInputStream().readNBytes(12), StandardCharsets.ISO_8859_1);
        }
    }
}
