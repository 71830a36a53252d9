"""A writer deletes rows by position all the time, while Moraine optimizes the table.

Each delete names rows of data files that optimizing may be rewriting at that moment. Every process lands as a whole and no task is
done twice; at the end PyIceberg, DuckDB and a model in memory agree on the rows.
"""
import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from harness import BINARY, ROOT, Server, die_with_parent, until
from interop import duck
from optimizing import wait_until_idle
from pyiceberg.catalog.rest import RestCatalog

PROGRAM = Path(os.environ.get("MORAINE_COMMIT_DELTAS", ROOT / "build" / "fast" / "tests" / "commit_deltas"))
ROUNDS = 600 if os.environ.get("MORAINE_FULL") == "1" else 60
PROPERTIES = {
    "self-optimizing.min-plan-interval": "0", "self-optimizing.hot-partition-delay": "0",
    "self-optimizing.minor.trigger.file-count": "2", "self-optimizing.major.trigger.duplicate-ratio": "0.02"}
SETTINGS = {"MORAINE_OPTIMIZING_REFRESH_INTERVAL": "20ms", "MORAINE_OPTIMIZING_RETRY_FIRST": "200ms", "MORAINE_OPTIMIZING_RETRY_LAST": "1s"}
SCHEMA = {"type": "struct", "schema-id": 0, "fields": [
    {"id": 1, "name": "v", "type": "long", "required": False}, {"id": 2, "name": "text", "type": "string", "required": False}]}


class Writer:
    """Rows (v, text), each v once."""

    def __init__(self, server: Server, seed: int):
        self.random = random.Random(seed)
        self.catalog = RestCatalog("m", uri=server.uri, warehouse="default")
        self.program = subprocess.Popen([PROGRAM, server.uri], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.alive: dict[int, str] = {}
        self.files: dict[str, list[int]] = {}  # data file -> v of its rows
        self.next_v, self.deletes, self.refused = 0, 0, 0

    def rows(self):
        return sorted(self.alive.items())

    def commit(self, part: dict, **more) -> bool:
        delta = {"namespace": "db", "table": "t", "parts": [{"spec": 0, "partition": []} | part]} | more
        self.program.stdin.write(json.dumps(delta) + "\n")
        self.program.stdin.flush()
        answer = json.loads(self.program.stdout.readline())
        if "error" in answer:
            assert answer["error"] == "Conflict", answer
            self.refused += 1
        return "error" not in answer

    def append(self, count: int):
        rows = [[v, f"row {v}"] for v in range(self.next_v, self.next_v + count)]
        assert self.commit({"rows": rows})
        self.alive |= {v: text for v, text in rows}
        self.next_v += count

    def delete(self):
        """Some rows of some files; refused where a file was rewritten before the delete was committed, and tried again."""
        while True:
            table = self.catalog.load_table("db.t")
            paths = [row["file_path"] for row in table.inspect.data_files().to_pylist()]
            positions, gone = {}, set()
            for path in self.random.sample(paths, min(3, len(paths))):
                if path not in self.files:
                    self.files[path] = pq.read_table(path.removeprefix("file://"), columns=["v"])["v"].to_pylist()
                at = sorted(self.random.sample(range(len(self.files[path])), min(4, len(self.files[path]))))
                positions[path] = at
                gone |= {self.files[path][i] for i in at}
            if self.commit({"positions": positions}, starting=table.current_snapshot().snapshot_id):
                self.deletes += 1
                for v in gone:
                    self.alive.pop(v, None)
                return


@pytest.fixture
def busy(tmp_path, monkeypatch, request):
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    with Server(tmp_path, optimizer_threads=getattr(request, "param", 2)) as server:
        yield server


def create(server: Server, format_version: int):
    assert server.post("/iceberg/v1/default/namespaces", {"namespace": ["db"]})[0] == 200
    body = {"name": "t", "schema": SCHEMA, "properties": PROPERTIES | {"format-version": str(format_version)}}
    status, answer, _ = server.post("/iceberg/v1/default/namespaces/db/tables", body)
    assert status == 200, answer


def carried_deletes(table) -> list:
    """Summaries of runs that rewrote data and carried deletes over to it."""
    optimized = [s.summary for s in table.snapshots() if s.summary and s.summary.additional_properties.get("snapshot.producer") == "OPTIMIZE"]
    return [s for s in optimized if s.additional_properties.get("deleted-data-files") and s.additional_properties.get("added-position-deletes")]


def check(writer: Writer, server: Server, format_version: int, processes: list[dict]) -> list:
    """Readers see what the model has, and nothing was left out, refused or done again. Gives the runs that carried deletes."""
    writer.program.stdin.close()
    assert writer.program.wait(10) == 0
    expected = writer.rows()
    table = writer.catalog.load_table("db.t")
    assert sorted((row["v"], row["text"]) for row in table.scan().to_arrow().to_pylist()) == expected
    if format_version >= 3:
        assert {row["file_format"] for row in table.inspect.delete_files().to_pylist()} <= {"PUFFIN"}
    with duck.attach(server.uri) as connection:
        assert sorted(connection.execute("SELECT v, text FROM ice.db.t").fetchall()) == expected
    assert [p for p in processes if p["state"] != "succeeded" or p.get("error")] == []
    carried = carried_deletes(table)
    print(f"\n{writer.deletes} deletes, {writer.refused} refused, {len(processes)} processes, {len(carried)} carried deletes, {len(expected)} rows")
    return carried


@pytest.mark.parametrize("format_version", [2, 3])
def test_rows_are_deleted_all_the_time(busy, format_version):
    seed = int(os.environ.get("MORAINE_SEED", time.time_ns() % 1_000_000))
    print(f"seed {seed}; repeat with MORAINE_SEED={seed}")
    create(busy, format_version)
    writer = Writer(busy, seed)
    for number in range(ROUNDS):
        if number % 4 == 0:
            writer.append(200)
        writer.delete()
    processes = wait_until_idle(busy)
    assert len(processes) >= 5
    check(writer, busy, format_version, processes)


def wait_for(server: Server, what: str):
    until(lambda: server.get(f"/api/v1/{what}")[1][what], what, 30, server, every=0.05)


# Chance decides above whether a delete lands between a plan and its commit; here nobody does the tasks before it has.
@pytest.mark.parametrize("busy", [0], indirect=True)
@pytest.mark.parametrize("format_version", [2, 3])
def test_deletes_between_a_plan_and_its_commit_are_carried(busy, format_version, tmp_path):
    create(busy, format_version)
    writer = Writer(busy, seed=1)
    with (tmp_path / "optimizer.log").open("w") as log:
        optimizer = subprocess.Popen([BINARY, "optimizer", "--server", busy.url], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                     preexec_fn=die_with_parent)
    try:
        wait_for(busy, "optimizers")
        optimizer.send_signal(signal.SIGSTOP)
        for _ in range(4):
            writer.append(200)
        wait_for(busy, "processes")
        for _ in range(5):
            writer.delete()
        assert writer.refused == 0
        optimizer.send_signal(signal.SIGCONT)
        processes = wait_until_idle(busy)
    finally:
        optimizer.kill()
        optimizer.wait()
    assert len(check(writer, busy, format_version, processes)) >= 1
