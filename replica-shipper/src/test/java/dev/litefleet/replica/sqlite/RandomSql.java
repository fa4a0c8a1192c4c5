package dev.litefleet.replica.sqlite;

import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/// Statements that nobody would write: out of SQLite's grammar over a small schema, and lines of
/// the gate's corpus, cut and spliced.
final class RandomSql {
    static final List<String> SCHEMA =
            List.of(
                    "create table t(a integer primary key, b text, c, d as (b || c))",
                    "create table u(a primary key, b collate nocase, c real not null default 1.5,"
                            + " check (b <> 'x')) without rowid",
                    "create table w(a references t(a) on delete cascade, b unique)",
                    "create index i on t(b, c desc) where c is not null",
                    "create view v as select t.a, u.b, count(*) n from t left join u on t.a = u.a"
                            + " group by 1",
                    "create trigger g after insert on t begin insert into w values (new.a,"
                            + " new.rowid) on conflict do nothing; end",
                    "create virtual table f using fts5(b, c)",
                    "create virtual table r using rtree(id, x0, x1)",
                    "insert into t(b, c) values ('one', 1), ('two', 2.5), (null, x'00ff'), ('',"
                            + " '{\"a\":[1,2]}')",
                    "insert into u values (1, 'a', 1), (2, 'B', 2)",
                    "insert into f values ('one two', 'three'), ('two', 'two two')",
                    "insert into r values (1, 0, 10), (2, -5, 5)");

    private static final List<String> NAMES =
            List.of(
                    "t",
                    "u",
                    "w",
                    "v",
                    "f",
                    "r",
                    "a",
                    "b",
                    "c",
                    "d",
                    "rowid",
                    "x0",
                    "main.t",
                    "sqlite_schema",
                    "sqlite_sequence",
                    "sqlite_stat1",
                    "temp.t",
                    "f_data",
                    "r_node",
                    "pragma_table_info('t')",
                    "json_each('[1,[2]]')",
                    "json_tree('{\"a\":1}')",
                    "dbstat",
                    "pragma_function_list",
                    "bytecode('select 1')",
                    "\"t\"",
                    "[u]",
                    "`v`");

    private static final List<String> FUNCTIONS =
            List.of(
                    "abs",
                    "changes",
                    "char",
                    "coalesce",
                    "concat",
                    "concat_ws",
                    "format",
                    "glob",
                    "hex",
                    "ifnull",
                    "iif",
                    "instr",
                    "last_insert_rowid",
                    "length",
                    "like",
                    "likelihood",
                    "load_extension",
                    "lower",
                    "ltrim",
                    "max",
                    "min",
                    "nullif",
                    "octet_length",
                    "printf",
                    "quote",
                    "random",
                    "randomblob",
                    "replace",
                    "round",
                    "sign",
                    "soundex",
                    "sqlite_compileoption_get",
                    "sqlite_offset",
                    "sqlite_source_id",
                    "sqlite_version",
                    "substr",
                    "substring",
                    "trim",
                    "typeof",
                    "unhex",
                    "unicode",
                    "unistr",
                    "unistr_quote",
                    "upper",
                    "zeroblob",
                    "date",
                    "datetime",
                    "julianday",
                    "strftime",
                    "timediff",
                    "unixepoch",
                    "avg",
                    "count",
                    "group_concat",
                    "string_agg",
                    "sum",
                    "total",
                    "median",
                    "percentile",
                    "row_number",
                    "lag",
                    "ntile",
                    "nth_value",
                    "json",
                    "jsonb",
                    "json_array",
                    "json_extract",
                    "json_group_object",
                    "json_insert",
                    "json_object",
                    "json_patch",
                    "json_pretty",
                    "json_remove",
                    "json_set",
                    "json_type",
                    "json_valid",
                    "jsonb_set",
                    "acos",
                    "log",
                    "mod",
                    "pow",
                    "trunc",
                    "bm25",
                    "highlight",
                    "snippet",
                    "fts3_tokenizer",
                    "fts5",
                    "fts5_decode",
                    "matchinfo",
                    "optimize",
                    "rtreecheck",
                    "rtreenode",
                    "rtreedepth",
                    "readfile",
                    "writefile",
                    "edit",
                    "sqlite_log",
                    "generate_series",
                    "padl",
                    "padr",
                    "padc",
                    "replicate",
                    "charindex",
                    "reverse",
                    "proper",
                    "stdev",
                    "sqlite_rename_column",
                    "sqlite_dbpage",
                    "sqlite_unsupported_offset");

