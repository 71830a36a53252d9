"""Tables after Moraine's maintenance, judged by others: Spark, PyIceberg and DuckDB read of every snapshot, branch and tag that
stays exactly what they read before; Spark's own procedures find nothing that is left to do, and nothing that Moraine would take
beside them. And the other way round: what Spark's procedures have left is maintained right.

Trino and Spark 4 judge in test_trino.py and test_spark4.py.
"""
import json
import os
import subprocess
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from unittest import mock

import pyarrow as pa
import pytest
from harness import ROOT, Server, until
from interop import duck
from judged import (as_rows, expected_to_stay, folder_of, grow_old, hide_from_all, in_quarantine, location_to_path, plant_orphans, points,
                    read_all)
from maintained import UNASKED_NOTHING, maintain, table_path
from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.manifest import ManifestEntryStatus

COMMIT_DELTAS = Path(os.environ.get("MORAINE_COMMIT_DELTAS", ROOT / "build" / "fast" / "tests" / "commit_deltas"))
ON_READ = {"write.delete.mode": "merge-on-read", "write.update.mode": "merge-on-read", "write.merge.mode": "merge-on-read"}
CALM = {"self-optimizing.enabled": "false", "snapshot.keep.duration": "1s", "snapshot.keep.min-count": "2"}
SCHEMA = pa.schema([pa.field("id", pa.int64()), pa.field("kind", pa.string()), pa.field("v", pa.int64())])
HOUR = 3600
#: Version, how it is partitioned, properties.
TABLES = {"flat2": (2, "", ON_READ), "parts1": (1, "PARTITIONED BY (kind)", {}),
          "parts2": (2, "PARTITIONED BY (bucket(2, id), kind)", ON_READ | {"write.delete.granularity": "partition"}),
          "parts3": (3, "PARTITIONED BY (kind)", ON_READ)}


class Lake:
    """A server of its own with an optimizer, as Spark's catalog `judged`, and PyIceberg's."""

    def __init__(self, spark, server: Server):
        self.spark, self.server = spark, server
        self.catalog = RestCatalog("m", uri=server.uri, warehouse="default")
        self.catalog.create_namespace("db")

    def sql(self, text: str) -> list[tuple]:
        return [tuple(row) for row in self.spark.sql(text).collect()]

    def create(self, name: str, version: int, partitioning: str, properties: dict, columns: str = "id bigint, kind string, v bigint") -> str:
        listed = ", ".join(f"'{key}' = '{value}'" for key, value in ({"format-version": version} | CALM | properties).items())
        self.sql(f"CREATE TABLE judged.db.{name} ({columns}) USING iceberg {partitioning} TBLPROPERTIES ({listed})")
        return f"judged.db.{name}"

    def create_hours_ago(self, name: str, hours: int, *what) -> str:
        """The same, but as if it had been made then, so that its first commits may be older than now."""
        self.create(name, *what)
        made = self.catalog.load_table(f"db.{name}")
        self.catalog.drop_table(f"db.{name}")
        metadata = json.loads(location_to_path(made.metadata_location).read_text())
        metadata |= {"location": metadata["location"] + "-old", "last-updated-ms": metadata["last-updated-ms"] - hours * HOUR * 1000, "metadata-log": []}
        # What has been registered is left alone unless it asks.
        metadata["properties"] |= {"table-expire.enabled": "true", "clean-orphan-file.enabled": "true", "clean-dangling-delete-files.enabled": "true", "rewrite-manifests.enabled": "true"}
        file = location_to_path(metadata["location"]) / "metadata" / "00000-0.metadata.json"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(metadata))
        self.catalog.register_table(f"db.{name}", f"file://{file}")
        return f"judged.db.{name}"

    def metadata(self, name: str):
        return self.catalog.load_table(f"db.{name}").metadata

    def alter(self, name: str, **properties):
        listed = ", ".join(f"'{key}' = '{value}'" for key, value in properties.items())
        self.sql(f"ALTER TABLE judged.db.{name} SET TBLPROPERTIES ({listed})")

    def maintain(self, name: str, action: str, **options) -> dict:
        return maintain(self.server, f"db.{name}", action, **options)

    def orphans_by_spark(self, name: str) -> set[Path]:
        """What Spark would remove, of what is older than three days."""
        older = (datetime.now(timezone.utc) - timedelta(days=3)).strftime("%Y-%m-%d %H:%M:%S")
        return {location_to_path(row[0]) for row in self.sql(
            f"CALL judged.system.remove_orphan_files(table => 'db.{name}', older_than => timestamp'{older}', dry_run => true)")}

    def duckdb(self, query: str) -> list[tuple]:
        with duck.attach(self.server.uri) as connection:
            return as_rows(connection.execute(query).fetchall())

    def check_metadata_tables(self, name: str):
        """The metadata tables of Spark agree with each other and with the summary."""
        table = f"judged.db.{name}"
        summary = dict(self.sql(f"SELECT summary FROM {table}.snapshots s JOIN {table}.refs r ON s.snapshot_id = r.snapshot_id WHERE r.name = 'main'")[0][0])
        files = dict(self.sql(f"SELECT content, count(*) FROM {table}.files GROUP BY content"))
        deletes = sum(count for content, count in files.items() if content)
        assert (int(summary["total-data-files"]), int(summary["total-delete-files"])) == (files.get(0, 0), deletes), summary
        by_manifests = self.sql(f"SELECT coalesce(sum(added_data_files_count + existing_data_files_count), 0), "
                                f"coalesce(sum(added_delete_files_count + existing_delete_files_count), 0) FROM {table}.manifests")[0]
        assert by_manifests == (files.get(0, 0), deletes)


