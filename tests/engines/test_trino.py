"""Trino through the REST catalog, with tables in an S3 store: what it can do to tables and views, and others read it."""
import subprocess
import time

import pyarrow as pa
import pytest
from counted import counts_of, sketches, statistics_of
from harness import BINARY, Server, die_with_parent
from maintained import UNASKED_NOTHING, maintain
from pyarrow.fs import FileSelector, FileType, S3FileSystem
from pyiceberg.catalog.rest import RestCatalog
from seaweed import KEY, REGION, SECRET, Seaweed
from trino import Trino, TrinoFailed


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder, a store, and a server whose warehouse is there."""
    folder = tmp_path_factory.mktemp("trino")
    with Seaweed(folder / "s3") as store, pytest.MonkeyPatch.context() as patch:
        store.create_bucket("lake")
        for name, value in store.environment.items():
            patch.setenv(name, value)
        with Server(folder / "server", *UNASKED_NOTHING, root="s3://lake/warehouse") as server:
            yield folder, store, server
            assert server.running(), server.log_tail()


@pytest.fixture(scope="module")
def lake(place):
    """Trino and PyIceberg on both."""
    folder, store, server = place
    settings = {"iceberg.rest-catalog.uri": server.uri, "iceberg.rest-catalog.warehouse": "default", "iceberg.unique-table-location": "true",
                "fs.native-s3.enabled": "true", "s3.endpoint": store.endpoint, "s3.region": REGION, "s3.path-style-access": "true",
                "s3.aws-access-key": KEY, "s3.aws-secret-key": SECRET, "iceberg.expire-snapshots.min-retention": "0s",
                "iceberg.remove-orphan-files.min-retention": "0s"}
    with Trino(folder, settings) as trino:
        catalog = RestCatalog("m", uri=server.uri, warehouse="default", **{"s3.access-key-id": KEY, "s3.secret-access-key": SECRET})
        yield trino, catalog


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


@pytest.fixture
def optimizer(place, tmp_path):
    """A worker beside the server, while the test runs."""
    with (tmp_path / "optimizer.log").open("ab") as out:
        process = subprocess.Popen([BINARY, "optimizer", "--server", place[2].url], stdout=out, stderr=out, stdin=subprocess.DEVNULL,
                                   preexec_fn=die_with_parent)
    yield
    process.kill()
    process.wait()


def test_statistics(place, lake, sql, optimizer):
    """Moraine's counts of distinct values are Trino's, byte for byte, and each goes on from the other's."""
    server, (_, catalog) = place[2], lake
    name = "of_statistics.t"
    values = """i, 'word ' || cast(i % 50 as varchar), cast(i % 300 - 150 as decimal(9, 2)) / 100, date '2020-01-01' + interval '1' day * (i % 40),
                timestamp '2020-01-01 00:00:00.123456' + interval '1' hour * (i % 1000), i % 11 / 3e0, cast(i % 13 as real) / 2, i % 2 = 0,
                cast('00000000-0000-0000-0000-0000000000' || lpad(cast(i % 17 as varchar), 2, '0') as uuid),
                cast(cast(i % 19 as varchar) as varbinary), timestamp '2020-01-01 00:00:00.123456 UTC' + interval '1' minute * (i % 23)"""
    sql("CREATE TABLE t (id bigint, word varchar, price decimal(9, 2), day date, at timestamp(6), ratio double, small real, yes boolean, number uuid, "
        "raw varbinary, moment timestamp(6) with time zone)")
    truth = {"id": 2000, "word": 50, "price": 300, "day": 40, "at": 1000, "ratio": 11, "small": 13, "yes": 2, "number": 17, "raw": 19, "moment": 23}
    catalog.load_table(name).transaction().set_properties({"self-optimizing.enabled": "false", "table-expire.enabled": "false"}).commit_transaction()
    sql(f"INSERT INTO t SELECT {values} FROM UNNEST(sequence(1, 2500)) AS s(i)")
    sql("DELETE FROM t WHERE id > 2000")
    sql("ALTER TABLE t EXECUTE drop_extended_stats")

    def known_to_trino() -> dict[str, int]:
        return {row[0]: round(row[2]) for row in sql("SHOW STATS FOR t") if row[0] and row[2] is not None}

    def read_sketches() -> dict[int, bytes]:
        path = statistics_of(server, name)["statistics-path"]
        return sketches(catalog.load_table(name).io.new_input(path).open().read())

    assert known_to_trino() != truth
    maintain(server, name, "compute-statistics")
    assert counts_of(server, name) == truth and known_to_trino() == truth
    ours = read_sketches()
    sql("ANALYZE t")
    assert known_to_trino() == truth
    assert read_sketches() == ours
    # Trino's own inserts go on from ours.
    maintain(server, name, "compute-statistics", full=True)
    sql(f"INSERT INTO t SELECT {values} FROM UNNEST(sequence(5001, 5500)) AS s(i)")
    assert known_to_trino() == counts_of(server, name) == truth | {"id": 2500}
    # And ours from Trino's, but for uuids, of which it does not say how it hashes them.
    table = catalog.load_table(name)
    table.append(pa.table({"id": pa.array([7001], pa.int64())}))
    del truth["number"]
    table.transaction().set_properties({"statistics.columns": ", ".join(truth)}).commit_transaction()
    run = maintain(server, name, "compute-statistics")
    assert run["details"]["rows"] == 1
    assert known_to_trino() == truth | {"id": 2501}


