"""Random Iceberg tables as data files of several writers: schemas that changed on the way, values with their odd ends, pages,
encodings and codecs of all kinds, deletes. What a rewrite of them must hold is known here, from the values that were written.

Everything comes from one random.Random, so that a seed is a table. Schemas are Iceberg's JSON.
"""
import datetime
import decimal
import json
import random
import struct
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

PRIMITIVES = ["boolean", "int", "long", "float", "double", "decimal", "date", "time", "timestamp", "timestamptz", "string", "uuid", "fixed", "binary"]
EPOCH = datetime.datetime(1970, 1, 1)
KEY = "k"  # a long that every table has first
LETTERS = "abcdefghij klmnopqrstuvwxyzäß€𝄞\0"


# -- schemas -----------------------------------------------------------------------------------------
class Ids:
    """Field ids as Iceberg gives them: all members of a struct first, then what is inside of them."""

    def __init__(self):
        self.last = 0

    def next(self) -> int:
        self.last += 1
        return self.last

    def struct(self, fields: list[dict]) -> dict:
        fields = [{"id": self.next()} | f for f in fields]
        return {"type": "struct", "fields": [f | {"type": self.type(f["type"])} for f in fields]}

    def type(self, kind):
        if isinstance(kind, str):
            return kind
        if kind["type"] == "struct":
            return self.struct(kind["fields"])
        if kind["type"] == "list":
            element = self.next()
            return {"type": "list", "element-id": element, "element-required": kind["element-required"], "element": self.type(kind["element"])}
        key, value = self.next(), self.next()
        return {"type": "map", "key-id": key, "key": self.type(kind["key"]), "value-id": value, "value-required": kind["value-required"],
                "value": self.type(kind["value"])}


def random_type(rng: random.Random, primitives: list[str], depth: int):
    if depth < 3 and rng.random() < (0.3 if depth == 0 else 0.25):
        kind = rng.choice(["list", "map", "struct"])
        if kind == "list":
            return {"type": "list", "element-required": False, "element": random_type(rng, primitives, depth + 1)}
        if kind == "map":
            keys = [p for p in ("int", "long", "string", "date", "binary") if p in primitives]
            return {"type": "map", "key": rng.choice(keys), "value-required": False, "value": random_type(rng, primitives, depth + 1)}
        return {"type": "struct", "fields": [{"name": f"m{i}", "required": False, "type": random_type(rng, primitives, depth + 1)} for i in range(rng.randint(1, 3))]}
    kind = rng.choice(primitives)
    if kind == "decimal":
        precision = rng.choice([1, 5, 9, 10, 18, 19, 25, 38, rng.randint(1, 38)])
        return f"decimal({precision}, {rng.randint(0, precision)})"
    return f"fixed[{rng.choice([1, 4, 7, 16])}]" if kind == "fixed" else kind


def decimal_of(kind: str) -> tuple[int, int]:
    precision, scale = kind.removeprefix("decimal(").removesuffix(")").split(",")
    return int(precision), int(scale)


def promoted(kind, rng: random.Random):
    """A wider type, or None."""
    if kind in ("int", "float"):
        return {"int": "long", "float": "double"}[kind]
    if isinstance(kind, str) and kind.startswith("decimal"):
        precision, scale = decimal_of(kind)
        return f"decimal({rng.randint(precision + 1, 38)}, {scale})" if precision < 38 else None
    return None


def change(rng: random.Random, fields: list[dict], ids: Ids, primitives: list[str]) -> tuple[list[dict], tuple | None]:
    """The fields after a change to them, and the change, in words that Spark's ALTER TABLE is made of."""
    fields, i = list(fields), rng.randrange(1, len(fields))
    kind = rng.choice(["add", "add", "promote", "promote", "promote", "rename", "move", "drop", "member"])
    if kind == "add":
        name, of = f"added{ids.last}", random_type(rng, primitives, 1)
        fields.append({"id": ids.next(), "name": name, "required": False, "type": ids.type(of)})
        return fields, ("add", name, fields[-1]["type"])
    if kind == "promote":
        for at in rng.sample(range(1, len(fields)), len(fields) - 1):
            if wider := promoted(fields[at]["type"], rng):
                fields[at] = fields[at] | {"type": wider}
                return fields, ("promote", fields[at]["name"], wider)
        return fields, None
    if kind == "rename":
        old = fields[i]["name"]
        fields[i] = fields[i] | {"name": f"renamed{rng.getrandbits(40)}"}
        return fields, ("rename", old, fields[i]["name"])
    if kind == "move":
        fields.insert(1, fields.pop(i))
        return fields, ("move", fields[1]["name"], None)
    if kind == "drop" and len(fields) > 3:
        return fields, ("drop", fields.pop(i)["name"], None)
    structs = [at for at, f in enumerate(fields) if isinstance(f["type"], dict) and f["type"]["type"] == "struct"]
    if kind == "member" and structs:
        at = rng.choice(structs)
        of = rng.choice([p for p in primitives if p not in ("decimal", "fixed")])
        member = {"id": ids.next(), "name": f"member{ids.last}", "required": False, "type": of}
        fields[at] = fields[at] | {"type": {"type": "struct", "fields": fields[at]["type"]["fields"] + [member]}}
        return fields, ("add", f"{fields[at]['name']}.{member['name']}", of)
    return fields, None


