"""What tests ask a server about optimizing: runs a person asks for, waiting, delete files that are left."""
import time

from harness import Server


def delete_files(catalog, table: str) -> tuple[int, int]:
    """Files with position deletes and with equality deletes in the current snapshot of a table of db."""
    content = catalog.load_table(f"db.{table}").inspect.delete_files()["content"].to_pylist()
    return content.count(1), content.count(2)


def optimize(server, table: str, kind: str, layout: str | None = None, warehouse: str = "default", **more) -> dict:
    """Asks for a run of a table of db and waits for its process."""
    path = f"/api/v1/warehouses/{warehouse}/namespaces/db/tables/{table}"
    before = {process["process-id"] for process in server.get("/api/v1/processes?limit=1000")[1]["processes"]}
    status, answer, _ = server.post(f"{path}/optimize", {"type": kind} | ({"layout": layout} if layout else {}) | more)
    assert status == 204, answer
    end = time.monotonic() + 60
    while True:
        # The rules may begin runs of their own, of this table and of others.
        fresh = [p for p in server.get("/api/v1/processes?limit=1000")[1]["processes"]
                 if p["process-id"] not in before and p["started-by"] == "person" and p["table"] == f"{warehouse}.db.{table}"]
        if fresh and fresh[0]["state"] not in ("running", "committing"):
            assert fresh[0]["state"] == "succeeded", fresh[0]
            return fresh[0]
        assert time.monotonic() < end, (fresh, server.get(path)[1], server.log_tail())
        time.sleep(0.1)


def waits_for_a_look(table: dict) -> bool:
    """What is asked for, committed or ended makes a look due at once; until it comes, a second or two later, the table says idle."""
    due = table.get("due-ms")
    return due is not None and table["refreshed-ms"] <= due < time.time() * 1000 + 2000


def wait_until_idle(server: Server, limit: float = 120):
    end, calm = time.monotonic() + limit, 0
    while calm < 4:
        assert time.monotonic() < end, f"never idle: {server.get('/api/v1/tables')[1]}\n{server.log_tail()}"
        processes = server.get("/api/v1/processes?limit=1000")[1]["processes"]
        tables = server.get("/api/v1/tables")[1]["tables"]
        busy = any(p["state"] in ("running", "committing") for p in processes) or any(t["status"] != "idle" or waits_for_a_look(t) for t in tables)
        calm = 0 if busy else calm + 1
        time.sleep(0.3)
    return processes
