package dev.litefleet.replica.sqlite;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/// The corpus of what a tenant may and may not say. `sql-sandbox.md` lists the evasions; each is a
/// line here.
final class SqlGateTest {
    private final SqlGate gate = new SqlGate();

    private static final String ALLOWED =
            """
            READ            | select 1
            READ            | SELECT * FROM t
            READ            | sElEcT 1 -- comment
            READ            | /* first */ select 1
            READ            | -- first{LF}select 1
            READ            | ;;; select 1
            READ            | {BOM}select 1
            READ            | {FF}select 1
            READ            | select 1;
            READ            | select 1 ; ; {LF} ; -- end
            READ            | values (1), (2)
            READ            | with a as (select 1) select * from a
            READ            | with recursive a(x) as (select 1 union all select x+1 from a) select x from a limit 3
            READ            | with replace as (select 1) select * from replace
            READ            | with a as materialized (select 1), b(x, y) as not materialized (select 1, 2) select * from a, b
            READ            | with a as (values (1)) values (2)
            READ            | select json_each.value from json_each('[1,2]')
            READ            | select * from pragma_table_info('t')
            READ            | select 'attach', "detach", [vacuum], `pragma` from t
            READ            | select ';', "a;b", [c;d], `e;f` /* ; */ from t -- ;
            READ            | select temp.a from t as temp
            READ            | select * from t join temp on temp.id = t.id
            READ            | select case when 1 then 2 end
            READ            | select "pragma writable_schema=1"
            READ            | select '_lf_' || x from t
            READ            | select * from dbstat
            READ            | explain select 1
            READ            | explain query plan select 1
            READ            | explain delete from t
            READ            | explain create table x(y)
            READ            | explain begin
            READ            | explain query plan with a as (select 1) delete from t
            WRITE           | insert into t values (1)
            WRITE           | insert or rollback into t values (1)
            WRITE           | insert into main.t values (1)
            WRITE           | insert into t values ('_lf_x')
            WRITE           | replace into t values (1)
            WRITE           | update t set a = 1
            WRITE           | update or ignore t set a = 1
            WRITE           | delete from t
            WRITE           | with a as (select 1) insert into t select * from a
            WRITE           | with a as (select 1) update t set a = 1
            WRITE           | with a as (select 1) delete from t
            WRITE           | with a as (select 1) replace into t select 1
            WRITE           | insert into t values (1) on conflict do update set a = 1 returning *
            WRITE           | delete from sqlite_sequence where name = 't'
            WRITE           | insert into t select type from sqlite_schema
            DDL             | create table t(a)
            DDL             | create table if not exists main.t(a)
            DDL             | create table "main"."t"(a)
            DDL             | create table 'main'.'t'(a)
            DDL             | create table temp(a)
            DDL             | create table t as select 1
            DDL             | create index i on t(a)
            DDL             | create unique index if not exists i on t(a)
            DDL             | create view v as select 1
            DDL             | create trigger r after insert on t begin select 1; end
            DDL             | create trigger r after insert on t begin select case when 1 then 2 end; select 3; end;
            DDL             | create trigger if not exists r after insert on t when new.a > 1 begin update t set a = 1; delete from t; end
            DDL             | create virtual table f using fts5(a)
            DDL             | create virtual table if not exists main.f using FTS5(a)
            DDL             | create virtual table f using "rtree"(id, a, b)
            DDL             | create virtual table f using rtree_i32(id, a, b)
            DDL             | create virtual table f using fts5vocab(g, row)
            DDL             | drop table t
            DDL             | drop table if exists main.t
            DDL             | drop index i
            DDL             | drop view v
            DDL             | drop trigger r
            DDL             | alter table t add column b
            DDL             | alter table t rename to u
            DDL             | reindex
            DDL             | reindex main.t
            DDL             | analyze
            DDL             | analyze main
            BEGIN_DEFERRED  | begin
            BEGIN_DEFERRED  | begin transaction
            BEGIN_DEFERRED  | begin deferred transaction
            BEGIN_DEFERRED  | begin concurrent
            BEGIN_DEFERRED  | begin transaction whatever
            BEGIN_IMMEDIATE | begin immediate
            BEGIN_IMMEDIATE | BEGIN EXCLUSIVE TRANSACTION
            BEGIN_READONLY  | begin readonly
            BEGIN_READONLY  | BEGIN TRANSACTION READONLY
            COMMIT          | commit
            COMMIT          | end
            COMMIT          | end transaction
            ROLLBACK        | rollback
            ROLLBACK        | rollback transaction
            ROLLBACK_TO     | rollback to a
            ROLLBACK_TO     | rollback transaction to savepoint "a b"
            SAVEPOINT       | savepoint a
            RELEASE         | release a
            RELEASE         | release savepoint 'a'
            PRAGMA_READ     | pragma table_info(t)
            PRAGMA_READ     | pragma main.table_info('t')
            PRAGMA_READ     | pragma "table_info"(t)
            PRAGMA_READ     | pragma [table_info]("t")
            PRAGMA_READ     | pragma `main`.`table_xinfo`=t
            PRAGMA_READ     | PRAGMA/**/TABLE_LIST
            PRAGMA_READ     | pragma index_list(t)
            PRAGMA_READ     | pragma index_info(i)
            PRAGMA_READ     | pragma index_xinfo(i)
            PRAGMA_READ     | pragma foreign_key_list(t)
            PRAGMA_READ     | pragma foreign_key_check
            PRAGMA_READ     | pragma integrity_check(10)
            PRAGMA_READ     | pragma quick_check
            PRAGMA_READ     | pragma user_version
            PRAGMA_READ     | pragma application_id
            PRAGMA_READ     | pragma schema_version
            PRAGMA_READ     | pragma page_count
            PRAGMA_READ     | pragma page_size
            PRAGMA_READ     | pragma freelist_count
            PRAGMA_READ     | pragma encoding
            PRAGMA_READ     | pragma data_version
            PRAGMA_READ     | pragma collation_list
            PRAGMA_READ     | pragma compile_options
            PRAGMA_READ     | pragma function_list
            PRAGMA_READ     | pragma module_list
            PRAGMA_READ     | pragma pragma_list
            PRAGMA_READ     | pragma journal_mode
            PRAGMA_READ     | pragma synchronous
            PRAGMA_READ     | pragma wal_autocheckpoint
            PRAGMA_READ     | pragma locking_mode
            PRAGMA_READ     | pragma auto_vacuum
            PRAGMA_READ     | pragma max_page_count
            PRAGMA_READ     | pragma cache_size
            PRAGMA_READ     | pragma busy_timeout
            PRAGMA_READ     | pragma foreign_keys
            PRAGMA_READ     | pragma analysis_limit
            PRAGMA_SET      | pragma foreign_keys=off
            PRAGMA_SET      | pragma foreign_keys(1)
            PRAGMA_SET      | pragma main.foreign_keys == 'yes'
            PRAGMA_SET      | pragma defer_foreign_keys=on
            PRAGMA_SET      | pragma recursive_triggers=true
            PRAGMA_SET      | pragma case_sensitive_like=1
            PRAGMA_SET      | pragma ignore_check_constraints=0
            PRAGMA_SET      | pragma legacy_alter_table=on
            PRAGMA_SET      | pragma reverse_unordered_selects=on
            PRAGMA_SET      | pragma query_only=1
            PRAGMA_SET      | pragma analysis_limit=400
            WRITE           | pragma user_version=7
            WRITE           | pragma user_version=-7
            WRITE           | pragma application_id=0x7f
            DDL             | pragma optimize
            DDL             | pragma optimize(0x10002)
            NOOP            | pragma journal_mode=WAL
            NOOP            | pragma main.journal_mode='wal'
            NOOP            | pragma synchronous=NORMAL
            NOOP            | pragma synchronous=2
            NOOP            | pragma cache_size=-2000
            NOOP            | pragma busy_timeout=5000
            NOOP            | pragma database_list
            """;

