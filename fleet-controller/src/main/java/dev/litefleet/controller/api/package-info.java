/// `/api/v1`: reads requests, chooses status codes, writes JSON; decides nothing.
@NullMarked
package dev.litefleet.controller.api;

import org.jspecify.annotations.NullMarked;
