"""Warehouses in an S3 store: SeaweedFS holds the files, Moraine is the catalog and optimizes, PyIceberg and DuckDB
write and read.
"""
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import pyarrow as pa
import pytest
from harness import BINARY, ROOT, Server, die_with_parent
from interop import duck
from optimizing import optimize
from pyiceberg.catalog.rest import RestCatalog
from seaweed import KEY, REGION, SECRET, Seaweed

FILES_PROGRAM = Path(os.environ.get("MORAINE_S3_FILES", ROOT / "build" / "fast" / "tests" / "s3_files"))


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    with Seaweed(tmp_path_factory.mktemp("seaweed")) as store:
        store.create_bucket("lake")
        yield store


@pytest.fixture
def lake(store, tmp_path, monkeypatch, request):
    """A server whose warehouse is in the store, without optimizers; its settings come from the environment."""
    for name, value in store.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MORAINE_OPTIMIZER_SEND_STORAGE_CREDENTIALS", "true")  # without a token they would not go
    with Server(tmp_path, root=f"s3a://lake/{tmp_path.name}", **getattr(request, "param", {})) as server:
        yield server
        assert SECRET not in server.log.read_text()


def pyiceberg(lake) -> RestCatalog:
    """It has keys of its own; where the store is, the catalog tells it."""
    return RestCatalog("m", uri=lake.uri, warehouse="default", **{"s3.access-key-id": KEY, "s3.secret-access-key": SECRET})


def duckdb_rows(lake, store, query: str) -> list[tuple]:
    with duck.attach(lake.uri) as connection:
        connection.execute(f"CREATE SECRET (TYPE s3, KEY_ID '{KEY}', SECRET '{SECRET}', REGION '{REGION}', "
                           f"ENDPOINT '127.0.0.1:{store.port}', URL_STYLE 'path', USE_SSL false)")
        return connection.execute(query).fetchall()


def append_batches(lake, count: int):
    catalog = pyiceberg(lake)
    catalog.create_namespace("db")
    schema = pa.schema([("id", pa.int64()), ("word", pa.string())])
    # Nothing begins by itself: a run that is asked for would find nothing to do.
    table = catalog.create_table("db.t", schema, properties={"self-optimizing.minor.trigger.file-count": "1000"})
    for batch in range(count):
        ids = list(range(batch * 100, batch * 100 + 100))
        table.append(pa.table({"id": ids, "word": [f"w{i % 7}" for i in ids]}, schema=schema))
    return catalog, sorted((i, f"w{i % 7}") for i in range(count * 100))


def check_merged(lake, store, catalog, expected, process):
    table = catalog.load_table("db.t")
    files = [task.file.file_path for task in table.scan().plan_files()]
    assert len(files) == 1 and files[0].startswith("s3://lake/"), files
    assert process["state"] == "succeeded"
    by_pyiceberg = sorted((row["id"], row["word"]) for row in table.scan().to_arrow().to_pylist())
    assert by_pyiceberg == expected
    assert sorted(duckdb_rows(lake, store, "SELECT id, word FROM ice.db.t")) == expected
    status, uploads = store.request("GET", "/lake", {"uploads": ""})
    assert status == 200 and b"<UploadId>" not in uploads


@pytest.mark.parametrize("lake", [{"optimizer_threads": 1}], indirect=True)
def test_appends_are_merged_and_read_by_both_engines(lake, store):
    catalog, expected = append_batches(lake, 12)
    check_merged(lake, store, catalog, expected, optimize(lake, "t", "full"))
    # Another commit on top, from the engine that did not write the table.
    duckdb_rows(lake, store, "INSERT INTO ice.db.t VALUES (-1, 'last')")
    assert catalog.load_table("db.t").scan().to_arrow().num_rows == len(expected) + 1


def test_an_optimizer_process_takes_the_store_from_its_settings(lake, store, tmp_path, monkeypatch):
    catalog, expected = append_batches(lake, 6)
    config = tmp_path / "optimizer.yaml"
    config.write_text("s3:\n" + "".join(f"  {name.removeprefix('s3.')}: \"{value}\"\n" for name, value in store.properties.items()))
    for name in store.environment:
        monkeypatch.delenv(name)
    log = tmp_path / "optimizer.log"
    with log.open("ab") as out:
        process = subprocess.Popen([BINARY, "optimizer", "--server", lake.url, "--config", config], stdout=out, stderr=out,
                                   stdin=subprocess.DEVNULL, preexec_fn=die_with_parent)
    try:
        check_merged(lake, store, catalog, expected, optimize(lake, "t", "full"))
    finally:
        process.kill()
        process.wait()
    text = log.read_text()
    assert SECRET not in text and "refuses" not in text, text


