"""kill -9 of the server and of an optimizer while tables are maintained, under concurrent writers.

What must hold, at any time: a snapshot that the table has can be read, and reads the rows that it had when it was first seen. And
afterwards, when the next runs have ended: no acknowledged row is lost (but those that were to expire), no old one is left, every
file in a table's folder is named by the table and every file that it names is there, nothing is left of what was dropped, and
what was decided to be deleted has been.
"""
import os
import random
import sqlite3
import threading
import time
from pathlib import Path

import pyarrow as pa
import pytest
from harness import Server, until
from maintained import ACTIONS, table_path
from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import LongType, NestedField, StringType
from test_kill import Optimizer

FULL = os.environ.get("MORAINE_FULL") == "1"
ROUNDS = 150 if FULL else 14
OLD, NEW = "2001-01-01", "2200-01-01"
ROWS = 20
SCHEMA = Schema(NestedField(1, "id", LongType(), required=False), NestedField(2, "batch", LongType(), required=False),
                NestedField(3, "day", StringType(), required=False))
BY_DAY = PartitionSpec(PartitionField(3, 1000, IdentityTransform(), "day"))
SETTINGS = {"MORAINE_OPTIMIZING_REFRESH_INTERVAL": "50ms", "MORAINE_OPTIMIZING_HEARTBEAT_INTERVAL": "200ms",
            "MORAINE_OPTIMIZING_HEARTBEAT_TIMEOUT": "1500ms", "MORAINE_OPTIMIZING_ACKNOWLEDGE_TIMEOUT": "2s",
            "MORAINE_MAINTENANCE_RETRY_FIRST": "200ms", "MORAINE_MAINTENANCE_RETRY_LAST": "1s"}
PROPERTIES = {"self-optimizing.enabled": "false", "snapshot.keep.duration": "2s", "snapshot.keep.min-count": "3",
              "clean-orphan-file.enabled": "true", "clean-orphan-file.quarantine-hold": "1s", "catalog.drop-hold-time": "0",
              "data-expire.enabled": "true", "data-expire.field": "day", "data-expire.retention-time": "90d", "data-expire.base-on-rule": "CURRENT_TIME",
              "write.metadata.delete-after-commit.enabled": "true", "write.metadata.previous-versions-max": "20",
              "commit.retry.num-retries": "2"}
#: How its data expires; "file" has no partitions.
TABLES = {"t0": "partition", "t1": "file", "t2": "partition"}
#: Files that were made so long ago are no writer's that goes on: they are made to look old.
SETTLED_SECONDS = 15
LONG_AGO = 10 * 24 * 3600


class Diary:
    """What writers and readers of one table were told."""

    def __init__(self):
        self.lock = threading.Lock()
        self.next_batch = 0
        self.day_of: dict[int, str] = {}
        self.acknowledged: set[int] = set()
        self.rows: dict[int, list] = {}  # of a snapshot, when it was first read
        self.reads = 0
        self.faults: list[str] = []


def client(server: Server) -> RestCatalog:
    return RestCatalog("m", uri=server.uri, warehouse="default")


def rows_of(table, snapshot_id: int) -> list:
    frame = table.scan(snapshot_id=snapshot_id).to_arrow().group_by("batch").aggregate([("id", "count")])
    return sorted((row["batch"], row["id_count"]) for row in frame.to_pylist())


def write(server: Server, name: str, diary: Diary, seed: int, stop: threading.Event):
    rng = random.Random(seed)
    while not stop.is_set():
        try:
            table = client(server).load_table(name)
            while not stop.is_set():
                with diary.lock:
                    diary.next_batch += 1
                    batch = diary.next_batch
                    diary.day_of[batch] = day = OLD if rng.random() < 0.3 else NEW
                table.append(pa.table({"id": [batch * 100 + i for i in range(ROWS)], "batch": [batch] * ROWS, "day": [day] * ROWS},
                                      schema=table.schema().as_arrow()))
                with diary.lock:
                    diary.acknowledged.add(batch)
                stop.wait(0.1)
        except Exception:
            stop.wait(0.05)  # load again: the table of this client may be stale


def witness(server: Server, name: str, diary: Diary, seed: int, stop: threading.Event):
    """Reads snapshots: what can't be read must have expired, what was read before must read the same."""
    rng = random.Random(seed)
    while not stop.is_set():
        try:
            table = client(server).load_table(name)
            if not table.metadata.snapshots:
                continue
            snapshot = rng.choice([table.metadata.current_snapshot_id] + [one.snapshot_id for one in table.metadata.snapshots])
        except Exception:
            stop.wait(0.05)
            continue
        check_snapshot(server, name, table, snapshot, diary)
        stop.wait(0.05)


