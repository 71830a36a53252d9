"""Warehouses in Google Cloud Storage and Azure Data Lake Storage, as emulators have them: Moraine keeps the files and
optimizes, PyIceberg writes and reads.
"""
import shutil
import subprocess

import pyarrow as pa
import pytest
from cloud_stores import AzureStore, GoogleStore
from harness import BINARY, Server
from optimizing import optimize
from pyiceberg.catalog.rest import RestCatalog

SCHEMA = pa.schema([("id", pa.int64()), ("word", pa.string())])


@pytest.fixture(scope="module", params=["gs", "abfss"])
def store(request, tmp_path_factory):
    if request.param == "abfss" and not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("azurite needs Node, which is not installed")
    kind = GoogleStore if request.param == "gs" else AzureStore
    with kind(tmp_path_factory.mktemp(request.param)) as store:
        yield store


@pytest.fixture
def lake(store, tmp_path, monkeypatch):
    """A server whose warehouse is in the store; its settings come from the environment."""
    for name, value in store.environment.items():
        monkeypatch.setenv(name, value)
    with Server(tmp_path, root=f"{store.root}/{tmp_path.name}", optimizer_threads=1) as server:
        yield server


def pyiceberg(lake, store) -> RestCatalog:
    return RestCatalog("m", uri=lake.uri, warehouse="default", **store.properties, **{"py-io-impl": store.file_io})


def append(table, batches: range):
    for batch in batches:
        ids = list(range(batch * 100, batch * 100 + 100))
        table.append(pa.table({"id": ids, "word": [f"w{i % 7}" for i in ids]}, schema=SCHEMA))


def check_rows(catalog, count: int) -> list[str]:
    """The rows that were appended, whatever became of their files; those are returned."""
    table = catalog.load_table("db.t")
    rows = sorted((row["id"], row["word"]) for row in table.scan().to_arrow().to_pylist())
    assert rows == [(i, f"w{i % 7}") for i in range(count)]
    return [task.file.file_path for task in table.scan().plan_files()]


def test_a_table_is_made_appended_to_optimized_and_dropped(lake, store):
    catalog = pyiceberg(lake, store)
    catalog.create_namespace("db")
    table = catalog.create_table("db.t", SCHEMA)
    assert table.metadata_location.startswith(store.root)
    append(table, range(6))
    assert len(check_rows(catalog, 600)) == 6
    optimize(lake, "t", "full")
    files = check_rows(catalog, 600)
    assert len(files) == 1 and files[0].startswith(store.root), files
    assert catalog.list_tables("db") == [("db", "t")]
    catalog.drop_table("db.t")
    assert catalog.list_tables("db") == []
    kept = [file for file in store.files() if lake.folder.name in file]
    assert any(file.endswith(".metadata.json") for file in kept), "dropping removed files before the hold was over"
    # What was dropped comes back as it was.
    assert lake.post("/api/v1/warehouses/default/namespaces/db/tables/t/undrop", {})[0] == 200
    check_rows(catalog, 600)


def test_compact_reaches_it_by_the_settings_of_the_environment(lake, store, monkeypatch):
    catalog = pyiceberg(lake, store)
    catalog.create_namespace("db")
    append(catalog.create_table("db.t", SCHEMA), range(4))
    command = [BINARY, "compact", lake.uri, "db.t", "--full", "--warehouse", "default"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
    assert done.returncode == 0, done.stdout
    assert len(check_rows(catalog, 400)) == 1
    # Or by flags.
    for name in store.environment:
        monkeypatch.delenv(name)
    flags = [f"--property={name}={value}" for name, value in store.properties.items()]
    done = subprocess.run([*command, "--dry-run", *flags], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
    assert done.returncode == 0, done.stdout
