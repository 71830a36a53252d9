"""Rows with equal keys: of each key one row stays, as PyIceberg and DuckDB read it. And a branch is optimized while main stays."""
import json
import os
import random
import subprocess
import time
from pathlib import Path

import pyarrow as pa
import pytest
from harness import ROOT, Server
from interop import duck
from optimizing import optimize, wait_until_idle
from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.schema import Schema
from pyiceberg.transforms import IdentityTransform
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.types import DoubleType, LongType, NestedField, StringType

PROGRAM = Path(os.environ.get("MORAINE_COMMIT_DELTAS", ROOT / "build" / "fast" / "tests" / "commit_deltas"))
PATH = "/api/v1/warehouses/default/namespaces/db/tables/"
QUIET = {"self-optimizing.min-plan-interval": "0", "self-optimizing.hot-partition-delay": "0", "self-optimizing.minor.trigger.interval": "-1",
         "self-optimizing.minor.trigger.file-count": "1000"}
ROWS = Schema(NestedField(1, "part", LongType()), NestedField(2, "k", DoubleType()), NestedField(3, "name", StringType()),
              NestedField(4, "at", LongType()), NestedField(5, "uid", LongType()))
ARROW = pa.schema([("part", pa.int64()), ("k", pa.float64()), ("name", pa.string()), ("at", pa.int64()), ("uid", pa.int64())])
BY_PART = PartitionSpec(PartitionField(source_id=1, field_id=1000, transform=IdentityTransform(), name="part"))


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("s"), optimizer_threads=1) as server:
        yield server


@pytest.fixture(scope="module")
def catalog(server):
    catalog = RestCatalog("m", uri=server.uri, warehouse="default")
    catalog.create_namespace("db")
    return catalog


def some_rows(random: random.Random, count: int, first: int) -> list[dict]:
    keys = [None, float("nan"), 0.0, -0.0, 1.5, 2.5, 3.5]
    return [{"part": random.randrange(2), "k": random.choice(keys), "name": random.choice([None, "a", "b"]), "at": random.choice([None, 1, 2, 3, 4]),
             "uid": first + i} for i in range(count)]


def key_of(row: dict) -> str:
    return repr((row["part"], row["k"], row["name"]))  # repr: one NaN, two zeros


def rows_of(table) -> list[dict]:
    return table.refresh().scan().to_arrow().to_pylist()


def uids(rows: list[dict]) -> list[int]:
    return sorted(row["uid"] for row in rows)


@pytest.mark.parametrize("by", [None, "at"])
def test_one_row_of_each_key_stays(server, catalog, by):
    name = f"once_{by}"
    table = catalog.create_table(f"db.{name}", ROWS, partition_spec=BY_PART, properties=QUIET)
    random_ = random.Random(7)
    last: dict[str, dict] = {}
    total = 0
    for _ in range(8):
        rows = some_rows(random_, 60, total)
        total += len(rows)
        # One commit has each key once: which of its rows is the last is not said.
        rows = list({key_of(row): row for row in rows}.values())
        table.append(pa.Table.from_pylist(rows, schema=ARROW))
        for row in rows:
            before = last.get(key_of(row))
            if before is None or by is None or (row["at"] or 0) >= (before["at"] or 0):
                last[key_of(row)] = row
    before = rows_of(table)
    summary_before = table.current_snapshot().summary
    status, answer, _ = server.post(PATH + f"{name}/optimize", {"dedup": {"key": "nothing"}})
    assert status == 400 and "nothing" in str(answer)
    process = optimize(server, name, "full", dedup={"key": "k, name"} | ({"keep-last-by": by} if by else {}))
    after = rows_of(table)
    assert uids(after) == uids(last.values())
    gone = len(before) - len(after)
    assert process["deduplicated-rows"] == gone > 50
    summary = table.current_snapshot().summary
    assert summary.operation.value == "overwrite"
    assert summary["optimizing.deduplicated-records"] == str(gone)
    assert int(summary["total-records"]) == int(summary_before["total-records"]) - gone == len(after)
    assert int(summary["deleted-records"]) - int(summary["added-records"]) == gone
    with duck.attach(server.uri) as connection:
        assert sorted(uid for uid, in connection.execute(f"SELECT uid FROM ice.db.{name}").fetchall()) == uids(after)
    # Asked again, nothing is written.
    snapshot = table.current_snapshot().snapshot_id
    assert server.post(PATH + f"{name}/optimize", {"dedup": {"key": "k, name"} | ({"keep-last-by": by} if by else {})})[0] == 204
    wait_until_idle(server)
    assert table.refresh().current_snapshot().snapshot_id == snapshot


