"""PyIceberg with scan-planning-mode=server: the server's plans read the same rows as PyIceberg's own."""
import datetime

import pyarrow as pa
import pytest
import requests
from harness import Server
from interop import duck
from interop.test_pyiceberg import ALL_TYPES, EVENTS, ROW, events
from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.expressions import And, EqualTo, GreaterThan, In, IsNull, LessThan, Not, Or, StartsWith
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.transforms import BucketTransform, DayTransform, IdentityTransform


@pytest.fixture(scope="module")
def paged(tmp_path_factory):
    """A server that gives two files an answer."""
    config = tmp_path_factory.mktemp("paged") / "moraine.yaml"
    config.write_text("scan:\n  files-per-answer: 2\n")
    with Server(config.parent / "server", "--config", str(config)) as server:
        yield server


@pytest.fixture
def catalogs(paged, request):
    """The server's plans, PyIceberg's own, and a namespace."""
    planned = RestCatalog("planned", uri=paged.uri, warehouse="default", **{"scan-planning-mode": "server"})
    own = RestCatalog("own", uri=paged.uri, warehouse="default")
    assert planned.supports_server_side_planning() and not own.supports_server_side_planning()
    namespace = "".join(c if c.isalnum() else "_" for c in request.node.name)[:60].lower()
    own.create_namespace(namespace)
    return planned, own, namespace


def both(catalogs, table, **scan):
    """How many files the server plans, none that the client would not, and rows: both read the same ones."""
    planned, own, namespace = catalogs
    mine, theirs = (one.load_table(f"{namespace}.{table}").scan(**scan) for one in (planned, own))
    files = [{task.file.file_path: sorted(d.file_path for d in task.delete_files) for task in one.plan_files()} for one in (mine, theirs)]
    assert files[0].items() <= files[1].items()
    rows = [sorted(map(str, one.to_arrow().to_pylist())) for one in (mine, theirs)]
    assert rows[0] == rows[1]
    return len(files[0]), len(rows[0])


FILTERS = [
    EqualTo("kind", "a"), In("id", [3, 4, 40]), And(GreaterThan("id", 5), LessThan("id", 25)), Or(EqualTo("kind", "b"), IsNull("at")),
    Not(EqualTo("kind", "a")), StartsWith("kind", "c"), LessThan("at", datetime.datetime(2026, 1, 1, 20)), EqualTo("id", 10**6),
    And(EqualTo("kind", "a"), GreaterThan("at", "2026-01-02T00:00:00")),
]


@pytest.mark.parametrize("spec", [
    PartitionSpec(), PartitionSpec(PartitionField(2, 1000, IdentityTransform(), "kind")),
    PartitionSpec(PartitionField(3, 1000, DayTransform(), "day"), PartitionField(1, 1001, BucketTransform(4), "bucket"))],
    ids=["plain", "kind", "day_and_bucket"])
def test_plans_are_the_clients_own(catalogs, spec):
    planned, own, namespace = catalogs
    table = own.create_table(f"{namespace}.t", EVENTS, partition_spec=spec)
    assert both(catalogs, "t") == (0, 0)
    snapshots = []
    for start in range(0, 50, 10):
        table.append(events(range(start, start + 10)))
        snapshots.append(table.current_snapshot().snapshot_id)
    files, rows = both(catalogs, "t")
    assert rows == 50 and files >= 5
    for row_filter in FILTERS:
        both(catalogs, "t", row_filter=row_filter)
    assert both(catalogs, "t", row_filter=EqualTo("id", 10**6)) == (0, 0)
    assert both(catalogs, "t", snapshot_id=snapshots[1])[1] == 20
    assert both(catalogs, "t", row_filter=EqualTo("KIND", "a"), case_sensitive=False)[1] == 17
    assert both(catalogs, "t", selected_fields=("id",))[1] == 50


