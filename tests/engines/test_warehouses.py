"""Several warehouses on one server, in stores with keys of their own; what clients are told of them: nothing, keys, or
signatures for each request.
"""
import json
import os
import subprocess
import sys

import pyarrow as pa
import pytest
from harness import BINARY, Server, die_with_parent
from interop import duck
from optimizing import optimize
from pyiceberg.catalog.rest import RestCatalog
from seaweed import Seaweed, install_packages

KEYS = {"lake": ("lake-hush", ["Read:lake", "Write:lake", "List:lake", "Tagging:lake"]),
        "pond": ("pond-hush", ["Read:pond", "Write:pond", "List:pond", "Tagging:pond"]),
        "reader": ("reader-hush", ["Read:lake", "List:lake"])}
SECRETS = [secret for secret, _ in KEYS.values()]
SCHEMA = pa.schema([("id", pa.int64()), ("word", pa.string())])


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """Two stores, each with a bucket that one key may write to."""
    with Seaweed(tmp_path_factory.mktemp("lake"), keys=KEYS) as lake, Seaweed(tmp_path_factory.mktemp("pond"), keys=KEYS) as pond:
        lake.create_bucket("lake")
        pond.create_bucket("pond")
        yield {"lake": lake, "pond": pond}


@pytest.fixture
def server(stores, tmp_path, monkeypatch):
    monkeypatch.setenv("MORAINE_OPTIMIZER_SEND_STORAGE_CREDENTIALS", "true")
    with Server(tmp_path) as server:
        for name, store in stores.items():
            secret = tmp_path / f"{name}.secret"
            secret.write_text(KEYS[name][0] + "\n")
            ran = moraine(server, "warehouse", "create", name, "--root", f"s3://{name}/{tmp_path.name}", "--storage", f"s3.endpoint={store.endpoint}",
                          "--storage", "s3.path-style-access=true", "--storage", f"s3.access-key-id={name}",
                          "--storage", f"s3.secret-access-key=@{secret}", "--default", "table-default.write.parquet.compression-codec=snappy")
            assert "(hidden)" in ran
        yield server
        said = server.log.read_text() + json.dumps(server.get("/api/v1/warehouses")[1]) + moraine(server, "warehouse", "show", "lake")
        assert not any(secret in said for secret in SECRETS), said