class Deltas:
    """Commits of our own writer."""

    def __init__(self, server: Server):
        self.program = subprocess.Popen([PROGRAM, server.uri], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def commit(self, table: str, part: dict, **more) -> bool:
        delta = {"namespace": "db", "table": table, "parts": [{"spec": 0, "partition": []} | part]} | more
        self.program.stdin.write(json.dumps(delta) + "\n")
        self.program.stdin.flush()
        answer = json.loads(self.program.stdout.readline())
        assert "error" not in answer or answer["error"] == "Conflict", answer
        return "error" not in answer


def check_history(table, by) -> int:
    """Each run of optimizing dropped only rows of which another one with their key stayed, and added none. Returns how many."""
    dropped = 0
    for snapshot in table.refresh().snapshots():
        if snapshot.summary.additional_properties.get("snapshot.producer") != "OPTIMIZE":
            continue
        before = table.scan(snapshot_id=snapshot.parent_snapshot_id).to_arrow().to_pylist()
        after = table.scan(snapshot_id=snapshot.snapshot_id).to_arrow().to_pylist()
        kept = set(uids(after))
        assert len(kept) == len(after) and kept <= set(uids(before))
        best: dict[str, tuple] = {}
        for row in after:
            best[row["k"]] = max(best.get(row["k"], (-1, -1)), by(row))
        gone = [row for row in before if row["uid"] not in kept]
        for row in gone:
            assert best.get(row["k"], (-1, -1)) > by(row), (snapshot.snapshot_id, row)
        assert int(snapshot.summary.additional_properties.get("optimizing.deduplicated-records", 0)) == len(gone)
        assert snapshot.summary.operation.value == "overwrite" or not gone
        dropped += len(gone)
    return dropped


@pytest.mark.parametrize("version", [2, 3])
def test_rows_are_deleted_while_duplicates_go(tmp_path, monkeypatch, version):
    """Appends and deletes by position all the time, dedup by the table's property: no key loses a row that nobody deleted."""
    for name, value in {"MORAINE_OPTIMIZING_REFRESH_INTERVAL": "20ms", "MORAINE_OPTIMIZING_RETRY_FIRST": "100ms",
                        "MORAINE_OPTIMIZING_RETRY_LAST": "300ms"}.items():
        monkeypatch.setenv(name, value)
    seed = int(os.environ.get("MORAINE_SEED", time.time_ns() % 1_000_000))
    print(f"seed {seed}; repeat with MORAINE_SEED={seed}")
    random_ = random.Random(seed)
    properties = {"format-version": str(version), "self-optimizing.min-plan-interval": "0", "self-optimizing.hot-partition-delay": "0",
                  "self-optimizing.minor.trigger.file-count": "2", "self-optimizing.dedup.key": "k", "self-optimizing.dedup.keep-last-by": "uid"}
    fields = [{"id": 1, "name": "k", "type": "long", "required": False}, {"id": 2, "name": "uid", "type": "long", "required": False}]
    with Server(tmp_path, optimizer_threads=1) as server:
        assert server.post("/iceberg/v1/default/namespaces", {"namespace": ["db"]})[0] == 200
        body = {"name": "t", "schema": {"type": "struct", "schema-id": 0, "fields": fields}, "properties": properties}
        assert server.post("/iceberg/v1/default/namespaces/db/tables", body)[0] == 200
        catalog = RestCatalog("m", uri=server.uri, warehouse="default")
        deltas, table, uid = Deltas(server), catalog.load_table("db.t"), 0
        for _ in range(30):
            rows = [[random_.randrange(40), uid + i] for i in range(50)]
            uid += len(rows)
            assert deltas.commit("t", {"rows": rows})
            files = table.refresh().inspect.data_files().to_pylist()
            file = random_.choice(files)
            positions = sorted(random_.sample(range(file["record_count"]), min(3, file["record_count"])))
            deltas.commit("t", {"positions": {file["file_path"]: positions}}, starting=table.current_snapshot().snapshot_id)
        wait_until_idle(server)
        expected = {}
        for row in rows_of(table):
            expected[row["k"]] = max(expected.get(row["k"], -1), row["uid"])
        assert server.post(PATH + "t/optimize", {"type": "full"})[0] == 204
        wait_until_idle(server)
        assert {row["k"]: row["uid"] for row in rows_of(table)} == expected
        assert len(rows_of(table)) == len(expected)
        assert check_history(table, lambda row: (0, row["uid"])) > 100


def test_a_branch_is_optimized_and_main_stays(server, catalog):
    table = catalog.create_table("db.branched", ROWS, properties=QUIET)
    for i in range(3):
        table.append(pa.Table.from_pylist(some_rows(random.Random(i), 20, 20 * i), schema=ARROW))
    table.manage_snapshots().create_branch(table.refresh().current_snapshot().snapshot_id, "audit").commit()
    table.manage_snapshots().create_tag(table.refresh().current_snapshot().snapshot_id, "v1").commit()
    for i in range(3, 6):
        table.append(pa.Table.from_pylist(some_rows(random.Random(i), 20, 20 * i), schema=ARROW), branch="audit")
    main = table.refresh().current_snapshot()
    on_branch = uids(table.scan(snapshot_id=table.snapshot_by_name("audit").snapshot_id).to_arrow().to_pylist())
    assert len(on_branch) == 120
    files = {task.file.file_path: Path(task.file.file_path.removeprefix("file://")).read_bytes() for task in table.scan().plan_files()}
    status, answer, _ = server.post(PATH + "branched/optimize", {"branch": "nothing"})
    assert status == 404 and "nothing" in str(answer)
    status, answer, _ = server.post(PATH + "branched/optimize", {"branch": "v1"})
    assert status == 400 and "tag" in str(answer)
    process = optimize(server, "branched", "full", branch="audit")
    assert process["branch"] == "audit" and process["input-files"] == 6
    wait_until_idle(server)
    assert table.refresh().current_snapshot() == main
    assert {task.file.file_path: Path(task.file.file_path.removeprefix("file://")).read_bytes() for task in table.scan().plan_files()} == files
    head = table.snapshot_by_name("audit")
    assert head.snapshot_id == process["committed-snapshot-id"] and head.summary.operation.value == "replace"
    assert uids(table.scan(snapshot_id=head.snapshot_id).to_arrow().to_pylist()) == on_branch
    assert len(list(table.scan(snapshot_id=head.snapshot_id).plan_files())) == 1
    # And with duplicates left out there alone.
    optimize(server, "branched", "full", branch="audit", dedup={"key": "part, k, name"})
    head = table.refresh().snapshot_by_name("audit")
    rows = table.scan(snapshot_id=head.snapshot_id).to_arrow().to_pylist()
    assert len({key_of(row) for row in rows}) == len(rows) < 120
    assert table.current_snapshot() == main and len(rows_of(table)) == 60
