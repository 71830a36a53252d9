"""Spark 4 with the newest Iceberg client: what test_spark.py asks of Spark 3.5 in depth, here in breadth."""
import sys
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from harness import Server
from installed import installed
from interop import duck
from judged import folder_of, grow_old, plant_orphans, points, read_all
from maintained import UNASKED_NOTHING, maintain
from partition_judge import UPDATED, PartitionJudge, rows
from pyiceberg.catalog.rest import RestCatalog
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


@pytest.mark.parametrize("version", [2, 3])
def test_what_stays_after_maintenance_by_moraine(spark, tmp_path, version):
    with Server(tmp_path, *UNASKED_NOTHING, optimizer_threads=1) as server:
        catalog = RestCatalog("m", uri=server.uri, warehouse="default")
        catalog.create_namespace("db")
        for key, value in {"": "org.apache.iceberg.spark.SparkCatalog", ".type": "rest", ".uri": server.uri, ".warehouse": "default", ".cache-enabled": "false"}.items():
            spark(f"SET `spark.sql.catalog.kept{version}{key}`=`{value}`")
        table = f"kept{version}.db.t"
        spark(f"CREATE TABLE {table} (id bigint, kind string) USING iceberg PARTITIONED BY (kind) TBLPROPERTIES ('format-version' = '{version}', {MERGE_ON_READ}, "
              "'self-optimizing.enabled' = 'false', 'snapshot.keep.duration' = '1s', 'snapshot.keep.min-count' = '2')")
        spark(f"INSERT INTO {table} SELECT id, concat('k', id % 2) FROM range(20)")
        spark(f"DELETE FROM {table} WHERE id % 5 = 0")
        spark(f"ALTER TABLE {table} CREATE TAG early")
        spark(f"ALTER TABLE {table} CREATE BRANCH work")
        spark(f"INSERT INTO {table}.branch_work VALUES (500, 'w')")
        spark(f"UPDATE {table} SET kind = 'k1' WHERE id IN (2, 4)")
        spark(f"DELETE FROM {table} WHERE id = 3")
        spark(f"CALL kept{version}.system.rewrite_data_files(table => 'db.t', options => map('rewrite-all', 'true', 'use-starting-sequence-number', 'false'))")
        spark(f"INSERT INTO {table} VALUES (600, 'k0')")
        metadata = catalog.load_table("db.t").metadata
        before = read_all(spark, table, metadata, "id, kind")
        folder = folder_of(metadata)
        planted = plant_orphans(folder, version)
        grow_old(folder)
        time.sleep(1.1)
        runs = {action: maintain(server, "db.t", action) for action in ("expire-snapshots", "clean-dangling-delete-files", "rewrite-manifests", "clean-orphan-files")}
        assert runs["expire-snapshots"]["files-removed"] > 0 and runs["clean-orphan-files"]["details"]["moved"] == len(planted), runs
        after = catalog.load_table("db.t").metadata
        assert len(after.snapshots) < len(metadata.snapshots)
        head = before["'main'"]
        assert read_all(spark, table, after, "id, kind") == {point: before.get(point, head) for point in points(after)}
        older = (datetime.now(timezone.utc) - timedelta(days=3)).strftime("%Y-%m-%d %H:%M:%S")
        assert spark(f"CALL kept{version}.system.remove_orphan_files(table => 'db.t', older_than => timestamp'{older}', dry_run => true)") == []