def rows_of(first: int, count: int) -> pa.Table:
    return pa.table({"id": range(first, first + count), "kind": [f"k{i % 3}" for i in range(first, first + count)],
                     "v": [i * 10 for i in range(first, first + count)]}, schema=SCHEMA)


def append_hours_ago(table, rows: pa.Table, hours: int):
    then = time.time() - hours * HOUR
    with mock.patch("time.time", lambda: then):
        table.append(rows)


def live_a_life(lake: Lake, name: str, version: int):
    """Writers of two kinds, branches, tags, a rollback, another partitioning, deletes whose data is gone."""
    table = f"judged.db.{name}"
    sql = lake.sql
    if version < 3:
        other = lake.catalog.load_table(f"db.{name}")
        append_hours_ago(other, rows_of(0, 12), 5)
        append_hours_ago(other, rows_of(12, 12), 4)
    else:  # PyIceberg does not write these
        sql(f"INSERT INTO {table} SELECT id, concat('k', id % 3), id * 10 FROM range(0, 12)")
        sql(f"INSERT INTO {table} SELECT id, concat('k', id % 3), id * 10 FROM range(12, 24)")
    snapshots = [one.snapshot_id for one in lake.metadata(name).snapshots]
    lake.catalog.load_table(f"db.{name}").manage_snapshots().create_tag(snapshots[0], "first").create_tag(
        snapshots[1], "brief", max_ref_age_ms=1).create_branch(snapshots[1], "work").create_branch(
        snapshots[1], "short", min_snapshots_to_keep=1).commit()
    sql(f"INSERT INTO {table}.branch_work VALUES (1000, 'w', 1)")
    sql(f"DELETE FROM {table}.branch_work WHERE id IN (1, 7)")
    sql(f"INSERT INTO {table}.branch_short VALUES (2000, 's', 1)")
    sql(f"DELETE FROM {table} WHERE id % 5 = 0")
    sql(f"UPDATE {table} SET v = v + 1 WHERE id IN (2, 8)")
    good = lake.metadata(name).current_snapshot_id
    sql(f"INSERT INTO {table} VALUES (-1, 'wrong', -1)")
    sql(f"CALL judged.system.rollback_to_snapshot('db.{name}', {good})")
    if "parts" in name:
        sql(f"ALTER TABLE {table} ADD PARTITION FIELD truncate(1, kind)")
    sql(f"INSERT INTO {table} VALUES (50, 'k0', 500), (51, 'new', 510)")
    # The deletes stay, and have nothing to delete.
    sql(f"CALL judged.system.rewrite_data_files(table => 'db.{name}', options => map('rewrite-all', 'true', 'use-starting-sequence-number', 'false'))")
    lake.catalog.load_table(f"db.{name}").manage_snapshots().create_tag(lake.metadata(name).current_snapshot_id, "rewritten").commit()
    sql(f"DELETE FROM {table} WHERE id = 3")
    sql(f"INSERT INTO {table} VALUES (60, 'k1', 600)")


def read_by_pyiceberg(lake: Lake, name: str) -> dict[str, list[tuple]]:
    table = lake.catalog.load_table(f"db.{name}")
    return {point: as_rows(tuple(row.values()) for row in table.scan(snapshot_id=snapshot).select("id", "kind", "v").to_arrow().to_pylist())
            for point, snapshot in points(table.metadata).items()}


