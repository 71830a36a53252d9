"""Spark 3.5 through the REST catalog: everything that a Spark job does to a table, and others read it right."""
import datetime

import pytest
from interop import duck
from interop.test_pyiceberg import EVENTS, events

MERGE_ON_READ = ("'format-version' = '2', 'write.delete.mode' = 'merge-on-read', 'write.update.mode' = 'merge-on-read', "
                 "'write.merge.mode' = 'merge-on-read'")


def rows_of_others(server, catalog, name, columns):
    """The table's rows as PyIceberg and DuckDB see them."""
    frame = catalog.load_table(name).scan().to_arrow()
    pyiceberg = sorted(tuple(row[column] for column in columns) for row in frame.to_pylist())
    with duck.attach(server.uri, "default" if server.warehouse else "") as connection:
        duckdb = sorted(connection.execute(f"SELECT {', '.join(columns)} FROM ice.{name}").fetchall())
    assert pyiceberg == duckdb
    return pyiceberg


@pytest.mark.parametrize("partitioning", ["", "PARTITIONED BY (bucket(4, id))", "PARTITIONED BY (kind, days(at))"])
def test_merge_update_delete_on_read(server, catalog, namespace, sql, partitioning):
    sql(f"CREATE TABLE t (id bigint, kind string, at timestamp) USING iceberg {partitioning} TBLPROPERTIES ({MERGE_ON_READ})")
    for start in (0, 10):
        sql(f"INSERT INTO t SELECT id, concat('k', id % 2), timestamp'2026-01-01 00:00:00' + make_interval(0, 0, 0, id % 3) "
            f"FROM range({start}, {start + 10})")
    model = {i: f"k{i % 2}" for i in range(20)}
    sql("MERGE INTO t USING (SELECT 1L id, 'merged' kind UNION ALL SELECT 100L, 'new' UNION ALL SELECT 2L, 'gone') u ON t.id = u.id "
        "WHEN MATCHED AND u.kind = 'gone' THEN DELETE WHEN MATCHED THEN UPDATE SET kind = u.kind "
        "WHEN NOT MATCHED THEN INSERT (id, kind, at) VALUES (u.id, u.kind, timestamp'2026-01-01 00:00:00')")
    model |= {1: "merged", 100: "new"}
    del model[2]
    sql("UPDATE t SET kind = 'updated' WHERE id BETWEEN 5 AND 7")
    model |= {5: "updated", 6: "updated", 7: "updated"}
    sql("DELETE FROM t WHERE id >= 15 AND id < 100")
    model = {i: kind for i, kind in model.items() if not 15 <= i < 100}
    expected = sorted(model.items())
    assert sorted(sql("SELECT id, kind FROM t")) == expected
    assert rows_of_others(server, catalog, f"{namespace}.t", ["id", "kind"]) == expected
    assert sql("SELECT count(*) > 0 FROM {ns}.t.delete_files") == [(True,)]
    summary = catalog.load_table(f"{namespace}.t").current_snapshot().summary
    assert int(summary["total-delete-files"]) > 0


def test_copy_on_write_and_overwrites(server, catalog, namespace, sql):
    sql("CREATE TABLE t (id bigint, kind string) USING iceberg PARTITIONED BY (kind)")
    sql("INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c')")
    sql("UPDATE t SET id = id + 10 WHERE kind = 'a'")
    sql("DELETE FROM t WHERE kind = 'c'")
    assert sql("SELECT * FROM t ORDER BY id") == [(2, "b"), (11, "a")]
    sql("INSERT OVERWRITE t VALUES (5, 'b')")
    sql("INSERT INTO t SELECT * FROM t")
    sql("CREATE OR REPLACE TABLE u USING iceberg AS SELECT id * 2 AS twice FROM t")
    assert rows_of_others(server, catalog, f"{namespace}.u", ["twice"]) == [(10,), (10,)]
    uuid = catalog.load_table(f"{namespace}.u").metadata.table_uuid
    sql("CREATE OR REPLACE TABLE u USING iceberg AS SELECT 1 AS one")
    replaced = catalog.load_table(f"{namespace}.u")
    assert replaced.metadata.table_uuid == uuid and len(replaced.snapshots()) == 2
    assert sql("SELECT * FROM u") == [(1,)]


