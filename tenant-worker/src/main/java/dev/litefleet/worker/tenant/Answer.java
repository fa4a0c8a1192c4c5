package dev.litefleet.worker.tenant;

import dev.litefleet.replica.Txid;
import java.util.List;

/// What a pipeline answers, once it may.
///
/// @param replies one per request, in order
/// @param seen the highest commit that the replies could have seen
/// @param durable the highest commit that is in the store, at the time of the answer
public record Answer(List<StreamReply> replies, StreamState after, Txid seen, Txid durable) {}