def check_snapshot(server: Server, name: str, table, snapshot: int, diary: Diary):
    try:
        rows = rows_of(table, snapshot)
    except Exception as problem:  # noqa: BLE001
        now = still_has(server, name, snapshot)
        if now:
            diary.faults.append(f"{name} has snapshot {snapshot}, which can't be read: {problem!r}")
        return
    diary.reads += 1
    if diary.rows.setdefault(snapshot, rows) != rows:
        diary.faults.append(f"snapshot {snapshot} of {name} had {diary.rows[snapshot]} and has {rows}")


def still_has(server: Server, name: str, snapshot: int) -> bool:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            return client(server).load_table(name).snapshot_by_id(snapshot) is not None
        except Exception:
            time.sleep(0.1)
    return True


def make_old(warehouse: Path, settled_seconds: float):
    now = time.time()
    for path in warehouse.rglob("*"):
        try:
            if path.is_file() and path.stat().st_mtime < now - settled_seconds:
                os.utime(path, (now - LONG_AGO, now - LONG_AGO))
        except FileNotFoundError:
            pass


def folder_of(table) -> Path:
    return Path(table.metadata.location.removeprefix("file://"))


def named_by(table) -> set[Path]:
    """Every file that the table's metadata names."""
    io, metadata = table.io, table.metadata
    named = {table.metadata_location, *(entry.metadata_file for entry in metadata.metadata_log)}
    for snapshot in metadata.snapshots:
        named.add(snapshot.manifest_list)
        for manifest in snapshot.manifests(io):
            named.add(manifest.manifest_path)
            named |= {entry.data_file.file_path for entry in manifest.fetch_manifest_entry(io, discard_deleted=False)}
    return {Path(location.removeprefix("file://")) for location in named}


def needed_by(table) -> set[Path]:
    """Of those the ones that must be there: entries that are marked as deleted may have gone with an expired snapshot."""
    io, needed = table.io, {table.metadata_location}
    for snapshot in table.metadata.snapshots:
        needed.add(snapshot.manifest_list)
        for manifest in snapshot.manifests(io):
            needed.add(manifest.manifest_path)
            needed |= {entry.data_file.file_path for entry in manifest.fetch_manifest_entry(io, discard_deleted=True)}
    return {Path(location.removeprefix("file://")) for location in needed}


def plant(folder: Path, rng: random.Random) -> Path:
    path = folder / rng.choice(["data", "metadata"]) / f"{rng.randrange(1 << 60):x}.{rng.choice(['parquet', 'avro'])}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"nobody's")
    os.utime(path, (time.time() - LONG_AGO,) * 2)
    return path


def ask(server: Server, name: str, action: str) -> str | None:
    """A run; None where one goes on, or nobody answers."""
    try:
        status, answer, _ = server.post(f"{table_path(name)}/maintenance/actions/{action}/run", {})
    except OSError:
        return None
    return answer["run-id"] if status == 200 else None


def runs(server: Server) -> list[dict]:
    return server.get("/api/v1/maintenance/runs?limit=1000")[1]["runs"]


def run_to_end(server: Server, name: str, action: str):
    """One whole run that begins from now on."""
    asked: list[str] = []

    def is_done():
        if not asked:
            asked.extend(filter(None, [ask(server, name, action)]))
            return False
        run = server.get(f"/api/v1/maintenance/runs/{asked[0]}")[1].get("run", {})
        if run.get("state") == "failed":  # as many tries as it needs
            asked.clear()
        return run.get("state") in ("succeeded", "nothing")

    until(is_done, f"{action} of {name}", 60, server)


def drop_one(server: Server, serial: int, folders: list[Path]):
    """A table that is made, written to, and dropped with its files."""
    try:
        catalog = client(server)
        table = catalog.create_table(f"db.gone{serial}", SCHEMA, properties=PROPERTIES)
        folders.append(folder_of(table))
        for batch in range(3):
            table.append(pa.table({"id": [batch], "batch": [batch], "day": [NEW]}, schema=table.schema().as_arrow()))
        catalog.purge_table(f"db.gone{serial}")
    except Exception:
        pass  # nobody answered: it is dropped at the end


