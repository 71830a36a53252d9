"""Servers on a store that is a database server: two of them share a catalog, and the database may go away."""
import threading
import time

import pyarrow as pa
import pytest
from database_server import KINDS, DatabaseServer
from harness import Server
from pyiceberg.catalog.rest import RestCatalog

pytestmark = pytest.mark.database
ROWS = pa.table({"id": pa.array([1, 2, 3], pa.int64())})


@pytest.fixture(scope="module", params=KINDS)
def database(request):
    with DatabaseServer(request.param) as server:
        yield server


@pytest.fixture
def pair(database, tmp_path):
    """Two servers that start together on one store: one of them makes the tables."""
    warehouse = tmp_path / "warehouse"
    warehouse.mkdir()
    servers = [Server(tmp_path / name, root=f"file://{warehouse}", store=database.url) for name in ("a", "b")]
    failures, started, over = [], threading.Barrier(3), threading.Event()

    def start(server):
        try:
            server.start(60)
        except AssertionError as problem:
            failures.append(problem)
        started.wait()
        over.wait()  # a server ends with the thread that started it

    threads = [threading.Thread(target=start, args=[server]) for server in servers]
    for thread in threads:
        thread.start()
    started.wait()
    try:
        assert not failures, failures
        yield servers
    finally:
        for server in servers:
            if server.running():
                server.stop()
            assert "moraine:moraine@" not in server.log.read_text(), "the password is in the log"
        over.set()


def catalog(server: Server) -> RestCatalog:
    return RestCatalog("m", uri=server.uri, warehouse="default")


def append(server: Server, name: str, times: int) -> int:
    """How many appends were acknowledged."""
    done = 0
    for _ in range(times):
        for _ in range(30):
            try:
                catalog(server).load_table(name).append(ROWS)
                done += 1
                break
            except Exception:
                time.sleep(0.05)  # another one won, or the database is away
    return done


def test_two_servers_share_a_catalog(pair):
    first, second = pair
    space = f"shared_{time.time_ns()}"
    catalog(first).create_namespace(space)
    catalog(second).create_table(f"{space}.t", ROWS.schema)
    with pytest.raises(Exception, match="already exists"):
        catalog(first).create_table(f"{space}.t", ROWS.schema)
    done = []
    threads = [threading.Thread(target=lambda s: done.append(append(s, f"{space}.t", 5)), args=[s]) for s in (first, second) * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(done) == 20
    for server in pair:
        table = catalog(server).load_table(f"{space}.t")
        assert table.scan().to_arrow().num_rows == 60
        assert len(table.metadata.snapshots) == 20


def test_goes_on_when_the_database_is_back(pair, database):
    server = pair[0]
    space = f"restart_{time.time_ns()}"
    catalog(server).create_namespace(space)
    catalog(server).create_table(f"{space}.t", ROWS.schema)
    assert append(server, f"{space}.t", 2) == 2
    database.kill()
    status, _, _ = server.get(f"/iceberg/v1/default/namespaces/{space}/tables/t")
    assert status == 503
    database.start()
    assert append(server, f"{space}.t", 2) == 2
    assert catalog(server).load_table(f"{space}.t").scan().to_arrow().num_rows == 12
