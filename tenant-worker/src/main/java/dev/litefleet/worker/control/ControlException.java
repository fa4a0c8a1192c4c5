package dev.litefleet.worker.control;

/// A message to the controller that was not answered as it should be.
public abstract sealed class ControlException extends RuntimeException {
    private ControlException(String message, Throwable cause) {
        super(message, cause);
    }

    private ControlException(String message) {
        super(message);
    }

    /// No answer, or one of a process that is not ready: it may have arrived. Send it again.
    static final class Silent extends ControlException {
        Silent(String path, Throwable cause) {
            super("controller did not answer [path=" + path + "]: " + cause, cause);
        }

        Silent(String path, int status) {
            super("controller is not ready [path=%s, status=%d]".formatted(path, status));
        }
    }

    /// The controller does not want it: sending it again changes nothing.
    static final class Denied extends ControlException {
        Denied(String path, int status, String answer) {
            super(
                    "controller refused [path=%s, status=%d, answer=%s]"
                            .formatted(path, status, answer));
        }
    }

    /// A newer controller has been heard: this one is a leftover.
    static final class Outdated extends ControlException {
        Outdated(String path, long epoch, long newest) {
            super(
                    "controller is outdated [path=%s, epoch=%d, newest=%d]"
                            .formatted(path, epoch, newest));
        }
    }
}
