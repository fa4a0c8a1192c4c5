package dev.litefleet.journey;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.classfile.ClassFile;

/// A place in main code where [FailpointAgent] can end a process.
///
/// @param type full name of the class, `$` before nested ones
/// @param method every method of this name
/// @param entry whether at its entry, else where it returns
record Failpoint(String name, String type, String method, boolean entry) {
    String line() {
        return name + ' ' + type + '#' + method + ' ' + (entry ? "entry" : "exit");
    }

    /// Whether main code has it still.
    boolean exists() {
        String resource = type.replace('.', '/') + ".class";
        try (InputStream in = Failpoint.class.getClassLoader().getResourceAsStream(resource)) {
            return in != null
                    && ClassFile.of().parse(in.readAllBytes()).methods().stream()
                            .anyMatch(it ->
                                    it.code().isPresent() && it.methodName().equalsString(method));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
