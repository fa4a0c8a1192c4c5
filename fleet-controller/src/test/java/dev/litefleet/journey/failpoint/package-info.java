/// A Java agent for processes under test: kills them at named steps and moves their clocks. Main
/// code does not know of it.
package dev.litefleet.journey.failpoint;
