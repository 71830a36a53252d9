"""Trino through the REST catalog, with tables in an S3 store: what it can do to tables and views, and others read it."""
import pytest
from harness import Server
from pyiceberg.catalog.rest import RestCatalog
from seaweed import KEY, REGION, SECRET, Seaweed
from trino import Trino, TrinoFailed


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    """A store, a server whose warehouse is there, Trino and PyIceberg on both."""
    folder = tmp_path_factory.mktemp("trino")
    with Seaweed(folder / "s3") as store, pytest.MonkeyPatch.context() as patch:
        store.create_bucket("lake")
        for name, value in store.environment.items():
            patch.setenv(name, value)
        with Server(folder / "server", root="s3://lake/warehouse") as server:
            settings = {"iceberg.rest-catalog.uri": server.uri, "iceberg.rest-catalog.warehouse": "default", "iceberg.unique-table-location": "true",
                        "fs.native-s3.enabled": "true", "s3.endpoint": store.endpoint, "s3.region": REGION, "s3.path-style-access": "true",
                        "s3.aws-access-key": KEY, "s3.aws-secret-key": SECRET, "iceberg.expire-snapshots.min-retention": "0s"}
            with Trino(folder, settings) as trino:
                catalog = RestCatalog("m", uri=server.uri, warehouse="default", **{"s3.access-key-id": KEY, "s3.secret-access-key": SECRET})
                yield trino, catalog
            assert server.running(), server.log_tail()


@pytest.fixture
def sql(lake, request):
    trino, _ = lake
    schema = "of_" + request.node.name.removeprefix("test_")
    trino.sql(f"CREATE SCHEMA {schema}")
    yield lambda statement: trino.sql(statement, schema)
    trino.sql(f"DROP SCHEMA {schema} CASCADE")
    assert (schema,) not in trino.sql("SHOW SCHEMAS")


def test_write_merge_and_read(lake, sql):
    sql("CREATE TABLE t (id bigint, kind varchar, v double) WITH (partitioning = ARRAY['kind'], format_version = 2)")
    sql("INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2), (3, 'a', 3), (4, 'c', 4)")
    sql("UPDATE t SET v = -1 WHERE id = 2")
    sql("DELETE FROM t WHERE kind = 'c'")
    sql("MERGE INTO t USING (VALUES (1, 'a', 10.0), (9, 'z', 0.0)) s(id, kind, v) ON t.id = s.id AND t.kind = s.kind "
        "WHEN MATCHED THEN UPDATE SET v = s.v WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.kind, s.v)")
    expected = [(1, "a", 10.0), (2, "b", -1.0), (3, "a", 3.0), (9, "z", 0.0)]
    assert sql("SELECT * FROM t ORDER BY id") == expected
    _, catalog = lake
    table = catalog.load_table("of_write_merge_and_read.t")
    assert sorted(tuple(row.values()) for row in table.scan().to_arrow().to_pylist()) == expected
    table.append(table.scan().to_arrow().slice(0, 1))
    assert sql("SELECT count(*) FROM t") == [(5,)]
    sql("ALTER TABLE t EXECUTE optimize")
    sql("ALTER TABLE t EXECUTE expire_snapshots(retention_threshold => '0s')")
    assert sql("SELECT count(*), sum(record_count) FROM \"t$files\" WHERE content = 0")[0][1] == 5
    assert sql('SELECT count(*) FROM "t$snapshots"') == [(1,)]
    sql("ANALYZE t")
    assert sql("SELECT count(*) FROM t") == [(5,)]


def test_alter(lake, sql):
    sql("CREATE TABLE t (id bigint, v double)")
    sql("INSERT INTO t VALUES (1, 1)")
    for change in ("ADD COLUMN extra integer", "RENAME COLUMN v TO price", "ALTER COLUMN extra SET DATA TYPE bigint", "DROP COLUMN price",
                   "SET PROPERTIES partitioning = ARRAY['bucket(id, 4)']", "SET PROPERTIES format_version = 2"):
        sql(f"ALTER TABLE t {change}")
    sql("COMMENT ON TABLE t IS 'words'")
    sql("COMMENT ON COLUMN t.extra IS 'more'")
    sql("INSERT INTO t VALUES (2, 5000000000)")
    assert sql("SELECT id, extra FROM t ORDER BY id") == [(1, None), (2, 5000000000)]
    sql("ALTER TABLE t RENAME TO renamed")
    assert sql("SHOW TABLES") == [("renamed",)]
    _, catalog = lake
    table = catalog.load_table("of_alter.renamed")
    assert table.properties["comment"] == "words" and [field.name for field in table.schema().fields] == ["id", "extra"]
    sql("CREATE OR REPLACE TABLE renamed AS SELECT 'a' word")
    assert sql("SELECT * FROM renamed") == [("a",)]
    with pytest.raises(TrinoFailed, match="(?i)already exists"):
        sql("CREATE TABLE renamed (id bigint)")


def test_views(sql):
    sql("CREATE TABLE t AS SELECT * FROM (VALUES (1, 'a'), (2, 'b')) s(id, kind)")
    sql("CREATE VIEW v COMMENT 'of a' AS SELECT id FROM t WHERE kind = 'a'")
    assert sql("SELECT * FROM v") == [(1,)]
    sql("CREATE OR REPLACE VIEW v AS SELECT id + 10 AS number FROM t")
    assert sorted(sql("SELECT number FROM v")) == [(11,), (12,)]
    sql("ALTER VIEW v RENAME TO w")
    assert sql("SELECT count(*) FROM w") == [(2,)]
    assert sorted(sql("SHOW TABLES")) == [("t",), ("w",)]
    with pytest.raises(TrinoFailed, match="(?i)exists"):
        sql("CREATE TABLE w (id bigint)")
    sql("DROP VIEW w")
    assert sql("SHOW TABLES") == [("t",)]


def test_time_travel_branches_and_tags(lake, sql):
    sql("CREATE TABLE t (id bigint)")
    for i in range(3):
        sql(f"INSERT INTO t VALUES {i}")
    snapshots = [row[0] for row in sql('SELECT snapshot_id FROM "t$snapshots" ORDER BY committed_at')]
    second = snapshots[-2]
    assert sql(f"SELECT count(*) FROM t FOR VERSION AS OF {second}") == [(2,)]
    _, catalog = lake
    catalog.load_table("of_time_travel_branches_and_tags.t").manage_snapshots().create_tag(second, "old").create_branch(second, "work").commit()
    assert sql("SELECT count(*) FROM t FOR VERSION AS OF 'old'") == [(2,)]
    assert sql("SELECT count(*) FROM t FOR VERSION AS OF 'work'") == [(2,)]
    assert sorted(row[0] for row in sql('SELECT name FROM "t$refs"')) == ["main", "old", "work"]
    sql(f"ALTER TABLE t EXECUTE rollback_to_snapshot({second})")
    assert sql("SELECT count(*) FROM t") == [(2,)]
