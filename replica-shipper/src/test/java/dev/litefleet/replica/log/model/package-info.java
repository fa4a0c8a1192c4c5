/// The commit log's protocol as an explicit-state model, searched whole.
package dev.litefleet.replica.log.model;