    private static final String REFUSED =
            """
            attach 'x' as y
            ATTACH DATABASE 'x' AS y
            attach/**/database 'x' as y
            {BOM}attach 'x' as y
            {FF}attach 'x' as y
            {VTSPACE}attach 'x' as y
            ;attach 'x' as y
            /*;*/ attach 'x' as y
            -- select{LF}attach 'x' as y
            /* unterminated select 1 */ attach 'x' as y
            explain attach 'x' as y
            explain query plan attach 'x' as y
            detach y
            vacuum
            vacuum main
            vacuum into 'x'
            VACUUM/**/INTO 'x'
            explain vacuum
            backup to x
            backup to '/tmp/x'
            restore from x
            BACKUP main TO x
            /**/restore from x
            create temp table t(a)
            create temporary view v as select 1
            create temp trigger r after insert on t begin select 1; end
            create/**/temp table t(a)
            explain create temp table t(a)
            create table temp.t(a)
            create table "temp".t(a)
            create table [temp] . t(a)
            create table 'temp'.t(a)
            create table if not exists TEMP.t(a)
            create view temp.v as select 1
            create trigger temp.r after insert on t begin select 1; end
            create index temp.i on t(a)
            create virtual table temp.f using fts5(a)
            create table other.t(a)
            insert into temp.t values (1)
            delete from temp.t
            update temp.t set a = 1
            drop table temp.t
            alter table temp.t rename to u
            reindex temp.t
            analyze temp
            create virtual table f using fts3(a)
            create virtual table f using fts4(a)
            create virtual table f using fts4aux(a)
            create virtual table f using fts3tokenize(a)
            create virtual table f using csv(filename='/etc/passwd')
            create virtual table f using dbstat
            create virtual table f using 'sqlite_dbpage'
            create virtual table f using pragma_database_list
            create virtual table f
            create virtual table
            create function f
            create
            create schema x
            create unique table t(a)
            explain pragma writable_schema=1
            EXPLAIN PRAGMA table_info(t)
            explain query plan pragma writable_schema=1
            explain/**/pragma user_version=1
            explain
            explain query plan
            explain explain select 1
            pragma writable_schema=1
            pragma writable_schema
            pragma main.writable_schema=1
            pragma "writable_schema"=1
            pragma [writable_schema]=1
            pragma `writable_schema`=1
            pragma 'writable_schema'=1
            PRAGMA Writable_Schema(1)
            pragma/**/writable_schema/**/=/**/1
            pragma temp.table_info(t)
            pragma other.table_info(t)
            pragma journal_mode=delete
            pragma journal_mode=off
            pragma journal_mode=wal2
            pragma synchronous=off
            pragma synchronous=0
            pragma synchronous=extra
            pragma locking_mode=exclusive
            pragma wal_checkpoint
            pragma wal_checkpoint(truncate)
            pragma wal_autocheckpoint=1
            pragma schema_version=1
            pragma page_size=512
            pragma auto_vacuum=full
            pragma incremental_vacuum
            pragma encoding='UTF-16'
            pragma max_page_count=1
            pragma mmap_size=1
            pragma mmap_size
            pragma temp_store=2
            pragma temp_store_directory='/tmp'
            pragma temp_store_directory
            pragma data_store_directory='/tmp'
            pragma hard_heap_limit=1
            pragma soft_heap_limit=1
            pragma threads=8
            pragma trusted_schema=1
            pragma cell_size_check=0
            pragma shrink_memory
            pragma lock_proxy_file='x'
            pragma read_uncommitted=1
            pragma secure_delete=1
            pragma cache_spill=0
            pragma parser_trace=1
            pragma vdbe_trace=1
            pragma foreign_keys=maybe
            pragma user_version=abc
            pragma user_version=99999999999
            pragma busy_timeout=60000
            pragma cache_size=abc
            pragma optimize('x')
            pragma analysis_limit=-1
            pragma database_list(1)
            pragma
            pragma main.
            pragma table_info(
            pragma table_info(t
            pragma table_info(t) x
            pragma table_info(select 1)
            pragma user_version = 1 + 1
            pragma {LS}writable_schema=1
            select * from pragma_database_list
            select * from "pragma_database_list"
            select * from [PRAGMA_DATABASE_LIST]
            select * from 'pragma_database_list'
            select * from pragma_database_list()
            select (select file from pragma_database_list)
            select * from main.pragma_database_list
            create view v as select * from pragma_database_list
            create trigger r after insert on t begin insert into u select file from pragma_database_list; end
            create table x as select * from pragma_database_list
            explain select * from pragma_database_list
            select * from pragma_optimize
            with a as (select * from pragma_database_list) select * from a
            insert into _lf_state values (1)
            insert into "_lf_state" values (1)
            insert into '_lf_state' values (1)
            insert into main._LF_state values (1)
            insert into main.'_lf_state' values (1)
            update _litestream_seq set a = 1
            update or ignore '_litestream_seq' set a = 1
            delete from _litestream_lock
            drop table _litestream_seq
            create table _lf_x(a)
            alter table t rename to _lf_x
            create trigger r after insert on t begin delete from _lf_state; end
            create trigger r after insert on t begin insert into '_lf_state' values (1); end
            with a as (select 1) delete from _lf_state
            insert into sqlite_schema values (1)
            insert into main.sqlite_master values (1)
            update sqlite_stat1 set stat = 1
            update or replace sqlite_stat1 set stat = 1
            delete from "sqlite_stat1"
            drop table sqlite_stat1
            drop table if exists main.sqlite_stat4
            with a as (select 1) delete from sqlite_stat1
            create trigger r after insert on t begin delete from sqlite_stat1; end
            select 'abc
            select "abc
            select [abc
            select `abc
            select x'1
            select x'1'
            select 1 {BACKSLASH} 2
            select {SOH}
            select ! 1
            select 12abc
            select $
            select 1{NUL}; attach 'x' as y
            select '{HALF}'
            select {HALF}1
            {LONGS}elect 1
            (select 1)
            "select" 1
            'select' 1
            1
            :a
            selec 1
            grant all
            set x = 1
            show tables
            do
            load_extension('x')
            .open x
            begin exclusive deferred
            begin foo
            begin transaction a b
            commit to a
            rollback a
            rollback to
            savepoint
            savepoint a b
            savepoint 1
            release
            with
            with a
            with a as
            with a as (select 1
            with a as (select 1)
            with a as (select 1) attach 'x' as y
            with a as (select 1) pragma writable_schema=1
            with a as (select 1), attach 'x' as y
            select ?0
            select ?99999
            select ?99999999999999999999
            """;