def marked_as_deleted(lake: Lake, name: str) -> set[Path]:
    """Files of entries that a manifest of some snapshot has as deleted."""
    table = lake.catalog.load_table(f"db.{name}")
    return {location_to_path(entry.data_file.file_path) for snapshot in table.metadata.snapshots for manifest in snapshot.manifests(table.io)
            for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=False) if entry.status == ManifestEntryStatus.DELETED}


@pytest.fixture(scope="module")
def lake(spark, tmp_path_factory):
    with Server(tmp_path_factory.mktemp("judged"), *UNASKED_NOTHING, optimizer_threads=2) as server:
        for key, value in {"": "org.apache.iceberg.spark.SparkCatalog", ".type": "rest", ".uri": server.uri, ".warehouse": "default",
                           ".cache-enabled": "false"}.items():
            spark.conf.set(f"spark.sql.catalog.judged{key}", value)
        yield Lake(spark, server)
        assert server.running(), server.log_tail()


@pytest.mark.parametrize("name", TABLES)
def test_everything_that_stays_reads_as_before(lake, name):
    version, partitioning, properties = TABLES[name]
    table = lake.create_hours_ago(name, 6, version, partitioning, properties)
    live_a_life(lake, name, version)
    lake.alter(name, **{"tag.auto-create.enabled": "true", "tag.auto-create.trigger.period": "hourly", "tag.auto-create.trigger.max-delay.minutes": "0"})
    before, metadata = read_all(lake.sql, table, lake.metadata(name)), lake.metadata(name)
    folder = folder_of(metadata)
    time.sleep(1.1)  # the last snapshot is old enough, and "brief" is

    hour = int(time.time()) // HOUR * HOUR * 1000
    runs = {action: lake.maintain(name, action) for action in ("auto-create-tags", "expire-snapshots")}
    after = lake.metadata(name)
    made = {f"'{ref}'": one.snapshot_id for ref, one in after.refs.items() if ref not in metadata.refs}
    assert set(metadata.refs) - set(after.refs) == {"brief"}
    if version < 3:  # whose first snapshots were there when the hour ended, which may be while this runs
        (tag, tagged), = made.items()
        ended = (int(datetime.strptime(tag, "'tag-%Y%m%d%H'").replace(tzinfo=timezone.utc).timestamp()) + HOUR) * 1000
        assert hour <= ended <= int(time.time()) // HOUR * HOUR * 1000, runs
        parents, main, at = {one.snapshot_id: one.parent_snapshot_id for one in metadata.snapshots}, set(), metadata.current_snapshot_id
        while at is not None:
            main.add(at)
            at = parents.get(at)
        # What was rolled back is not main's.
        assert tagged == [entry.snapshot_id for entry in metadata.snapshot_log if entry.timestamp_ms <= ended and entry.snapshot_id in main][-1], runs
    assert {one.snapshot_id for one in after.snapshots} == expected_to_stay(after, 2), runs["expire-snapshots"]["reason"]
    assert len(after.snapshots) < len(metadata.snapshots) and runs["expire-snapshots"]["files-removed"] > 0
    expected = {point: rows for point, rows in (before | {ref: before[str(snapshot)] for ref, snapshot in made.items()}).items() if point in points(after)}
    assert read_all(lake.sql, table, after) == expected

    head = expected["'main'"]
    for action in ("clean-dangling-delete-files", "rewrite-manifests"):
        runs[action] = lake.maintain(name, action)
    if version == 2:
        assert runs["clean-dangling-delete-files"]["state"] == "succeeded", runs["clean-dangling-delete-files"]
    after = lake.metadata(name)
    expected |= {str(one.snapshot_id): head for one in after.snapshots if str(one.snapshot_id) not in expected}
    assert read_all(lake.sql, table, after) == expected
    assert read_by_pyiceberg(lake, name) == expected
    assert lake.duckdb(f"SELECT id, kind, v FROM ice.db.{name}") == head
    lake.check_metadata_tables(name)
    # Spark's own rules, with the same settings, find nothing more; nor do its deletes that dangle.
    removed = lake.sql(f"CALL judged.system.rewrite_data_files(table => 'db.{name}', options => map('remove-dangling-deletes', 'true', 'min-input-files', '1000', 'delete-ratio-threshold', '1.0'))")
    assert removed[0][:2] == (0, 0) and removed[0][4] == 0, removed
    lake.maintain(name, "expire-snapshots")
    count = len(lake.metadata(name).snapshots)
    now = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
    assert not any(lake.sql(f"CALL judged.system.expire_snapshots(table => 'db.{name}', older_than => timestamp'{now}', retain_last => 2)")[0])
    assert len(lake.metadata(name).snapshots) == count

    # What is left over by anybody: Spark would take the same.
    hidden = hide_from_all(folder)
    grow_old(folder)
    assert lake.orphans_by_spark(name) == set(), "maintenance leaves no file that nobody names"
    planted = plant_orphans(folder, 1)
    grow_old(folder)
    young = folder / "data" / "young.parquet"
    young.write_bytes(b"of a writer that goes on")
    assert lake.orphans_by_spark(name) == planted
    tried = lake.maintain(name, "clean-orphan-files", dry_run=True)
    assert tried["details"]["orphans"] == len(planted) and all(path.exists() for path in planted), tried
    moved = lake.maintain(name, "clean-orphan-files")
    assert moved["details"]["moved"] == len(planted) and set(in_quarantine(folder)) == planted
    assert not any(path.exists() for path in planted) and lake.orphans_by_spark(name) == set()
    assert read_all(lake.sql, table, lake.metadata(name)) == {point: expected.get(point, head) for point in points(lake.metadata(name))}
    # Brought back, moved again, and gone once the hold has ended.
    assert lake.maintain(name, "clean-orphan-files", restore="all")["state"] == "succeeded"
    assert all(path.read_bytes() == b"nobody's" for path in planted) and not in_quarantine(folder)
    grow_old(folder)
    assert lake.maintain(name, "clean-orphan-files")["details"]["moved"] == len(planted) + 1  # the young one has aged
    lake.alter(name, **{"clean-orphan-file.quarantine-hold": "1ms"})
    assert lake.maintain(name, "clean-orphan-files")["files-removed"] >= len(planted) + 1
    assert not in_quarantine(folder) and not any(path.exists() for path in planted) and all(path.exists() for path in hidden)
    until(lambda: not [path for path in (folder / ".maintenance").rglob("*") if path.is_file()], "the lists of runs are gone", 60, lake.server)
    after = lake.metadata(name)
    assert read_all(lake.sql, table, after) == {point: expected.get(point, head) for point in points(after)}
    assert read_by_pyiceberg(lake, name) == {point: expected.get(point, head) for point in points(after)}


