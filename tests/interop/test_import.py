"""`moraine catalog import`: tables of a REST catalog, of PyIceberg's SQL catalog and of a Hadoop warehouse, by registering."""
import contextlib
import json
import shutil
import sqlite3
import subprocess
from pathlib import Path

import pyarrow as pa
import pytest
from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.catalog.sql import SqlCatalog

from harness import BINARY, Server

ROWS = pa.table({"id": pa.array([1, 2, 3], pa.int64())})


@pytest.fixture
def server(tmp_path):
    """Ours, which may reach what lies in tmp_path."""
    with Server(tmp_path / "target", f"--set=warehouse.allowed-locations=file://{tmp_path}") as server:
        yield server


def run_import(server: Server, source: str, *flags: str, status: int = 0) -> str:
    done = subprocess.run([BINARY, "catalog", "import", source, "--server", server.url, *flags], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=60)
    assert done.returncode == status, done.stdout
    return done.stdout


def outcomes(server: Server, source: str, *flags: str, status: int = 0) -> dict[str, str]:
    text = run_import(server, source, "--json", *flags, status=status)
    report = json.loads(text[:text.rindex("}") + 1])
    return {table["table"]: table["outcome"] for table in report["tables"]}


def fill(catalog, names: list[str]):
    for name in names:
        namespace = name.rsplit(".", 1)[0]
        catalog.create_namespace_if_not_exists(namespace)
        catalog.create_table(name, ROWS.schema).append(ROWS)


def check_same(server: Server, catalog, names: list[str]):
    ours = RestCatalog("m", uri=server.uri, warehouse="default")
    for name in names:
        theirs, table = catalog.load_table(name), ours.load_table(name)
        assert table.metadata_location == theirs.metadata_location
        assert table.scan().to_arrow().num_rows == 3
        assert server.get(f"/api/v1/warehouses/default/namespaces/{name.split('.')[0]}/tables/{name.split('.')[-1]}")[1]["origin"] == "registered"


def test_from_pyicebergs_sql_catalog(server, tmp_path):
    (tmp_path / "lake").mkdir()
    url = f"sqlite:///{tmp_path}/catalog.db"
    theirs = SqlCatalog("theirs", uri=url, warehouse=f"file://{tmp_path}/lake")
    names = ["a.t1", "a.t2", "b.t1"]
    fill(theirs, names)
    source = f"sqlite://{tmp_path}/catalog.db"
    assert outcomes(server, source, "--dry-run") == dict.fromkeys(names, "registered")
    assert server.get("/iceberg/v1/namespaces")[1]["namespaces"] == []
    assert outcomes(server, source, "--namespace", "b") == {"b.t1": "registered"}
    assert outcomes(server, source) == {"a.t1": "registered", "a.t2": "registered", "b.t1": "there"}
    check_same(server, theirs, names)
    theirs.load_table("a.t1").append(ROWS)
    text = run_import(server, source, status=1)
    assert "taken" in text and "a.t1" in text and "1 of 3 tables were not imported" in text


def test_from_another_rest_catalog(server, tmp_path):
    with Server(tmp_path / "source") as other:
        theirs = RestCatalog("theirs", uri=other.uri, warehouse="default")
        names = ["x.t1", "x.t2"]
        fill(theirs, names)
        theirs.create_namespace(("x", "inner"))
        assert outcomes(server, other.uri) == dict.fromkeys(names, "registered")
        check_same(server, theirs, names)
        assert server.get("/iceberg/v1/namespaces?parent=x")[1]["namespaces"] == [["x", "inner"]]
        assert "Registered 0 of 2 tables in warehouse default; 2 were there already." in run_import(server, other.uri)


VIEW = {"schema": {"type": "struct", "schema-id": 0, "fields": [{"id": 1, "name": "id", "required": False, "type": "long"}]},
        "view-version": {"version-id": 1, "timestamp-ms": 1, "schema-id": 0, "summary": {}, "default-namespace": ["x"],
                         "representations": [{"type": "sql", "sql": "select id from t1", "dialect": "spark"}]}}


def make_view(server: Server, namespace: str, name: str) -> str:
    status, view, _ = server.post(f"/iceberg/v1/namespaces/{namespace}/views", VIEW | {"name": name, "properties": {"comment": "mine"}})
    assert status == 200, view
    return view["metadata-location"]