def test_alter(server, catalog, namespace, sql):
    sql("CREATE TABLE t (id int, name string, price decimal(9,2), inner struct<a: int>) USING iceberg TBLPROPERTIES ('format-version' = '2')")
    sql("INSERT INTO t VALUES (1, 'one', 1.50, named_struct('a', 7))")
    for change in ("ADD COLUMN extra int COMMENT 'later' AFTER id", "RENAME COLUMN name TO title", "ALTER COLUMN id TYPE bigint",
                   "ALTER COLUMN price TYPE decimal(12,2)", "ADD COLUMN inner.b string", "DROP COLUMN price",
                   "ADD PARTITION FIELD bucket(2, id) AS shard", "WRITE ORDERED BY title", "SET TBLPROPERTIES ('x' = 'y')",
                   "SET IDENTIFIER FIELDS id"):
        if change.startswith("SET IDENTIFIER"):
            sql("ALTER TABLE t DROP PARTITION FIELD shard")
            continue
        sql(f"ALTER TABLE t {change}")
    sql("INSERT INTO t VALUES (5000000000, 2, 'two', named_struct('a', 8, 'b', 'x'))")
    assert sql("SELECT id, extra, title, inner.b FROM t ORDER BY id") == [(1, None, "one", None), (5000000000, 2, "two", "x")]
    table = catalog.load_table(f"{namespace}.t")
    assert [field.name for field in table.schema().fields] == ["id", "extra", "title", "inner"]
    assert table.properties["x"] == "y" and table.properties["write.distribution-mode"] == "range"
    assert rows_of_others(server, catalog, f"{namespace}.t", ["id", "title"]) == [(1, "one"), (5000000000, "two")]
    sql("ALTER TABLE t UNSET TBLPROPERTIES ('x')")
    sql("ALTER TABLE t RENAME TO v")
    assert sql("SHOW TABLES") == [(namespace, "v", False)]


def test_time_travel_branches_tags_rollback(catalog, namespace, sql):
    sql("CREATE TABLE t (id bigint) USING iceberg")
    for i in range(3):
        sql(f"INSERT INTO t VALUES ({i})")
    snapshots = [row[0] for row in sql("SELECT snapshot_id FROM {ns}.t.snapshots ORDER BY committed_at")]
    assert sql(f"SELECT count(*) FROM t VERSION AS OF {snapshots[0]}") == [(1,)]
    sql("ALTER TABLE t CREATE TAG old AS OF VERSION %d RETAIN 7 DAYS" % snapshots[1])
    sql("ALTER TABLE t CREATE BRANCH work")
    sql("INSERT INTO {ns}.t.branch_work VALUES (9)")
    assert sql("SELECT count(*) FROM t VERSION AS OF 'old'") == [(2,)]
    assert sql("SELECT max(id) FROM {ns}.t.branch_work") == [(9,)]
    sql(f"CALL ice.system.rollback_to_snapshot('{namespace}.t', {snapshots[1]})")
    assert sql("SELECT count(*) FROM t") == [(2,)]
    sql(f"CALL ice.system.fast_forward('{namespace}.t', 'main', 'work')")
    assert sorted(sql("SELECT id FROM t")) == [(0,), (1,), (2,), (9,)]
    assert catalog.load_table(f"{namespace}.t").metadata.refs["old"].snapshot_id == snapshots[1]


def test_views(server, catalog, namespace, sql):
    sql("CREATE TABLE t (id bigint, kind string) USING iceberg")
    sql("INSERT INTO t VALUES (1, 'a'), (2, 'b')")
    sql("CREATE VIEW v (number COMMENT 'the id') COMMENT 'of a' TBLPROPERTIES ('x' = 'y') AS SELECT id FROM t WHERE kind = 'a'")
    assert sql("SELECT number FROM v") == [(1,)]
    assert sql("SHOW TBLPROPERTIES v ('x')") == [("x", "y")]
    assert [view[-1] for view in catalog.list_views(namespace)] == ["v"]
    sql("CREATE OR REPLACE VIEW v AS SELECT id + 10 AS number FROM t")
    sql("ALTER VIEW v SET TBLPROPERTIES ('x' = 'z')")
    assert sorted(sql("SELECT number FROM v")) == [(11,), (12,)]
    with pytest.raises(Exception, match="(?i)already exists"):
        sql("CREATE TABLE v (id bigint) USING iceberg")
    sql("ALTER VIEW v RENAME TO w")
    assert [row[1] for row in sql("SHOW VIEWS")] == ["w"]
    assert len(sql("SELECT * FROM w")) == 2
    sql("DROP VIEW w")
    assert sql("SHOW VIEWS") == []


def test_stage_create_and_truncate(catalog, namespace, sql):
    """A table is made together with its rows, or not at all."""
    sql("CREATE TABLE t USING iceberg PARTITIONED BY (kind) TBLPROPERTIES ('x' = 'y') AS SELECT id, concat('k', id % 2) AS kind FROM range(6)")
    table = catalog.load_table(f"{namespace}.t")
    assert len(table.snapshots()) == 1 and table.properties["x"] == "y"
    with pytest.raises(Exception):
        sql("CREATE TABLE gone USING iceberg AS SELECT assert_true(id < 3) FROM range(6)")
    assert not catalog.table_exists(f"{namespace}.gone")
    sql("TRUNCATE TABLE t")
    assert sql("SELECT count(*) FROM t") == [(0,)]
    sql("DROP TABLE t PURGE")
    assert sql("SHOW TABLES") == []


