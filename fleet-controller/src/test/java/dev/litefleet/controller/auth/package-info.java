@NullMarked
package dev.litefleet.controller.auth;

import org.jspecify.annotations.NullMarked;