def test_views_and_namespaces_of_another_rest_catalog(server, tmp_path):
    with Server(tmp_path / "source") as other:
        theirs = RestCatalog("theirs", uri=other.uri, warehouse="default")
        theirs.create_namespace("x", {"owner": "me"})
        theirs.create_namespace("far", {"location": f"file://{tmp_path}/source/warehouse/elsewhere"})
        theirs.create_table("x.t1", ROWS.schema)
        location = make_view(other, "x", "v")
        report = json.loads(run_import(server, other.uri, "--dry-run", "--json"))
        assert report["views"] == [{"view": "x.v", "outcome": "registered", "metadata-location": location}]
        assert {ns["namespace"]: ns["outcome"] for ns in report["namespaces"]} == {"x": "made", "far": "made"}
        assert [ns["properties"]["owner"] for ns in report["namespaces"] if ns["namespace"] == "x"] == ["me"]
        assert server.get("/iceberg/v1/namespaces")[1]["namespaces"] == []
        assert "Registered 2 of 2 tables and views in warehouse default" in run_import(server, other.uri)
        assert server.get("/iceberg/v1/namespaces/x")[1]["properties"]["owner"] == "me"
        assert server.get("/iceberg/v1/namespaces/far")[1]["properties"]["location"].endswith("/elsewhere")
        view = server.get("/iceberg/v1/namespaces/x/views/v")[1]
        assert view["metadata-location"] == location
        assert view["metadata"]["properties"] == {"comment": "mine"}
        again = json.loads(run_import(server, other.uri, "--json"))
        assert {item["outcome"] for kind in ("tables", "views", "namespaces") for item in again[kind]} == {"there"}


def test_views_and_namespaces_of_a_jdbc_catalog(server, tmp_path):
    """Rows as Iceberg's JdbcCatalog of schema V1 writes them."""
    with Server(tmp_path / "source") as other:
        assert other.post("/iceberg/v1/namespaces", {"namespace": ["x"]})[0] == 200
        location = make_view(other, "x", "v")
    with contextlib.closing(sqlite3.connect(tmp_path / "jdbc.db")) as rows, rows:
        rows.execute("CREATE TABLE iceberg_tables (catalog_name VARCHAR(255) NOT NULL, table_namespace VARCHAR(255) NOT NULL, table_name VARCHAR(255) NOT NULL,"
                     " metadata_location VARCHAR(1000), previous_metadata_location VARCHAR(1000), iceberg_type VARCHAR(5))")
        rows.execute("CREATE TABLE iceberg_namespace_properties (catalog_name VARCHAR(255) NOT NULL, namespace VARCHAR(255) NOT NULL, property_key VARCHAR(255),"
                     " property_value VARCHAR(1000))")
        rows.execute("INSERT INTO iceberg_tables VALUES ('c', 'x', 'v', ?, NULL, 'VIEW')", [location])
        rows.executemany("INSERT INTO iceberg_namespace_properties VALUES ('c', 'x', ?, ?)",
                         [("exists", "true"), ("owner", "me"), ("location", "file:///nowhere/x")])
    report = json.loads(run_import(server, f"sqlite://{tmp_path}/jdbc.db", "--json"))
    assert [view["outcome"] for view in report["views"]] == ["registered"]
    assert [ns["outcome"] for ns in report["namespaces"]] == ["made"]
    assert "without its location" in report["namespaces"][0]["note"]
    assert server.get("/iceberg/v1/namespaces/x/views/v")[1]["metadata-location"] == location
    properties = server.get("/iceberg/v1/namespaces/x")[1]["properties"]
    assert properties["owner"] == "me" and "exists" not in properties and not properties["location"].startswith("file:///nowhere")


def test_from_folders_of_hadoop(server, tmp_path):
    theirs = SqlCatalog("theirs", uri=f"sqlite:///{tmp_path}/catalog.db", warehouse=f"file://{tmp_path}/lake")
    (tmp_path / "lake").mkdir()
    fill(theirs, ["db.t"])
    table = theirs.load_table("db.t")
    metadata = Path(table.metadata_location.removeprefix("file://"))
    shutil.copy(metadata, metadata.parent / "v7.metadata.json")
    (metadata.parent / "version-hint.text").write_text("7")
    root = metadata.parent.parent.parent.parent
    (root / "db" / "none" / "metadata").mkdir(parents=True)
    (root / "db" / "none" / "metadata" / "00000-x.metadata.json").write_text("{}")
    text = run_import(server, str(root), status=1)
    assert "db.none" in text and "no vN.metadata.json" in text and "Registered 1 of 2 tables" in text, text
    ours = RestCatalog("m", uri=server.uri, warehouse="default").load_table("db.t")
    assert ours.metadata_location.endswith("/v7.metadata.json")
    assert ours.scan().to_arrow().num_rows == 3


def test_says_what_is_wrong(server, tmp_path):
    assert "there is no SQLite file" in run_import(server, "sqlite:///nowhere.db", status=2)
    assert "expected http" in run_import(server, "nowhere", status=2)
    outside = SqlCatalog("theirs", uri=f"sqlite:///{tmp_path}/c.db", warehouse="file:///tmp")
    location = f"file://{tmp_path}-outside/t"
    outside.create_namespace("a")
    try:
        outside.create_table("a.t", ROWS.schema, location=location)
        text = run_import(server, f"sqlite://{tmp_path}/c.db", status=1)
        assert "a.t" in text and "outside the locations" in text, text
    finally:
        shutil.rmtree(f"{tmp_path}-outside")
