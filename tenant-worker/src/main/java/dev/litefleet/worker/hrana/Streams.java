package dev.litefleet.worker.hrana;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import com.github.benmanes.caffeine.cache.Ticker;
import dev.litefleet.replica.TenantId;
import java.time.Duration;
import java.util.Optional;
import java.util.random.RandomGenerator;

/// The streams whose clients may come back. Any thread.
///
/// Forgetting one is harmless while it has no state: its baton says so, and a new stream takes its
/// place under the same name. So they are kept for minutes and within a bound of memory, and
/// nothing wakes up to expire them. Transactions have their own, shorter limits in the tenant.
final class Streams {
    private final Batons batons;
    private final RandomGenerator random;
    private final Cache<Long, HranaStream> live;

    /// @param idleMax how long a stream may rest
    /// @param bytesMax memory of all streams, roughly
    Streams(Batons batons, RandomGenerator random, Ticker ticker, Duration idleMax, long bytesMax) {
        this.batons = batons;
        this.random = random;
        this.live =
                Caffeine.newBuilder()
                        .ticker(ticker)
                        .expireAfterAccess(idleMax)
                        .maximumWeight(bytesMax)
                        .weigher((Long _, HranaStream stream) -> stream.bytes())
                        // Eviction work belongs to whoever caused it; there is no idle thread.
                        .executor(Runnable::run)
                        .build();
    }

    /// A new stream, entered by the caller.
    HranaStream open(TenantId tenant, long assignment) {
        return new HranaStream(tenant, random.nextLong(), assignment, 0);
    }

    /// The stream that `text` continues, entered by the caller.
    ///
    /// @param assignment under which the tenant is here now
    /// @throws HranaFailure 400 if the baton is not ours, used or in use, or its state is gone
    HranaStream resume(TenantId tenant, long assignment, String text) {
        Optional<Baton> opened = batons.open(tenant, text);
        if (opened.isEmpty()) {
            throw new HranaFailure(
                    new HranaError(400, "BATON_INVALID", "Received an invalid baton"));
        }
        Baton baton = opened.get();
        HranaStream known = live.getIfPresent(baton.stream());
        if (known != null && known.assignment == assignment && known.tenant.equals(tenant)) {
            known.enter(baton.sequence());
            return known;
        }
        if (baton.stateful()) {
            throw expired();
        }
        var fresh = new HranaStream(tenant, baton.stream(), assignment, baton.sequence());
        HranaStream rival =
                live.asMap()
                        .compute(
                                baton.stream(),
                                (_, present) ->
                                        present == null || present == known ? fresh : present);
        if (rival != fresh) {
            // Another request with the same baton was quicker.
            rival.enter(baton.sequence());
        }
        return rival;
    }

    /// The baton for the stream's next request; the stream stays entered.
    String baton(HranaStream stream, boolean stateful) {
        String baton = batons.sign(stream.tenant, stream.next(stateful));
        // Also tells the cache the stream's new weight.
        live.put(stream.number, stream);
        return baton;
    }

    /// Forgets a stream that was closed or broken.
    void forget(HranaStream stream) {
        live.asMap().remove(stream.number, stream);
    }

    int size() {
        return live.asMap().size();
    }

    static HranaFailure expired() {
        return new HranaFailure(
                new HranaError(
                        400,
                        "STREAM_EXPIRED",
                        "The stream has expired due to inactivity; begin a new one"));
    }
}
