"""What tests ask a server about maintenance: runs that a person asks for, and how they end."""
import json
import time

from harness import Server

#: Nothing begins by itself: only what a test asks for runs.
ACTIONS = ("expire-snapshots", "clean-orphan-files", "clean-dangling-delete-files", "rewrite-manifests", "expire-data", "auto-create-tags")
UNASKED_NOTHING = tuple(flag for action in ACTIONS for flag in ("--set", f"maintenance.{action}=off"))


def table_path(table: str, warehouse: str = "default") -> str:
    """The management API's path of a table of one namespace: ns.t."""
    namespace, name = table.split(".")
    return f"/api/v1/warehouses/{warehouse}/namespaces/{namespace}/tables/{name}"


def ask(server: Server, table: str, action: str, dry_run: bool = False, **options) -> str:
    """The id of a run that is to begin. Options: with "_" for "-"."""
    body = {"dry-run": dry_run, "options": {key.replace("_", "-"): value for key, value in options.items()}}
    status, answer, _ = server.post(f"{table_path(table)}/maintenance/actions/{action}/run", body)
    assert status == 200, (table, action, answer)
    return answer["run-id"]


def where_it_is(server: Server, answer: dict, table: str = "") -> str:
    """Of a run that has not ended: how far it is, what holds it up, who could do its tasks."""
    run = answer.get("run") or {}
    lines = [f"run {answer['id']} " + (" ".join(f"{key}={run[key]}" for key in ("action", "table", "state", "reason", "error", "tries", "tasks"))
                                       if run else "has not begun")]
    table = table or ".".join(run.get("table", "").split(".")[1:])
    if table:
        view = server.get(f"{table_path(table)}/maintenance")[1]
        lines += [f"schedule: {json.dumps(action)}" for action in view.get("actions", [])
                  if answer["id"] in (action["asked-run-id"], action["last-run-id"]) or action["action"] == run.get("action")]
        lines += [f"blocker: {json.dumps(blocker)}" for blocker in view.get("blockers", [])]
    optimizers = server.get("/api/v1/optimizers")[1]["optimizers"]
    lines.append(f"optimizers: {json.dumps(optimizers)}" if optimizers else "no optimizers")
    return "\n".join(lines)


def outcome(server: Server, run_id: str, limit: float = 60, table: str = "") -> dict:
    """Waits for the run's end: the run with its details and deletions. table: to say more of one that does not begin."""
    end = time.monotonic() + limit
    while True:
        status, answer, _ = server.get(f"/api/v1/maintenance/runs/{run_id}")
        assert status == 200, answer
        if answer.get("run", {}).get("finished-ms"):
            run = answer["run"]
            assert run["state"] in ("succeeded", "nothing"), run
            return run | {"details": answer.get("details") or {}, "deletions": answer.get("deletions") or []}
        assert time.monotonic() < end, f"not ended within {limit} s: {where_it_is(server, answer, table)}\n{server.log_tail()}"
        time.sleep(0.05)


def maintain(server: Server, table: str, action: str, dry_run: bool = False, **options) -> dict:
    return outcome(server, ask(server, table, action, dry_run, **options), table=table)
