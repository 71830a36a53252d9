"""What people do with maintenance on the command line, against a real server."""
import json
import os
import re
import subprocess
import time

import pyarrow as pa
from harness import BINARY, Server
from pyiceberg.catalog.rest import RestCatalog

SCHEMA = pa.schema([pa.field("id", pa.int64(), nullable=False)])


def moraine(server: Server, *words: str, code: int | None = 0) -> str:
    """What the command prints; errors after the rest."""
    done = subprocess.run([BINARY, *words, "--server", server.url], capture_output=True, text=True, timeout=60,
                          env=os.environ | {"COLUMNS": "120"})
    assert code in (None, done.returncode), done.stdout + done.stderr
    return done.stdout + done.stderr


def make_table(server: Server, name: str = "db.t", **properties):
    catalog = RestCatalog("m", uri=server.uri, warehouse="default")
    catalog.create_namespace_if_not_exists("db")
    table = catalog.create_table(name, SCHEMA, properties={"self-optimizing.enabled": "false", **properties})
    for number in range(3):
        table.append(pa.table({"id": [number]}, schema=SCHEMA))
    return table


def run_of(server: Server, run: str) -> dict:
    return json.loads(moraine(server, "maintenance", "show", run, "--json"))


def test_a_run_is_cancelled(tmp_path):
    with Server(tmp_path, optimizer_threads=0) as server:  # its tasks wait for ever
        make_table(server)
        assert "no run of db.t goes on" in moraine(server, "maintenance", "cancel", "--table", "db.t", code=3)
        asked = json.loads(moraine(server, "table", "maintain", "db.t", "--action", "compute-statistics", "--json"))
        run = asked["run-id"]
        assert run in moraine(server, "maintenance", "cancel", run[:24])
        ended = run_of(server, run[:24])["run"]
        assert (ended["state"], ended["cancelled-by"]) == ("cancelled", "person"), ended
        assert "has ended already" in moraine(server, "maintenance", "cancel", run, code=1)
        assert "no run of maintenance" in moraine(server, "maintenance", "cancel", "ffff", code=3)
        runs = moraine(server, "maintenance", "runs", "--table", "db.t")
        assert "cancelled by person" in runs, runs

        moraine(server, "table", "maintain", "db.t", "--action", "compute-statistics")
        moraine(server, "table", "maintain", "db.t", "--action", "clean-orphan-files", "--dry-run")
        several = moraine(server, "maintenance", "cancel", "--table", "db.t", code=2)
        assert "2 runs of db.t go on" in several and "clean-orphan-files" in several, several
        moraine(server, "maintenance", "cancel", "--table", "db.t", "--action", "clean-orphan-files")
        moraine(server, "maintenance", "cancel", "--table", "db.t")
        assert "Nothing runs now" in moraine(server, "maintenance", "list", "--table", "db.t")


def test_branches_and_tags_are_shown(tmp_path):
    with Server(tmp_path, optimizer_threads=0) as server:
        table = make_table(server)
        first = table.snapshots()[0].snapshot_id
        table.manage_snapshots().create_tag(first, "start", max_ref_age_ms=86_400_000).commit()
        table.manage_snapshots().create_branch(first, "audit", min_snapshots_to_keep=2).commit()
        lines = moraine(server, "table", "refs", "db.t").splitlines()
        words = {line.split()[0]: line.split() for line in lines}
        assert list(words) == ["REF", "main", "audit", "start"], lines
        assert words["main"][1] == "branch" and words["main"][-2:] == ["3", "2"], lines
        assert words["audit"][2] == str(first) and words["audit"][-3:] == ["2", "1", "0"], lines
        assert "in" in words["start"] and words["start"][1] == "tag", lines
        assert "moraine table list" in moraine(server, "table", "refs", "db.none", code=3)


def test_names_that_nobody_reads_are_told_of(tmp_path):
    with Server(tmp_path, optimizer_threads=0) as server:
        table = make_table(server)
        told = moraine(server, "table", "set", "db.t", "snapshot.kep.duration=7d", "owner=me", "data-expire.enabled=maybe")
        assert "warning: snapshot.kep.duration is not a property that is known; did you mean snapshot.keep.duration?" in told, told
        assert "data-expire.enabled is 'maybe', expected true or false" in told and told.count("warning") == 2, told
        assert table.refresh().properties["snapshot.kep.duration"] == "7d"
        told = moraine(server, "warehouse", "set", "default", "--default", "self-optimizing.enable=true", code=None)
        assert "did you mean self-optimizing.enabled?" in told or "settings" in told, told


def test_what_is_due_is_listed(tmp_path):
    with Server(tmp_path, optimizer_threads=0) as server:
        make_table(server)
        moraine(server, "maintenance", "pause", "db.t", "--action", "rewrite-manifests")
        end = time.monotonic() + 30
        while "expire-snapshots" not in (listed := moraine(server, "maintenance", "schedules")):
            assert time.monotonic() < end, listed
            time.sleep(0.5)
        # When its first run is due depends on the table's id; a column of times lies to the right.
        assert re.search(r"^ *(now|in \d.*?)  default\.db\.t  +expire-snapshots", listed, re.MULTILINE), listed
        paused = moraine(server, "maintenance", "schedules", "--state", "paused", "--table", "db.t")
        assert "rewrite-manifests" in paused and len(paused.splitlines()) == 2, paused
        assert "Nothing is due" in moraine(server, "maintenance", "schedules", "--state", "failing")