ID_AND_KIND = "PARTITIONED BY (kind, bucket(2, id))"
#: Version, how it is partitioned; statements before the first statistics and between those and the next; the partition that
#: equality deletes come to between.
PARTITIONED = {
    "v1": (1, ID_AND_KIND, [], ["INSERT INTO {t} VALUES (90, 'k0'), (91, 'late')"], None),
    "v2": (2, ID_AND_KIND, ["DELETE FROM {t} WHERE id = 3"], ["DELETE FROM {t} WHERE id IN (1, 5, 8)", "DELETE FROM {t} WHERE kind = 'k0'"], None),
    "keys": (2, "PARTITIONED BY (kind)", ["DELETE FROM {t} WHERE id = 3"], ["INSERT INTO {t} VALUES (90, NULL)"], ["k1"]),
    "v3": (3, ID_AND_KIND, ["DELETE FROM {t} WHERE id = 3"], ["DELETE FROM {t} WHERE id IN (1, 3, 5, 8)", "INSERT INTO {t} VALUES (91, 'late')"], None),
    "evolved": (2, "PARTITIONED BY (kind)", ["ALTER TABLE {t} ADD PARTITION FIELD days(at)", "INSERT INTO {t} VALUES (50, 'k1', timestamp'2024-02-29 12:00:00')"],
                ["ALTER TABLE {t} DROP PARTITION FIELD kind", "INSERT INTO {t} VALUES (51, 'k9', timestamp'1969-12-31 23:59:59')",
                 "DELETE FROM {t} WHERE id IN (2, 50)"], None)}


def test_partition_statistics(spark, tmp_path):
    with Server(tmp_path, *UNASKED_NOTHING, optimizer_threads=1) as server:
        RestCatalog("m", uri=server.uri, warehouse="default").create_namespace("db")
        for key, value in {"": "org.apache.iceberg.spark.SparkCatalog", ".type": "rest", ".uri": server.uri, ".warehouse": "default", ".cache-enabled": "false"}.items():
            spark(f"SET `spark.sql.catalog.counted{key}`={value}")
        for name, (version, partitioning, before, between, keys_to) in PARTITIONED.items():
            judge = PartitionJudge(server, spark, "counted", name)
            table = f"counted.db.{name}"
            time_column = ", at timestamp" if name == "evolved" else ""
            spark(f"CREATE TABLE {table} (id bigint, kind string{time_column}) USING iceberg {partitioning} TBLPROPERTIES ('format-version' = '{version}', "
                  f"{MERGE_ON_READ if version > 1 else ''}{',' if version > 1 else ''} 'self-optimizing.enabled' = 'false')")
            value = ", timestamp'2024-01-01 00:00:00' + make_interval(0, 0, 0, int(id % 3))" if time_column else ""
            # Many manifests: of few all would be read, not the changes of two snapshots.
            for start in range(0, 96, 24):
                spark(f"INSERT INTO {table} SELECT id, concat('k', id % 3){value} FROM range({start}, {start + 24})")
            for statement in before:
                spark(statement.replace("{t}", table))
            mine, _ = judge.ours()
            judge.only()
            theirs = judge.theirs()
            assert rows(mine) == rows(theirs) != [], name
            for statement in between:
                spark(statement.replace("{t}", table))
            if keys_to:
                judge.commit_delta({"partition": keys_to, "key-columns": ["id"], "keys": [[4], [7]]})
            on_theirs, only_changes = judge.ours()
            assert only_changes, name
            judge.only(theirs)
            assert rows(judge.theirs()) == rows(on_theirs), name
            judge.only(mine)
            on_mine = judge.theirs()
            assert rows(on_mine) == rows(on_theirs), name
            judge.only()
            anew = judge.theirs()
            # What emptied a partition's file is known to who looks at each commit, and forgotten by the manifests after the next.
            but = () if version == 1 else UPDATED
            assert rows(anew, but) == rows(on_mine, but), name
            judge.only()
            mine, only_changes = judge.ours()
            assert not only_changes and rows(mine) == rows(anew), name
            if keys_to:
                assert sum(row["equality_delete_record_count"] for row in rows(mine)) == 2
            if version == 3:
                assert sum(row["dv_count"] for row in rows(mine)) > 0
        spark("CREATE TABLE counted.db.flat (id bigint) USING iceberg")
        spark("INSERT INTO counted.db.flat VALUES (1)")
        with pytest.raises(StatementFailed, match="(?i)partitioned"):
            spark("CALL counted.system.compute_partition_stats(table => 'db.flat')")
        maintain(server, "db.flat", "compute-statistics")
        assert PartitionJudge(server, spark, "counted", "flat").files() == {}
