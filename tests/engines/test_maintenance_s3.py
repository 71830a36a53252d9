"""Maintenance of tables in an S3 store (SeaweedFS) that is throttled, fails, answers in part and loses answers, through a proxy
that counts what it is asked; and with the server killed in the middle. Nothing live is lost, and the end is always the same.
"""
import contextlib
import os
import re
import signal
import sqlite3
import time
import urllib.parse
import uuid
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pytest
from harness import Server
from interop.relocate import repack_avro, with_new_lengths
from pyiceberg.catalog.rest import RestCatalog
from s3_faults import S3Faults
from seaweed import KEY, SECRET, Seaweed

SCHEMA = pa.schema([("id", pa.int64())])
SETTINGS = ("--set", "maintenance.retry-first=100ms", "--set", "maintenance.retry-last=500ms", "--set", "catalog.drop-hold-time=0",
            "--set", "maintenance.expire-snapshots=off")  # but when it is asked for
# Nothing runs but what is asked for.
QUIET = {"self-optimizing.enabled": "false", "table-expire.enabled": "false", "clean-orphan-file.enabled": "false",
         "clean-dangling-delete-files.enabled": "false", "rewrite-manifests.enabled": "false",
         "snapshot.keep.duration": "0s", "snapshot.keep.min-count": "1", "write.metadata.delete-after-commit.enabled": "true"}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    with Seaweed(tmp_path_factory.mktemp("seaweed")) as store:
        store.create_bucket("lake")
        yield store


@pytest.fixture
def faults(store):
    with S3Faults(store) as faults:
        yield faults


@pytest.fixture
def lake(store, faults, tmp_path, monkeypatch):
    for name, value in faults.environment.items():
        monkeypatch.setenv(name, value)
    with Server(tmp_path, *SETTINGS, root=f"s3://lake/{tmp_path.name}", optimizer_threads=1) as server:
        yield server
        assert SECRET not in server.log.read_text()


def connect(lake, store) -> RestCatalog:
    return RestCatalog("m", uri=lake.uri, warehouse="default", **store.properties)


def make_table(lake, store, batches: int, **properties):
    catalog = connect(lake, store)
    catalog.create_namespace_if_not_exists("db")
    table = catalog.create_table("db.t", SCHEMA, properties=QUIET | properties)
    for batch in range(batches):
        table.append(pa.table({"id": [batch]}, schema=SCHEMA))
    return catalog, table


def ids_of(catalog) -> list[int]:
    return sorted(catalog.load_table("db.t").scan().to_arrow()["id"].to_pylist())


def objects(store, prefix: str) -> dict[str, int]:
    """Keys and sizes below s3://lake/prefix."""
    found, token = {}, None
    while True:
        query = {"list-type": "2", "prefix": prefix} | ({"continuation-token": token} if token else {})
        status, body = store.request("GET", "/lake", query)
        assert status == 200, body
        text = body.decode()
        for key, size in re.findall(r"<Contents>.*?<Key>(.*?)</Key>.*?<Size>(\d+)</Size>.*?</Contents>", text, re.DOTALL):
            found[key] = int(size)
        if "<IsTruncated>true" not in text:
            return {key: size for key, size in found.items() if not key.endswith("/")}
        token = re.search("<NextContinuationToken>(.*?)</NextContinuationToken>", text)[1]


def put_orphans(store, folder: str, names: list[str], size: int = 20) -> list[str]:
    keys = [f"{folder}/data/{name}" for name in names]
    with ThreadPoolExecutor(8) as pool:
        for status, body in pool.map(lambda key: store.request("PUT", f"/lake/{key}", body=(key.encode() * size)[:size]), keys):
            assert status == 200, body
    return keys


def ask(lake, action: str, **options) -> str:
    path = f"/api/v1/warehouses/default/namespaces/db/tables/t/maintenance/actions/{action}/run"
    status, answer, _ = lake.post(path, {"options": options} if options else {})
    assert status == 200, answer
    return answer["run-id"]


def ended(lake, run: str, within: float = 60) -> dict:
    """The run once it has ended, with its details."""
    end = time.monotonic() + within
    while True:
        status, told, _ = lake.get(f"/api/v1/maintenance/runs/{run}")
        if status == 200 and told.get("run", {}).get("state", "running") != "running":
            return told
        assert time.monotonic() < end, f"{told}\n{lake.log_tail()}"
        time.sleep(0.1)


