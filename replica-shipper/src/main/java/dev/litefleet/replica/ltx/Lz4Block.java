package dev.litefleet.replica.ltx;

import net.jpountz.lz4.LZ4Compressor;
import net.jpountz.lz4.LZ4Exception;
import net.jpountz.lz4.LZ4Factory;
import net.jpountz.lz4.LZ4SafeDecompressor;
import net.jpountz.xxhash.XXHash32;
import net.jpountz.xxhash.XXHashFactory;

/// The LZ4 block codec and the hash of LZ4 frames: the one place that uses the library. Native
/// where it can be loaded, else plain Java.
final class Lz4Block {
    private static final LZ4Compressor COMPRESSOR;
    private static final LZ4SafeDecompressor DECOMPRESSOR;
    private static final XXHash32 HASH;

    static {
        LZ4Factory codec;
        XXHashFactory hash;
        try {
            codec = LZ4Factory.nativeInstance();
            hash = XXHashFactory.nativeInstance();
        } catch (LinkageError | RuntimeException _) {
            codec = LZ4Factory.safeInstance();
            hash = XXHashFactory.safeInstance();
        }
        COMPRESSOR = codec.fastCompressor();
        DECOMPRESSOR = codec.safeDecompressor();
        HASH = hash.hash32();
    }

    private Lz4Block() {}

    /// The most bytes that `length` bytes can become.
    static int bound(int length) {
        return length + length / 255 + 16;
    }

    /// Compresses into `to[toOffset ..]`, where [#bound] bytes must be free, and returns the size.
    static int compress(byte[] from, int offset, int length, byte[] to, int toOffset) {
        return COMPRESSOR.compress(from, offset, length, to, toOffset, bound(length));
    }

    /// Whether the block decompresses to exactly the size of `to`, which then holds the result.
    /// After false the contents of `to` are undefined.
    static boolean decompress(byte[] from, int offset, int length, byte[] to) {
        try {
            return DECOMPRESSOR.decompress(from, offset, length, to, 0, to.length) == to.length;
        } catch (LZ4Exception _) {
            return false;
        }
    }

    /// XXH32 with seed 0.
    static int xxh32(byte[] bytes, int offset, int length) {
        return HASH.hash(bytes, offset, length, 0);
    }
}