def test_deletes_by_position(paged, catalogs):
    planned, own, namespace = catalogs
    with duck.attach(paged.uri, "default") as connection:
        connection.execute(f"CREATE TABLE ice.{namespace}.t (id BIGINT, kind VARCHAR)")
        for start in range(0, 50, 10):
            connection.execute(f"INSERT INTO ice.{namespace}.t SELECT i, chr((97 + i % 3)::INT) FROM range({start}, {start + 10}) r(i)")
        connection.execute(f"DELETE FROM ice.{namespace}.t WHERE id % 5 = 2")
    assert both(catalogs, "t") == (5, 40)
    assert both(catalogs, "t", row_filter=GreaterThan("id", 29))[1] == 16


def test_every_type_as_a_filter(catalogs):
    planned, own, namespace = catalogs
    table = own.create_table(f"{namespace}.t", ALL_TYPES)
    table.append(pa.Table.from_pylist([ROW], schema=table.schema().as_arrow()))
    for name in ("a_boolean", "an_int", "a_long", "a_float", "a_double", "a_decimal", "a_date", "a_time", "a_timestamp",
                 "a_timestamptz", "a_string"):
        value = ROW[name].isoformat() if hasattr(ROW[name], "isoformat") else ROW[name]
        assert both(catalogs, "t", row_filter=EqualTo(name, value)) == (1, 1), name


def test_answers_on_the_wire(paged, catalogs):
    planned, own, namespace = catalogs
    table = own.create_table(f"{namespace}.t", EVENTS)
    for start in range(0, 50, 10):
        table.append(events(range(start, start + 10)))
    url = f"{paged.uri}/v1/default/namespaces/{namespace}/tables/t"
    plan = requests.post(f"{url}/plan", json={"stats-fields": ["id"]}).json()
    assert plan["status"] == "completed" and len(plan["plan-tasks"]) == 3
    tasks = requests.post(f"{url}/tasks", json={"plan-task": plan["plan-tasks"][2]}).json()
    (task,) = tasks["file-scan-tasks"]
    assert task["data-file"]["lower-bounds"] == {"keys": [1], "values": [0]} and task["residual-filter"] is True
    ids = [snapshot.snapshot_id for snapshot in own.load_table(f"{namespace}.t").snapshots()]
    between = requests.post(f"{url}/plan", json={"start-snapshot-id": ids[1], "end-snapshot-id": ids[3]}).json()
    assert len(between["file-scan-tasks"]) == 2 and "plan-tasks" not in between
    own.drop_table(f"{namespace}.t")
    gone = requests.post(f"{url}/tasks", json={"plan-task": plan["plan-tasks"][0]})
    assert (gone.status_code, gone.json()["error"]["type"]) == (404, "NoSuchTableException")


def test_plans_to_fetch_later(tmp_path):
    config = tmp_path / "moraine.yaml"
    config.write_text("scan:\n  files-per-answer: 2\n  submit-from: 0\n")
    with Server(tmp_path / "server", "--config", str(config)) as server:
        catalog = RestCatalog("own", uri=server.uri, warehouse="default")
        catalog.create_namespace("ns")
        table = catalog.create_table("ns.t", EVENTS)
        for start in range(0, 50, 10):
            table.append(events(range(start, start + 10)))
        url = f"{server.uri}/v1/default/namespaces/ns/tables/t"
        submitted = requests.post(f"{url}/plan", json={}).json()
        assert submitted.keys() == {"status", "plan-id"} and submitted["status"] == "submitted"
        server.kill()  # whatever it had in memory is gone
        server.start()
        url = f"{server.uri}/v1/default/namespaces/ns/tables/t"
        plan = requests.get(f"{url}/plan/{submitted['plan-id']}").json()
        assert plan["status"] == "completed" and plan["plan-id"] == submitted["plan-id"] and len(plan["plan-tasks"]) == 3
        files = [task["data-file"]["file-path"] for text in plan["plan-tasks"]
                 for task in requests.post(f"{url}/tasks", json={"plan-task": text}).json()["file-scan-tasks"]]
        assert len(set(files)) == 5
        assert requests.delete(f"{url}/plan/{plan['plan-id']}").status_code == 204
        for gone, kind in ((requests.get(f"{url}/plan/{plan['plan-id']}"), "NoSuchPlanIdException"),
                           (requests.post(f"{url}/tasks", json={"plan-task": plan["plan-tasks"][0]}), "NoSuchPlanTaskException")):
            assert (gone.status_code, gone.json()["error"]["type"]) == (404, kind)
