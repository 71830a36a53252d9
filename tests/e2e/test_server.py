"""The binary as a black box: start, stop, what it refuses, what hostile clients can't do to it."""
import os
import re
import socket
import subprocess
import time
from pathlib import Path

import pyarrow as pa
import pytest
from harness import BINARY, ROOT, Server, free_port
from pyiceberg.catalog.rest import RestCatalog

SCHEMA = pa.schema([pa.field("id", pa.int64(), nullable=False), ("kind", pa.string())])
FAST = {"self-optimizing.min-plan-interval": "0", "self-optimizing.minor.trigger.file-count": "4", "self-optimizing.hot-partition-delay": "0"}


def connect(server: Server, **properties) -> RestCatalog:
    return RestCatalog("m", uri=server.uri, warehouse="default", **properties)


def run(*arguments, **env) -> subprocess.CompletedProcess:
    return subprocess.run([BINARY, *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20,
                          env=os.environ | env)


def test_starts_quickly_and_stops_cleanly(tmp_path):
    with Server(tmp_path, optimizer_threads=1) as server:
        # Of the processor's time: others may be busy on this machine.
        user, system = Path(f"/proc/{server.process.pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
        assert (int(user) + int(system)) / os.sysconf("SC_CLK_TCK") < 3
        assert server.get("/health")[0] == 200
    assert server.process.returncode == 0


def test_survives_a_restart_and_a_kill(tmp_path):
    with Server(tmp_path) as server:
        catalog = connect(server)
        catalog.create_namespace("db", {"owner": "me"})
        table = catalog.create_table("db.t", SCHEMA)
        table.append(pa.table({"id": [1, 2], "kind": ["a", "b"]}, schema=SCHEMA))
        server.stop()
        server.start()
        assert sorted(catalog.load_table("db.t").scan().to_arrow()["id"].to_pylist()) == [1, 2]
        table.append(pa.table({"id": [3], "kind": ["c"]}, schema=SCHEMA))
        server.kill()
        server.start()
        assert catalog.load_namespace_properties("db")["owner"] == "me"
        assert sorted(catalog.load_table("db.t").scan().to_arrow()["id"].to_pylist()) == [1, 2, 3]


def test_keys_of_requests_outlive_a_kill(tmp_path):
    """A client that did not hear the answer sends its request again, under its key."""
    with Server(tmp_path) as server:
        assert server.get("/iceberg/v1/config")[1]["idempotency-key-lifetime"] == "PT30M"
        key = {"Idempotency-Key": "019a2b3c-4d5e-7f60-8123-456789abcdef"}
        body = {"name": "t", "schema": {"type": "struct", "fields": [{"id": 1, "name": "id", "required": True, "type": "long"}]}}
        assert server.post("/iceberg/v1/namespaces", {"namespace": ["db"]})[0] == 200
        status, made, headers = server.request("POST", "/iceberg/v1/namespaces/db/tables", body, key)
        assert status == 200
        server.kill()
        server.start()
        status, again, tag = server.request("POST", "/iceberg/v1/namespaces/db/tables", body, key)
        assert (status, again, tag["ETag"]) == (200, made, headers["ETag"])
        assert server.post("/iceberg/v1/namespaces/db/tables", body)[0] == 409
        status, answer, _ = server.request("POST", "/iceberg/v1/namespaces/db/tables", body | {"name": "u"}, key)
        assert status == 400 and answer["error"]["type"] == "IdempotencyKeyReused"


def test_an_optimizer_that_is_refused_ends(tmp_path):
    token, wrong = tmp_path / "token", tmp_path / "wrong"
    token.write_text("secret\n")
    wrong.write_text("guess\n")
    with Server(tmp_path, "--token-file", str(token)) as server:
        ended = run("optimizer", "--server", server.url, "--token-file", wrong)
        assert ended.returncode == 1, ended.stderr
        assert "refused the bearer token" in ended.stderr
        listed = run("optimizer", "list", MORAINE_SERVER="http://127.0.0.1:9", MORAINE_TOKEN_FILE=str(wrong))
        assert listed.returncode == 4, listed.stderr
        listed = run("optimizer", "--server", server.url, "--token-file", token, "list", MORAINE_SERVER="http://127.0.0.1:9",
                     MORAINE_TOKEN_FILE=str(wrong))
        assert listed.returncode == 0, listed.stderr


def test_one_server_owns_a_store(tmp_path):
    with Server(tmp_path) as server:
        second = run("server", "--listen", f"127.0.0.1:{free_port()}", "--store", f"sqlite:///{server.store}",
                     "--warehouse", f"file://{server.warehouse}")
        assert second.returncode != 0
        assert str(server.store) in second.stderr
        assert server.healthy()


@pytest.mark.parametrize("flags,word", [
    (["--listen", "0.0.0.0:PORT"], "token"), (["--listen", "127.0.0.1:99999"], "listen"), (["--store", "mongodb://x"], "store"),
    (["--warehouse", "relative"], "warehouse"), (["--no-such-flag"], "no-such-flag")], ids=lambda value: str(value)[:24])
def test_refuses_to_start_with_one_clear_sentence(tmp_path, flags, word):
    base = {"--listen": f"127.0.0.1:{free_port()}", "--store": f"sqlite:///{tmp_path}/m.db", "--warehouse": f"file://{tmp_path}/w"}
    for name, value in zip(flags[::2], flags[1::2]):
        base[name] = value.replace("PORT", str(free_port()))
    rest = flags if len(flags) % 2 else []
    refused = run("server", *(part for item in base.items() for part in item), *rest)
    assert refused.returncode != 0
    assert word in refused.stderr.lower()
    assert "Assertion" not in refused.stderr and "terminate" not in refused.stderr


def test_unknown_key_suggests_the_nearest(tmp_path):
    config = tmp_path / "moraine.yaml"
    config.write_text("server:\n  listne: 127.0.0.1:1\n")
    refused = run("server", "--config", config)
    assert refused.returncode != 0
    assert "listne" in refused.stderr and "server.listen" in refused.stderr


def test_sample_config_is_accepted(tmp_path):
    sample = run("server", "--print-config")
    assert sample.returncode == 0
    config = tmp_path / "moraine.yaml"
    config.write_text(sample.stdout)
    with Server(tmp_path / "s", "--config", str(config)) as server:
        assert server.healthy()


def test_token_guards_all_but_health(tmp_path):
    token = tmp_path / "token"
    token.write_text("s3cret-of-this-test\n")
    with Server(tmp_path / "s", "--token-file", str(token)) as server:
        assert server.get("/health")[0] == 200
        for path in ("/iceberg/v1/config", "/api/v1/tables", "/metrics", "/nothing"):
            assert server.get(path)[0] == 401, path
        assert server.request("GET", "/iceberg/v1/config", headers={"Authorization": "Bearer wrong"})[0] == 401
        connect(server, token="s3cret-of-this-test").create_namespace("db")
        assert server.request("GET", "/metrics", headers={"Authorization": "Bearer s3cret-of-this-test"})[0] == 200
        assert "s3cret" not in server.log.read_text()


def test_browser_guards(tmp_path):
    with Server(tmp_path) as server:
        assert server.request("GET", "/iceberg/v1/config", headers={"Host": "evil.example"})[0] == 421
        body = {"namespace": ["x"]}
        assert server.request("POST", "/iceberg/v1/namespaces", body, {"Origin": "http://evil.example"})[0] == 403
        assert server.request("POST", "/iceberg/v1/namespaces", body, {"Sec-Fetch-Site": "cross-site"})[0] == 403
        assert server.request("POST", "/iceberg/v1/namespaces", body, {"Content-Type": "text/plain"})[0] in (400, 403, 415)
        assert not connect(server).namespace_exists("x")


def test_tables_stay_inside_the_warehouse(tmp_path):
    (tmp_path / "outside").mkdir()
    with Server(tmp_path / "s") as server:
        catalog = connect(server)
        catalog.create_namespace("db")
        table = catalog.create_table("db.t", SCHEMA)
        outside = [f"file://{tmp_path}/outside/t", f"file://{server.warehouse}/../../outside/t", f"{server.warehouse}/%2e%2e/%2e%2e/outside",
                   "file:///etc", "s3://bucket/x", table.location(), table.location() + "/data"]
        body = {"name": "u", "schema": {"type": "struct", "fields": [{"id": 1, "name": "id", "type": "long", "required": False}]}}
        for location in outside:
            status, answer, _ = server.post("/iceberg/v1/default/namespaces/db/tables", body | {"location": location})
            if status == 404:
                status, answer, _ = server.post("/iceberg/v1/namespaces/db/tables", body | {"location": location})
            assert status == 400, (location, answer)
        status, answer, _ = server.post("/iceberg/v1/namespaces/db/register",
                                        {"name": "r", "metadata-location": f"file://{tmp_path}/outside/x.metadata.json"})
        assert status in (400, 404, 406), answer
        assert [name for _, name in catalog.list_tables("db")] == ["t"]
        assert list((tmp_path / "outside").iterdir()) == []


def test_hostile_bytes_do_no_harm(tmp_path):
    pieces = [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: " + b"a" * 200_000 + b"\r\n\r\n",
              b"POST /iceberg/v1/namespaces HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\n",
              b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n", b"\r\n" * 5000, b"\x00" * 5000,
              b"GET /%00%ff%fe HTTP/1.1\r\nHost: localhost\r\n\r\n", b"GET /iceberg/v1/namespaces/%1F%1F/tables HTTP/1.1\r\nHost: localhost\r\n\r\n"]
    with Server(tmp_path) as server:
        for piece in pieces:
            with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
                connection.sendall(piece)
                connection.shutdown(socket.SHUT_WR)
                try:
                    answer = connection.recv(65536)
                except ConnectionResetError:
                    answer = b""
                assert answer == b"" or re.match(rb"HTTP/1.1 (4|5)\d\d ", answer), answer[:100]
        for body in ("[" * 100_000, '{"namespace": ["' + "\U0001f600" * 5000 + '"]}', "{" , "nul", '{"namespace": [nul]}', '{"namespace": ["a", 1e999]}'):
            assert 400 <= server.request("POST", "/iceberg/v1/namespaces", body)[0] < 500
        assert server.healthy()


def test_metrics_are_there(tmp_path):
    with Server(tmp_path, optimizer_threads=1) as server:
        connect(server).create_namespace("db")
        status, text, _ = server.get("/metrics")
        assert status == 200
        names = set(re.findall(r"^# TYPE (\w+) ", text, re.M))
        assert names and all(name.startswith(("moraine_", "process_")) for name in names), names


def test_a_stream_is_optimized_by_itself(tmp_path):
    """Small appends and deletes come in; nobody asks; files become few and rows stay the same."""
    with Server(tmp_path, optimizer_threads=1) as server:
        catalog = connect(server)
        catalog.create_namespace("db")
        table = catalog.create_table("db.t", SCHEMA, properties=FAST)
        for start in range(0, 200, 10):
            table.append(pa.table({"id": range(start, start + 10), "kind": ["ab"[i % 2] for i in range(10)]}, schema=SCHEMA))
        end = time.monotonic() + 60
        while len(list(catalog.load_table("db.t").scan().plan_files())) > 4:
            assert time.monotonic() < end, server.get("/api/v1/tables")[1]
            time.sleep(0.2)
        table = catalog.load_table("db.t")
        assert sorted(table.scan().to_arrow()["id"].to_pylist()) == list(range(200))
        operations = [str(snapshot.summary.operation.value) for snapshot in table.snapshots()]
        assert operations.count("append") == 20 and "replace" in operations
        assert int(table.current_snapshot().summary["total-records"]) == 200
        values = dict(line.rsplit(" ", 1) for line in server.get("/metrics")[1].splitlines() if not line.startswith("#"))
        assert float(values['moraine_catalog_commits_total{result="ok"}']) >= 21
        assert float(values["moraine_optimizing_rewritten_files_total"]) > float(values["moraine_optimizing_written_files_total"]) > 0
        assert sum(float(value) for name, value in values.items() if name.startswith("moraine_optimizing_processes_total{")) >= 1
        route = '{method="POST",route="/iceberg/v1/{prefix}/namespaces/{namespace}/tables/{table}",status="200"}'
        assert float(values["moraine_http_requests_total" + route]) == 20


def test_version_is_that_of_the_tree():
    assert (ROOT / "VERSION").read_text().strip() in run("--version").stdout
