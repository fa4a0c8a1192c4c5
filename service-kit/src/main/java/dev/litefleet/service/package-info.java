/// What every HTTP service of ours needs, as records and functions. No base classes, no domain.
@NullMarked
package dev.litefleet.service;

import org.jspecify.annotations.NullMarked;