#: Level, version, partitioning, and the batches that go whole: the first is old, the second old and new, the third new.
AGEING = {"by_partition": ("partition", 2, "PARTITIONED BY (days(at))"), "by_file": ("file", 2, ""), "by_row2": ("row", 2, ""),
          "by_row3": ("row", 3, "PARTITIONED BY (kind)")}


@pytest.mark.parametrize("name", AGEING)
def test_data_that_is_old_goes_and_no_other(lake, name):
    level, version, partitioning = AGEING[name]
    expires = {"data-expire.enabled": "true", "data-expire.field": "at", "data-expire.level": level, "data-expire.retention-time": "90d",
               "data-expire.base-on-rule": "CURRENT_TIME"}
    table = lake.create(name, version, partitioning, ON_READ | expires, "id bigint, kind string, at timestamp")
    for first, days in ((0, "300"), (10, "if(id % 2 = 0, 200, 1)"), (20, "2")):
        lake.sql(f"INSERT INTO {table} SELECT /*+ COALESCE(1) */ id, concat('k', id div 10), cast(current_date() AS timestamp) - make_interval(0, 0, 0, {days}) "
                 f"FROM range({first}, {first + 10}, 1, 1)")
    lake.sql(f"DELETE FROM {table} WHERE id IN (3, 12, 13, 23)")
    lake.catalog.load_table(f"db.{name}").manage_snapshots().create_tag(lake.metadata(name).current_snapshot_id, "all").commit()
    before = read_all(lake.sql, table, lake.metadata(name), "id, kind, at")
    old = {row[0] for row in before["'main'"] if row[0] < 10 or row[0] < 20 and row[0] % 2 == 0 and level != "file"}
    assert lake.maintain(name, "expire-data", dry_run=True)["state"] == "succeeded" and lake.metadata(name).refs["all"].snapshot_id == lake.metadata(name).current_snapshot_id
    run = lake.maintain(name, "expire-data")
    metadata = lake.metadata(name)
    new_head = [row for row in before["'main'"] if row[0] not in old]
    assert lake.sql(f"SELECT count(*) FROM {table}")[0][0] == len(new_head), run
    expected = before | {"'main'": new_head, str(metadata.current_snapshot_id): new_head}
    assert read_all(lake.sql, table, metadata, "id, kind, at") == expected
    ids = [row[0] for row in new_head]
    assert sorted(row[0] for row in lake.duckdb(f"SELECT id FROM ice.db.{name}")) == ids
    assert sorted(lake.catalog.load_table(f"db.{name}").scan().to_arrow()["id"].to_pylist()) == ids
    again = lake.maintain(name, "expire-data")
    assert again["files-removed"] == 0 and lake.metadata(name).current_snapshot_id == metadata.current_snapshot_id, again
    # The tag keeps what it has; without it only what is new is left on the disk.
    time.sleep(1.1)
    lake.alter(name, **{"snapshot.keep.min-count": "1"})
    lake.maintain(name, "expire-snapshots")
    assert read_all(lake.sql, table, lake.metadata(name), "id, kind, at")["'all'"] == before["'all'"]
    lake.sql(f"ALTER TABLE {table} DROP TAG all")
    lake.sql(f"INSERT INTO {table} VALUES (99, 'k9', current_timestamp())")
    time.sleep(1.1)
    lake.maintain(name, "expire-snapshots")
    lake.maintain(name, "clean-dangling-delete-files")
    assert sorted(row[0] for row in lake.sql(f"SELECT id FROM {table}")) == [*ids, 99]
    lake.check_metadata_tables(name)


