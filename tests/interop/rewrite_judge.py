"""Judges what a rewrite of a random table (random_tables.py) left: rows by pyarrow, DuckDB and PyIceberg, the bytes of the files
(parquet_judge.py), the metrics of the files by the rows. `judge` returns what is wrong, in words."""
import base64
import datetime
import decimal
import json
import os
import random
import struct
import subprocess
import uuid
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
from interop import parquet_judge
from interop.random_tables import Table, decimal_of
from interop.written_table import pairs, written_table
from pyiceberg.expressions import EqualTo, GreaterThanOrEqual, IsNull, LessThan
from pyiceberg.schema import Schema

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(os.environ.get("MORAINE_RUN_REWRITE", ROOT / "build" / "fast" / "tests" / "run_rewrite"))
CODECS = {"zstd": 6, "snappy": 1, "gzip": 2, "uncompressed": 0, "lz4_raw": 7}
UTC = datetime.timezone.utc
LITERALS = ("int", "long", "string", "date", "decimal", "timestamp", "timestamptz", "boolean", "uuid")


def run_rewrite(folder: Path, task: dict, *flags: str) -> subprocess.CompletedProcess:
    assert PROGRAM.exists(), f"{PROGRAM} is not built: run ./dev build"
    path = folder / "task.json"
    path.write_text(json.dumps(task))
    return subprocess.run([PROGRAM, path, *flags], capture_output=True, text=True)


# -- rows --------------------------------------------------------------------------------------------
def text(value, kind) -> str:
    """One text for a value of the type, whoever says it."""
    if value is None:
        return "-"
    if isinstance(kind, dict):
        if kind["type"] == "struct":
            return "{" + ",".join(text(value[f["name"]], f["type"]) for f in kind["fields"]) + "}"
        if kind["type"] == "list":
            return "[" + ",".join(text(item, kind["element"]) for item in value) + "]"
        items = value.items() if isinstance(value, dict) else value
        return "(" + ",".join(f"{text(k, kind['key'])}:{text(v, kind['value'])}" for k, v in items) + ")"
    if kind == "uuid":
        return (value if isinstance(value, bytes) else uuid.UUID(str(value)).bytes).hex()
    if kind == "timestamptz":
        return value.astimezone(UTC).replace(tzinfo=None).isoformat()
    if isinstance(value, decimal.Decimal):
        return str(int(value.scaleb(decimal_of(kind)[1], decimal.Context(prec=60))))
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).hex()
    return repr(value)


def texts(rows: list[dict], fields: list[dict]) -> list[str]:
    return ["|".join(text(row[f["name"]], f["type"]) for f in fields) for row in rows]


def first_difference(who: str, read: list[str], wanted: list[str]) -> list[str]:
    if read == wanted:
        return []
    if len(read) != len(wanted):
        return [f"{who} reads {len(read)} rows, {len(wanted)} are wanted; of them {len(set(wanted) - set(read))} are not there, {len(set(read) - set(wanted))} are others"]
    i = next(i for i, (a, b) in enumerate(zip(read, wanted)) if a != b)
    order = " (the same rows in another order)" if sorted(read) == sorted(wanted) else ""
    return [f"{who} reads another row {i}{order}: {read[i][:300]} instead of {wanted[i][:300]}"]


def judge_rows(table: Table, files: list[dict], alive: list[dict]) -> list[str]:
    wanted = texts(alive, table.fields)
    read = [row for file in files for row in pq.read_table(file["path"]).to_pylist()]
    problems = first_difference("pyarrow", texts(read, table.fields), wanted)
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        read = [row for file in files for row in connection.execute(f"FROM read_parquet('{file['path']}')").to_arrow_table().to_pylist()]
    return problems + first_difference("DuckDB", texts(read, table.fields), wanted)


