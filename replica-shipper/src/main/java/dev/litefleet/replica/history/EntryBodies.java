package dev.litefleet.replica.history;

import dev.litefleet.replica.ReplicaException;
import dev.litefleet.replica.log.Entry;
import dev.litefleet.replica.log.SegmentReader;
import dev.litefleet.replica.log.Tasks;
import dev.litefleet.replica.ltx.LtxHeader;
import dev.litefleet.replica.ltx.LtxReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/// Reads the LTX bodies of log entries: requested several at a time, used one after the other in
/// the order given.
final class EntryBodies {
    private static final int TOGETHER_MAX = 64;
    private static final long TOGETHER_BYTES_MAX = 8 << 20;

    /// An entry and where its body is.
    ///
    /// @param bodies the LTX file of the entry, from its segment or a copy of it
    /// @param log the segment that it was written to
    record Located(Function<Entry, InputStream> bodies, LogRef log, Entry entry) {
        static Located in(SegmentReader segment, LogRef log, Entry entry) {
            return new Located(segment::ltx, log, entry);
        }
    }

    /// An entry with its body at hand.
    static final class Body {
        private final Located located;
        private @Nullable InputStream in;
        private @Nullable ReplicaException failure;

        private Body(Located located) {
            this.located = located;
        }

        Entry entry() {
            return located.entry();
        }

        /// The body, its header compared with the entry.
        ///
        /// @throws ReplicaException if the body is not what its segment says
        LtxReader open() {
            if (failure != null) {
                throw failure;
            }
            if (in == null) {
                throw new IllegalStateException(
                        "body of " + located.entry() + " was not requested");
            }
            Entry entry = located.entry();
            String name = located.log().key() + "#" + entry.min() + "-" + entry.max();
            var ltx = new LtxReader(name, in);
            LtxHeader header = ltx.header();
            if (!header.min().equals(entry.min())
                    || !header.max().equals(entry.max())
                    || header.pageSize() != entry.pageSize()
                    || header.commit() != entry.commit()) {
                throw new ReplicaException.Corrupt(name, 0, "entry is not what its segment says");
            }
            return ltx;
        }

        private void request() {
            try {
                in = located.bodies().apply(located.entry());
            } catch (ReplicaException broken) { // For whoever opens it: one tenant's damage.
                failure = broken;
            }
        }

        private void close() {
            if (in != null) {
                try {
                    in.close();
                } catch (IOException failed) {
                    throw new UncheckedIOException("cannot close an entry", failed);
                }
            }
        }
    }

    private EntryBodies() {}

    /// Hands every entry to `use`, in order, on the calling thread.
    static void forEach(Tasks tasks, int width, List<Located> entries, Consumer<Body> use) {
        int from = 0;
        while (from < entries.size()) {
            int to = from;
            long bytes = 0;
            while (to < entries.size() && to - from < TOGETHER_MAX && bytes < TOGETHER_BYTES_MAX) {
                bytes += entries.get(to++).entry().bytes();
            }
            some(tasks, width, entries.subList(from, to), use);
            from = to;
        }
    }

    private static void some(Tasks tasks, int width, List<Located> entries, Consumer<Body> use) {
        Body[] bodies = entries.stream().map(Body::new).toArray(Body[]::new);
        try {
            Parallel.run(tasks, "entry", width, bodies.length, i -> bodies[i].request());
            for (Body body : bodies) {
                use.accept(body);
            }
        } finally {
            Arrays.stream(bodies).forEach(Body::close);
        }
    }
}
