/// Tenant traffic on its way to the worker that holds the tenant. Streams; decides nothing about
/// SQL.
@NullMarked
package dev.litefleet.controller.gateway;

import org.jspecify.annotations.NullMarked;
