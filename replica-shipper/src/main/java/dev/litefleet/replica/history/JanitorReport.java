package dev.litefleet.replica.history;

import dev.litefleet.replica.objects.Erased;
import java.util.List;

/// What one run of the [Janitor] did and found.
///
/// @param erased by the plans of earlier runs
/// @param planned objects that the next run will erase, unless somebody needs them by then
/// @param copied archives of entries that holds need longer than their segments
/// @param uploads that nobody completed, ended
/// @param kept segments older than the exact window that had to stay; those of an idle writer's
///   open part are the usual case
/// @param held objects of lineages that nothing but holds keeps
/// @param more whether the run reached its limit: the next one goes on
/// @param toEnd parts that hold entries of deleted tenants and may still be written: until their
///   writers end them, nothing in them is deleted
/// @param problems what a person must look at, at most [#PROBLEMS_MAX]: what the store refuses to
///   delete, what cannot be read, and segments that stay because no good derived file covers them
public record JanitorReport(
        Erased erased,
        long planned,
        int copied,
        int uploads,
        long kept,
        long held,
        boolean more,
        List<OpenPart> toEnd,
        List<String> problems) {
    public static final int PROBLEMS_MAX = 20;

    public JanitorReport {
        toEnd = List.copyOf(toEnd);
        problems = List.copyOf(problems);
    }
}