def run_optimizer(lake, log: Path, *arguments) -> subprocess.Popen:
    with log.open("ab") as out:
        return subprocess.Popen([BINARY, "optimizer", "--server", lake.url, *arguments], stdout=out, stderr=out,
                                stdin=subprocess.DEVNULL, preexec_fn=die_with_parent)


def test_an_optimizer_without_settings_gets_them_with_its_tasks(lake, store, tmp_path, monkeypatch):
    catalog, expected = append_batches(lake, 6)
    for name in store.environment:
        monkeypatch.delenv(name)
    log = tmp_path / "optimizer.log"
    process = run_optimizer(lake, log)
    try:
        check_merged(lake, store, catalog, expected, optimize(lake, "t", "full"))
    finally:
        process.kill()
        process.wait()
    assert SECRET not in log.read_text()


def test_an_optimizer_with_wrong_keys_says_so(lake, store, tmp_path, monkeypatch):
    append_batches(lake, 3)
    monkeypatch.setenv("MORAINE_S3_ACCESS_KEY_ID", "nobody")
    log = tmp_path / "optimizer.log"
    process = run_optimizer(lake, log)
    try:
        assert lake.post("/api/v1/warehouses/default/namespaces/db/tables/t/optimize", {"type": "full"})[0] == 204
        end, said = time.monotonic() + 60, ""
        while "this optimizer's own" not in said:
            assert time.monotonic() < end, (said, log.read_text())
            time.sleep(0.2)
            ids = [each["process-id"] for each in lake.get("/api/v1/processes")[1]["processes"]]
            said = str([lake.get(f"/api/v1/processes/{each}")[1] for each in ids])
    finally:
        process.kill()
        process.wait()
    for part in (store.endpoint, "bucket lake", "s3.access-key-id"):
        assert part in said, said
    text = log.read_text()
    assert "the store refuses the s3.* settings of this optimizer" in text and SECRET not in text


@pytest.mark.parametrize("lake", [{"optimizer_threads": 1}], indirect=True)
def test_a_store_that_stalls_delays_and_breaks_nothing(lake, store):
    """Held for half a second again and again, while tables are made, written, merged and read."""
    done = threading.Event()

    def stall():
        while not done.is_set():
            store.process.send_signal(signal.SIGSTOP)
            time.sleep(0.5)
            store.process.send_signal(signal.SIGCONT)
            done.wait(0.3)

    stalling = threading.Thread(target=stall)
    stalling.start()
    try:
        catalog, expected = append_batches(lake, 4)
        process = optimize(lake, "t", "full")
    finally:
        done.set()
        stalling.join()
    check_merged(lake, store, catalog, expected, process)


def test_a_server_that_cant_use_the_store_says_so(store, tmp_path, monkeypatch):
    for name, value in store.environment.items():
        monkeypatch.setenv(name, value)
    cases = [({"MORAINE_S3_SECRET_ACCESS_KEY": "wrong-secret"}, "s3://lake/x", "SignatureDoesNotMatch"),
             ({"MORAINE_S3_ACCESS_KEY_ID": ""}, "s3://lake/x", "s3.access-key-id is not"),
             ({"MORAINE_S3_ENDPOINT": "127.0.0.1:1"}, "s3://lake/x", "s3.endpoint"),
             ({"MORAINE_S3_PATH_STYLE_ACCESS": "maybe"}, "s3://lake/x", "s3.path-style-access")]
    for environment, root, message in cases:
        ended = subprocess.run([BINARY, "server", "--listen", "127.0.0.1:0", "--store", f"sqlite:///{tmp_path}/m.db", "--warehouse", root],
                               env=os.environ | environment, capture_output=True, text=True, timeout=60)
        assert ended.returncode != 0
        assert message in ended.stderr, ended.stderr
        assert SECRET not in ended.stderr and "wrong-secret" not in ended.stderr


def test_files_keep_their_promises(store):
    """What the unit tests ask of a store in memory, asked of a real one."""
    ran = subprocess.run([FILES_PROGRAM, "s3://lake/files/"], env=os.environ | store.environment, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    seen = dict(line.split(" ", 1) for line in ran.stdout.splitlines())
    # SeaweedFS looks whether a large object is there, and then makes it, in two steps.
    won, lost = map(int, seen.pop("race-large").split())
    assert won >= 1 and won + lost == 6
    assert seen == {
        "same": "yes", "names": "yes", "copies": "yes", "again": "AlreadyExists", "again-large": "AlreadyExists", "race-small": "1 5",
        "missing": "NotFound", "missing-read": "NotFound", "listed": "21", "deleted": "0"}