def test_after_the_procedures_of_others(lake):
    """Spark rewrites, expires and cleans, PyIceberg forgets snapshots and leaves their files; Moraine goes on from there."""
    name = "after"
    table = lake.create_hours_ago(name, 6, 2, "PARTITIONED BY (kind)", ON_READ)
    live_a_life(lake, name, 2)
    lake.sql(f"CALL judged.system.rewrite_position_delete_files(table => 'db.{name}', options => map('rewrite-all', 'true'))")
    lake.sql(f"CALL judged.system.rewrite_manifests('db.{name}')")
    now = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
    assert lake.sql(f"CALL judged.system.expire_snapshots(table => 'db.{name}', older_than => timestamp'{now}', retain_last => 5)")[0][3] > 0
    lake.sql(f"INSERT INTO {table} VALUES (70, 'k0', 700)")
    folder = folder_of(lake.metadata(name))
    plant_orphans(folder, 2)
    grow_old(folder)
    older = (datetime.now(timezone.utc) - timedelta(days=3)).strftime("%Y-%m-%d %H:%M:%S")
    assert lake.sql(f"CALL judged.system.remove_orphan_files(table => 'db.{name}', older_than => timestamp'{older}')")
    assert lake.maintain(name, "clean-orphan-files", dry_run=True)["details"]["orphans"] == 0
    before = read_all(lake.sql, table, lake.metadata(name))
    # Metadata alone: what it named is nobody's now.
    metadata = lake.metadata(name)
    stay = expected_to_stay(metadata, 2)
    forgotten = [one.snapshot_id for one in metadata.snapshots if one.snapshot_id not in stay][:2]
    assert len(forgotten) == 2
    lake.catalog.load_table(f"db.{name}").maintenance.expire_snapshots().by_ids(forgotten).commit()
    grow_old(folder)
    # What a snapshot that stays has marked as deleted is left to readers of its changes; Spark would take it.
    orphans = lake.orphans_by_spark(name)
    spared = orphans & marked_as_deleted(lake, name)
    assert orphans - spared
    moved = lake.maintain(name, "clean-orphan-files")
    assert set(in_quarantine(folder)) == orphans - spared, moved
    time.sleep(1.1)
    lake.maintain(name, "expire-snapshots")
    kept = lake.metadata(name)
    assert {one.snapshot_id for one in kept.snapshots} == expected_to_stay(kept, 2)
    for action in ("clean-dangling-delete-files", "rewrite-manifests"):
        lake.maintain(name, action)
    after = lake.metadata(name)
    head = before["'main'"]
    assert read_all(lake.sql, table, after) == {point: before.get(point, head) for point in points(after)}
    assert read_by_pyiceberg(lake, name) == {point: before.get(point, head) for point in points(after)}
    grow_old(folder)
    assert lake.orphans_by_spark(name) <= spared
    lake.check_metadata_tables(name)


