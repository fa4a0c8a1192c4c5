package dev.litefleet.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import dev.litefleet.observer.cli.Output;
import dev.litefleet.replica.sqlite.SqlValue;
import java.io.PrintWriter;
import java.util.List;
import java.util.Locale;
import java.util.TreeMap;
import java.util.stream.Collectors;
import picocli.CommandLine.Option;

/// How several things are printed: a table, CSV, or what the API answered.
final class Listed {
    @Option(
            names = "-o",
            paramLabel = "FORMAT",
            defaultValue = "table",
            description = "table, json or csv (default: ${DEFAULT-VALUE}).")
    private Output output = Output.TABLE;

    /// @param columns members of the items, at any depth: `id`, `progress/done`
    void print(PrintWriter out, List<JsonNode> items, String... columns) {
        if (output == Output.JSON) {
            ArrayNode array = ApiClient.JSON.createArrayNode();
            array.addAll(items);
            out.println(array.toPrettyString());
            return;
        }
        List<String> names =
                List.of(columns).stream()
                        .map(column -> column.substring(column.lastIndexOf('/') + 1))
                        .map(name ->
                                output == Output.TABLE
                                        ? name.replace('_', ' ').toUpperCase(Locale.ROOT)
                                        : name)
                        .toList();
        List<SqlValue[]> rows =
                items.stream()
                        .map(item ->
                                List.of(columns).stream()
                                        .map(column -> value(item.at("/" + column)))
                                        .toArray(SqlValue[]::new))
                        .toList();
        output.print(names, rows, out);
    }

    private SqlValue value(JsonNode node) {
        if (node.isMissingNode() || node.isNull()) {
            return output == Output.TABLE ? new SqlValue.Text("-") : SqlValue.NULL;
        }
        if (node.isIntegralNumber()) {
            return new SqlValue.Int(node.longValue());
        }
        if (node.isObject()) {
            var members = new TreeMap<String, String>();
            node.properties()
                    .forEach(member -> members.put(member.getKey(), member.getValue().asText()));
            return new SqlValue.Text(
                    members.entrySet().stream()
                            .map(member -> member.getKey() + "=" + member.getValue())
                            .collect(Collectors.joining(",")));
        }
        return new SqlValue.Text(node.asText());
    }
}
