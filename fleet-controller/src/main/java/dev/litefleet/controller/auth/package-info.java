/// Who may do what: keys of the control plane, tokens of the data plane.
@NullMarked
package dev.litefleet.controller.auth;

import org.jspecify.annotations.NullMarked;
