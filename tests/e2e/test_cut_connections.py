"""The connection to the database is cut between every two packets of each change: what the client is told is true."""
import uuid

import pytest
from catalog_history import DONE, REFUSED, Client, addition, creation, outcome_of, table_path
from database_server import DatabaseServer
from harness import Server
from tcp_gate import Gate

pytestmark = pytest.mark.database
OFF = "--set=optimizing.enabled=false"
MOST_PACKETS = 400
UNSETTLED = (0, 429, 500, 502, 503, 504)


class World:
    """A server whose database is behind a gate, and one beside it that sees the truth."""

    def __init__(self, gate: Gate, tested: Server, judge: Server):
        self.gate = gate
        self.client = Client([tested.port])
        self.judge = Client([judge.port])
        self.number = 0

    def call(self, method: str, path: str, body=None):
        return self.client.call(0, method, path, body)

    def must(self, method: str, path: str, body=None) -> dict:
        status, answer = self.judge.call(0, method, path, body)
        assert status in (200, 204), (method, path, status, answer)
        return answer

    def name(self) -> str:
        self.number += 1
        return f"t{self.number}"

    def table(self) -> str:
        name = self.name()
        self.must("POST", "/namespaces/n/tables", creation(name))
        return name

    def metadata(self, name: str) -> dict:
        return self.must("GET", table_path("n", name))["metadata"]

    def exists(self, path: str) -> bool:
        status, _ = self.judge.call(0, "HEAD", path)
        assert status in (200, 204, 404), status
        return status != 404

    def has_snapshot(self, name: str, snapshot: int) -> bool:
        return any(s["snapshot-id"] == snapshot for s in self.metadata(name).get("snapshots", []))


# Each gives what to send, and how the judge sees whether it happened.
def create_namespace(world: World):
    name = world.name()
    return ("POST", "/namespaces", {"namespace": [name]}), lambda: world.exists(f"/namespaces/{name}")


def drop_namespace(world: World):
    name = world.name()
    world.must("POST", "/namespaces", {"namespace": [name]})
    return ("DELETE", f"/namespaces/{name}", None), lambda: not world.exists(f"/namespaces/{name}")


def set_properties(world: World):
    value = world.name()
    return (("POST", "/namespaces/n/properties", {"updates": {"p": value}}),
            lambda: world.must("GET", "/namespaces/n")["properties"].get("p") == value)


def create(world: World):
    name = world.name()
    return ("POST", "/namespaces/n/tables", creation(name)), lambda: world.exists(table_path("n", name))


def commit(world: World):
    name = world.table()
    body, _ = addition(world.metadata(name), 7)
    return ("POST", table_path("n", name), body), lambda: world.has_snapshot(name, 7)


def commit_many(world: World):
    names = [world.table() for _ in range(3)]
    changes = []
    for name in names:
        body, _ = addition(world.metadata(name), 7)
        changes.append(body | {"identifier": {"namespace": ["n"], "name": name}})

    def happened() -> bool:
        landed = {world.has_snapshot(name, 7) for name in names}
        assert len(landed) == 1, "a part of the transaction landed"
        return landed.pop()

    return ("POST", "/transactions/commit", {"table-changes": changes}), happened


def rename(world: World):
    old, new = world.table(), world.name()
    body = {"source": {"namespace": ["n"], "name": old}, "destination": {"namespace": ["n"], "name": new}}

    def happened() -> bool:
        assert world.exists(table_path("n", old)) != world.exists(table_path("n", new)), "the table is gone, or there twice"
        return world.exists(table_path("n", new))

    return ("POST", "/tables/rename", body), happened


def drop(world: World):
    name = world.table()
    return ("DELETE", table_path("n", name), None), lambda: not world.exists(table_path("n", name))


@pytest.fixture(scope="module", params=["postgresql", "mariadb"])
def world(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cut")
    (folder / "warehouse").mkdir()
    root = f"file://{folder}/warehouse"
    with DatabaseServer(request.param) as database, Gate(database.port) as gate, \
            Server(folder / "judge", OFF, root=root, store=database.url) as judge, \
            Server(folder / "tested", OFF, "--set=store.connections=1", root=root, store=gate.url(database.url)) as tested:
        world = World(gate, tested, judge)
        world.must("POST", "/namespaces", {"namespace": ["n"]})
        yield world


every_change = pytest.mark.parametrize(
    "change", [create_namespace, drop_namespace, set_properties, create, commit, commit_many, rename, drop], ids=lambda change: change.__name__)


@every_change
def test_what_is_told_is_true(world, change):
    outcomes, packet = {}, 0
    while True:
        packet += 1
        assert packet < MOST_PACKETS, "it never ends without a cut"
        request, happened = change(world)
        world.call("GET", "/namespaces/n")  # a connection is there
        world.gate.cut_at(packet)
        status, answer = world.call(*request)
        was_cut = world.gate.has_cut
        world.gate.count()
        outcome, truth = outcome_of(status), happened()
        outcomes.setdefault(outcome, []).append(packet)
        where = f"cut at packet {packet}: {status} {answer}"
        assert status != 0, f"the server did not answer; {where}"
        assert outcome != DONE or truth, f"acknowledged, and not there; {where}"
        assert outcome != REFUSED or not truth, f"refused, and there; {where}"
        if not was_cut:
            break
    assert outcome == DONE and packet > 3, f"{packet} packets, the last {outcome}"
    print(f"{packet - 1} packets: { {name: len(cuts) for name, cuts in outcomes.items()} }")


@every_change
def test_a_key_tells_how_it_ended(world, change):
    """Whatever was cut: another server that gets the same request under its key makes the change, or knows that it was made."""
    packet, sent_again = 0, 0
    while True:
        packet += 1
        assert packet < MOST_PACKETS, "it never ends without a cut"
        request, happened = change(world)
        key = {"Idempotency-Key": str(uuid.uuid4())}
        world.call("GET", "/namespaces/n")
        world.gate.cut_at(packet)
        status, answer = world.client.call(0, *request, headers=key)
        was_cut = world.gate.has_cut
        world.gate.count()
        for _ in range(5):
            if status not in UNSETTLED:
                break
            sent_again += 1
            status, answer = world.judge.call(0, *request, headers=key)
        where = f"cut at packet {packet}: {status} {answer}"
        assert status not in UNSETTLED, f"it never ends; {where}"
        assert (status < 300) == happened(), where
        assert status < 300 or "was refused" in str(answer), where
        again, _ = world.judge.call(0, *request, headers=key)
        assert again == status, f"another answer the second time: {again}; {where}"
        if not was_cut:
            break
    assert status < 300 and packet > 3, where
    print(f"{packet - 1} packets, sent again {sent_again} times")
