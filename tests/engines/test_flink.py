"""Flink 1.20 through the REST catalog: batch and streaming, and others read what it wrote."""

import pyarrow as pa
import pytest
from installed import class_path, installed, java
from interop import duck
from statements import Statements

#: What Flink's own scripts open for a Java of today.
OPENED = ("util", "lang", "net", "io", "nio", "lang.reflect", "text", "time", "util.concurrent", "util.concurrent.atomic", "util.concurrent.locks")


@pytest.fixture(scope="module")
def flink(server, tmp_path_factory):
    work = tmp_path_factory.mktemp("flink")
    libraries = next((installed("flink") / "sources").glob("*/deps/lib"))
    command = [java(), "-Xmx900m", "-XX:+UseSerialGC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", f"-Djava.io.tmpdir={work}",
               *[f"--add-opens=java.base/java.{name}=ALL-UNNAMED" for name in OPENED], "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
               "-cp", f"{class_path('flink')}:{libraries}/*", "FlinkStatements"]
    warehouse = ", 'warehouse' = 'default'" if server.warehouse else ""
    with Statements(command, work) as flink:
        for mode in ("batch", "streaming"):
            flink(f"CREATE CATALOG ice WITH ('type' = 'iceberg', 'catalog-type' = 'rest', 'uri' = '{server.uri}'{warehouse}, 'cache-enabled' = 'false')", mode)
            flink("USE CATALOG ice", mode)
        yield flink


@pytest.fixture
def sql(flink, namespace):
    for mode in ("batch", "streaming"):
        flink(f"USE {namespace}", mode)
    return flink


def rows_of_duckdb(server, query: str) -> list[tuple]:
    with duck.attach(server.uri, "default" if server.warehouse else "") as connection:
        return connection.execute(query).fetchall()


def test_create_write_read_alter(server, catalog, namespace, sql):
    sql("CREATE TABLE t (id BIGINT, kind STRING, v DOUBLE) PARTITIONED BY (kind) WITH ('format-version' = '2')")
    sql("INSERT INTO t VALUES (1, 'a', 1.5), (2, 'b', CAST(NULL AS DOUBLE)), (3, 'a', 2.5)")
    sql("INSERT INTO t SELECT id + 10, kind, v FROM t WHERE kind = 'a'")
    expected = [(1, "a", 1.5), (2, "b", None), (3, "a", 2.5), (11, "a", 1.5), (13, "a", 2.5)]
    assert sql("SELECT * FROM t ORDER BY id") == expected
    assert rows_of_duckdb(server, f"SELECT * FROM ice.{namespace}.t ORDER BY id") == expected
    sql("INSERT OVERWRITE t PARTITION (kind = 'a') SELECT 100, 9.0")
    assert sql("SELECT * FROM t ORDER BY id") == [(2, "b", None), (100, "a", 9.0)]
    sql("ALTER TABLE t SET ('x' = 'y', 'write.format.default' = 'orc')")
    sql("ALTER TABLE t ADD (extra INT)")
    sql("ALTER TABLE t RENAME v TO price")
    sql("INSERT INTO t VALUES (5, 'c', 1.0, 7)")
    table = catalog.load_table(f"{namespace}.t")
    assert table.properties["x"] == "y" and [field.name for field in table.schema().fields] == ["id", "kind", "price", "extra"]
    assert sorted(row["extra"] or 0 for row in table.scan().to_arrow().to_pylist()) == [0, 0, 7]
    sql("CREATE TABLE made WITH ('format-version' = '2') AS SELECT id * 2 AS twice FROM t")
    assert sorted(catalog.load_table(f"{namespace}.made").scan().to_arrow()["twice"].to_pylist()) == [4, 10, 200]
    sql("ALTER TABLE made RENAME TO renamed")
    assert sorted(sql("SHOW TABLES")) == [("renamed",), ("t",)]
    sql("DROP TABLE renamed")
    assert not catalog.table_exists(f"{namespace}.renamed")


def test_databases(catalog, namespace, sql):
    sql(f"CREATE DATABASE {namespace}_more WITH ('a' = 'b')")
    assert catalog.load_namespace_properties(f"{namespace}_more")["a"] == "b"
    assert (f"{namespace}_more",) in sql("SHOW DATABASES")
    sql(f"DROP DATABASE {namespace}_more")
    assert (f"{namespace}_more",) not in sql("SHOW DATABASES")


def test_time_travel_branches_and_tags(catalog, namespace, sql):
    sql("CREATE TABLE t (id BIGINT)")
    for i in range(3):
        sql(f"INSERT INTO t VALUES ({i})")
    first, second = [row[0] for row in sql("SELECT snapshot_id FROM `t$snapshots` ORDER BY committed_at")][:2]
    assert sql(f"SELECT * FROM t /*+ OPTIONS('snapshot-id' = '{first}') */") == [(0,)]
    catalog.load_table(f"{namespace}.t").manage_snapshots().create_tag(second, "old").create_branch(second, "work").commit()
    assert sorted(sql("SELECT * FROM t /*+ OPTIONS('tag' = 'old') */")) == [(0,), (1,)]
    sql("INSERT INTO t /*+ OPTIONS('branch' = 'work') */ VALUES (9)")
    assert sorted(sql("SELECT * FROM t /*+ OPTIONS('branch' = 'work') */")) == [(0,), (1,), (9,)]
    assert sorted(sql("SELECT * FROM t")) == [(0,), (1,), (2,)]
    assert sorted(row[0] for row in sql("SELECT name FROM `t$refs`")) == ["main", "old", "work"]


def test_upserts_of_a_stream(server, namespace, sql):
    """Equality deletes; PyIceberg does not read those, DuckDB does."""
    sql("CREATE TABLE t (id BIGINT, name STRING, PRIMARY KEY (id) NOT ENFORCED) WITH ('format-version' = '2', 'write.upsert.enabled' = 'true')")
    sql("INSERT INTO t VALUES (1, 'a'), (2, 'b')", "streaming")
    sql("INSERT INTO t VALUES (2, 'new'), (3, 'c')", "streaming")
    expected = [(1, "a"), (2, "new"), (3, "c")]
    assert sql("SELECT * FROM t ORDER BY id") == expected
    assert 2 in {row[0] for row in sql("SELECT content FROM `t$delete_files`")}
    assert rows_of_duckdb(server, f"SELECT * FROM ice.{namespace}.t ORDER BY id") == expected


def test_a_stream_sees_commits_of_others(catalog, namespace, sql):
    sql("CREATE TABLE t (id BIGINT)")
    sql("INSERT INTO t VALUES (1)")
    table = catalog.load_table(f"{namespace}.t")

    def append(count: int):
        if count == 1:  # the stream has begun: one that begins later reads from the newest snapshot on
            table.append(pa.table({"id": pa.array([2, 3], pa.int64())}))

    rows = sql("SELECT * FROM t /*+ OPTIONS('streaming' = 'true', 'monitor-interval' = '200ms') */", "streaming", most=3, timeout=90, on_row=append)
    assert sorted(rows) == [(1,), (2,), (3,)]
