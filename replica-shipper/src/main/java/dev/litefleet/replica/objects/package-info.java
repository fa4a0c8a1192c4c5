/// Object stores: the few operations we need from S3, over S3 itself or a directory.
@NullMarked
package dev.litefleet.replica.objects;

import org.jspecify.annotations.NullMarked;