    static String unescape(String line) {
        return line.replace("{LF}", "\n")
                .replace("{BOM}", "\uFEFF")
                .replace("{FF}", "\f")
                .replace("{VTSPACE}", " \u000b")
                .replace("{LS}", "\u2028")
                .replace("{NUL}", "\0")
                .replace("{SOH}", "\u0001")
                .replace("{BACKSLASH}", "\\")
                .replace("{HALF}", "\ud800")
                .replace("{LONGS}", "\u017f");
    }

    static Stream<String> allowed() {
        return ALLOWED.lines();
    }

    static Stream<String> refused() {
        return REFUSED.lines();
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource
    void allowed(String line) {
        String[] row = line.split("\\|", 2);

        GatedStatement statement = gate.check(unescape(row[1].strip())).single();

        assertThat(statement.kind()).isEqualTo(StatementKind.valueOf(row[0].strip()));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource
    void refused(String line) {
        GatedScript script = gate.check(unescape(line));

        // A text may break off after a statement; what follows must not be let through.
        assertThatThrownBy(script::single).isInstanceOf(SqlRefused.class);
        assertThat(script.refusal()).isNotNull();
    }

    @Test
    void corpusIsLong() {
        assertThat(ALLOWED.lines().count() + REFUSED.lines().count()).isGreaterThan(250);
    }

    /// Comments, spaces and semicolons around a statement, which must change nothing.
    @ParameterizedTest
    @ValueSource(
            strings = {
                "%s",
                " \t\r\n\f%s",
                ";%s",
                "/*x*/%s",
                "--x\n%s",
                "\uFEFF%s",
                "%s;",
                "%s /*",
                "%s --x"
            })
    void refusesAttachHoweverItIsDressed(String dress) {
        GatedScript script = gate.check(dress.formatted("attach 'x' as y"));

        assertThat(script.statements()).isEmpty();
        assertThat(script.refusal()).isNotNull();
    }

    @Test
    void stopsAtTheFirstRefusedStatement() {
        GatedScript script = gate.check("select 1; vacuum; select 2");

        assertThat(script.statements()).extracting(GatedStatement::sql).containsExactly("select 1");
        assertThat(script.refusal()).isNotNull().hasMessageContaining("VACUUM");
    }

    @Test
    void saysWhatIsMissing() {
        assertThatThrownBy(() -> gate.check(" /* nothing */ ; -- at all").single())
                .isInstanceOfSatisfying(
                        SqlRefused.class,
                        refused -> assertThat(refused.code()).isEqualTo("SQL_NO_STATEMENT"));
        assertThatThrownBy(() -> gate.check("select 1; select 2").single())
                .isInstanceOfSatisfying(
                        SqlRefused.class,
                        refused -> assertThat(refused.code()).isEqualTo("SQL_MANY_STATEMENTS"));
    }

    @Test
    void splitsScripts() {
        String script =
                """
                create table t(a, b); -- ;
                create trigger r after insert on t when new.a = ';' begin
                    update t set b = case new.a when 1 then 'x;' else "end" end where a = new.a;
                    select [end;] from (select 1 as [end;]);
                    /* end; */
                end;
                insert into t values (1, 'end;')
                ;;
                explain create trigger s after delete on t begin select 1; end; select 2
                """;

        assertThat(gate.check(script).statements())
                .extracting(GatedStatement::kind)
                .containsExactly(
                        StatementKind.DDL,
                        StatementKind.DDL,
                        StatementKind.WRITE,
                        StatementKind.READ,
                        StatementKind.READ);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '~',
            value = {
                "BEGIN TRANSACTION READONLY          | BEGIN",
                "begin concurrent                    | BEGIN",
                "begin exclusive                     | BEGIN IMMEDIATE",
                "end transaction                     | COMMIT",
                "rollback to savepoint 'a\"b'        | ROLLBACK TO \"a\"\"b\"",
                "pragma [Table_Info] ( \"it's\" )    | PRAGMA main.table_info('it''s')",
                "pragma main.foreign_keys = Yes      | PRAGMA main.foreign_keys=1",
                "pragma user_version(+010)           | PRAGMA main.user_version=10",
                "; select 1 /* x */; -- y            | select 1 /* x */",
            })
    void handsOnOneSpelling(String said, String sql) {
        assertThat(gate.check(said).single().sql()).isEqualTo(sql);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '~',
            value = {
                "select 1                                          | true  false false",
                "begin                                             | true  false false",
                "begin immediate                                   | false false false",
                "insert into t values (1)                          | false true  true",
                "replace into t values (1)                         | false true  true",
                "with a as (select 1) insert into t select 1       | false true  true",
                "update t set a=1                                  | false true  false",
                "with a as (select 1) delete from t                | false true  false",
                "create table t(a)                                 | false false false",
                "explain insert into t values (1)                  | false false false",
            })
    void knowsWhatBelongsToAStatement(String sql, String flags) {
        GatedStatement statement = gate.check(sql).single();

        assertThat(
                        "%-5b %-5b %b"
                                .formatted(
                                        statement.readonly(),
                                        statement.countsChanges(),
                                        statement.inserts()))
                .isEqualTo(flags);
    }

    @Test
    void remembersOnlySoManyTexts() {
        var small = new SqlGate(16);
        GatedScript first = small.check("select 0");
        assertThat(small.check("select 0")).isSameAs(first);

        for (int i = 1; i < 1_000; i++) {
            small.check("select " + i);
        }

        assertThat(small.check("select 0")).isNotSameAs(first);
    }

    @Test
    void refusesWhatIsTooLongWithoutReadingIt() {
        GatedScript script = gate.check("x".repeat(SqlGate.TEXT_MAX + 1));

        assertThat(script.refusal()).isNotNull();
        assertThat(script.refusal().code()).isEqualTo("SQLITE_TOOBIG");
    }

    @Test
    void numbersParametersAsListed() {
        assertThat(gate.check("select ?, :a, ?5, @a, :a, $b::c(d), ?2, ?").single().parameters())
                .isEqualTo(
                        java.util.Arrays.asList(
                                null, ":a", null, null, "?5", "@a", "$b::c(d)", null));
        assertThat(gate.check("select '?', \"?\", [?], /* ? */ 1 -- ?").single().parameters())
                .isEqualTo(List.of());
    }
}
