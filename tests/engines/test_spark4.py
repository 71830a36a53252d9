"""Spark 4 with the newest Iceberg client: what test_spark.py asks of Spark 3.5 in depth, here in breadth."""
import sys
from pathlib import Path

import pytest
from installed import installed
from interop import duck
from statements import StatementFailed, Statements

HERE = Path(__file__).resolve().parent
MERGE_ON_READ = "'write.delete.mode' = 'merge-on-read', 'write.update.mode' = 'merge-on-read', 'write.merge.mode' = 'merge-on-read'"


@pytest.fixture(scope="module")
def spark(server, tmp_path_factory):
    folder, work = installed("spark4"), tmp_path_factory.mktemp("spark4")
    jars = ",".join(map(str, sorted((folder / "jars").glob("*.jar"))))
    catalog = "spark.sql.catalog.ice"
    settings = [f"{catalog}=org.apache.iceberg.spark.SparkCatalog", f"{catalog}.type=rest", f"{catalog}.uri={server.uri}", f"{catalog}.cache-enabled=false"]
    if server.warehouse:
        settings.append(f"{catalog}.warehouse=default")
    command = [sys.executable, HERE / "spark4" / "statements.py", folder / "python", jars, work, *settings]
    with Statements(command, work, {"SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable}) as spark:
        yield spark


@pytest.fixture
def sql(spark, namespace):
    spark(f"USE ice.{namespace}")
    return lambda text: spark(text.replace("{ns}", f"ice.{namespace}"))


@pytest.mark.parametrize("version", [2, 3])
def test_write_merge_and_alter(server, catalog, namespace, sql, version):
    sql(f"CREATE TABLE t (id bigint, kind string) USING iceberg PARTITIONED BY (bucket(2, id)) TBLPROPERTIES ('format-version' = '{version}', {MERGE_ON_READ})")
    sql("INSERT INTO t SELECT id, concat('k', id % 2) FROM range(10)")
    sql("MERGE INTO t USING (SELECT 1L id, 'merged' kind UNION ALL SELECT 100L, 'new') u ON t.id = u.id "
        "WHEN MATCHED THEN UPDATE SET kind = u.kind WHEN NOT MATCHED THEN INSERT (id, kind) VALUES (u.id, u.kind)")
    sql("UPDATE t SET kind = 'updated' WHERE id = 2")
    sql("DELETE FROM t WHERE id >= 5 AND id < 100")
    expected = [(0, "k0"), (1, "merged"), (2, "updated"), (3, "k1"), (4, "k0"), (100, "new")]
    assert sql("SELECT * FROM t ORDER BY id") == expected
    assert sql("SELECT count(*) > 0 FROM {ns}.t.delete_files") == [(True,)]
    with duck.attach(server.uri, "default" if server.warehouse else "") as connection:
        assert connection.execute(f"SELECT id, kind FROM ice.{namespace}.t ORDER BY id").fetchall() == expected
    for change in ("ADD COLUMN extra int AFTER id", "RENAME COLUMN kind TO sort", "ADD PARTITION FIELD truncate(2, sort)", "DROP PARTITION FIELD bucket(2, id)",
                   "WRITE ORDERED BY sort", "SET TBLPROPERTIES ('x' = 'y')", "RENAME TO v"):
        sql(f"ALTER TABLE t {change}")
    sql("INSERT INTO v VALUES (7, 8, 'late')")
    table = catalog.load_table(f"{namespace}.v")
    assert table.format_version == version and table.properties["x"] == "y"
    assert [field.name for field in table.schema().fields] == ["id", "extra", "sort"]
    assert sql("SELECT extra, sort FROM v WHERE id = 7") == [(8, "late")]


def test_replace_and_time_travel_branches_tags(catalog, namespace, sql):
    sql("CREATE TABLE t USING iceberg AS SELECT 0L AS id")
    for i in range(1, 3):
        sql(f"INSERT INTO t VALUES ({i})")
    snapshots = [row[0] for row in sql("SELECT snapshot_id FROM {ns}.t.snapshots ORDER BY committed_at")]
    assert sql(f"SELECT count(*) FROM t VERSION AS OF {snapshots[0]}") == [(1,)]
    sql(f"ALTER TABLE t CREATE TAG old AS OF VERSION {snapshots[1]} RETAIN 7 DAYS")
    sql("ALTER TABLE t CREATE BRANCH work RETAIN 7 DAYS WITH SNAPSHOT RETENTION 2 SNAPSHOTS")
    sql("INSERT INTO {ns}.t.branch_work VALUES (9)")
    assert sql("SELECT count(*) FROM t VERSION AS OF 'old'") == [(2,)]
    assert sql("SELECT max(id) FROM {ns}.t.branch_work") == [(9,)]
    sql(f"CALL ice.system.fast_forward('{namespace}.t', 'main', 'work')")
    assert sql("SELECT count(*) FROM t") == [(4,)]
    sql("ALTER TABLE t DROP BRANCH work")
    assert set(catalog.load_table(f"{namespace}.t").metadata.refs) == {"main", "old"}
    sql("CREATE OR REPLACE TABLE t USING iceberg AS SELECT 'a' AS word")
    assert sql("SELECT * FROM t") == [("a",)]
    assert sql("SELECT count(*) FROM t VERSION AS OF 'old'") == [(2,)]


def test_views(namespace, sql):
    sql("CREATE TABLE t (id bigint, kind string) USING iceberg")
    sql("INSERT INTO t VALUES (1, 'a'), (2, 'b')")
    sql("CREATE VIEW v (number COMMENT 'the id') COMMENT 'of a' TBLPROPERTIES ('x' = 'y') AS SELECT id FROM t WHERE kind = 'a'")
    assert sql("SELECT number FROM v") == [(1,)]
    assert [row[1] for row in sql("SHOW VIEWS")] == ["v"]
    sql("CREATE OR REPLACE VIEW v AS SELECT id + 10 AS number FROM t")
    assert sorted(sql("SELECT number FROM v")) == [(11,), (12,)]
    sql("ALTER VIEW v SET TBLPROPERTIES ('x' = 'z')")
    with pytest.raises(StatementFailed, match="(?i)already exists"):
        sql("CREATE TABLE v (id bigint) USING iceberg")
    sql("ALTER VIEW v RENAME TO w")
    assert len(sql("SELECT * FROM w")) == 2
    sql("DROP VIEW w")
    assert sql("SHOW VIEWS") == []


def test_variants_of_version_3(namespace, sql):
    sql("CREATE TABLE t (id bigint, v variant) USING iceberg TBLPROPERTIES ('format-version' = '3')")
    sql("""INSERT INTO t SELECT 1, parse_json('{"a": [1, 2], "b": "x"}')""")
    assert sql("SELECT id, variant_get(v, '$.a[1]', 'int'), variant_get(v, '$.b', 'string') FROM t") == [(1, 2, "x")]
    assert sql("SELECT _row_id FROM t") == [(0,)]


def test_maintenance_procedures(namespace, sql):
    sql("CREATE TABLE t (id bigint) USING iceberg")
    for i in range(4):
        sql(f"INSERT INTO t VALUES ({i})")
    sql(f"CALL ice.system.rewrite_data_files(table => '{namespace}.t', options => map('rewrite-all', 'true'))")
    sql(f"CALL ice.system.rewrite_manifests('{namespace}.t')")
    sql(f"CALL ice.system.expire_snapshots(table => '{namespace}.t', older_than => timestamp'2100-01-01 00:00:00')")
    assert sql("SELECT count(*) FROM {ns}.t.snapshots") == [(1,)]
    assert sql("SELECT count(*), sum(id) FROM t") == [(4, 6)]
