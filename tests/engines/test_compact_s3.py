"""`moraine compact` on tables that another catalog keeps in S3: SeaweedFS' own Iceberg REST catalog, by OAuth2 and by AWS
Signature 4, with keys that it lends.
"""
import json
import os
import signal
import subprocess
import time

import pyarrow as pa
import pytest
from harness import BINARY, Server
from pyiceberg.catalog.rest import RestCatalog
from seaweed import KEY, REGION, SECRET, Seaweed

ROWS = pa.schema([("id", pa.int64()), ("word", pa.string())])


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    with Seaweed(tmp_path_factory.mktemp("seaweed"), catalog=True) as store:
        store.create_table_bucket("tbl")
        yield store


@pytest.fixture(scope="module")
def catalog(store):
    end = time.monotonic() + 30
    while True:
        try:
            catalog = RestCatalog("w", uri=store.catalog_uri, warehouse="s3://tbl", credential=f"{KEY}:{SECRET}")
            catalog.create_namespace_if_not_exists("db")
            return catalog
        except Exception:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


def small_files(catalog, name: str, count: int = 14, partitions: int = 0):
    table = catalog.create_table(f"db.{name}", ROWS)
    if partitions:
        with table.update_spec() as spec:
            spec.add_identity("word")
    for i in range(count):
        ids = list(range(i * 100, i * 100 + 100))
        table.append(pa.table({"id": ids, "word": [f"w{k % (partitions or 7)}" for k in ids]}, schema=ROWS))
    return table


def compact(store, table: str, *flags: str, **settings: str) -> subprocess.CompletedProcess:
    return subprocess.run([BINARY, "compact", f"{store.catalog_uri}?warehouse=s3://tbl", table, *flags], env=os.environ | settings,
                          capture_output=True, text=True, timeout=120)


SIGV4 = [f"--property={key}={value}" for key, value in {
    "rest.sigv4-enabled": "true", "rest.signing-name": "s3tables", "rest.signing-region": REGION,
    "rest.access-key-id": KEY, "rest.secret-access-key": SECRET}.items()]


@pytest.mark.parametrize("name,flags,settings", [
    ("by_oauth2", [], {"MORAINE_CATALOG_CREDENTIAL": f"{KEY}:{SECRET}"}), ("by_sigv4", SIGV4, {})], ids=lambda value: value if isinstance(value, str) else "")
def test_small_files_become_one(store, catalog, name, flags, settings):
    small_files(catalog, name)
    done = compact(store, f"db.{name}", "--json", *flags, **settings)
    assert done.returncode == 0, done.stderr
    assert SECRET not in done.stdout + done.stderr
    assert json.loads(done.stdout)["after"]["data-files"] == 1
    table = catalog.load_table(f"db.{name}")
    assert len(list(table.scan().plan_files())) == 1
    assert sorted(table.scan().to_arrow()["id"].to_pylist()) == list(range(1400))


def test_keys_of_the_store_come_from_the_environment(store, tmp_path, monkeypatch):
    store.create_bucket("lake")
    for key, value in store.environment.items():
        monkeypatch.setenv(key, value)
    with Server(tmp_path, root="s3://lake/wh") as server:  # it lends no keys
        moraine = RestCatalog("m", uri=server.uri, warehouse="default", **{"s3.access-key-id": KEY, "s3.secret-access-key": SECRET})
        moraine.create_namespace("db")
        small_files(moraine, "t")
        done = subprocess.run([BINARY, "compact", server.uri, "db.t"], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        assert "14 files" in done.stdout and "became 1 file" in done.stdout and SECRET not in done.stdout + done.stderr
        assert moraine.load_table("db.t").scan().to_arrow().num_rows == 1400


def test_a_wrong_secret_is_refused_and_not_shown(store, catalog):
    done = compact(store, "db.any", "--credential", f"{KEY}:not-the-secret")
    assert done.returncode == 1 and "can't log in" in done.stderr
    assert "not-the-secret" not in done.stderr


def test_an_interrupt_leaves_no_object(store, catalog):
    # Many tasks, one after the other: it takes some seconds.
    table = small_files(catalog, "interrupted", 4, partitions=50)
    folder = table.location().removeprefix("s3://")

    def objects():
        bucket, _, prefix = folder.partition("/")
        status, body = store.request("GET", f"/{bucket}", {"list-type": "2", "prefix": prefix})
        assert status == 200
        return sorted(part.split("</Key>")[0] for part in body.decode().split("<Key>")[1:])

    before = objects()
    assert len(before) > 6
    process = subprocess.Popen([BINARY, "compact", f"{store.catalog_uri}?warehouse=s3://tbl", "db.interrupted", "--full", "--threads", "1"],
                               env=os.environ | {"MORAINE_CATALOG_CREDENTIAL": f"{KEY}:{SECRET}"}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for line in process.stdout:
        if "tasks" in line:
            break
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert objects() == before
    assert catalog.load_table("db.interrupted").metadata_location == table.metadata_location
