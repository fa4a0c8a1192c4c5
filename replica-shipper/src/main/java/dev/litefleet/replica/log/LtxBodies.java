package dev.litefleet.replica.log;

import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.ltx.LtxHeader;
import dev.litefleet.replica.ltx.LtxWriter;
import java.io.ByteArrayOutputStream;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/// Captured commits as the entries of a segment. A pure function of the commits.
///
/// @param bodies tenant by tenant
/// @param places for each commit, in the order they were given, the body that holds it
@SuppressWarnings("ArrayRecordComponent") // Read by one caller and never compared.
record LtxBodies(List<Segment.Body> bodies, int[] places) {
    /// @param commits those of one tenant in the order of their TXIDs, without gaps
    static LtxBodies of(List<Commit> commits) {
        Map<TenantKey, List<Integer>> tenants = new LinkedHashMap<>();
        for (int i = 0; i < commits.size(); i++) {
            tenants.computeIfAbsent(commits.get(i).tenant(), _ -> new ArrayList<>()).add(i);
        }
        var bodies = new ArrayList<Segment.Body>(commits.size());
        int[] places = new int[commits.size()];
        for (List<Integer> ofTenant : tenants.values()) {
            // What is not in memory fills a segment alone, so this tenant has nothing to merge
            // with.
            boolean merge =
                    ofTenant.size() > Segment.COMMITS_MAX
                            && ofTenant.stream().allMatch(i -> commits.get(i).spool() == null);
            for (int i : ofTenant) {
                places[i] = bodies.size();
                if (!merge) {
                    bodies.add(single(commits.get(i)));
                }
            }
            if (merge) {
                bodies.add(merged(ofTenant.stream().map(commits::get).toList()));
            }
        }
        return new LtxBodies(bodies, places);
    }

    private static Segment.Body single(Commit commit) {
        SpooledBody spool = commit.spool();
        if (spool != null) {
            return new Segment.Body(single(commit, spool.content().length()), new byte[0], spool);
        }
        var out = new ByteArrayOutputStream(256 + commit.pages().length / 2);
        try (var ltx = new LtxWriter(out, header(commit.txid(), commit))) {
            for (int i = 0; i < commit.pgnos().length; i++) {
                ltx.page(commit.pgnos()[i], commit.pages(), i * commit.pageSize());
            }
            ltx.finish();
        }
        byte[] file = out.toByteArray();
        return new Segment.Body(single(commit, file.length), file);
    }

    private static Entry single(Commit commit, long bytes) {
        return new Entry(
                commit.tenant(),
                commit.txid(),
                commit.txid(),
                commit.pageSize(),
                commit.commitPages(),
                commit.pgnos().length,
                bytes,
                List.of(commit.millis()),
                commit.checksumBefore(),
                commit.checksumAfter(),
                commit.actor(),
                commit.traceparent(),
                commit.requestId(),
                null,
                commit.wal());
    }

    /// Of each page the newest, of pages beyond the final size none.
    private static Segment.Body merged(List<Commit> commits) {
        record Place(Commit commit, int index) {}

        Commit first = commits.getFirst();
        Commit last = commits.getLast();
        var newest = new TreeMap<Integer, Place>();
        for (Commit commit : commits) {
            for (int i = 0; i < commit.pgnos().length; i++) {
                newest.put(commit.pgnos()[i], new Place(commit, i));
            }
        }
        newest.tailMap(last.commitPages(), false).clear();
        var out = new ByteArrayOutputStream(256 + newest.size() * (last.pageSize() / 2));
        try (var ltx = new LtxWriter(out, header(first.txid(), last))) {
            newest.forEach((pgno, place) ->
                    ltx.page(pgno, place.commit().pages(), place.index() * last.pageSize()));
            ltx.finish();
        }
        byte[] file = out.toByteArray();
        return new Segment.Body(
                new Entry(
                        last.tenant(),
                        first.txid(),
                        last.txid(),
                        last.pageSize(),
                        last.commitPages(),
                        newest.size(),
                        file.length,
                        List.of(first.millis(), last.millis()),
                        first.checksumBefore(),
                        last.checksumAfter(),
                        null,
                        null,
                        null,
                        null,
                        last.wal()),
                file);
    }

    private static LtxHeader header(Txid min, Commit last) {
        return LtxHeader.derived(
                last.pageSize(),
                last.commitPages(),
                min,
                last.txid(),
                last.millis(),
                last.checksumAfter());
    }
}
