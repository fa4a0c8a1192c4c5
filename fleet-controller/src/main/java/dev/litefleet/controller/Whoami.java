package dev.litefleet.controller;

import static java.util.Objects.requireNonNull;

/// `GET /internal/v1/whoami`: what a starting controller asks the newest one it knows of.
///
/// @param session of the controller that answers
record Whoami(String session, long epoch) {
    static final String PATH = "/internal/v1/whoami";

    Whoami {
        requireNonNull(session, "session");
    }
}