def test_maintenance_by_moraine_and_by_trino(place, lake, sql, optimizer):
    """After Moraine's maintenance Trino reads all that stays as before, and its own procedures find nothing more; and the other way round."""
    (_, store, server), (_, catalog) = place, lake
    name = "of_maintenance_by_moraine_and_by_trino.t"
    sql("CREATE TABLE t (id bigint, kind varchar) WITH (partitioning = ARRAY['kind'], format_version = 2)")
    with catalog.load_table(name).transaction() as change:
        change.set_properties({"self-optimizing.enabled": "false", "snapshot.keep.duration": "1s", "snapshot.keep.min-count": "1"})
    for statement in ("INSERT INTO t SELECT id, 'k' || CAST(id % 3 AS varchar) FROM UNNEST(sequence(0, 29)) s(id)", "DELETE FROM t WHERE id % 5 = 0",
                      "UPDATE t SET kind = 'new' WHERE id = 1", "INSERT INTO t VALUES (100, 'k0')"):
        sql(statement)
    second = sorted(catalog.load_table(name).snapshots(), key=lambda one: one.sequence_number)[-3]
    catalog.load_table(name).manage_snapshots().create_tag(second.snapshot_id, "kept").commit()
    sql("ALTER TABLE t EXECUTE optimize")
    disk = S3FileSystem(access_key=KEY, secret_key=SECRET, region=REGION, endpoint_override=store.endpoint)
    folder = catalog.load_table(name).location().removeprefix("s3://")

    def objects() -> set[str]:
        return {info.path for info in disk.get_file_info(FileSelector(folder, recursive=True)) if info.type == FileType.File and "/." not in info.path}

    def rows(version="") -> list[tuple]:
        return sql(f"SELECT id, kind FROM t {version} ORDER BY id")

    def check_counts():
        table = catalog.load_table(name)
        assert {row[0] for row in sql('SELECT snapshot_id FROM "t$snapshots"')} == {one.snapshot_id for one in table.snapshots()}
        files = dict(sql('SELECT content, count(*) FROM "t$files" GROUP BY content'))
        summary = table.current_snapshot().summary
        assert (int(summary["total-data-files"]), int(summary["total-delete-files"])) == (files.get(0, 0), sum(files.values()) - files.get(0, 0))
        assert sql('SELECT sum(added_data_files_count + existing_data_files_count) FROM "t$manifests"') == [(sum(files.values()),)], "of deletes, too"

    head, tagged = rows(), rows("FOR VERSION AS OF 'kept'")
    planted = {"data/kind=k0/lost.parquet", "metadata/lost-m0.avro", "data/with space.parquet"}
    for orphan in planted:
        with disk.open_output_stream(f"{folder}/{orphan}") as out:
            out.write(b"nobody's")
    time.sleep(1.1)
    assert maintain(server, name, "expire-snapshots")["files-removed"] > 0
    for action in ("clean-dangling-delete-files", "rewrite-manifests"):
        maintain(server, name, action)
    maintain(server, name, "clean-orphan-files", older_than_ms=0, allow_young=True)
    # Lists of runs that ended just now may be there, too.
    moved = {info.path.split("/0/", 1)[1] for info in disk.get_file_info(FileSelector(folder + "/.quarantine", recursive=True)) if "/0/" in info.path and info.type == FileType.File}
    assert {path for path in moved if not path.startswith(".maintenance/")} == planted
    assert rows() == head and rows("FOR VERSION AS OF 'kept'") == tagged and rows(f"FOR VERSION AS OF {second.snapshot_id}") == tagged
    check_counts()
    maintain(server, name, "expire-snapshots")
    before, snapshots = objects(), sql('SELECT count(*) FROM "t$snapshots"')
    sql("ALTER TABLE t EXECUTE expire_snapshots(retention_threshold => '0s')")
    sql("ALTER TABLE t EXECUTE remove_orphan_files(retention_threshold => '0s')")
    assert sql('SELECT count(*) FROM "t$snapshots"') == snapshots
    assert before - objects() == set(), "Trino found more that nobody needs"

    for i in range(3):
        sql(f"INSERT INTO t VALUES ({200 + i}, 'k{i}')")
    sql("DELETE FROM t WHERE id = 200")
    sql("ALTER TABLE t EXECUTE optimize")
    sql("ALTER TABLE t EXECUTE optimize_manifests")
    sql("ALTER TABLE t EXECUTE expire_snapshots(retention_threshold => '0s')")
    sql("ALTER TABLE t EXECUTE remove_orphan_files(retention_threshold => '0s')")
    head = rows()
    time.sleep(1.1)
    before = objects()
    for action in ("expire-snapshots", "clean-dangling-delete-files", "rewrite-manifests", "clean-orphan-files"):
        maintain(server, name, action)
    assert rows() == head and rows("FOR VERSION AS OF 'kept'") == tagged
    check_counts()
    assert not {path for path in before - objects() if path.endswith(".parquet")}, "all that Trino has left is needed"
    maintain(server, name, "clean-orphan-files", older_than_ms=0, allow_young=True)
    assert {path for path in objects() if path.endswith(".parquet")} == {path for path in before if path.endswith(".parquet")}
