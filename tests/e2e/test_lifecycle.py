"""Drops that are undone, protection, history and rollback, by the console and an engine, over restarts."""
import json
import os
import re
import subprocess
import time

import pyarrow as pa
import pytest
from harness import BINARY, Server
from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.exceptions import ForbiddenError, NoSuchTableError
from pyiceberg.types import StringType

SCHEMA = pa.schema([pa.field("id", pa.int64(), nullable=False), ("kind", pa.string())])
FAST = {"self-optimizing.min-plan-interval": "0", "self-optimizing.minor.trigger.file-count": "4", "self-optimizing.hot-partition-delay": "0"}


def connect(server: Server) -> RestCatalog:
    return RestCatalog("m", uri=server.uri, warehouse="default")


def rows(*ids):
    return pa.table({"id": list(ids), "kind": ["x"] * len(ids)}, schema=SCHEMA)


def ids_of(table) -> list[int]:
    return sorted(table.scan().to_arrow()["id"].to_pylist())


class Console:
    def __init__(self, server: Server):
        self.environment = os.environ | {"MORAINE_SERVER": server.url}

    def __call__(self, *arguments, code: int = 0) -> str:
        done = subprocess.run([BINARY, *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, env=self.environment)
        assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr


def test_a_drop_is_undone_with_all_rows(tmp_path):
    with Server(tmp_path) as server:
        catalog, moraine = connect(server), Console(server)
        catalog.create_namespace("db")
        table = catalog.create_table("db.t", SCHEMA)
        table.append(rows(1, 2))
        number = json.loads(moraine("table", "show", "db.t", "--json"))["id"]
        catalog.purge_table("db.t")
        with pytest.raises(NoSuchTableError):
            catalog.load_table("db.t")
        assert catalog.list_tables("db") == []
        # The name is free at once; what has it now is not touched by an undrop.
        catalog.create_table("db.t", SCHEMA).append(rows(7))
        assert "already exists" in moraine("table", "undrop", "db.t", code=1)
        server.kill()
        server.start()
        assert re.search(r"table +default +db\.t .*for 6 d", moraine("catalog", "dropped"))
        assert "would bring back table db.old" in moraine("table", "undrop", "db.t", "--to", "db.old", "--dry-run")
        assert "brought back table db.old" in moraine("table", "undrop", "db.t", "--to", "db.old")
        assert ids_of(catalog.load_table("db.old")) == [1, 2] and ids_of(catalog.load_table("db.t")) == [7]
        assert json.loads(moraine("table", "show", "db.old", "--json"))["id"] == number
        catalog.load_table("db.old").append(rows(3))
        kinds = [entry["kind"] for entry in json.loads(moraine("table", "history", "db.old", "--json"))["history"]]
        assert kinds == ["commit", "undrop", "drop", "commit", "create"]
        assert "Nothing that was dropped" in moraine("catalog", "dropped")
        assert "has this name" in moraine("table", "undrop", "db.t", code=3)


def test_one_place_dropped_and_made_again(tmp_path):
    with Server(tmp_path) as server:
        catalog, moraine = connect(server), Console(server)
        catalog.create_namespace("db")
        place = f"file://{server.warehouse}/place/t"
        first = catalog.create_table("db.t", SCHEMA, location=place)
        first.append(rows(1))
        metadata = catalog.load_table("db.t").metadata_location
        # Renamed, and another one of the old name: two tables, each with its own files.
        catalog.rename_table("db.t", "db.renamed")
        catalog.create_table("db.t", SCHEMA).append(rows(2))
        catalog.drop_table("db.t")
        assert ids_of(catalog.load_table("db.renamed")) == [1]
        # Dropped, and registered again by its own file.
        catalog.drop_table("db.renamed")
        again = catalog.register_table("db.back", metadata)
        assert ids_of(again) == [1]
        assert "has its place" in moraine("table", "undrop", "db.renamed", code=1)
        assert "its place is taken" in moraine("catalog", "dropped")
        catalog.drop_table("db.back")
        catalog.create_table("db.new", SCHEMA, location=place).append(rows(9))
        assert ids_of(catalog.load_table("db.new")) == [9]
        assert "brought back table db.t" in moraine("table", "undrop", "db.t")
        assert ids_of(catalog.load_table("db.t")) == [2]


def test_holds_end_and_files_stay(tmp_path):
    with Server(tmp_path, "--set", "catalog.drop-hold-time=1500ms") as server:
        catalog, moraine = connect(server), Console(server)
        catalog.create_namespace("db")
        catalog.create_table("db.t", SCHEMA).append(rows(1))
        catalog.create_table("db.kept", SCHEMA, properties={"catalog.drop-hold-time": "1h"})
        catalog.create_table("db.now", SCHEMA, properties={"catalog.drop-hold-time": "0"})
        files = sorted(server.warehouse.rglob("*.*"))
        for name in ("db.t", "db.kept", "db.now"):
            catalog.purge_table(name)
        assert "db.now" not in moraine("catalog", "dropped")
        end = time.monotonic() + 20
        while "db.t " in moraine("catalog", "dropped"):
            assert time.monotonic() < end, server.log_tail()
            time.sleep(0.2)
        assert "has this name" in moraine("table", "undrop", "db.t", code=3)
        assert sorted(server.warehouse.rglob("*.*")) == files
        number = json.loads(moraine("catalog", "dropped", "--json"))["dropped"][0]["id"]
        assert "can't be brought back any more" in moraine("table", "purge", "--id", number)
        assert "Nothing that was dropped" in moraine("catalog", "dropped")


def test_a_protected_table_says_who_and_how(tmp_path):
    with Server(tmp_path) as server:
        catalog, moraine = connect(server), Console(server)
        catalog.create_namespace("db")
        catalog.create_table("db.t", SCHEMA)
        assert "can't be dropped" in moraine("table", "protect", "db.t", "--reason", "feeds the billing")
        for drop in (catalog.drop_table, catalog.purge_table):
            with pytest.raises(ForbiddenError, match=r"feeds the billing.*moraine table unprotect db\.t"):
                drop("db.t")
        assert "is protected" in moraine("catalog", "drop", "db", "--recursive", code=1)
        catalog.load_table("db.t").append(rows(1))
        moraine("table", "unprotect", "db.t")
        moraine("catalog", "protect", "--warehouse", "default", "--reason", "a freeze")
        with pytest.raises(ForbiddenError, match="warehouse default is protected"):
            catalog.drop_table("db.t")
        moraine("catalog", "unprotect", "--warehouse", "default")
        catalog.drop_table("db.t")
        catalog.drop_namespace("db")


def test_a_namespace_goes_and_comes_back_whole(tmp_path):
    with Server(tmp_path) as server:
        catalog, moraine = connect(server), Console(server)
        for name in ("db", "db.in", "other"):
            catalog.create_namespace(name)
        for name in ("db.a", "db.b", "db.in.c"):
            catalog.create_table(name, SCHEMA).append(rows(1))
        assert "not empty" in moraine("catalog", "drop", "db", code=1)
        assert moraine("catalog", "drop", "db", "--recursive", "--dry-run").count("would drop") == 5
        assert moraine("catalog", "drop", "db", "--recursive").count("dropped ") == 5
        assert catalog.list_namespaces() == [("other",)]
        catalog.create_namespace("db")
        assert "already exists" in moraine("catalog", "undrop", "db", code=1)
        catalog.drop_namespace("db")
        first = min(json.loads(moraine("catalog", "dropped", "--json"))["dropped"], key=lambda one: one["id"] if one["kind"] == "namespace" else 1 << 60)
        assert moraine("catalog", "undrop", "--id", first["id"]).count("brought back") == 5
        for name in ("db.a", "db.b", "db.in.c"):
            assert ids_of(catalog.load_table(name)) == [1]


def test_rollback_by_snapshot_time_and_version(tmp_path):
    with Server(tmp_path, optimizer_threads=1) as server:
        catalog, moraine = connect(server), Console(server)
        catalog.create_namespace("db")
        table = catalog.create_table("db.t", SCHEMA, properties={"self-optimizing.enabled": "false"})
        for i in (1, 2, 3):
            table.append(rows(i))
        first, second, third = (snapshot.snapshot_id for snapshot in table.snapshots())
        version = json.loads(moraine("table", "show", "db.t", "--json"))["version"]
        with table.update_schema() as update:
            update.add_column("more", StringType())
        assert f"to snapshot {first} (set-snapshot-ref)" in moraine("table", "rollback", "db.t", "--snapshot", first, "--dry-run")
        assert ids_of(catalog.load_table("db.t")) == [1, 2, 3]
        moraine("table", "rollback", "db.t", "--snapshot", first)
        assert ids_of(catalog.load_table("db.t")) == [1]
        assert "does not come from" in moraine("table", "rollback", "db.t", "--snapshot", second, code=1)
        moraine("table", "rollback", "db.t", "--snapshot", second, "--force")
        assert ids_of(catalog.load_table("db.t")) == [1, 2]
        assert "rolled back" in moraine("table", "rollback", "db.t", "--to-version", version)
        back = catalog.load_table("db.t")
        assert ids_of(back) == [1, 2, 3] and back.schema().column_names == ["id", "kind"]
        back.append(rows(4))
        numbers = [snapshot.sequence_number for snapshot in catalog.load_table("db.t").snapshots()]
        assert numbers == sorted(set(numbers)) and ids_of(catalog.load_table("db.t")) == [1, 2, 3, 4]
        assert "no snapshot of the branch main is that old" in moraine("table", "rollback", "db.t", "--time", "2020-01-01T00:00:00Z", code=3)
        assert "is there already" in moraine("table", "rollback", "db.t", "--time", "0s")
        assert "rollback" in moraine("table", "history", "db.t")
        assert third in [entry["snapshot-id"] for entry in json.loads(moraine("table", "history", "db.t", "--json"))["history"]]


def test_an_undropped_table_is_optimized_again(tmp_path):
    """The processes of a dropped table end, and what comes back is looked at anew."""
    with Server(tmp_path, "--set", "optimizing.refresh-interval=50ms", optimizer_threads=1) as server:
        catalog, moraine = connect(server), Console(server)
        catalog.create_namespace("db")
        catalog.create_table("db.t", SCHEMA, properties=FAST)
        for i in range(3):
            catalog.load_table("db.t").append(rows(i))
        catalog.drop_table("db.t")
        moraine("table", "undrop", "db.t")
        for i in range(3, 12):
            catalog.load_table("db.t").append(rows(i))
        end = time.monotonic() + 60
        while len(catalog.load_table("db.t").inspect.files()) > 4:
            assert time.monotonic() < end, moraine("table", "health", "db.t") + server.log_tail()
            time.sleep(0.3)
        assert ids_of(catalog.load_table("db.t")) == list(range(12))
