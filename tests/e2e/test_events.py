"""Events of the catalog as other systems get them: pages, streams over a raw socket, webhooks to a receiver
that fails at times; and a server that is killed meanwhile loses none."""
import base64
import hashlib
import hmac
import json
import random
import socket
import subprocess
import threading
import time
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from database_server import KINDS, DatabaseServer
from harness import BINARY, Server, until

FLAGS = ("--set=optimizing.enabled=false", "--set=events.poll-interval=50ms", "--set=events.webhook-retry-first=20ms", "--set=events.webhook-retry-last=200ms",
         "--set=events.heartbeat-interval=300ms")
SCHEMA = {"type": "struct", "schema-id": 0, "fields": [{"id": 1, "name": "id", "required": True, "type": "long"}]}


class Receiver:
    """Takes batches; fails at times: refuses, answers 500, hangs up after it has taken one, or is slow."""

    def __init__(self, seed: int | None = None, delay: float = 0):
        self.batches: list[list[dict]] = []
        self.failures = 0
        self.secret: str | None = None
        self.bad_signatures = 0
        chance = random.Random(seed)
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                time.sleep(delay)
                outer.check(self.headers, body)
                fate = chance.random() if seed is not None else 1
                if fate < 0.15:
                    outer.failures += 1
                    return self.answer(500)
                outer.batches.append(json.loads(body))
                if fate < 0.3:
                    outer.failures += 1
                    self.close_connection = True  # taken, and nobody was told
                    return None
                return self.answer(200)

            def answer(self, status):
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    def check(self, headers, body: bytes):
        if self.secret is None:
            return
        key = base64.b64decode(self.secret.removeprefix("whsec_"))
        text = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        expected = "v1," + base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()
        if headers["webhook-signature"] != expected:
            self.bad_signatures += 1

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/events"

    def numbers(self) -> list[int]:
        return [event["data"]["sequence"] for batch in list(self.batches) for event in batch if "sequence" in event["data"]]

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


class Stream:
    """A reader of server-sent events over a socket of its own."""

    def __init__(self, server: Server, target: str, last_id: int | None = None):
        self.socket = socket.create_connection(("127.0.0.1", server.port), timeout=20)
        last = f"Last-Event-ID: {last_id}\r\n" if last_id is not None else ""
        self.socket.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n{last}\r\n".encode())
        self.file = self.socket.makefile("rb")
        self.status = int(self.file.readline().split()[1])
        self.headers = {}
        while line := self.file.readline().strip():
            name, value = line.decode().split(": ", 1)
            self.headers[name.lower()] = value
        self.text = b""

    def blocks(self):
        """Blocks of lines, until the stream ends or breaks."""
        while True:
            while b"\n\n" in self.text:
                block, self.text = self.text.split(b"\n\n", 1)
                yield block.decode()
            try:
                size = self.file.readline()
                if not size or int(size, 16) == 0:
                    return
                chunk = self.file.read(int(size, 16))
                self.file.readline()
            except (OSError, ValueError):
                return
            self.text += chunk

    def events(self):
        for block in self.blocks():
            lines = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line and not line.startswith(":"))
            if "data" in lines:
                yield int(lines["id"]), lines["event"], json.loads(lines["data"])

    def close(self):
        self.socket.close()


def make_table(server: Server, name: str, namespace: str = "ns") -> int:
    return server.post(f"/iceberg/v1/namespaces/{namespace}/tables", {"name": name, "schema": SCHEMA})[0]


def make_namespace(server: Server, name: str = "ns"):
    assert server.post("/iceberg/v1/namespaces", {"namespace": [name]})[0] == 200


def eventually(condition):
    until(condition, "it never came to be", 30, every=0.02)


def in_order_and_complete(numbers: list[int], first: int, last: int):
    seen = first - 1
    for number in numbers:
        assert number <= seen + 1, f"{seen + 1} was skipped: {numbers}"
        seen = max(seen, number)
    assert seen == last, numbers


@pytest.fixture(scope="module", params=[None, *(pytest.param(kind, marks=pytest.mark.database) for kind in KINDS)], ids=["sqlite", *KINDS])
def database(request):
    """None: SQLite."""
    if request.param is None:
        yield None
        return
    with DatabaseServer(request.param) as database:
        yield database


@pytest.fixture
def store(database) -> str | None:
    return database and database.new_url()


@pytest.fixture
def server(tmp_path, store):
    with Server(tmp_path / "server", *FLAGS, store=store) as server:
        make_namespace(server)
        yield server


