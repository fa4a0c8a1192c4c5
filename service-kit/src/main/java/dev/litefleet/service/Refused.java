package dev.litefleet.service;

/// A request that cannot be served, with the answer its sender gets. For outcomes that are decided
/// deep inside and have nothing to do with the store or a replica (those have their own types).
public final class Refused extends RuntimeException {
    private final transient Problem problem;

    public Refused(Problem problem) {
        super(problem.detail());
        this.problem = problem;
    }

    /// @param code stable, upper snake case
    /// @param detail what happened and what to do next
    public static Refused of(int status, String code, String detail, boolean retryable) {
        return new Refused(new Problem(status, code, detail, retryable));
    }

    public Problem problem() {
        return problem;
    }
}