def judge_filters(rng: random.Random, table: Table, files: list[dict], alive: list[dict]) -> list[str]:
    """Rows by filters that leave out files and row groups by what the rewrite said of them."""
    problems = []
    scanned = written_table(table.folder, table.schema(), files)
    flat = [f for f in table.fields if isinstance(f["type"], str)]  # of maps it makes empty ones where they are null
    problems += first_difference("PyIceberg", texts(scanned.scan(selected_fields=tuple(f["name"] for f in flat)).to_arrow().to_pylist(), flat), texts(alive, flat))
    flat = [f for f in table.fields if isinstance(f["type"], str) and f["type"].startswith(LITERALS)]
    for f in rng.sample(flat, min(2, len(flat))):
        name, value = f["name"], rng.choice(alive)[f["name"]]
        tests = [(IsNull(name), lambda v: v is None)]
        if value is not None:
            literal = value.isoformat() if isinstance(value, (datetime.date, datetime.time)) else uuid.UUID(bytes=value) if f["type"] == "uuid" else value
            tests = [(EqualTo(name, literal), lambda v: v is not None and v == value)]
            if f["type"] not in ("boolean", "uuid"):
                tests += [(LessThan(name, literal), lambda v: v is not None and v < value), (GreaterThanOrEqual(name, literal), lambda v: v is not None and v >= value)]
        for where, test in tests:
            found = sorted(scanned.scan(row_filter=where, selected_fields=("k",)).to_arrow()["k"].to_pylist())
            wanted = sorted(row["k"] for row in alive if test(row[name]))
            if found != wanted:
                problems.append(f"PyIceberg finds {len(found)} rows instead of {len(wanted)} where {where}")
        if value is not None:
            problems += judge_duckdb_filter(files, f, value, alive)
    return problems


def judge_duckdb_filter(files: list[dict], f: dict, value, alive: list[dict]) -> list[str]:
    kind = {"int": "INTEGER", "long": "BIGINT", "string": "VARCHAR", "timestamptz": "TIMESTAMPTZ"}.get(f["type"], f["type"].upper())
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        paths = [file["path"] for file in files]
        found, = connection.execute(f"SELECT count(*) FROM read_parquet(?) WHERE \"{f['name']}\" = CAST(? AS {kind})", [paths, uuid.UUID(bytes=value) if kind == "UUID" else value]).fetchone()
    wanted = sum(row[f["name"]] == value for row in alive if row[f["name"]] is not None)
    return [] if found == wanted else [f"DuckDB finds {found} rows instead of {wanted} where {f['name']} = {value!r}"]


# -- metrics -----------------------------------------------------------------------------------------
def bound(kind: str, data: bytes):
    if kind in ("float", "double", "boolean"):
        return struct.unpack({"float": "<f", "double": "<d", "boolean": "<?"}[kind], data)[0]
    if kind in ("int", "date", "long", "time", "timestamp", "timestamptz"):
        assert len(data) == (4 if kind in ("int", "date") else 8), f"{len(data)} bytes of a {kind}"
        return int.from_bytes(data, "little", signed=True)
    return int.from_bytes(data, "big", signed=True) if kind.startswith("decimal") else data


def plain(kind: str, value):
    node = parquet_judge.Node({"scale": decimal_of(kind)[1] if kind.startswith("decimal") else 0})
    return parquet_judge.physical(node, value)


def primitives(fields: list[dict], rows: list[dict]):
    """(id, type, values in the rows) of every primitive that is in no list or map."""
    for f in fields:
        values = [row and row[f["name"]] for row in rows]
        if isinstance(f["type"], str):
            yield f["id"], f["type"], values
        elif f["type"]["type"] == "struct":
            yield from primitives(f["type"]["fields"], values)


def judge_metrics(table: Table, file: dict, rows: list[dict], judged: parquet_judge.Judge) -> list[str]:
    problems = []

    def same(said, is_so, words):
        if said != is_so:
            problems.append(f"{Path(file['path']).name}: {words}: {said} is said, {is_so} is so")

    same(file["records"], len(rows), "records")
    same(file["bytes"], Path(file["path"]).stat().st_size, "bytes")
    metas = [[parquet_judge.named(parquet_judge.named(chunk, parquet_judge.CHUNK)["meta"], parquet_judge.META) for chunk in group["chunks"]] for group in judged.groups]
    same(file.get("split-offsets"), [judged.start_of(group[0]) for group in metas], "split offsets")
    ids = [leaf.node.element.get("id") for leaf in judged.leaves]
    sizes = {number: sum(group[i]["compressed"] for group in metas) for i, number in enumerate(ids)}
    for number, said in pairs(file.get("column-sizes", [])).items():
        same(said, sizes.get(number), f"column size of {number}")
    values, nulls, nans = (pairs(file.get(key, [])) for key in ("value-counts", "null-counts", "nan-counts"))
    low, high = ({i: base64.b64decode(t) for i, t in pairs(file.get(key, [])).items()} for key in ("lower-bounds", "upper-bounds"))
    mode = table.properties.get("write.metadata.metrics.default", "truncate(16)")
    is_told = all(f.has_statistics for f in table.files) and len(ids) <= 100
    for number, kind, column in primitives(table.fields, rows):
        there = [value for value in column if value is not None]
        if is_told or number in values:
            same(values.get(number), len(column), f"value count of {number}")
        if is_told or number in nulls:
            same(nulls.get(number), len(column) - len(there), f"null count of {number}")
        if number in nans:
            same(nans[number], sum(value != value for value in there), f"NaN count of {number}")
        there = [plain(kind, value) for value in there if value == value]
        is_short = not any(isinstance(value, bytes) and len(value) > 1000 for value in there)  # writers leave out what is longer
        if there and is_told and is_short and mode != "counts" and (number not in low or number not in high and not isinstance(there[0], bytes)):
            problems.append(f"{Path(file['path']).name}: no bound of {number}, a {kind}")
        for bounds, extreme, words, test in ((low, min, "lower", lambda a, b: a <= b), (high, max, "upper", lambda a, b: a >= b)):
            if number not in bounds:
                continue
            if not there:
                problems.append(f"{Path(file['path']).name}: a {words} bound of {number}, which has no value")
            elif not test(bound(kind, bounds[number]), extreme(there)):
                problems.append(f"{Path(file['path']).name}: {words} bound of {number}, a {kind}, is {bound(kind, bounds[number])!r}, there is {extreme(there)!r}")
    return problems