@pytest.mark.kill
@pytest.mark.timeout(1800)
def test_the_next_run_finishes_the_work(tmp_path, monkeypatch):
    seed = int(os.environ.get("MORAINE_SEED", time.time_ns() % 1_000_000))
    print(f"seed {seed}; repeat with MORAINE_SEED={seed}")
    rng = random.Random(seed)
    for key, value in SETTINGS.items():
        monkeypatch.setenv(key, value)
    every = [flag for action in ACTIONS for flag in ("--set", f"maintenance.{action}=every 10s")]
    server = Server(tmp_path, *every).start()
    optimizer = Optimizer(server, tmp_path)
    stop, threads, planted, dropped = threading.Event(), [], [], []
    diaries = {f"db.{table}": Diary() for table in TABLES}
    try:
        optimizer.start()
        catalog = client(server)
        catalog.create_namespace("db")
        folders = {}
        for name, diary in diaries.items():
            level = TABLES[name.removeprefix("db.")]
            table = catalog.create_table(name, SCHEMA, partition_spec=BY_DAY if level == "partition" else PartitionSpec(),
                                         properties=PROPERTIES | {"data-expire.level": level})
            folders[name] = folder_of(table)
            threads += [threading.Thread(target=what, args=(server, name, diary, seed + len(threads) + i, stop), daemon=True)
                        for i, what in enumerate((write, write, witness))]
        for thread in threads:
            thread.start()
        kills = {"server": 0, "optimizer": 0}
        for number in range(ROUNDS):
            make_old(server.warehouse, SETTLED_SECONDS)
            for name in diaries:
                planted += [plant(folders[name], rng) for _ in range(5)]
            drop_one(server, number, dropped)
            for name in diaries:
                for action in rng.sample(ACTIONS[:5], 3):
                    ask(server, name, action)
            time.sleep(rng.choice((rng.uniform(0, 0.3), rng.uniform(0.3, 2))))
            victim = rng.choice((server, optimizer))
            kills["server" if victim is server else "optimizer"] += 1
            victim.kill()
            victim.start()
        stop.set()
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive(), "a writer hangs"

        for number in range(ROUNDS):
            if client(server).table_exists(f"db.gone{number}"):
                client(server).purge_table(f"db.gone{number}")
        time.sleep(2)  # the last snapshot is old enough
        # Whatever was under way ends first; what data expiry leaves behind goes with the snapshots.
        until(lambda: not any(run["state"] == "running" for run in runs(server)), "no run goes on", 90, server)
        for name in diaries:
            for action in ("expire-data", "rewrite-manifests", "expire-snapshots"):
                run_to_end(server, name, action)
            make_old(server.warehouse, -1)
            run_to_end(server, name, "clean-orphan-files")
        time.sleep(1.1)  # the quarantines' hold
        for name in diaries:
            make_old(folders[name], -1)
            run_to_end(server, name, "clean-orphan-files")
            run_to_end(server, name, "clean-orphan-files")
        until(lambda: not [path for folder in dropped for path in folder.rglob("*") if path.is_file()], "dropped tables are purged", 90, server)

        for name, diary in diaries.items():
            check(server, name, diary)
        assert not [path for path in planted if path.exists()]
        ended = runs(server)
        done = {action: sum(run["action"] == action and run["state"] == "succeeded" for run in ended) for action in {run["action"] for run in ended}}
        freed = sum(run["files-removed"] for run in ended)
        print(f"{kills['server']} server kills, {kills['optimizer']} optimizer kills, {sum(len(d.acknowledged) for d in diaries.values())} appends, "
              f"{sum(d.reads for d in diaries.values())} reads, {freed} files removed, runs that did something: {done}")
        # A run in which nothing happened proves nothing.
        for action in ("expire-snapshots", "clean-orphan-files", "expire-data", "purge-table"):
            assert done.get(action, 0) > 0, ended
        assert freed > 100
        until(lambda: not any(run["state"] == "running" for run in runs(server)), "no run goes on", 90, server)
        server.stop()
        check_decisions(server)
    finally:
        stop.set()
        if optimizer.process:
            optimizer.kill()
        if server.running():
            server.kill()


def check(server: Server, name: str, diary: Diary):
    table = client(server).load_table(name)
    for snapshot in table.metadata.snapshots:
        check_snapshot(server, name, table, snapshot.snapshot_id, diary)
    assert not diary.faults, diary.faults
    main = table.metadata.current_snapshot_id
    counts = dict(rows_of(table, main))
    assert set(counts.values()) <= {ROWS}, counts
    old = {batch for batch, day in diary.day_of.items() if day == OLD}
    assert not old & set(counts), "old data is left"
    lost = diary.acknowledged - old - set(counts)
    assert not lost, f"acknowledged and gone: {sorted(lost)}"

    def there() -> set[Path]:
        return {path for path in folder_of(table).rglob("*") if path.is_file()}

    assert needed_by(table) <= there(), needed_by(table) - there()
    end = time.monotonic() + 30
    while left := there() - named_by(table):  # lists of runs that have ended go a moment later
        assert time.monotonic() < end, f"left over: {sorted(left)}"
        time.sleep(0.2)


def check_decisions(server: Server):
    """Every decision to delete that was written down has come to its end."""
    with sqlite3.connect(server.store) as store:
        states = dict(store.execute("SELECT state, COUNT(*) FROM file_deletion GROUP BY state").fetchall())
        running = store.execute("SELECT COUNT(*) FROM maintenance_run WHERE finished_ms = 0 OR finished_ms IS NULL").fetchone()[0]
    assert states.get("done", 0) > 0 and set(states) <= {"done", "cancelled", "failed"}, states
    assert running <= 3, "of those that were due just now"