def test_equality_deletes_of_a_stream(lake):
    """Upserts, as Flink writes them, while snapshots expire; rewritten by Spark, so that deletes dangle."""
    name = "upserts"
    table = lake.create(name, 2, "PARTITIONED BY (kind)", ON_READ)
    model: dict[tuple, int] = {}
    with subprocess.Popen([COMMIT_DELTAS, lake.server.uri], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        for number in range(8):
            kind = f"k{number % 2}"
            rows = [[key, kind, number * 10 + key] for key in range(number % 3, 6)]
            model |= {(row[0], kind): row[2] for row in rows}
            part = {"spec": 0, "partition": [kind], "dropped": [], "key-columns": ["id", "kind"], "rows": rows, "keys": [row[:2] for row in rows]}
            writer.stdin.write(json.dumps({"namespace": "db", "table": name, "parts": [part]}) + "\n")
            writer.stdin.flush()
            assert "error" not in json.loads(writer.stdout.readline())
        writer.stdin.close()
    head = as_rows((*key, v) for key, v in model.items())
    before = read_all(lake.sql, table, lake.metadata(name))
    assert before["'main'"] == head
    time.sleep(1.1)
    lake.maintain(name, "expire-snapshots")
    after = lake.metadata(name)
    assert len(after.snapshots) == 2 and read_all(lake.sql, table, after) == {point: before[point] for point in points(after)}
    assert lake.maintain(name, "clean-dangling-delete-files")["state"] == "nothing" or lake.duckdb(f"SELECT id, kind, v FROM ice.db.{name}") == head
    lake.sql(f"CALL judged.system.rewrite_data_files(table => 'db.{name}', options => map('rewrite-all', 'true', 'use-starting-sequence-number', 'false'))")
    assert lake.sql(f"SELECT count(*) FROM {table}.delete_files")[0][0] > 0
    assert lake.maintain(name, "clean-dangling-delete-files")["state"] == "succeeded"
    assert lake.sql(f"SELECT count(*) FROM {table}.delete_files") == [(0,)]
    assert as_rows(lake.sql(f"SELECT id, kind, v FROM {table}")) == head == lake.duckdb(f"SELECT id, kind, v FROM ice.db.{name}")
    lake.check_metadata_tables(name)


class Reader:
    """A structured stream of Spark's: each run reads on from its checkpoint to the newest snapshot."""

    def __init__(self, lake: Lake, name: str, folder: Path):
        self.lake, self.name, self.folder = lake, name, folder

    def read_on(self) -> list[int]:
        """All that it has read, in all runs."""
        stream = self.lake.spark.readStream.format("iceberg").load(f"judged.db.{self.name}")
        # Not the trigger availableNow, which looks up the snapshot that it first began with, whatever it has read since.
        query = stream.writeStream.format("parquet").option("checkpointLocation", str(self.folder / "checkpoint")).start(str(self.folder / "rows"))
        try:
            query.processAllAvailable()
        finally:
            query.stop()
        return sorted(row.id for row in self.lake.spark.read.parquet(str(self.folder / "rows")).collect())


def test_stream_readers_need_holds(lake, tmp_path):
    name = "streamed"
    lake.create(name, 2, "", {"snapshot.keep.min-count": "1"})
    table = lake.catalog.load_table(f"db.{name}")
    table.append(rows_of(0, 2))
    table.append(rows_of(2, 2))
    held, other = Reader(lake, name, tmp_path / "held"), Reader(lake, name, tmp_path / "other")
    assert held.read_on() == other.read_on() == [0, 1, 2, 3]
    path = f"{table_path(f'db.{name}')}/holds/reader"
    assert lake.server.request("PUT", path, {"snapshot-id": table.metadata.current_snapshot_id, "reason": "a test"})[0] == 200
    for first in (4, 6, 8):
        table.append(rows_of(first, 2))
    time.sleep(1.1)
    lake.maintain(name, "expire-snapshots")
    assert len(lake.metadata(name).snapshots) == 4, "the one that is held, and all since"
    assert held.read_on() == list(range(10))
    # Where it stands now is the newest snapshot; without a hold the other one's place goes.
    assert lake.server.request("DELETE", path)[0] == 204
    lake.maintain(name, "expire-snapshots")
    assert len(lake.metadata(name).snapshots) == 1
    with pytest.raises(Exception, match="the snapshot was expired or removed"):
        other.read_on()
    table = lake.catalog.load_table(f"db.{name}")
    table.append(rows_of(10, 2))
    assert held.read_on() == list(range(12))