def test_pages_and_a_poll_that_waits(server):
    assert make_table(server, "a") == 200
    status, page, _ = server.get("/api/v1/events")
    assert status == 200
    assert [event["type"] for event in page["events"]] == ["io.moraine.namespace.created", "io.moraine.table.created"]
    created = page["events"][1]
    loaded = server.get("/iceberg/v1/namespaces/ns/tables/a")[1]
    assert created["data"]["metadata-location"] == loaded["metadata-location"]
    assert created["data"]["uuid"] == loaded["metadata"]["table-uuid"]
    assert server.get("/api/v1/" + created["subject"])[0] == 200
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(server.get(f"/api/v1/events?after={page['next']}&wait=20s")))
    waiting.start()
    time.sleep(0.3)
    assert not answers
    make_table(server, "b")
    waiting.join(10)
    assert [event["data"]["name"] for event in answers[0][1]["events"]] == ["b"]
    began = time.monotonic()
    assert server.get("/api/v1/events?after=latest&wait=200ms")[1]["events"] == []
    assert 0.15 < time.monotonic() - began < 25


def test_a_stream_goes_on_where_it_broke(server):
    stream = Stream(server, "/api/v1/events?after=latest")
    assert stream.status == 200
    assert stream.headers["content-type"] == "text/event-stream"
    blocks = stream.blocks()
    assert next(blocks) == "retry: 1000"
    assert next(blocks) == ": heartbeat"
    for name in "abc":
        make_table(server, name)
    events = stream.events()
    got = [next(events) for _ in range(2)]
    assert [event[0] for event in got] == [2, 3]
    assert got[0][1] == "io.moraine.table.created"
    stream.close()
    make_table(server, "d")
    again = Stream(server, "/api/v1/events", last_id=3).events()
    assert [next(again)[2]["data"]["name"] for _ in range(2)] == ["c", "d"]


def test_streams_are_bounded_and_end_with_the_server(tmp_path, store):
    with Server(tmp_path / "server", *FLAGS, "--set=events.max-streams=2", "--set=server.shutdown-grace=90s", store=store) as server:
        streams = [Stream(server, "/api/v1/events") for _ in range(2)]
        third = Stream(server, "/api/v1/events")
        assert third.status == 429
        assert "retry-after" in third.headers
        streams.pop().close()
        eventually(lambda: Stream(server, "/api/v1/events").status == 200)
        began = time.monotonic()
        assert server.stop(120) == 0
        assert time.monotonic() - began < 60  # streams don't use up the grace
        assert list(streams[0].blocks())[0] == "retry: 1000"  # and the end of the body


def test_a_reader_that_takes_nothing_costs_nothing(server):
    slow = socket.create_connection(("127.0.0.1", server.port))
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n")
    for i in range(50):
        make_table(server, f"t{i}")
    assert len(server.get("/api/v1/events?limit=1000")[1]["events"]) == 51
    slow.close()


def test_a_webhook_delivers_all_in_order_to_a_receiver_that_fails_at_times(server):
    with Receiver(seed=7) as receiver:
        status, made, _ = server.post("/api/v1/webhooks", {"name": "etl", "url": receiver.url, "after": "earliest"})
        assert status == 200
        receiver.secret = made["secret"]
        for i in range(60):
            make_table(server, f"t{i}")
        eventually(lambda: server.get("/api/v1/webhooks/etl")[1]["waiting"] == 0)
        in_order_and_complete(receiver.numbers(), 1, 61)
        assert receiver.failures > 0
        assert receiver.bad_signatures == 0
        assert server.get("/api/v1/webhooks/etl")[1]["state"] == "active"
        assert 'moraine_events_deliveries_total{result="delivered"}' in server.get("/metrics")[1]
        eventually(lambda: 'moraine_events_webhook_waiting_events{webhook="etl"} 0' in server.get("/metrics")[1])


def test_a_webhook_pauses_and_goes_on(server, tmp_path):
    url = f"http://127.0.0.1:{socket.create_server(('127.0.0.1', 0)).getsockname()[1]}/"  # closed again: refused
    status, _, _ = server.post("/api/v1/webhooks", {"name": "dead", "url": url, "after": "earliest"})
    assert status == 200
    eventually(lambda: server.get("/api/v1/webhooks/dead")[1]["state"] == "paused")
    shown = server.get("/api/v1/webhooks/dead")[1]
    assert "20 deliveries in a row failed" in shown["reason"]
    assert shown["after"] == 0
    assert server.post("/api/v1/webhooks", {"name": "x", "url": "http://192.0.2.1/"})[0] == 403


