package dev.litefleet.bench;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;

/// Repeated readings of one figure.
final class Figures {
    private final String name;
    private final String unit;
    private final List<Double> readings = new ArrayList<>();

    Figures(String name, String unit) {
        this.name = name;
        this.unit = unit;
    }

    void add(double reading) {
        readings.add(reading);
    }

    double median() {
        List<Double> sorted = new ArrayList<>(readings);
        Collections.sort(sorted);
        return sorted.get(sorted.size() / 2);
    }

    @Override
    public String toString() {
        return String.format(
                Locale.ROOT,
                "%-58s %10.2f %s  (%.2f .. %.2f, n=%d)",
                name,
                median(),
                unit,
                Collections.min(readings),
                Collections.max(readings),
                readings.size());
    }
}