def run(lake, action: str, **options) -> dict:
    told = ended(lake, ask(lake, action, **options))
    assert told["run"]["state"] == "succeeded", told
    return told


def live_keys(catalog, only_current: bool = False) -> set[str]:
    """What the table needs as it is now: metadata, lists, manifests, data of all snapshots, or of the current one."""
    table = catalog.load_table("db.t")
    paths = [table.metadata_location] + [entry.metadata_file for entry in table.metadata.metadata_log]
    for snapshot in [table.current_snapshot()] if only_current else table.snapshots():
        paths.append(snapshot.manifest_list)
        for manifest in snapshot.manifests(table.io):
            paths.append(manifest.manifest_path)
            paths += [entry.data_file.file_path for entry in manifest.fetch_manifest_entry(table.io)]
    return {path.split("://", 1)[1].partition("/")[2] for path in paths}


def folder_of(catalog) -> str:
    return catalog.load_table("db.t").location().split("://", 1)[1].partition("/")[2].rstrip("/")


def below(store, catalog) -> set[str]:
    """What lies in the table's folder, but lists of runs, which a cleaner takes later."""
    return {key for key in objects(store, folder_of(catalog) + "/") if "/.maintenance/" not in key}


def killer(lake, faults, what: str, number: int):
    """Kills the server once so many requests of this kind have been carried out; their answers don't reach it."""
    seen = []

    def kill(asked):
        if asked.what == what:
            seen.append(asked)
            if len(seen) == number:
                lake.process.send_signal(signal.SIGKILL)

    return kill


def make_trouble(faults):
    faults.slow_down = faults.internal = 0.06
    faults.cut = faults.lose = 0.04
    faults.delay = (0.1, 0.1)


def test_expiry_ends_whatever_the_store_does(lake, faults, store):
    catalog, table = make_table(lake, store, 8)
    table.overwrite(pa.table({"id": [99]}, schema=SCHEMA))
    doomed = sorted(below(store, catalog) - live_keys(catalog, only_current=True))
    assert len(doomed) >= 20
    stubborn = next(key for key in doomed if key.endswith(".parquet"))
    make_trouble(faults)
    for number, key in enumerate(doomed):
        faults.hold(key, ("SlowDown", "InternalError", "AccessDenied", "")[number % 4], 1 + number % 2)
    faults.hold(stubborn, "AccessDenied", 1_000_000)
    faults.forget()
    faults.each = killer(lake, faults, "DeleteObjects", 3)
    asked = ask(lake, "expire-snapshots")
    lake.process.wait(60)
    lake.start()
    told = ended(lake, asked)
    assert told["run"]["state"] == "succeeded", told
    assert ids_of(catalog) == [99]
    assert below(store, catalog) == live_keys(catalog) | {stubborn}
    # It says what it could not do, and why, and did not try for ever.
    assert told["details"]["failed"] == 1, told
    assert [each["file"] for each in told["details"]["failures"]] == [f"s3://lake/{stubborn}"]
    assert "AccessDenied" in told["details"]["failures"][0]["reason"] and stubborn in told["run"]["reason"], told
    deletes = faults.asked("DeleteObjects")
    assert 6 <= sum(stubborn in each.keys for each in deletes) <= 30
    assert len(deletes) <= 80 and len(faults.asked()) <= 600, len(faults.asked())
    # The next run, of another action, takes what was left.
    faults.calm()
    told = run(lake, "clean-orphan-files", **{"older-than-ms": 0, "allow-young": True})
    assert below(store, catalog) - live_keys(catalog) == {
        key for key in below(store, catalog) if "/.quarantine/" in key} and stubborn not in below(store, catalog)
    assert ids_of(catalog) == [99]


