/// A whole fleet in a simulated world: sessions, controllers, a store, a network and a judge.
package dev.litefleet.replica.sim;