def project(value, old, new):
    """A value written under the old type, seen under the new one."""
    if value is None or isinstance(new, str):
        return value
    if new["type"] == "struct":
        before = {f["id"]: f for f in old["fields"]}
        return {f["name"]: project(value[before[f["id"]]["name"]], before[f["id"]]["type"], f["type"]) if f["id"] in before else None for f in new["fields"]}
    if new["type"] == "list":
        return [project(item, old["element"], new["element"]) for item in value]
    return [(key, project(item, old["value"], new["value"])) for key, item in value]


def arrow_type(kind) -> pa.DataType:
    if isinstance(kind, dict):
        if kind["type"] == "struct":
            return pa.struct([arrow_field(f) for f in kind["fields"]])
        if kind["type"] == "list":
            return pa.list_(with_id("element", kind["element"], kind["element-id"], kind["element-required"]))
        return pa.map_(with_id("key", kind["key"], kind["key-id"], True), with_id("value", kind["value"], kind["value-id"], kind["value-required"]))
    if kind.startswith("decimal"):
        return pa.decimal128(*decimal_of(kind))
    if kind.startswith("fixed"):
        return pa.binary(int(kind[6:-1]))
    return {"boolean": pa.bool_(), "int": pa.int32(), "long": pa.int64(), "float": pa.float32(), "double": pa.float64(), "date": pa.date32(), "time": pa.time64("us"),
            "timestamp": pa.timestamp("us"), "timestamptz": pa.timestamp("us", "UTC"), "string": pa.string(), "uuid": pa.binary(16), "binary": pa.binary()}[kind]


def with_id(name: str, kind, number: int, required: bool) -> pa.Field:
    return pa.field(name, arrow_type(kind), nullable=not required, metadata={"PARQUET:field_id": str(number)})


def arrow_field(f: dict) -> pa.Field:
    return with_id(f["name"], f["type"], f["id"], f["required"])


def column_field(f: dict) -> pa.Field:
    """The one of a whole column. Within others, Arrow makes no UUIDs of values: there they are what older writers wrote, 16 bytes."""
    return arrow_field(f).with_type(pa.uuid()) if f["type"] == "uuid" else arrow_field(f)


def leaf_paths(fields: list[dict], inside: str = "") -> list[tuple[str, str]]:
    """(path in Parquet, primitive type) of every leaf."""
    found = []

    def of(kind, path):
        if isinstance(kind, str):
            found.append((path, kind))
        elif kind["type"] == "struct":
            for member in kind["fields"]:
                of(member["type"], f"{path}.{member['name']}")
        elif kind["type"] == "list":
            of(kind["element"], f"{path}.list.element")
        else:
            of(kind["key"], f"{path}.key_value.key")
            of(kind["value"], f"{path}.key_value.value")

    for f in fields:
        of(f["type"], inside + f["name"])
    return found


