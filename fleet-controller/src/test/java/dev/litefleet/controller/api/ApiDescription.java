package dev.litefleet.controller.api;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/// `openapi.yaml` as a judge of answers: the part of JSON Schema that it uses, strictly; a member
/// that no schema names is wrong too.
final class ApiDescription {
    private final JsonNode document;

    ApiDescription() {
        try (var in = ApiDescription.class.getResourceAsStream("/openapi.yaml")) {
            document = new YAMLMapper().readTree(in);
        } catch (IOException unreadable) {
            throw new UncheckedIOException(unreadable);
        }
    }

    /// `GET /api/v1/tenants/{id}` and so on.
    Set<String> operations() {
        var found = new TreeSet<String>();
        for (Map.Entry<String, JsonNode> path : document.get("paths").properties()) {
            for (Map.Entry<String, JsonNode> method : path.getValue().properties()) {
                if (method.getValue().has("operationId")) {
                    found.add(
                            method.getKey().toUpperCase(java.util.Locale.ROOT)
                                    + " "
                                    + path.getKey());
                }
            }
        }
        return found;
    }

    /// What is wrong with an answer; nothing if it is as described.
    List<String> problems(String operation, int status, String contentType, JsonNode body) {
        String[] part = operation.split(" ");
        JsonNode responses =
                document.get("paths")
                        .get(part[1])
                        .get(part[0].toLowerCase(java.util.Locale.ROOT))
                        .get("responses");
        JsonNode response =
                resolved(
                        responses.has("" + status)
                                ? responses.get("" + status)
                                : responses.path("default"));
        JsonNode schema = response.path("content").path(contentType).path("schema");
        if (schema.isMissingNode()) {
            return List.of("no " + contentType + " is described for " + status);
        }
        var problems = new ArrayList<String>();
        var named = new HashSet<String>();
        check(schema, body, "", named, problems);
        unnamed(body, named, "", problems);
        return problems;
    }

    private void check(
            JsonNode reference,
            JsonNode value,
            String at,
            Set<String> named,
            List<String> problems) {
        JsonNode schema = resolved(reference);
        for (JsonNode part : schema.path("allOf")) {
            check(part, value, at, named, problems);
        }
        if (schema.has("anyOf")) {
            checkAny(schema.get("anyOf"), value, at, named, problems);
        }
        if (schema.has("type") && !typed(schema.get("type"), value)) {
            problems.add(at + " is not of type " + schema.get("type"));
            return;
        }
        if (schema.has("enum") && !contains(schema.get("enum"), value)) {
            problems.add(at + " is " + value);
        }
        if (schema.has("const") && !schema.get("const").equals(value)) {
            problems.add(at + " is " + value);
        }
        for (JsonNode name : schema.path("required")) {
            if (!value.has(name.textValue())) {
                problems.add(at + "/" + name.textValue() + " is missing");
            }
        }
        for (Map.Entry<String, JsonNode> member : schema.path("properties").properties()) {
            if (value.has(member.getKey())) {
                String path = at + "/" + member.getKey();
                named.add(path);
                check(member.getValue(), value.get(member.getKey()), path, named, problems);
            }
        }
        if (schema.path("additionalProperties").isObject()) {
            for (Map.Entry<String, JsonNode> member : value.properties()) {
                String path = at + "/" + member.getKey();
                named.add(path);
                check(schema.get("additionalProperties"), member.getValue(), path, named, problems);
            }
        }
        for (int i = 0; schema.has("items") && i < value.size(); i++) {
            check(schema.get("items"), value.get(i), at + "/" + i, named, problems);
        }
    }

    /// The first that fits; if none does, what is wrong with the first.
    private void checkAny(
            JsonNode schemas, JsonNode value, String at, Set<String> named, List<String> problems) {
        List<String> first = null;
        for (JsonNode one : schemas) {
            var names = new HashSet<String>();
            var found = new ArrayList<String>();
            check(one, value, at, names, found);
            if (found.isEmpty()) {
                named.addAll(names);
                return;
            }
            first = first == null ? found : first;
        }
        problems.addAll(first);
    }

    private static void unnamed(
            JsonNode value, Set<String> named, String at, List<String> problems) {
        for (Map.Entry<String, JsonNode> member : value.properties()) {
            String path = at + "/" + member.getKey();
            if (!named.contains(path)) {
                problems.add(path + " is not described");
            }
            unnamed(member.getValue(), named, path, problems);
        }
        for (int i = 0; value.isArray() && i < value.size(); i++) {
            unnamed(value.get(i), named, at + "/" + i, problems);
        }
    }

    private static boolean typed(JsonNode type, JsonNode value) {
        if (type.isArray()) {
            for (JsonNode one : type) {
                if (typed(one, value)) {
                    return true;
                }
            }
            return false;
        }
        return switch (type.textValue()) {
            case "object" -> value.isObject();
            case "array" -> value.isArray();
            case "string" -> value.isTextual();
            case "integer" -> value.isIntegralNumber();
            case "boolean" -> value.isBoolean();
            case "null" -> value.isNull();
            default -> throw new AssertionError("type " + type);
        };
    }

    private static boolean contains(JsonNode values, JsonNode value) {
        for (JsonNode one : values) {
            if (one.equals(value)) {
                return true;
            }
        }
        return false;
    }

    private JsonNode resolved(JsonNode node) {
        return node.has("$ref")
                ? resolved(document.at(node.get("$ref").textValue().substring(1)))
                : node;
    }
}