    private static final List<String> OPERATORS =
            List.of(
                    "+",
                    "-",
                    "*",
                    "/",
                    "%",
                    "||",
                    "<<",
                    ">>",
                    "&",
                    "|",
                    "=",
                    "<>",
                    "<",
                    ">=",
                    "and",
                    "or",
                    "is",
                    "is not",
                    "is distinct from",
                    "like",
                    "glob",
                    "match",
                    "in",
                    "->",
                    "->>",
                    "collate nocase <",
                    "not null and",
                    "between 1 and");

    private static final List<String> PRAGMAS =
            List.of(
                    "journal_mode",
                    "writable_schema",
                    "page_size",
                    "user_version",
                    "foreign_keys",
                    "table_info",
                    "integrity_check",
                    "quick_check",
                    "wal_checkpoint",
                    "mmap_size",
                    "cache_size",
                    "temp_store",
                    "data_version",
                    "optimize",
                    "locking_mode",
                    "trusted_schema",
                    "temp_store_directory",
                    "legacy_alter_table",
                    "query_only",
                    "recursive_triggers",
                    "application_id",
                    "hexkey",
                    "max_page_count");

    private final SplittableRandom random;
    private final List<String> corpus;
    private final List<String> paths;

    /// @param corpus statements to cut and splice
    /// @param paths of files that a statement may try to get at
    RandomSql(SplittableRandom random, List<String> corpus, List<String> paths) {
        this.random = random;
        this.corpus = corpus;
        this.paths = paths;
    }

    String next() {
        return switch (random.nextInt(10)) {
            case 0, 1 -> spliced(line(), random.nextBoolean() ? line() : statement());
            case 2 -> spliced(statement(), statement());
            case 3 -> line().replace("'x'", path());
            default -> statement();
        };
    }

    private String line() {
        return one(corpus);
    }

    /// Words of one text between those of another, some twice, some not at all.
    private String spliced(String text, String other) {
        String[] words = text.split("(?<=\\W)|(?=\\W)");
        String[] others = other.split("(?<=\\W)|(?=\\W)");
        var out = new StringBuilder();
        for (String word : words) {
            switch (random.nextInt(24)) {
                case 0 -> {}
                case 1 -> out.append(word).append(word);
                case 2 -> out.append(word).append(others[random.nextInt(others.length)]);
                case 3 -> out.append("/*").append(word).append("*/").append(word);
                case 4 -> out.append(others[random.nextInt(others.length)]);
                default -> out.append(word);
            }
        }
        return out.toString();
    }

    private String statement() {
        return switch (random.nextInt(34)) {
            case 0, 1, 2 ->
                    "insert into %s values (%s)".formatted(name(), list(1 + random.nextInt(4), 2));
            case 3 ->
                    "insert or %s into %s %s on conflict do update set b = %s returning *"
                            .formatted(
                                    one("ignore", "replace", "rollback"),
                                    name(),
                                    select(2),
                                    expr(2));
            case 4, 5 ->
                    "update %s set %s = %s where %s".formatted(name(), name(), expr(3), expr(2));
            case 6 -> "delete from %s where %s".formatted(name(), expr(3));
            case 7 ->
                    "create table if not exists n%d as %s".formatted(random.nextInt(4), select(2));
            case 8 ->
                    "create table n%d(%s %s, b generated always as (%s))"
                            .formatted(
                                    random.nextInt(4),
                                    name(),
                                    one("int", "text unique", "any"),
                                    expr(2));
            case 9 -> "create index x%d on %s(%s)".formatted(random.nextInt(4), name(), expr(2));
            case 10 -> "create view y%d as %s".formatted(random.nextInt(4), select(2));
            case 11 ->
                    "create trigger z%d %s %s on %s begin %s; end"
                            .formatted(
                                    random.nextInt(4),
                                    one("before", "after", "instead of"),
                                    one("insert", "update of b", "delete"),
                                    name(),
                                    select(2));
            case 12 ->
                    "create virtual table m%d using %s(%s)"
                            .formatted(
                                    random.nextInt(4),
                                    one(
                                            "fts5",
                                            "rtree",
                                            "fts4",
                                            "fts5vocab",
                                            "csv",
                                            "dbstat",
                                            "geopoly"),
                                    list(2, 2));
            case 13 ->
                    "drop %s if exists %s"
                            .formatted(one("table", "index", "view", "trigger"), name());
            case 14 ->
                    "alter table %s %s"
                            .formatted(
                                    name(),
                                    one(
                                            "add column e default (1)",
                                            "drop column c",
                                            "rename to q",
                                            "rename column b to bb"));
            case 15 -> "pragma %s = %s".formatted(one(PRAGMAS), expr(0));
            case 16 -> "pragma %s(%s)".formatted(one(PRAGMAS), expr(0));
            case 17 -> "attach %s as z".formatted(path());
            case 18 -> "vacuum into %s".formatted(path());
            case 19 -> one("vacuum", "analyze", "reindex", "detach main", "reindex t");
            case 20 ->
                    one(
                            "begin",
                            "begin immediate",
                            "commit",
                            "rollback",
                            "savepoint s",
                            "release s",
                            "rollback to s");
            case 21 -> "explain " + statement();
            case 22 -> "select load_extension(%s)".formatted(path());
            case 23 ->
                    "with recursive n(i) as (select 1 union all select i + 1 from n limit %d) %s"
                            .formatted(random.nextInt(3000), select(2));
            default -> select(3);
        };
    }

