"""Two servers on one store share the maintenance of tables: nothing is done twice, and a dead one's work is taken over in seconds."""
import re
import time
from pathlib import Path

import pytest
from harness import Server, until
from maintained import UNASKED_NOTHING, ask, outcome, table_path
from test_replicas import LEASE_SECONDS, ON_ONE, ROWS, catalog, database, replicas  # noqa: F401

pytestmark = pytest.mark.database
TABLES, APPENDS = 8, 5
PROPERTIES = {"self-optimizing.enabled": "false", "snapshot.keep.duration": "1s", "write.metadata.delete-after-commit.enabled": "false"}


@pytest.fixture
def pair(replicas, monkeypatch, request):  # noqa: F811
    monkeypatch.setenv("MORAINE_OPTIMIZING_HEARTBEAT_TIMEOUT", "1500ms")
    monkeypatch.setenv("MORAINE_OPTIMIZING_ACKNOWLEDGE_TIMEOUT", "1500ms")
    monkeypatch.setenv("MORAINE_MAINTENANCE_RETRY_FIRST", "200ms")
    lease = getattr(request, "param", LEASE_SECONDS)
    servers = replicas("a", "b", flags=(*UNASKED_NOTHING, f"--set=optimizing.lease={lease}s"))
    time.sleep(max(LEASE_SECONDS, 6 if lease > LEASE_SECONDS else 0))  # each learns of the other, and what it has is given to it
    return servers


def make_fleet(server: Server, **properties) -> list[str]:
    """Tables whose rows were overwritten again and again: of each snapshot but the last all files can go."""
    space = f"kept_{time.time_ns()}"
    client = catalog(server)
    client.create_namespace(space)
    names = [f"{space}.t{number}" for number in range(TABLES)]
    for name in names:
        table = client.create_table(name, ROWS.schema, properties=PROPERTIES | properties)
        table.append(ROWS)
        for _ in range(APPENDS - 1):
            table.overwrite(ROWS)
    time.sleep(1.1)  # the last snapshot is old enough
    return names


def folder_of(server: Server, name: str) -> Path:
    return Path(catalog(server).load_table(name).location().removeprefix("file://"))


def files_of(server: Server, name: str) -> int:
    """Data files, manifests and their lists, whoever names them."""
    folder = folder_of(server, name)
    return sum(path.suffix in (".parquet", ".avro") for path in folder.rglob("*"))


def ended_by(server: Server) -> list[str]:
    return re.findall(r"run of maintenance ended .*?run=(\S+)", server.log.read_text())


def check_rows(server: Server, names: list[str]):
    """One snapshot is left, with the files that it names and no other."""
    for name in names:
        table = catalog(server).load_table(name)
        assert len(table.snapshots()) == 1 and table.scan().to_arrow().num_rows == 10
        folder = folder_of(server, name)
        assert len(list(folder.rglob("*.parquet"))) == 1 and len(list(folder.rglob("snap-*.avro"))) == 1
        end = time.monotonic() + 20
        while lists := [path for path in (folder / ".maintenance").rglob("*") if path.is_file()]:
            assert time.monotonic() < end, f"lists of runs that have ended: {lists}"
            time.sleep(0.2)


def check_once(servers: list[Server], runs: list[dict]):
    """Each run has ended once, by one server, and each table's snapshots went by one commit."""
    ended = [run for server in servers for run in ended_by(server)]
    assert len(set(ended)) == len(ended)
    for run in runs:
        assert run["state"] == "succeeded" and run["files-removed"] > APPENDS, run
        assert all(decision["state"] == "done" for decision in run["deletions"]), run


@pytest.mark.parametrize("pair", [30], indirect=True)  # nobody dies: a stall must not look like it
def test_servers_share_maintenance(pair):
    first, second = pair
    names = make_fleet(first)
    runs = [outcome(second, run) for run in [ask(first, name, "expire-snapshots") for name in names]]
    check_rows(second, names)
    check_once(pair, runs)
    ours = [set(ended_by(server)) & {run["id"] for run in runs} for server in pair]
    assert all(ours) and not ours[0] & ours[1], "one of them has done it all"
    assert ours[0] | ours[1] == {run["id"] for run in runs}
    # Nothing is left to do for the other one.
    again = [outcome(first, run) for run in [ask(second, name, "expire-snapshots") for name in names]]
    assert {run["state"] for run in again} == {"nothing"}
    # What is due is told by any of them, and by this store's SQL.
    for state in ("late", "waiting", "failing", "asked", "paused", "running"):
        status, answer, _ = second.get(f"/api/v1/maintenance/schedules?state={state}&action=expire-snapshots")
        assert (status, answer["schedules"]) == (200, []), (state, answer)
    assert first.post(f"{table_path(names[0])}/maintenance/pause", {"action": "expire-snapshots"})[0] == 204
    paused = second.get("/api/v1/maintenance/schedules?state=paused")[1]["schedules"]
    assert [(one["table"], one["active-run-id"]) for one in paused] == [(f"default.{names[0]}", "")], paused


@ON_ONE
def test_a_dead_servers_runs_are_taken_over(pair):
    first, second = pair
    names = make_fleet(second, **{"maintenance.delete-files-per-second": "20"})
    files = [files_of(second, name) for name in names]
    asked = [ask(second, name, "expire-snapshots") for name in names]
    # Who was not asked looks once a second, and by then the other's first runs are over: this wakes it, and changes nothing.
    assert first.post(f"{table_path(names[0])}/maintenance/resume", {})[0] == 204

    def under_way() -> int:
        return sum(bool(run) and not run["finished-ms"] for run in (second.get(f"/api/v1/maintenance/runs/{run}")[1].get("run") for run in asked))

    until(lambda: under_way() >= TABLES, "all runs under way at once, before anything is killed", 20, second, every=0.02)
    first.kill()
    killed = time.monotonic()
    left = under_way()
    mine = set(ended_by(first))
    runs = [outcome(second, run) for run in asked]
    took = time.monotonic() - killed
    print(f"{left} of {TABLES} runs went on when one of two servers was killed; all had ended {took:.1f} s later, the lease is {LEASE_SECONDS} s")
    assert left > 0 and took < 10 * LEASE_SECONDS and not mine & set(ended_by(second))
    check_rows(second, names)
    check_once(pair, runs)
    # What the dead one had deleted already is counted once, too.
    assert [run["files-removed"] for run in runs] == [before - files_of(second, name) for name, before in zip(names, files)]
