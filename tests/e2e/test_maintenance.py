"""Maintenance by itself, through the binary: what is due is done by the embedded optimizer, also after a kill."""
import os
import re
import subprocess
import time
from pathlib import Path

import pyarrow as pa
import pytest
from harness import BINARY, Server, until
from maintained import UNASKED_NOTHING, ask, outcome, table_path
from pyiceberg.catalog.rest import RestCatalog

SCHEMA = pa.schema([pa.field("id", pa.int64(), nullable=False)])
SOON = ("--set", "maintenance.expire-snapshots=every 10s")
EXPIRES = {"snapshot.keep.duration": "1s", "snapshot.keep.min-count": "1", "self-optimizing.enabled": "false",
           "write.metadata.delete-after-commit.enabled": "false"}


def rows(number: int) -> pa.Table:
    return pa.table({"id": [number]}, schema=SCHEMA)


def manifest_lists(server: Server) -> set[str]:
    return {path.name for path in Path(server.warehouse).rglob("snap-*.avro")}


def test_snapshots_expire_and_their_files_go(tmp_path):
    with Server(tmp_path, *SOON, optimizer_threads=1) as server:
        catalog = RestCatalog("m", uri=server.uri, warehouse="default")
        catalog.create_namespace("db")
        table = catalog.create_table("db.t", SCHEMA, properties=EXPIRES)
        for number in range(6):
            table.append(rows(number))
        table.overwrite(rows(99))
        time.sleep(1.1)
        until(lambda: len(catalog.load_table("db.t").snapshots()) == 1, "old snapshots expire", 90, server)
        # In the middle of what may be under way: the next process goes on where this one was.
        server.kill()
        server.start()
        until(lambda: len(manifest_lists(server)) == 1, "files of expired snapshots go", 90, server)
        table = catalog.load_table("db.t")
        assert table.scan().to_arrow()["id"].to_pylist() == [99]
        kept = {Path(task.file.file_path).name for task in table.scan().plan_files()}
        until(lambda: {path.name for path in Path(server.warehouse).rglob("*.parquet")} == kept,
              "data files of expired snapshots go", 60, server)
        # This process has ended that run, or the next one, or that which is asked for.
        server.post(f"{table_path('db.t')}/maintenance/actions/expire-snapshots/run", {"dry-run": False, "options": {}})  # 409: one goes on
        ended = 'moraine_maintenance_runs_total{action="expire-snapshots"'
        until(lambda: ended in server.get("/metrics")[1], "a run ends", 60, server)


def test_a_server_may_leave_it_to_others(tmp_path):
    with Server(tmp_path, *SOON, "--set", "maintenance.enabled=false", optimizer_threads=1) as server:
        catalog = RestCatalog("m", uri=server.uri, warehouse="default")
        catalog.create_namespace("db")
        table = catalog.create_table("db.t", SCHEMA, properties=EXPIRES)
        for number in range(3):
            table.append(rows(number))
        time.sleep(13)
        assert len(catalog.load_table("db.t").snapshots()) == 3


def test_settings_that_can_not_be_are_refused(tmp_path):
    for setting in ("maintenance.expire-snapshots=sometimes", "maintenance.window=noon", "maintenance.properties=a=b",
                    "maintenance.time-zone=Atlantis"):
        server = Server(tmp_path, "--set", setting)
        try:
            server.start()
        except AssertionError:
            assert setting.split("=")[0] in server.log_tail(), server.log_tail()
        else:
            server.kill()
            raise AssertionError(f"{setting} was taken")


def test_how_far_a_run_is_shows_while_it_goes_on(tmp_path):
    files, rate = 80, 10
    with Server(tmp_path, *UNASKED_NOTHING, "--set", "optimizing.heartbeat-interval=100ms", optimizer_threads=1) as server:
        make_history(server, **{"maintenance.delete-files-per-second": str(rate)})
        folder = next(path.parent for path in Path(server.warehouse).rglob("*.parquet"))
        for number in range(files):
            path = folder / f"nobodys-{number}.parquet"
            path.write_bytes(b"PAR1")
            os.utime(path, (time.time() - 30 * 86_400,) * 2)
        run_id = ask(server, "db.t", "clean-orphan-files")

        def figures() -> dict:
            return server.get(f"/api/v1/maintenance/runs/{run_id}")[1].get("progress", {})

        until(lambda: 0 < figures().get("files", 0) < figures().get("files-expected", 0), "some files are gone", 60, server, every=0.05)
        assert figures()["files-expected"] == files and figures()["tasks-running"] == 1
        shown = subprocess.run([BINARY, "maintenance", "show", run_id, "--server", server.url], capture_output=True, text=True, timeout=60, check=True,
                               env=os.environ | {"COLUMNS": "160"}).stdout
        assert re.search(rf"this step .* 0 of 1 task +[0-9]+ of {files} files", shown), shown
        run = outcome(server, run_id, table="db.t")
        assert [(one["proof"], one["files-removed"], one["files-failed"]) for one in run["deletions"]] == [("quarantine", files, 0)], run
        assert "progress" not in server.get(f"/api/v1/maintenance/runs/{run_id}")[1]


def make_history(server: Server, **properties: str):
    catalog = RestCatalog("m", uri=server.uri, warehouse="default")
    catalog.create_namespace("db")
    table = catalog.create_table("db.t", SCHEMA, properties=EXPIRES | properties)
    for number in range(3):
        table.append(rows(number))


def said_in_vain(server: Server, run_id: str) -> str:
    with pytest.raises(AssertionError) as failure:
        outcome(server, run_id, limit=0.1, table="db.t")
    return str(failure.value)


def test_who_waits_in_vain_for_a_run_is_told_where_it_is(tmp_path):
    """What the tests' own wait says when it gives up: with no optimizer no run ends, and elsewhere none begins."""
    with Server(tmp_path / "a", *UNASKED_NOTHING) as server:
        make_history(server)
        run_id = ask(server, "db.t", "clean-orphan-files")
        until(lambda: "run" in server.get(f"/api/v1/maintenance/runs/{run_id}")[1], "the run begins", 60, server)
        said = said_in_vain(server, run_id)
        run = server.get(f"/api/v1/maintenance/runs/{run_id}")[1]["run"]
        assert run["state"] == "running" and run["reason"], run
        for part in (run_id, "state=running", f"reason={run['reason']}", "tasks=1", "schedule: {", "no optimizers"):
            assert part in said, said
    with Server(tmp_path / "b", *UNASKED_NOTHING, "--set", "maintenance.enabled=false") as server:
        make_history(server)
        run_id = ask(server, "db.t", "clean-orphan-files")
        said = said_in_vain(server, run_id)
        for part in (f"run {run_id} has not begun", "schedule: {", f'"asked-run-id": "{run_id}"', '"reason"'):
            assert part in said, said
