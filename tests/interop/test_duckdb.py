"""DuckDB through the REST catalog: reads what others write, writes what others read."""
import datetime

import pyarrow as pa
import pytest
from interop import duck
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.transforms import BucketTransform, DayTransform, IdentityTransform

from interop.test_pyiceberg import ALL_TYPES, EVENTS, ROW, events


@pytest.fixture
def connection(server):
    with duck.attach(server.uri, "default" if server.warehouse else "") as connection:
        yield connection


def test_duckdb_reads_every_type(catalog, namespace, connection):
    table = catalog.create_table(f"{namespace}.t", ALL_TYPES)
    nothing = {name: None for name in ROW} | {"a_long": 0}
    table.append(pa.Table.from_pylist([ROW, nothing], schema=table.schema().as_arrow()))
    connection.execute("SET TimeZone = 'UTC'")
    columns = [name for name in ROW if name not in ("a_uuid", "a_map", "a_timestamptz")]
    first, second = connection.execute(f"SELECT {', '.join(columns)} FROM ice.{namespace}.t ORDER BY a_long DESC").fetchall()
    assert first == tuple(ROW[name] for name in columns)
    assert second == tuple(nothing[name] for name in columns)
    special = connection.execute(f"SELECT a_uuid::VARCHAR, map_keys(a_map), epoch_us(a_timestamptz) FROM ice.{namespace}.t "
                                 "WHERE a_long > 0").fetchall()
    assert special == [("f79c3e09-677c-4bbd-a479-3f349cb785e7", ["k", "l"], int(ROW["a_timestamptz"].timestamp()) * 10**6)]


@pytest.mark.parametrize("spec", [PartitionSpec(), PartitionSpec(PartitionField(2, 1000, IdentityTransform(), "kind")),
                                  PartitionSpec(PartitionField(1, 1000, BucketTransform(4), "b"), PartitionField(3, 1001, DayTransform(), "d"))],
                         ids=["unpartitioned", "identity", "bucket-day"])
def test_duckdb_reads_what_pyiceberg_wrote(catalog, namespace, connection, spec):
    table = catalog.create_table(f"{namespace}.t", EVENTS, partition_spec=spec)
    for start in range(0, 40, 10):
        table.append(events(range(start, start + 10)))
    table.delete("id >= 35")
    assert connection.execute(f"SELECT count(*), sum(id) FROM ice.{namespace}.t").fetchall() == [(35, sum(range(35)))]
    early = f"SELECT id FROM ice.{namespace}.t WHERE kind = 'a' AND \"at\" < TIMESTAMP '2026-01-01 09:30:00' ORDER BY id"
    rows = connection.execute(early).fetchall()
    assert rows == [(0,), (3,), (6,), (9,)]
    assert connection.execute(f"SELECT count(*) FROM iceberg_snapshots(ice.{namespace}.t)").fetchone()[0] >= 5
    first = table.snapshots()[0].snapshot_id
    assert connection.execute(f"SELECT count(*) FROM ice.{namespace}.t AT (VERSION => {first})").fetchall() == [(10,)]


def test_duckdb_sees_namespaces_tables_and_columns(catalog, namespace, connection):
    catalog.create_table(f"{namespace}.t", EVENTS)
    found = connection.execute(f"SELECT name FROM (SHOW ALL TABLES) WHERE schema = '{namespace}'").fetchall()
    assert found == [("t",)]
    columns = connection.execute(f"SELECT column_name, column_type FROM (DESCRIBE ice.{namespace}.t)").fetchall()
    assert columns == [("id", "BIGINT"), ("kind", "VARCHAR"), ("at", "TIMESTAMP")]


def test_duckdb_writes_and_pyiceberg_reads(catalog, namespace, connection):
    connection.execute(f"CREATE TABLE ice.{namespace}.t (id BIGINT, kind VARCHAR, v DOUBLE, made TIMESTAMP)")
    connection.execute(f"INSERT INTO ice.{namespace}.t SELECT i, chr((97 + i % 3)::INT), i, TIMESTAMP '2026-01-01' FROM range(100) r(i)")
    connection.execute(f"UPDATE ice.{namespace}.t SET v = -1 WHERE id < 5")
    connection.execute(f"DELETE FROM ice.{namespace}.t WHERE kind = 'b'")
    rows = catalog.load_table(f"{namespace}.t").scan().to_arrow().to_pylist()
    expected = [i for i in range(100) if i % 3 != 1]
    assert sorted(row["id"] for row in rows) == expected
    assert sum(row["v"] for row in rows) == sum(-1 if i < 5 else i for i in expected)
    assert rows[0]["made"] == datetime.datetime(2026, 1, 1)
    connection.execute(f"DROP TABLE ice.{namespace}.t")
    assert not catalog.table_exists(f"{namespace}.t")


def test_duckdb_creates_a_table_from_a_query(catalog, namespace, connection):
    """A staged create: DuckDB writes its files before the table is there, and makes no folders."""
    connection.execute(f"CREATE TABLE ice.{namespace}.t AS SELECT i AS a, 'x' AS b FROM range(3) r(i)")
    assert connection.execute(f"SELECT a, b FROM ice.{namespace}.t ORDER BY a").fetchall() == [(0, "x"), (1, "x"), (2, "x")]
    assert sorted(catalog.load_table(f"{namespace}.t").scan().to_arrow()["a"].to_pylist()) == [0, 1, 2]


def test_duckdb_writes_partitions_and_alters(catalog, namespace, connection):
    connection.execute(f"CREATE TABLE ice.{namespace}.p (id BIGINT, kind VARCHAR) PARTITIONED BY (kind) WITH ('format-version' = '2')")
    connection.execute(f"INSERT INTO ice.{namespace}.p VALUES (1, 'a'), (2, 'b')")
    connection.execute(f"ALTER TABLE ice.{namespace}.p ADD COLUMN x INTEGER")
    connection.execute(f"INSERT INTO ice.{namespace}.p VALUES (3, 'c', 7)")
    table = catalog.load_table(f"{namespace}.p")
    assert sorted((row["id"], row["x"]) for row in table.scan().to_arrow().to_pylist()) == [(1, None), (2, None), (3, 7)]
    assert [(field.source_id, str(field.transform)) for field in table.spec().fields] == [(2, "identity")]


def test_duckdb_transaction_over_two_tables(catalog, namespace, connection):
    for name in ("one", "two"):
        connection.execute(f"CREATE TABLE ice.{namespace}.{name} (id BIGINT)")
    connection.execute("BEGIN")
    connection.execute(f"INSERT INTO ice.{namespace}.one VALUES (1)")
    connection.execute(f"INSERT INTO ice.{namespace}.two VALUES (2)")
    connection.execute("COMMIT")
    assert [catalog.load_table(f"{namespace}.{name}").scan().to_arrow()["id"].to_pylist() for name in ("one", "two")] == [[1], [2]]