# -- values ------------------------------------------------------------------------------------------
def primitive_value(rng: random.Random, kind: str, long_bytes: int):
    """Any value of the type, with the odd ones more often than chance has them."""
    odd = rng.random() < 0.05
    if kind == "boolean":
        return rng.random() < 0.5
    if kind in ("int", "long"):
        bits = 31 if kind == "int" else 63
        return rng.choice([0, -1, 2**bits - 1, -(2**bits)]) if odd else rng.randint(-(2**rng.randint(1, bits)), 2**rng.randint(1, bits) - 1)
    if kind in ("float", "double"):
        value = rng.choice([float("nan"), float("inf"), float("-inf"), 0.0, -0.0]) if odd else rng.choice([rng.uniform(-1e3, 1e3), rng.randint(-9, 9) / 4])
        return struct.unpack("<f", struct.pack("<f", value))[0] if kind == "float" else value
    if kind.startswith("decimal"):
        precision, scale = decimal_of(kind)
        most = 10**precision - 1
        unscaled = rng.choice([0, most, -most]) if odd else rng.randint(-most, most) // 10 ** rng.randint(0, precision - 1)
        return decimal.Decimal(unscaled).scaleb(-scale, decimal.Context(prec=50))
    if kind == "date":
        return datetime.date.fromordinal(rng.choice([1, 719163, 3652059]) if odd else rng.randint(690000, 760000))
    if kind == "time":
        micros = rng.choice([0, 86400 * 10**6 - 1]) if odd else rng.randrange(86400 * 10**6)
        return (EPOCH + datetime.timedelta(microseconds=micros)).time()
    if kind in ("timestamp", "timestamptz"):
        value = rng.choice([datetime.datetime(1, 1, 1), datetime.datetime(9999, 12, 31, 23, 59, 59, 999999)]) if odd else \
            EPOCH + datetime.timedelta(microseconds=rng.randint(-10**15, 3 * 10**15))
        return value.replace(tzinfo=datetime.timezone.utc) if kind == "timestamptz" else value
    if kind == "string":
        size = long_bytes if odd and rng.random() < 0.2 else rng.choice([0, 1, 5, 17, 40])
        letters = LETTERS if rng.random() < 0.2 else LETTERS[:20]
        return "".join(rng.choice(letters) for _ in range(min(size, 64))) * max(1, size // 64)
    if kind == "uuid":
        return rng.choice([bytes(16), b"\xff" * 16]) if odd else rng.randbytes(16)
    size = int(kind[6:-1]) if kind.startswith("fixed") else long_bytes if odd and rng.random() < 0.2 else rng.choice([0, 1, 5, 17, 40])
    return b"\xff" * size if odd else rng.randbytes(size)


class Values:
    """A stream of values of one column in one file: from a few or from many, in order or not, with few or many nulls."""

    def __init__(self, rng: random.Random, kind, required: bool, long_bytes: int, pools: dict):
        self.rng, self.kind, self.long_bytes = rng, kind, long_bytes
        self.nulls = 0 if required else rng.choice([0, 0, 0.05, 0.5, 0.99, 1 if rng.random() < 0.3 else 0])
        if isinstance(kind, dict):
            inner = {"struct": lambda: [(f["name"], Values(rng, f["type"], f["required"], long_bytes, pools)) for f in kind["fields"]],
                     "list": lambda: [("", Values(rng, kind["element"], kind["element-required"], long_bytes, pools))],
                     "map": lambda: [("", Values(rng, kind["key"], True, long_bytes, pools)), ("", Values(rng, kind["value"], kind["value-required"], long_bytes, pools))]}
            self.inner = inner[kind["type"]]()
            self.most = rng.choice([1, 3, 8])
            return
        size = rng.choice([1, 5, 50, 1000, 0, 0])  # 0: values of its own for every row
        self.pool = []
        if size:
            shared = pools.setdefault(kind, [primitive_value(rng, kind, long_bytes) for _ in range(30)])  # so that dictionaries of files meet
            self.pool = [rng.choice(shared) if rng.random() < 0.3 else primitive_value(rng, kind, long_bytes) for _ in range(size)]
        self.is_sorted = rng.random() < 0.3
        self.late = rng.random() < 0.2  # the pool grows late, so that a dictionary is given up on the way
        self.count = 0

    def next(self):
        rng = self.rng
        if self.nulls and rng.random() < self.nulls:
            return None
        if isinstance(self.kind, dict):
            if self.kind["type"] == "struct":
                return {name: values.next() for name, values in self.inner}
            size = rng.randint(0, self.most)
            if self.kind["type"] == "list":
                return [self.inner[0][1].next() for _ in range(size)]
            return list({self.inner[0][1].next(): self.inner[1][1].next() for _ in range(size)}.items())
        self.count += 1
        if not self.pool or self.late and self.count > 500:
            return primitive_value(rng, self.kind, self.long_bytes)
        if self.is_sorted:
            return self.pool[min(self.count // 40, len(self.pool) - 1)]
        return rng.choice(self.pool)


def random_rows(rng: random.Random, fields: list[dict], count: int, first_key: int, pools: dict) -> list[dict]:
    long_bytes = rng.choice([100, 2000, 30000])
    columns = [(f["name"], Values(rng, f["type"], f["required"], long_bytes, pools)) for f in fields[1:]]
    keys = list(range(first_key, first_key + count))
    if rng.random() < 0.3:
        rng.shuffle(keys)
    return [{KEY: keys[i]} | {name: values.next() for name, values in columns} for i in range(count)]


# -- writers -----------------------------------------------------------------------------------------
ENCODINGS = {"boolean": ["PLAIN", "RLE"], "int": ["PLAIN", "DELTA_BINARY_PACKED", "BYTE_STREAM_SPLIT"], "long": ["PLAIN", "DELTA_BINARY_PACKED", "BYTE_STREAM_SPLIT"],
             "date": ["PLAIN", "DELTA_BINARY_PACKED"], "time": ["PLAIN", "DELTA_BINARY_PACKED"], "timestamp": ["PLAIN", "DELTA_BINARY_PACKED"],
             "timestamptz": ["PLAIN", "DELTA_BINARY_PACKED"], "float": ["PLAIN", "BYTE_STREAM_SPLIT"], "double": ["PLAIN", "BYTE_STREAM_SPLIT"],
             "string": ["PLAIN", "DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY"], "binary": ["PLAIN", "DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY"],
             "uuid": ["PLAIN", "DELTA_BYTE_ARRAY", "BYTE_STREAM_SPLIT"], "fixed": ["PLAIN", "DELTA_BYTE_ARRAY", "BYTE_STREAM_SPLIT"], "decimal": ["PLAIN"]}


def pyarrow_options(rng: random.Random, fields: list[dict]) -> dict:
    leaves = leaf_paths(fields)
    options = {
        "compression": rng.choice(["zstd", "zstd", "zstd", "snappy", "gzip", "lz4", "none"]), "data_page_version": rng.choice(["1.0", "1.0", "2.0"]),
        "data_page_size": rng.choice([64, 500, 4000, 1 << 20]), "write_batch_size": rng.choice([10, 64, 1024]),
        "row_group_size": rng.choice([37, 400, 1 << 20, 1 << 20]), "write_page_index": rng.random() < 0.5, "write_page_checksum": rng.random() < 0.3,
        "write_statistics": rng.random() < 0.8 or [path for path, _ in leaves if rng.random() < 0.5], "store_schema": rng.random() < 0.5,
        "store_decimal_as_integer": rng.random() < 0.5, "dictionary_pagesize_limit": rng.choice([100, 2000, 1 << 20])}
    if rng.random() < 0.3:
        options["max_rows_per_page"] = rng.choice([20, 100, 1000])
    way = rng.random()
    if way < 0.4:
        options["use_dictionary"] = True
    elif way < 0.6:
        options["use_dictionary"] = [path for path, _ in leaves if rng.random() < 0.5] or False
    else:
        options["use_dictionary"] = False
        encodings = {}
        for path, kind in leaves:
            allowed = ENCODINGS[kind.split("(")[0].split("[")[0]]
            if rng.random() < 0.7:
                encodings[path] = rng.choice(allowed)
        options["column_encoding"] = encodings or None
    if rng.random() < 0.25:
        blooms = {path: {"ndv": rng.choice([100, 10000]), "fpp": 0.05} for path, kind in leaves if kind != "boolean" and rng.random() < 0.4}
        options["bloom_filter_options"] = blooms or None
    return options


def write_pyarrow(rng: random.Random, path: Path, fields: list[dict], rows: list[dict]) -> str:
    options = pyarrow_options(rng, fields)
    for change in ({}, {"column_encoding": None}, {"data_page_version": "1.0"}):
        options |= change
        pq.write_table(to_arrow(fields, rows), path, **options)
        try:
            pq.read_table(path)
            break
        except (OSError, pa.ArrowInvalid):  # it cannot read all that it writes in encodings and version 2 pages of nested columns
            continue
    return f"pyarrow {options}"


def to_arrow(fields: list[dict], rows: list[dict]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=pa.schema([column_field(f) for f in fields]))


def duckdb_ids(fields: list[dict]) -> str:
    def of(kind, number) -> str:
        if isinstance(kind, str):
            return str(number)
        if kind["type"] == "struct":
            inner = ", ".join(f'"{f["name"]}": {of(f["type"], f["id"])}' for f in kind["fields"])
        elif kind["type"] == "list":
            inner = f"element: {of(kind['element'], kind['element-id'])}"
        else:
            inner = f"key: {of(kind['key'], kind['key-id'])}, value: {of(kind['value'], kind['value-id'])}"
        return f"{{__duckdb_field_id: {number}, {inner}}}"

    return "{" + ", ".join(f'"{f["name"]}": {of(f["type"], f["id"])}' for f in fields) + "}"


def write_duckdb(rng: random.Random, path: Path, fields: list[dict], rows: list[dict]) -> str:
    """The rows become what stands in the file: DuckDB makes one of both zeros in a dictionary."""
    options = [f"COMPRESSION {rng.choice(['zstd', 'zstd', 'zstd', 'snappy', 'gzip', 'lz4_raw', 'uncompressed'])}", f"PARQUET_VERSION {rng.choice(['v1', 'v1', 'v2'])}",
               f"ROW_GROUP_SIZE {rng.choice([2048, 122880])}", f"DICTIONARY_SIZE_LIMIT {rng.choice([1, 100, 100000])}", f"WRITE_BLOOM_FILTER {rng.choice(['true', 'false'])}"]
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'; SET threads = 1")
        connection.register("rows", to_arrow(fields, rows))
        connection.execute(f"COPY (FROM rows) TO '{path}' (FORMAT parquet, {', '.join(options)}, FIELD_IDS {duckdb_ids(fields)})")
        try:
            rows[:] = read(path, fields)
        except (OSError, pa.ArrowInvalid):  # Arrow refuses some of the delta encoding of DuckDB's version 2
            options[1] = "PARQUET_VERSION v1"
            connection.execute(f"COPY (FROM rows) TO '{path}' (FORMAT parquet, {', '.join(options)}, FIELD_IDS {duckdb_ids(fields)})")
            rows[:] = read(path, fields)
    return f"duckdb {options}"


def read(path: Path, fields: list[dict]) -> list[dict]:
    uuids = [f["name"] for f in fields if f["type"] == "uuid"]
    return [row | {name: row[name] and row[name].bytes for name in uuids} for row in pq.read_table(path).to_pylist()]


def writes_with_duckdb(fields: list[dict]) -> bool:
    """DuckDB has no bytes of a fixed length."""
    return not any(kind.startswith("fixed") or kind == "uuid" and "." in path for path, kind in leaf_paths(fields))


# -- tables ------------------------------------------------------------------------------------------
@dataclass
class DataFile:
    path: Path
    fields: list[dict]  # of the table when it was written
    rows: list[dict]
    sequence_number: int
    writer: str
    dead: set[int] = field(default_factory=set)
    has_statistics: bool = True


@dataclass
class Deletes:
    file: dict  # as a task has it
    sequence_number: int
    applies_to: list[int]  # data files by number
    words: str


@dataclass
class Table:
    """Data files in the order of a task, deletes, the schema at the end, and properties to rewrite it with."""
    folder: Path
    fields: list[dict] = field(default_factory=list)
    files: list[DataFile] = field(default_factory=list)
    deletes: list[Deletes] = field(default_factory=list)
    properties: dict = field(default_factory=dict)
    target_size_bytes: int = 1 << 30
    changes: list[tuple] = field(default_factory=list)

    def schema(self) -> dict:
        return {"type": "struct", "schema-id": 0, "fields": self.fields}

    def alive(self) -> list[dict]:
        """The rows that a rewrite must leave, in their order."""
        new = {"type": "struct", "fields": self.fields}
        return [project(row, {"type": "struct", "fields": file.fields}, new) for file in self.files for i, row in enumerate(file.rows) if i not in file.dead]

    def task(self) -> dict:
        inputs = [{"file": {"format": "parquet", "path": str(file.path), "spec-id": 0, "records": len(file.rows), "bytes": file.path.stat().st_size},
                   "sequence-number": file.sequence_number, "deletes": [n for n, d in enumerate(self.deletes) if i in d.applies_to]} for i, file in enumerate(self.files)]
        deletes = [{"file": d.file, "sequence-number": d.sequence_number} for d in self.deletes]
        return {"task-format": 1, "kind": "rewrite", "process-id": "p", "task-id": 0, "attempt": 1, "table": "t", "format-version": 2,
                "target-size-bytes": self.target_size_bytes, "data-location": str(self.folder / "out"), "partition-path": "", "properties": self.properties,
                "schema": self.schema(), "spec": {"spec-id": 0, "fields": []}, "partition": [], "rewrite": inputs, "deletes": deletes}

    def words(self) -> str:
        lines = [f"schema {json.dumps(self.fields)}", f"properties {self.properties}, target {self.target_size_bytes}"]
        lines += [f"{file.path.name}: {len(file.rows)} rows ({len(file.dead)} dead) by {file.writer}, columns {[f['name'] for f in file.fields]}" for file in self.files]
        return "\n".join(lines + [f"deletes: {d.words}, sequence number {d.sequence_number}, of files {d.applies_to}" for d in self.deletes])


def random_schema(rng: random.Random, ids: Ids, primitives: list[str], is_required: bool) -> list[dict]:
    fields = [{"name": KEY, "required": is_required, "type": "long"}]
    fields += [{"name": f"c{i}", "required": rng.random() < 0.15 and is_required, "type": random_type(rng, primitives, 0)} for i in range(rng.choice([1, 3, 6, 12]))]
    return ids.struct(fields)["fields"]


def random_properties(rng: random.Random, fields: list[dict]) -> dict:
    properties = {}
    for name, chance, values in (("row-group-size-bytes", 0.5, [3000, 30000, 300000]), ("compression-codec", 0.3, ["snappy", "gzip", "zstd", "uncompressed", "lz4_raw"]),
                                 ("page-version", 0.2, ["v2", "v1"]), ("page-size-bytes", 0.2, [1000, 100000]), ("page-row-limit", 0.2, [30, 1000]),
                                 ("dict-size-bytes", 0.2, [500, 100000])):
        if rng.random() < chance:
            properties[f"write.parquet.{name}"] = str(rng.choice(values))
    if rng.random() < 0.3:
        flat = [f["name"] for f in fields if isinstance(f["type"], str) and f["type"] != "boolean"]
        properties |= {f"write.parquet.bloom-filter-enabled.column.{name}": "true" for name in rng.sample(flat, min(2, len(flat)))}
        properties["write.parquet.bloom-filter-max-bytes"] = str(rng.choice([100, 10000]))
    if rng.random() < 0.2:
        properties["write.metadata.metrics.default"] = rng.choice(["full", "truncate(3)", "counts"])
    return properties


def size_of_file(rng: random.Random, columns: int) -> int:
    most = 6000 if columns < 8 else 2500
    return min(most, rng.choice([1, 7, 100, 800, 800, 3000, 6000]))


def random_table(rng: random.Random, folder: Path, third=None) -> Table:
    """A table of one to five files that pyarrow and DuckDB wrote, and a third writer that also follows the schema:
    third.primitives, third.create(fields), third.change(words, fields), third.write(rng, path, fields, rows)."""
    primitives = third.primitives if third else PRIMITIVES
    ids, table, pools = Ids(), Table(folder), {}
    fields = random_schema(rng, ids, primitives, is_required=third is None)
    if third:
        third.create(rng, fields)
    evolves, sequence_number, key = rng.random() < 0.5, 1, 0
    for i in range(rng.choice([1, 2, 3, 3, 5])):
        if evolves and i and rng.random() < 0.6:
            fields, words = change(rng, fields, ids, primitives)
            table.changes.append(words)
            if third and words:
                third.change(words, fields)
        rows = random_rows(rng, fields, size_of_file(rng, len(fields)), key, pools)
        key += len(rows)
        path = folder / f"{i}.parquet"
        write = write_duckdb if rng.random() < 0.35 and writes_with_duckdb(fields) else write_pyarrow
        if third and (i == 0 or rng.random() < 0.6):
            write = third.write
        words = write(rng, path, fields, rows)
        table.files.append(DataFile(path, fields, rows, sequence_number, words, has_statistics="'write_statistics': True" in words or write is not write_pyarrow))
        sequence_number += rng.randint(0, 1)
    table.fields = fields
    table.properties = random_properties(rng, fields)
    table.target_size_bytes = rng.choice([1 << 30, 1 << 30, 20000])
    random_deletes(rng, table, sequence_number)
    return table


# -- deletes -----------------------------------------------------------------------------------------
def some_rows(rng: random.Random, count: int) -> list[int]:
    """Row numbers: scattered, in clusters, or all."""
    way = rng.random()
    if way < 0.1:
        return list(range(count))
    if way < 0.5:
        return [i for i in range(count) if rng.random() < 0.05]
    rows = set()
    for _ in range(rng.randint(1, 3)):
        start = rng.randrange(count)
        rows |= set(range(start, min(count, start + max(1, count // rng.choice([5, 20, 100])))))
    return sorted(rows)


def random_deletes(rng: random.Random, table: Table, last_sequence_number: int):
    for _ in range(rng.choice([0, 0, 1, 2])):
        add_position_deletes(rng, table, rng.randint(1, last_sequence_number + 1))
    for _ in range(rng.choice([0, 0, 1, 2])):
        add_equality_deletes(rng, table, rng.randint(1, last_sequence_number + 1))


def delete_file(table: Table, rows: pa.Table, **more) -> dict:
    path = table.folder / f"deletes-{len(table.deletes)}.parquet"
    pq.write_table(rows, path)
    return {"format": "parquet", "path": str(path), "spec-id": 0, "records": rows.num_rows, "bytes": path.stat().st_size} | more


def add_position_deletes(rng: random.Random, table: Table, sequence_number: int):
    numbers = [i for i, file in enumerate(table.files) if file.sequence_number <= sequence_number and rng.random() < 0.7]
    pairs = []
    for number in numbers:
        positions = some_rows(rng, len(table.files[number].rows))
        table.files[number].dead |= set(positions)
        pairs += [(str(table.files[number].path), i) for i in positions]
    if not pairs:
        return
    schema = pa.schema([pa.field("file_path", pa.string(), False, {"PARQUET:field_id": "2147483546"}), pa.field("pos", pa.int64(), False, {"PARQUET:field_id": "2147483545"})])
    rows = pa.Table.from_arrays([[path for path, _ in sorted(pairs)], [i for _, i in sorted(pairs)]], schema=schema)
    table.deletes.append(Deletes(delete_file(table, rows, content="position-deletes"), sequence_number, numbers, f"{len(pairs)} positions"))


def add_equality_deletes(rng: random.Random, table: Table, sequence_number: int):
    """Keys of rows that are there and of some that are not, by columns of the last schema or of an older one."""
    usable = ("boolean", "int", "long", "decimal", "date", "time", "timestamp", "timestamptz", "string", "uuid", "fixed", "binary")
    old = {f["id"]: f for f in rng.choice(table.files).fields}
    columns = [rng.choice([f, old.get(f["id"], f)]) for f in table.fields if isinstance(f["type"], str) and f["type"].startswith(usable)]
    columns = rng.sample(columns, min(len(columns), rng.choice([1, 1, 2])))
    if rng.random() < 0.5 and columns:
        columns[0] = table.fields[0]
    columns = list({f["id"]: f | {"required": False} for f in columns}.values())
    numbers = [i for i, file in enumerate(table.files) if file.sequence_number < sequence_number]
    keys = set()
    for number in numbers:
        file = table.files[number]
        here = {f["id"]: f["name"] for f in file.fields}
        picked = some_rows(rng, len(file.rows)) if rng.random() < 0.5 else []
        keys |= {tuple(file.rows[i][here[f["id"]]] if f["id"] in here else None for f in columns) for i in picked}
    keys |= {tuple(primitive_value(rng, f["type"], 10) for f in columns) for _ in range(5)}
    keys = [key for key in sorted(keys, key=repr) if all(fits(value, f["type"]) for value, f in zip(key, columns))]
    if not numbers or not keys:
        return
    for number in numbers:
        file = table.files[number]
        names = [next((g["name"] for g in file.fields if g["id"] == f["id"]), None) for f in columns]
        dead = set(keys)
        file.dead |= {i for i, row in enumerate(file.rows) if tuple(row[name] if name else None for name in names) in dead}
    rows = to_arrow(columns, [{f["name"]: value for f, value in zip(columns, key)} for key in keys])
    entry = delete_file(table, rows, content="equality-deletes", **{"equality-ids": [f["id"] for f in columns]})
    table.deletes.append(Deletes(entry, sequence_number, numbers, f"{len(keys)} keys by {[f['name'] for f in columns]}"))


def fits(value, kind: str) -> bool:
    """Whether the value of a newer type is one of this one, too."""
    if kind == "int" and value is not None:
        return -(2**31) <= value < 2**31
    if kind.startswith("decimal") and value is not None:
        return len(value.as_tuple().digits) <= decimal_of(kind)[0]
    return True
