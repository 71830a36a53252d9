"""`moraine compact` on tables of Moraine's own catalog and of the reference catalog, with no server of ours at work: Spark,
DuckDB and PyIceberg read the same rows afterwards, an interrupt leaves no trace, and writers are not disturbed.
"""
import json
import os
import signal
import subprocess
import threading
from pathlib import Path

import pyarrow as pa
import pytest
from harness import BINARY, Server, until
from interop import duck
from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import LongType, NestedField, StringType
from reference_catalog import ReferenceCatalog

ROWS = pa.schema([("id", pa.int64()), ("word", pa.string())])


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    with ReferenceCatalog(tmp_path_factory.mktemp("reference")) as reference:
        yield reference


class Place:
    """A catalog, its folder, and the name by which Spark knows it."""

    def __init__(self, uri: str, folder: Path, spark_name: str, properties: dict[str, str]):
        self.uri, self.folder, self.spark_name = uri, Path(folder), spark_name
        self.catalog = RestCatalog(spark_name, uri=uri, **properties)

    def namespace(self, name: str) -> str:
        self.catalog.create_namespace_if_not_exists(name)
        return name

    def files(self) -> list[str]:
        return sorted(str(file) for file in self.folder.rglob("*") if file.is_file())

    def command(self, table: str, *flags: str) -> list[str]:
        return [str(BINARY), "compact", self.uri, table, *flags]

    def compact(self, table: str, *flags: str) -> dict:
        done = subprocess.run(self.command(table, "--json", *flags), capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture(params=["moraine", "reference"])
def place(request, server):
    if request.param == "moraine":
        return Place(server.uri, server.warehouse, "ice", {"warehouse": "default"})
    reference = request.getfixturevalue("reference")
    return Place(reference.uri, reference.warehouse, "reference", {})


def batch(start: int, count: int, word: str = "w") -> pa.Table:
    return pa.table({"id": list(range(start, start + count)), "word": [f"{word}{i % 97}" for i in range(start, start + count)]}, schema=ROWS)


def rows_of(table) -> list[tuple]:
    return sorted((row["id"], row["word"]) for row in table.scan().to_arrow().to_pylist())


def data_files(table) -> list[str]:
    return [task.file.file_path for task in table.scan().plan_files()]


def test_small_files_and_deletes_become_one_file(place, spark, add_catalog, request):
    if place.spark_name == "reference":
        add_catalog("reference", request.getfixturevalue("reference"))
    ns = place.namespace("compact_small")
    spec = PartitionSpec()
    table = place.catalog.create_table(f"{ns}.t", ROWS, partition_spec=spec, properties={
        "format-version": "2", "write.delete.mode": "merge-on-read"})
    for i in range(30):
        table.append(batch(i * 100, 100))
    name = f"{place.spark_name}.{ns}.t"
    spark.sql(f"DELETE FROM {name} WHERE id % 7 = 0")
    spark.sql(f"DELETE FROM {name} WHERE id BETWEEN 150 AND 160")
    table = place.catalog.load_table(f"{ns}.t")
    expected = [(i, f"w{i % 97}") for i in range(3000) if i % 7 and not 150 <= i <= 160]
    assert rows_of(table) == expected
    snapshot = table.current_snapshot().snapshot_id

    plan = place.compact(f"{ns}.t", "--dry-run")
    assert not plan["committed"] and plan["input-files"] >= 30
    assert place.catalog.load_table(f"{ns}.t").current_snapshot().snapshot_id == snapshot
    report = place.compact(f"{ns}.t")
    assert report["committed"] and report["before"]["data-files"] == 30 and report["before"]["delete-files"] > 0
    assert report["after"]["data-files"] == 1 and report["after"]["delete-files"] == 0

    table = place.catalog.load_table(f"{ns}.t")
    assert table.current_snapshot().snapshot_id == report["snapshot-id"]
    assert len(data_files(table)) == 1
    assert rows_of(table) == expected
    spark.sql(f"REFRESH TABLE {name}")
    assert sorted(tuple(row) for row in spark.sql(f"SELECT id, word FROM {name}").collect()) == expected
    with duck.attach(place.uri) as connection:
        assert sorted(connection.execute(f"SELECT id, word FROM ice.{ns}.t").fetchall()) == expected
    # The past is still there, and a second run has nothing to do.
    assert sorted(spark.sql(f"SELECT count(*) FROM {name} VERSION AS OF {snapshot}").collect()[0]) == [len(expected)]
    assert place.compact(f"{ns}.t")["type"] == "none"


def test_names_and_partitions_of_all_kinds(place):
    ns = place.namespace("compact_names")
    for name in ["with.dots", "a b+c", "grün_表"]:
        schema = Schema(NestedField(1, "id", LongType()), NestedField(2, "word", StringType()))
        spec = PartitionSpec(PartitionField(2, 1000, IdentityTransform(), "word"))
        table = place.catalog.create_table((ns, name), schema, partition_spec=spec,
                                           properties={"self-optimizing.minor.trigger.file-count": "2"})
        for part in range(3):
            table.append(pa.table({"id": [part * 10 + k for k in range(4)], "word": ["a/b", "c=d", "ü", None]}, schema=ROWS))
        expected = sorted(map(repr, table.scan().to_arrow().to_pylist()))
        report = place.compact(f'{ns}."{name}"')
        assert report["after"]["data-files"] == 4 and report["partitions"] == 4
        table = place.catalog.load_table((ns, name))
        assert sorted(map(repr, table.scan().to_arrow().to_pylist())) == expected
    missing = subprocess.run(place.command(f'{ns}."with.dot"'), capture_output=True, text=True, timeout=60)
    assert missing.returncode == 3 and f'did you mean {ns}."with.dots"?' in missing.stderr


def large_table(place, name: str):
    ns = place.namespace("compact_large")
    table = place.catalog.create_table(f"{ns}.{name}", pa.schema([("id", pa.int64()), ("word", pa.string()), ("noise", pa.binary())]))
    for i in range(12):
        ids = list(range(i * 20_000, (i + 1) * 20_000))
        noise = [os.urandom(100) for _ in ids]
        table.append(pa.table({"id": ids, "word": [f"w{k}" for k in ids], "noise": noise}, schema=table.schema().as_arrow()))
    return table


def wait_for(condition):
    until(condition, "it never came", 60, every=0.001)


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_no_trace(place, sign):
    for attempt in range(5):
        table = large_table(place, f"interrupted_{sign.name.lower()}_{attempt}")
        before, metadata = place.files(), table.metadata_location
        name = ".".join(table.name()[-2:])
        folder = Path(table.location().removeprefix("file://")) / "data"
        known = set(os.listdir(folder))
        # One file after the other, so that there is time; files appear under a temporary name first.
        process = subprocess.Popen(place.command(name, "--full", "--threads", "1"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        wait_for(lambda: set(os.listdir(folder)) - known or process.poll() is not None)
        process.send_signal(sign)
        _, err = process.communicate(timeout=60)
        if process.returncode != 0:  # else it was done before the signal came
            break
    assert process.returncode == 130, err
    assert "nothing was committed" in err
    assert place.files() == before
    assert place.catalog.load_table(name).metadata_location == metadata
    # And then it does its work.
    assert place.compact(name, "--full")["committed"]
    assert place.catalog.load_table(name).scan(selected_fields=("id",)).to_arrow().num_rows == 240_000


def test_a_writer_meanwhile_is_not_disturbed(place):
    ns = place.namespace("compact_writer")
    table = place.catalog.create_table(f"{ns}.t", ROWS)
    for i in range(20):
        table.append(batch(i * 100, 100))
    stop, appended = threading.Event(), []

    def write():
        writer = RestCatalog("writer", uri=place.uri).load_table(f"{ns}.t")
        while not stop.is_set():
            start = 100_000 + 10 * len(appended)
            writer.refresh()
            try:
                writer.append(batch(start, 10))
                appended.append(start)
            except Exception as error:
                if "CommitFailed" not in type(error).__name__:
                    raise

    thread = threading.Thread(target=write)
    thread.start()
    try:
        wait_for(lambda: len(appended) > 1)
        reports = [place.compact(f"{ns}.t") for _ in range(3)]
    finally:
        stop.set()
        thread.join()
    assert any(report["committed"] for report in reports)
    ids = [row[0] for row in rows_of(place.catalog.load_table(f"{ns}.t"))]
    assert ids == list(range(2000)) + [start + k for start in sorted(appended) for k in range(10)]


def test_a_token_is_asked_for_and_sent(tmp_path):
    token = tmp_path / "token"
    token.write_text("a-long-secret\n")
    with Server(tmp_path / "server", "--token-file", str(token)) as server:
        catalog = RestCatalog("t", uri=server.uri, token="a-long-secret")
        catalog.create_namespace("db")
        table = catalog.create_table("db.t", ROWS)
        for i in range(12):
            table.append(batch(i * 10, 10))
        run = lambda *flags: subprocess.run([BINARY, "compact", server.uri, "db.t", *flags], capture_output=True, text=True, timeout=60)
        refused = run()
        assert refused.returncode == 1 and "--credential ID:SECRET or --token TOKEN" in refused.stderr
        wrong = run("--token", "not-that-secret")
        assert wrong.returncode == 1 and "not-that-secret" not in wrong.stderr + wrong.stdout
        done = run("--token-file", str(token))
        assert done.returncode == 0, done.stderr
        assert "12 files" in done.stdout and "became 1 file" in done.stdout
        assert "a-long-secret" not in done.stdout + done.stderr
