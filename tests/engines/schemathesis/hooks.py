"""Makes most random requests name what is there: else nearly all would end with 404. Which ones is told by their bytes,
so that a request comes out the same again. Loaded by schemathesis; test_requests_at_random.py made what is named.
"""
import zlib

import schemathesis

KNOWN = {"prefix": ["default"], "warehouse": ["default"], "namespace": ["db", "db\x1finner"], "table": [f"t{i}" for i in range(8)],
         "view": [f"v{i}" for i in range(4)]}


def known(kind: str, value) -> str:
    """Seven in eight: a name that is there."""
    number = zlib.crc32(repr(value).encode("utf-8", "replace"))
    return value if number % 8 == 0 else KNOWN[kind][number // 8 % len(KNOWN[kind])]


def name_known(value, kind: str):
    """Identifiers anywhere in a body."""
    if isinstance(value, list):
        for item in value:
            name_known(item, kind)
    if not isinstance(value, dict):
        return
    if isinstance(value.get("name"), str) and isinstance(value.get("namespace"), list):
        value["name"] = known(kind, value["name"])
        there = known("namespace", value["namespace"])
        value["namespace"] = there.split("\x1f") if isinstance(there, str) else there
    for item in value.values():
        name_known(item, kind)


def keep_short(values: dict):
    """Nothing is waited for, and nobody but this machine is called."""
    if isinstance(values.get("wait-ms"), int):
        values["wait-ms"] %= 100
    if "wait" in values:
        values["wait"] = "10ms"
    if isinstance(values.get("url"), str) and "://" in values["url"]:
        values["url"] = "http://127.0.0.1:9/"


@schemathesis.hook
def before_call(context, case, kwargs):
    for name in case.path_parameters or {}:
        if name in KNOWN:
            case.path_parameters[name] = known(name, case.path_parameters[name])
    body = case.body
    name_known(body, "view" if "/views" in case.path else "table")
    for values in (body, case.query):
        if isinstance(values, dict):
            keep_short(values)
    if case.path == "/api/v1/events":
        case.headers["Accept"] = "application/json"  # the other form never ends
    # What a commit asks for would seldom hold.
    if isinstance(body, dict) and body.get("requirements") and zlib.crc32(repr(body).encode("utf-8", "replace")) % 2:
        body["requirements"] = []
