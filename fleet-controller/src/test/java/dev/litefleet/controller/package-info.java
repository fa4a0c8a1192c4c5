@NullMarked
package dev.litefleet.controller;

import org.jspecify.annotations.NullMarked;