def moraine(server, *arguments) -> str:
    ran = subprocess.run([BINARY, *arguments, "--server", server.url], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    assert not any(secret in ran.stdout + ran.stderr for secret in SECRETS)
    return ran.stdout


def pyiceberg(server, warehouse: str, key: str | None = None, **properties) -> RestCatalog:
    own = {"s3.access-key-id": key, "s3.secret-access-key": KEYS[key][0]} if key else {}
    return RestCatalog("m", uri=server.uri, warehouse=warehouse, **own, **properties)


def append(catalog, batches: int = 3):
    if not catalog.namespace_exists("db"):
        catalog.create_namespace("db")
        catalog.create_table("db.t", SCHEMA)
    table = catalog.load_table("db.t")
    for batch in range(batches):
        ids = list(range(batch * 100, batch * 100 + 100))
        table.append(pa.table({"id": ids, "word": [f"w{i % 7}" for i in ids]}, schema=SCHEMA))
    return table


def ids_of(table) -> list[int]:
    return sorted(table.scan().to_arrow()["id"].to_pylist())


def test_warehouses_in_two_stores_are_used_at_once(server, tmp_path):
    for name in ("lake", "pond"):
        table = append(pyiceberg(server, name, name))
        assert table.location().startswith(f"s3://{name}/") and table.properties["write.parquet.compression-codec"] == "snappy"
    log = tmp_path / "optimizer.log"
    with log.open("ab") as out:
        process = subprocess.Popen([BINARY, "optimizer", "--server", server.url, "--threads", "2"], stdout=out, stderr=out,
                                   stdin=subprocess.DEVNULL, preexec_fn=die_with_parent)
    try:
        # Made after the optimizer registered: it hears of the place with its first task.
        later = tmp_path / "later"
        moraine(server, "warehouse", "create", "later", "--root", f"file://{later}")
        append(pyiceberg(server, "later"))
        for name in ("lake", "pond", "later"):
            assert optimize(server, "t", "full", warehouse=name)["state"] == "succeeded"
    finally:
        process.kill()
        process.wait()
    assert not any(secret in log.read_text() for secret in SECRETS)
    for name in ("lake", "pond"):
        table = pyiceberg(server, name, name).load_table("db.t")
        assert len(list(table.scan().plan_files())) == 1 and ids_of(table) == list(range(300))


def test_clients_get_keys_only_where_the_warehouse_says_so(server):
    append(pyiceberg(server, "lake", "lake"))
    path = "/iceberg/v1/lake/namespaces/db/tables/t"
    asked = {"X-Iceberg-Access-Delegation": "vended-credentials"}
    _, answer, headers = server.request("GET", path, headers=asked)
    assert answer["config"] == {} and "storage-credentials" not in answer and "no-store" not in str(headers)
    assert server.get(path + "/credentials")[1] == {"storage-credentials": []}

    moraine(server, "warehouse", "set", "lake", "--send-credentials", "true")
    assert server.get(path)[1]["config"] == {}, "who does not ask is told nothing"
    _, answer, headers = server.request("GET", path, headers=asked)
    assert headers["Cache-Control"] == "no-store" and answer["storage-credentials"][0]["prefix"] == answer["metadata"]["location"] + "/"
    status, _, _ = server.request("GET", path, headers=asked | {"If-None-Match": headers["ETag"]})
    assert status == 304
    # Two engines that have no keys of their own write and read.
    table = append(pyiceberg(server, "lake"), 1)
    assert len(ids_of(table)) == 400
    with duck.attach(server.uri, "lake") as connection:
        assert connection.execute("SELECT count(*) FROM ice.db.t").fetchall() == [(400,)]
        connection.execute("INSERT INTO ice.db.t VALUES (-1, 'last')")
    assert ids_of(pyiceberg(server, "lake").load_table("db.t"))[0] == -1

    # Keys that may only read, in place of the server's own; an old answer does not count as fresh.
    moraine(server, "warehouse", "set", "lake", "--client-credential", "s3.access-key-id=reader", "--client-credential",
            f"s3.secret-access-key={KEYS['reader'][0]}")
    status, _, _ = server.request("GET", path, headers=asked | {"If-None-Match": headers["ETag"]})
    assert status == 200
    table = pyiceberg(server, "lake").load_table("db.t")
    assert len(ids_of(table)) == 401
    with pytest.raises(Exception, match="(?i)denied"):
        append(pyiceberg(server, "lake"), 1)


SIGNED = """
import sys, pyarrow as pa
from pyiceberg.catalog.rest import RestCatalog
uri, warehouse = sys.argv[1:]
catalog = RestCatalog("m", uri=uri, warehouse=warehouse, **{"header.X-Iceberg-Access-Delegation": "remote-signing"})
table = catalog.load_table("db.t")
assert not any("secret" in key for key in table.io.properties), table.io.properties
assert type(table.io).__name__ == "FsspecFileIO", table.io
table.append(pa.table({"id": [7], "word": ["x"]}, schema=table.schema().as_arrow()))
print(sorted(catalog.load_table("db.t").scan().to_arrow()["id"].to_pylist()))
created = catalog.create_table("db.signed", table.schema())
created.append(pa.table({"id": [1, 2], "word": ["a", None]}, schema=created.schema().as_arrow()))
print(catalog.load_table("db.signed").scan().to_arrow().num_rows)
try:
    created.io.delete(created.metadata_location)
except Exception as error:
    print(error)
"""


def test_a_client_without_keys_has_its_requests_signed(server, stores):
    table = append(pyiceberg(server, "lake", "lake"), 1)
    moraine(server, "warehouse", "set", "lake", "--remote-signing", "true")
    path = "/iceberg/v1/lake/namespaces/db/tables/t/sign"
    folder = install_packages("s3fs")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    # One worker: PyIceberg takes its signer off and puts it on again for each of its threads, which share one client of
    # s3fs; what another thread sends meanwhile goes out unsigned, and the store denies it.
    environment |= {"PYTHONPATH": str(folder), "PYICEBERG_MAX_WORKERS": "1"}
    ran = subprocess.run([sys.executable, "-c", SIGNED, server.uri, "lake"], env=environment, capture_output=True, text=True, timeout=120)
    said = (ran.stdout, ran.stderr[-4000:], server.log_tail())
    assert ran.returncode == 0 and ran.stdout.splitlines()[:2] == [str(sorted([*range(100), 7])), "2"], said
    # PyIceberg deletes by a list, and does not show the list to the signer.
    assert "Failed to sign request 400" in ran.stdout and "/lake?delete" in ran.stdout, said

    def sign(method: str, uri: str):
        body = {"region": "us-east-1", "method": method, "uri": uri, "headers": {}}
        return server.request("POST", path, body)

    base = stores["lake"].endpoint + "/" + table.location().removeprefix("s3://")
    status, answer, headers = sign("GET", base + "/metadata/x")
    assert status == 200 and headers["Cache-Control"] == "private" and answer["uri"] == base + "/metadata/x"
    assert sign("PUT", base + "/data/x")[2]["Cache-Control"] == "no-cache"
    for uri in (base + "/../other/x", base + "-2/x", stores["pond"].endpoint + "/lake/x", stores["lake"].endpoint + "/lake?list-type=2&prefix="):
        assert sign("GET", uri)[0] == 403, uri
    moraine(server, "warehouse", "set", "lake", "--remote-signing", "false")
    assert sign("GET", base + "/metadata/x")[0] == 406