def test_quarantine_is_copied_by_the_store_and_outlives_a_kill(lake, faults, store):
    catalog, _ = make_table(lake, store, 2, **{"clean-orphan-file.quarantine-hold": "0s"})
    folder, live = folder_of(catalog), live_keys(catalog)
    orphans = put_orphans(store, folder, [f"k=ä ö+{i}/o{i}.parquet" for i in range(40)])
    orphans += put_orphans(store, folder, ["large.parquet"], 9 << 20)
    make_trouble(faults)
    faults.forget()
    faults.each = killer(lake, faults, "CopyObject", 10)
    asked = ask(lake, "clean-orphan-files", **{"older-than-ms": 0, "allow-young": True})
    lake.process.wait(60)
    lake.start()
    told = ended(lake, asked)
    if told["run"]["state"] != "succeeded":  # the next run finishes the work
        told = run(lake, "clean-orphan-files", **{"older-than-ms": 0, "allow-young": True})
    quarantined = {key: size for key, size in objects(store, folder).items() if "/.quarantine/" in key}
    places = {re.sub("^.*?/[.]quarantine/[^/]*/0/", f"{folder}/", key): size for key, size in quarantined.items() if not key.endswith("roots.json")}
    assert sorted(places) == sorted(orphans) and places[orphans[-1]] == 9 << 20
    assert not [each for each in faults.asked("GetObject", "PutObject") if each.key in orphans or "/0/data/" in each.key]
    assert 41 <= len(faults.asked("CopyObject")) <= 90
    assert below(store, catalog) - set(quarantined) == live and ids_of(catalog) == [0, 1]

    faults.forget()
    # A worker that was lost may still move files away: nothing comes back before its time has passed.
    refused = ended(lake, ask(lake, "clean-orphan-files", restore="all"))
    assert "files may still be moved to the quarantine" in refused["run"]["error"], refused
    lake.stop()
    with contextlib.closing(sqlite3.connect(lake.store)) as rows, rows:
        rows.execute("UPDATE maintenance_run SET may_write_until_ms = 0")
    lake.start()
    told = run(lake, "clean-orphan-files", restore="all")
    assert set(orphans) <= below(store, catalog) and "brought back" in told["run"]["reason"], told
    assert not [each for each in faults.asked("GetObject", "PutObject") if each.key in orphans or "/0/data/" in each.key]
    status, body = store.request("GET", f"/lake/{orphans[3]}")
    assert status == 200 and body == (orphans[3].encode() * 20)[:20]

    # Away again, and deleted once the hold is over; from then on at once, in batches.
    run(lake, "clean-orphan-files", **{"older-than-ms": 0, "allow-young": True})
    run(lake, "clean-orphan-files", **{"older-than-ms": 0, "allow-young": True})
    assert below(store, catalog) == live and ids_of(catalog) == [0, 1]


def test_deletes_come_in_batches_and_no_faster_than_they_may(lake, faults, store):
    catalog, table = make_table(lake, store, 1, **{"clean-orphan-file.quarantine": "false"})
    folder, live = folder_of(catalog), live_keys(catalog)
    put_orphans(store, folder, [f"o{i:04}" for i in range(1100)])
    faults.forget()
    told = run(lake, "clean-orphan-files", **{"older-than-ms": 0, "allow-young": True})
    assert below(store, catalog) == live
    assert told["details"]["deleted"] >= 1100 and told["details"]["failed"] == 0
    deletes = faults.asked("DeleteObjects")
    assert max(len(each.keys) for each in deletes) == 1000 and len([each for each in deletes if len(each.keys) > 20]) == 2
    assert not faults.asked("DeleteObject", "HeadObject") or len(faults.asked("DeleteObject", "HeadObject")) < 10
    assert len(faults.asked("ListObjects")) <= 8

    # Throttled: the same keys come again, later and later, and no others meanwhile.
    orphans = put_orphans(store, folder, [f"p{i:04}" for i in range(450)])
    for key in orphans:
        faults.hold(key, "SlowDown", 3)
    with table.transaction() as change:
        change.set_properties({"maintenance.delete-files-per-second": "150"})
    live = live_keys(catalog)
    faults.forget()
    run(lake, "clean-orphan-files", **{"older-than-ms": 0, "allow-young": True})
    assert live <= below(store, catalog) and not set(orphans) & below(store, catalog)
    deletes = [each for each in faults.asked("DeleteObjects") if set(each.keys) & set(orphans)]
    firsts = [each for number, each in enumerate(deletes) if number % 4 == 0]
    assert [len(each.keys) for each in deletes] == [150] * 12
    for number in range(0, 12, 4):
        first, *again = deletes[number:number + 4]
        waits = [later.when - earlier.when for earlier, later in zip([first, *again], again)]
        assert waits[0] >= 0.05 and waits[1] >= 0.1 and waits[2] >= 0.2, waits
    # Each batch may begin once the seconds of those before it are over.
    listed = max(each.when for each in faults.asked("ListObjects") if each.when < firsts[0].when)
    assert firsts[-1].when - listed >= 1.9  # from before the first began: that may have come late