def test_maintenance_procedures_of_spark(server, catalog, namespace, sql):
    sql(f"CREATE TABLE t (id bigint, kind string) USING iceberg PARTITIONED BY (bucket(2, id)) TBLPROPERTIES ({MERGE_ON_READ})")
    for i in range(5):
        sql(f"INSERT INTO t SELECT id, 'k{i}' FROM range({4 * i}, {4 * i + 4})")
    sql("DELETE FROM t WHERE id % 5 = 0")
    expected = sorted(sql("SELECT * FROM t"))
    rewritten = sql(f"CALL ice.system.rewrite_data_files(table => '{namespace}.t', options => map('rewrite-all', 'true'))")
    assert rewritten[0][0] >= 5
    sql(f"CALL ice.system.rewrite_manifests('{namespace}.t')")
    sql(f"CALL ice.system.expire_snapshots(table => '{namespace}.t', older_than => timestamp'2100-01-01 00:00:00')")
    assert sql("SELECT count(*) FROM {ns}.t.snapshots") == [(1,)]
    assert sorted(sql("SELECT * FROM t")) == expected
    assert rows_of_others(server, catalog, f"{namespace}.t", ["id", "kind"]) == expected


def test_spark_reads_what_pyiceberg_and_duckdb_wrote(server, catalog, namespace, sql):
    table = catalog.create_table(f"{namespace}.p", EVENTS)
    table.append(events(range(10)))
    table.delete("id < 3")
    assert sql("SELECT count(*), sum(id), min(at) FROM p") == [(7, 42, datetime.datetime(2026, 1, 1, 3))]
    with duck.attach(server.uri, "default" if server.warehouse else "") as connection:
        connection.execute(f"CREATE TABLE ice.{namespace}.d (id BIGINT, kind VARCHAR)")
        connection.execute(f"INSERT INTO ice.{namespace}.d SELECT i, 'x' FROM range(10) r(i)")
        connection.execute(f"DELETE FROM ice.{namespace}.d WHERE id >= 8")
    assert sql("SELECT count(*), max(id) FROM d") == [(8, 7)]
    sql("INSERT INTO d VALUES (100, 'spark')")
    assert rows_of_others(server, catalog, f"{namespace}.d", ["id"])[-1] == (100,)


def test_namespaces_and_drop(catalog, namespace, sql):
    sql("CREATE NAMESPACE {ns}.inner WITH DBPROPERTIES ('a' = 'b')")
    sql("CREATE TABLE {ns}.inner.t (id bigint) USING iceberg")
    assert sql("SHOW NAMESPACES IN {ns}") == [(f"{namespace}.inner",)]
    sql("ALTER NAMESPACE {ns}.inner SET DBPROPERTIES ('c' = 'd')")
    assert catalog.load_namespace_properties((namespace, "inner"))["c"] == "d"
    sql("DROP TABLE {ns}.inner.t PURGE")
    with pytest.raises(Exception, match="(?i)not.?found|cannot be found"):
        sql("SELECT * FROM {ns}.inner.t")
    sql("DROP NAMESPACE {ns}.inner")
    assert sql("SHOW NAMESPACES IN {ns}") == []


def test_format_version_3(server, catalog, namespace, sql):
    """Row ids and deletion vectors through the catalog; upgrades from version 2."""
    sql(f"CREATE TABLE t (id bigint, kind string) USING iceberg TBLPROPERTIES ({MERGE_ON_READ.replace('2', '3', 1)})")
    sql("INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c')")
    sql("INSERT INTO t VALUES (4, 'd')")
    ids = dict(sql("SELECT id, _row_id FROM t"))
    assert sorted(ids.values()) == [0, 1, 2, 3]
    sql("UPDATE t SET kind = 'x' WHERE id = 2")
    sql("DELETE FROM t WHERE id = 1")
    assert sorted(sql("SELECT id, kind, _row_id FROM t")) == [(2, "x", ids[2]), (3, "c", ids[3]), (4, "d", ids[4])]
    assert {row[0] for row in sql("SELECT file_format FROM {ns}.t.delete_files")} == {"PUFFIN"}
    path = f"/iceberg/v1/default/namespaces/{namespace}/tables/"
    if server.warehouse:
        metadata = server.get(path + "t")[1]["metadata"]
        assert metadata["format-version"] == 3 and metadata["next-row-id"] >= 5
        assert all("first-row-id" in snapshot for snapshot in metadata["snapshots"])
    sql(f"CREATE TABLE u (id bigint) USING iceberg TBLPROPERTIES ({MERGE_ON_READ})")
    sql("INSERT INTO u SELECT id FROM range(6)")
    sql("DELETE FROM u WHERE id = 0")
    sql("ALTER TABLE u SET TBLPROPERTIES ('format-version' = '3')")
    sql("DELETE FROM u WHERE id = 1")
    rows = sql("SELECT id, _row_id FROM u ORDER BY id")
    assert [row[0] for row in rows] == [2, 3, 4, 5] and len({row[1] for row in rows}) == 4
    assert sql("SELECT count(*), min(file_format) FROM {ns}.u.delete_files") == [(1, "PUFFIN")]
