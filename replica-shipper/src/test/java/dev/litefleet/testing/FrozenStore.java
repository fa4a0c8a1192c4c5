package dev.litefleet.testing;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static java.util.Objects.requireNonNull;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.util.Base64;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.zip.GZIPInputStream;

/// A store that was kept byte for byte, as lines of words: `object <key> <base64>`, and others for
/// whoever kept it.
public final class FrozenStore {
    private FrozenStore() {}

    /// The words of every line.
    ///
    /// @param resource as `/frozen/store-1.txt.gz`
    public static List<String[]> lines(String resource) {
        try (var lines =
                new BufferedReader(
                        new InputStreamReader(
                                new GZIPInputStream(
                                        requireNonNull(
                                                FrozenStore.class.getResourceAsStream(resource),
                                                resource)),
                                US_ASCII))) {
            return lines.lines().map(line -> line.split(" ")).toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /// Its objects, by key.
    public static SortedMap<String, byte[]> objects(String resource) {
        var objects = new TreeMap<String, byte[]>();
        for (String[] words : lines(resource)) {
            if (words[0].equals("object")) {
                objects.put(words[1], Base64.getDecoder().decode(words[2]));
            }
        }
        return objects;
    }
}