@pytest.mark.database
@pytest.mark.parametrize("kind", KINDS)
def test_two_servers_share_events_and_webhooks(tmp_path, kind):
    """What one commits the other's readers hear, and each event is sent once although both could."""
    with DatabaseServer(kind) as database, Receiver() as receiver:
        with Server(tmp_path / "a", *FLAGS, root=f"file://{tmp_path}", store=database.url) as first, \
                Server(tmp_path / "b", *FLAGS, root=f"file://{tmp_path}", store=database.url) as second:
            make_namespace(first)
            assert first.post("/api/v1/webhooks", {"name": "etl", "url": receiver.url, "after": "earliest"})[0] == 200
            events = Stream(second, "/api/v1/events?after=0").events()
            for i in range(10):
                assert make_table((first, second)[i % 2], f"t{i}") == 200
            assert [next(events)[0] for _ in range(11)] == list(range(1, 12))
            eventually(lambda: second.get("/api/v1/webhooks/etl")[1]["after"] == 11)
            assert receiver.numbers() == list(range(1, 12))


def test_the_console_makes_and_ends_webhooks(server):
    def run(*arguments, code=0):
        done = subprocess.run([BINARY, "webhook", *arguments, "--server", server.url], capture_output=True, text=True, timeout=30)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    assert "No webhooks" in run("list")
    with Receiver() as receiver:
        assert "whsec_" in run("create", "etl", receiver.url, "--types", "table.*", "--namespace", "ns")
        assert "answered 200" in run("test", "etl")
        assert "active" in run("list")
        make_table(server, "a")
        eventually(lambda: receiver.numbers() == [2])
        eventually(lambda: "up to number 2" in run("show", "etl"))  # stored once the receiver has answered
        run("pause", "etl")
        assert "paused by request" in run("show", "etl")
        run("resume", "etl", "--after", "earliest")
        eventually(lambda: receiver.numbers() == [2, 2])
    assert "not delivered" in run("test", "etl", code=1)
    run("delete", "etl")
    run("show", "etl", code=3)
    assert "events.webhook-hosts" in run("create", "bad", "http://192.0.2.1/", code=1)


@pytest.mark.kill
def test_no_event_is_lost_when_the_server_is_killed(tmp_path):
    chance = random.Random(11)
    server = Server(tmp_path / "server", *FLAGS)
    server.start()
    acknowledged, heard, stop = [], [], threading.Event()
    try:
        with Receiver(seed=3, delay=0.005) as receiver:
            make_namespace(server)
            server.post("/api/v1/webhooks", {"name": "etl", "url": receiver.url, "after": "earliest"})

            def write():
                number = 0
                while not stop.is_set():
                    number += 1
                    try:
                        if make_table(server, f"t{number}") == 200:
                            acknowledged.append(f"t{number}")
                    except (OSError, HTTPException):
                        time.sleep(0.02)

            def listen():
                while not stop.is_set():
                    try:
                        for number, _, event in Stream(server, "/api/v1/events", last_id=heard[-1][0] if heard else 0).events():
                            heard.append((number, event["data"].get("name")))
                            if stop.is_set():
                                return
                    except (OSError, IndexError, ValueError):  # the server is away
                        time.sleep(0.02)

            threads = [threading.Thread(target=write), threading.Thread(target=listen)]
            for thread in threads:
                thread.start()
            for _ in range(5):
                time.sleep(chance.uniform(0.3, 0.9))
                server.kill()
                server.start()
            until(lambda: len(acknowledged) > 20, "enough is written", 120, server)
            time.sleep(0.5)
            stop.set()
            make_table(server, "last")
            for thread in threads:
                thread.join(20)
            newest = server.get("/api/v1/events?after=latest")[1]["next"]
            eventually(lambda: max(receiver.numbers(), default=0) == newest)
            in_order_and_complete(receiver.numbers(), 1, newest)
            delivered = {event["data"].get("name") for batch in receiver.batches for event in batch}
            assert set(acknowledged) <= delivered
            numbers = [number for number, _ in heard]
            assert numbers == list(range(1, len(numbers) + 1)), "the stream skipped or repeated an event"
            assert len(acknowledged) > 20
    finally:
        if server.running():
            server.stop()