def test_a_purge_is_brought_to_its_end(lake, faults, store):
    catalog, _ = make_table(lake, store, 5)
    neighbour = catalog.create_table("db.other", SCHEMA, properties=QUIET)
    neighbour.append(pa.table({"id": [7]}, schema=SCHEMA))
    folder, keys = folder_of(catalog), sorted(live_keys(catalog))
    for number, key in enumerate(keys):
        faults.hold(key, ("AccessDenied", "SlowDown", "InternalError")[number % 3], 2)
    make_trouble(faults)
    faults.forget()
    faults.each = killer(lake, faults, "DeleteObjects", 1)
    catalog.purge_table("db.t")
    lake.process.wait(60)
    lake.start()
    end = time.monotonic() + 60
    while left := [key for key in objects(store, folder + "/") if "/.maintenance/" not in key]:
        assert time.monotonic() < end, (left, lake.log_tail())
        time.sleep(0.3)
    runs = lake.get("/api/v1/maintenance/runs?action=purge-table")[1]["runs"]
    while runs[0]["state"] == "running":
        assert time.monotonic() < end, runs
        time.sleep(0.2)
        runs = lake.get("/api/v1/maintenance/runs?action=purge-table")[1]["runs"]
    assert runs[0]["state"] == "succeeded" and runs[0]["files-removed"] >= len(keys), runs
    assert "could not be" not in runs[0]["reason"]
    assert len(faults.asked("DeleteObjects")) <= 60
    assert catalog.load_table("db.other").scan().to_arrow()["id"].to_pylist() == [7]


def rename_copy(store, old: bytes, new: bytes):
    """The table of one place, at another that is written in another way: both texts have one length, so that files stay as they are."""
    assert len(old) == len(new)
    source, target = (text.decode().split("://", 1)[1].partition("/")[2] for text in (old, new))
    lengths = {}
    for key in sorted(objects(store, source + "/"), key=lambda key: "/snap-" in key):
        status, data = store.request("GET", f"/lake/{key}")
        assert status == 200
        place = target + key.removeprefix(source)
        if key.endswith(".avro"):
            data = repack_avro(data, lambda block: with_new_lengths(block.replace(old, new), lengths))
            lengths[new + key.removeprefix(source).encode()] = len(data)
        elif key.endswith(".json"):
            data = data.replace(old, new)
        assert store.request("PUT", f"/lake/{place}", body=data)[0] == 200


@pytest.mark.parametrize("scheme", ["s3a", "s3n"])
def test_one_file_by_several_schemes_is_one_file(lake, faults, store, scheme):
    catalog = connect(lake, store)
    catalog.create_namespace("db")
    place = f"s3://lake/{lake.folder.name}/db/from1/t"
    table = catalog.create_table("db.made", SCHEMA, location=place, properties=QUIET | {"clean-orphan-file.quarantine": "false"})
    for batch in range(3):
        table.append(pa.table({"id": [batch]}, schema=SCHEMA))
    newest = catalog.load_table("db.made").metadata_location
    new = f"{scheme}://lake/{lake.folder.name}/db/from/t"
    rename_copy(store, place.encode(), new.encode())
    # The catalog takes it by yet another name.
    catalog.register_table("db.t", newest.replace(place, f"s3://lake/{lake.folder.name}/db/from/t"))
    table = catalog.load_table("db.t")
    assert table.location().startswith(f"{scheme}://"), table.location()
    folder = folder_of(catalog)
    live = below(store, catalog)
    assert len(live) >= 10 and ids_of(catalog) == [0, 1, 2]
    orphans = put_orphans(store, folder, ["o1.parquet", f"{uuid.uuid4()}.avro", urllib.parse.quote("ä b.parquet")])
    told = run(lake, "clean-orphan-files", **{"older-than-ms": 0, "allow-young": True})
    assert told["details"]["orphans"] == told["details"]["deleted"] == len(orphans), told
    assert below(store, catalog) == live and ids_of(catalog) == [0, 1, 2]
    # Names of other schemes lead to the same file when it is deleted, too.
    with table.transaction() as change:
        change.set_properties({"table-expire.enabled": "true"})
    table.overwrite(pa.table({"id": [9]}, schema=SCHEMA))
    run(lake, "expire-snapshots")
    assert ids_of(catalog) == [9] and below(store, catalog) >= live_keys(catalog)
    assert len([key for key in below(store, catalog) if key.endswith(".parquet")]) == 1