    private String select(int depth) {
        String from = random.nextInt(5) == 0 ? "" : " from " + table(depth);
        var select = new StringBuilder("select ");
        select.append(one("", "distinct "))
                .append(random.nextInt(3) == 0 ? "*" : list(1 + random.nextInt(3), depth));
        select.append(from);
        if (random.nextInt(3) == 0) {
            select.append(" where ").append(expr(depth));
        }
        if (random.nextInt(5) == 0) {
            select.append(" group by ").append(expr(1)).append(" having ").append(expr(1));
        }
        if (random.nextInt(5) == 0 && depth > 0) {
            select.append(one(" union ", " union all ", " intersect ", " except "))
                    .append(select(depth - 1));
        }
        if (random.nextInt(4) == 0) {
            select.append(" order by ").append(expr(1)).append(one("", " desc nulls first"));
        }
        if (random.nextInt(3) == 0) {
            select.append(" limit ").append(expr(0));
        }
        return select.toString();
    }

    private String table(int depth) {
        return switch (random.nextInt(6)) {
            case 0 -> depth > 0 ? "(" + select(depth - 1) + ")" : name();
            case 1 ->
                    name()
                            + one(" join ", " left join ", " full join ", ", ", " natural join ")
                            + name();
            case 2 -> name() + " indexed by i";
            default -> name();
        };
    }

    private String expr(int depth) {
        if (depth <= 0) {
            return literal();
        }
        return switch (random.nextInt(11)) {
            case 0, 1 -> name();
            case 2, 3 -> one(FUNCTIONS) + "(" + list(random.nextInt(4), depth - 1) + ")";
            case 4 -> expr(depth - 1) + " " + one(OPERATORS) + " " + expr(depth - 1);
            case 5 -> "(" + select(depth - 1) + ")";
            case 6 ->
                    "case when "
                            + expr(depth - 1)
                            + " then "
                            + expr(depth - 1)
                            + " else "
                            + expr(0)
                            + " end";
            case 7 ->
                    "cast("
                            + expr(depth - 1)
                            + " as "
                            + one("int", "text", "blob", "real", "numeric")
                            + ")";
            case 8 ->
                    one(FUNCTIONS)
                            + "("
                            + list(1, depth - 1)
                            + ") over (order by "
                            + expr(0)
                            + one(")", " rows between 1 preceding and unbounded following)");
            case 9 -> expr(depth - 1) + one(" in (", " not in (") + select(depth - 1) + ")";
            default -> literal();
        };
    }

    private String literal() {
        return switch (random.nextInt(16)) {
            case 0 -> "null";
            case 1 -> String.valueOf(random.nextInt(-3, 4));
            case 2 ->
                    one(
                            "9223372036854775807",
                            "-9223372036854775808",
                            "4294967296",
                            "1e308",
                            "-0.0",
                            "1e999");
            case 3 -> "x'" + "00ff".repeat(random.nextInt(9)) + "'";
            case 4 ->
                    "'"
                            + one(
                                    "",
                                    "one",
                                    "%.100000d",
                                    "$.a[#-1]",
                                    "{\"a\":[1,{}]}",
                                    "two*",
                                    "now",
                                    "%s%n",
                                    "\u0001\uffff")
                            + "'";
            case 5 -> path();
            case 6 -> "zeroblob(" + random.nextInt(1 << random.nextInt(1, 31)) + ")";
            case 7 -> "'" + "[".repeat(random.nextInt(3000)) + "'";
            case 8 -> one("?", "?1", ":x", "@y", "$z", "current_timestamp", "true");
            default -> name();
        };
    }

    private String list(int count, int depth) {
        return IntStream.range(0, count)
                .mapToObj(_ -> expr(depth))
                .collect(Collectors.joining(", "));
    }

    private String name() {
        return one(NAMES);
    }

    private String path() {
        return "'" + one(paths) + "'";
    }

    private String one(String... of) {
        return of[random.nextInt(of.length)];
    }

    private String one(List<String> of) {
        return of.get(random.nextInt(of.size()));
    }
}