# -- schema and layout -------------------------------------------------------------------------------
def judge_ids(fields: list[dict], node: parquet_judge.Node) -> list[str]:
    problems, by_name = [], {child.name: child for child in node.children}
    if [f["name"] for f in fields] != list(by_name):
        return [f"columns are {list(by_name)} instead of {[f['name'] for f in fields]}"]

    def of(number: int, kind, required: bool, at: parquet_judge.Node):
        if at.element.get("id") != number:
            problems.append(f"the id of {at.name} is {at.element.get('id')} instead of {number}")
        if (at.element.get("repetition") == parquet_judge.REQUIRED) != required:
            problems.append(f"{at.name} is {'required' if not required else 'optional'}")
        if isinstance(kind, str):
            return
        if kind["type"] == "struct":
            problems.extend(judge_ids(kind["fields"], at))
        elif kind["type"] == "list":
            of(kind["element-id"], kind["element"], kind["element-required"], at.children[0].children[0])
        else:
            of(kind["key-id"], kind["key"], True, at.children[0].children[0])
            of(kind["value-id"], kind["value"], kind["value-required"], at.children[0].children[1])

    for f in fields:
        of(f["id"], f["type"], f["required"], by_name[f["name"]])
    return problems


def judge_layout(table: Table, file: dict, judged: parquet_judge.Judge) -> list[str]:
    """The table's codec, and row groups that are no smaller than they are wanted."""
    problems = []
    codec = CODECS.get(table.properties.get("write.parquet.compression-codec", "zstd"))
    groups = [parquet_judge.named(group, parquet_judge.GROUP) for group in judged.footer["groups"]]
    codecs = {parquet_judge.named(chunk[3], parquet_judge.META)["codec"] for group in groups for chunk in group["chunks"]}
    if codecs != {codec}:
        problems.append(f"codecs are {codecs} instead of {codec}")
    target = int(table.properties.get("write.parquet.row-group-size-bytes", 128 << 20))
    size = sum(group["bytes"] for group in groups)
    if len(groups) > 1 and size < target / 4:
        problems.append(f"{len(groups)} row groups in a file of {size} bytes uncompressed; a row group may have {target}")
    said = {item[1]: item.get(2) for item in judged.footer.get("key_values", [])}
    try:
        if Schema.model_validate_json(said[b"iceberg.schema"]).as_struct() != Schema.model_validate(table.schema()).as_struct():
            problems.append(f"iceberg.schema is {said[b'iceberg.schema']!r}")
    except Exception as problem:
        problems.append(f"no iceberg.schema that can be read: {problem!r}")
    if b"ARROW:schema" in said:
        problems.append("a schema of Arrow's stands in the footer")
    return problems


def judge(rng: random.Random, table: Table, output: dict) -> list[str]:
    alive, files = table.alive(), output["data-files"]
    if not alive:
        return [] if not files else [f"{len(files)} files of no row"]
    problems = [] if output.get("rows-written", len(alive)) == len(alive) else [f"rows-written is {output['rows-written']} instead of {len(alive)}"]
    problems += judge_rows(table, files, alive)
    at = 0
    for file in files:
        judged = parquet_judge.Judge(file["path"])
        problems += judged.run()
        problems += judge_ids(table.fields, judged.root)
        problems += judge_layout(table, file, judged)
        problems += judge_metrics(table, file, alive[at:at + file["records"]], judged)
        at += file["records"]
    return problems + judge_filters(rng, table, files, alive)
