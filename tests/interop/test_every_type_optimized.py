"""Tables of every type and transform, with nulls, NaNs, infinities, both zeros and empty values: Moraine merges the
files, and PyIceberg and DuckDB find the same rows as before, with filters that prune by Moraine's bounds, too."""
import datetime
import decimal
import uuid

import pyarrow as pa
import pytest
from harness import Server
from interop import duck
from interop.test_pyiceberg import ALL_TYPES, ROW
from optimizing import optimize
from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.expressions import EqualTo, GreaterThan, IsNaN, IsNull, LessThanOrEqual, NotNull
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.transforms import (BucketTransform, DayTransform, HourTransform, IdentityTransform, MonthTransform,
                                  TruncateTransform, VoidTransform, YearTransform)

OPTIMIZED = {"self-optimizing.enabled": "true", "self-optimizing.min-plan-interval": "0", "self-optimizing.hot-partition-delay": "0",
             "self-optimizing.minor.trigger.interval": "-1", "self-optimizing.minor.trigger.file-count": "1000"}
UTC = datetime.timezone.utc
NOTHING = {name: None for name in ROW}
OTHER = {
    "a_boolean": False, "an_int": 2**31 - 1, "a_float": float("nan"), "a_double": float("nan"), "a_decimal": decimal.Decimal("0.05"),
    "a_wide_decimal": decimal.Decimal("-0.0000000001"), "a_date": datetime.date(2026, 2, 28), "a_time": datetime.time(0),
    "a_timestamp": datetime.datetime(2026, 1, 2, 3, 4, 5, 6), "a_timestamptz": datetime.datetime(1969, 12, 31, 23, 59, 59, 999999, UTC),
    "a_string": "", "a_uuid": uuid.UUID(int=1).bytes, "a_fixed": b"\0\0\0", "a_binary": b"\xff" * 20, "a_struct": {"x": None, "y": ""},
    "a_list": [], "a_map": []}
THIRD = {
    "a_boolean": True, "an_int": 0, "a_float": float("-inf"), "a_double": -0.0, "a_decimal": decimal.Decimal("9999999.99"),
    "a_wide_decimal": decimal.Decimal("9" * 28 + "." + "9" * 10), "a_date": datetime.date(1, 1, 1), "a_time": datetime.time(12),
    "a_timestamp": datetime.datetime(1, 1, 1), "a_timestamptz": datetime.datetime(2100, 12, 31, 23, 59, 59, 999999, UTC),
    "a_string": "Grüße \U0001f9ca \U0001f9ca, longer than any truncated bound", "a_uuid": b"\xff" * 16, "a_fixed": b"\xff\xff\xff",
    "a_binary": b"\0", "a_struct": None, "a_list": [None], "a_map": [("", None)]}
FOURTH = OTHER | {"a_float": float("inf"), "a_double": 0.0, "a_string": "Grü"}
ROWS = [ROW, OTHER, THIRD, FOURTH, NOTHING]

# What PyIceberg cannot write comes from DuckDB, below.
CASES = [(name, IdentityTransform()) for name in ROW if not name.startswith(("a_struct", "a_list", "a_map", "a_float", "a_double", "a_uuid"))]
CASES += [(name, BucketTransform(3)) for name in ("an_int", "a_long", "a_decimal", "a_date", "a_timestamp", "a_timestamptz",
                                                  "a_string", "a_uuid", "a_fixed", "a_binary")]
CASES += [(name, TruncateTransform(3)) for name in ("a_long", "a_decimal", "a_string")]
CASES += [(name, transform()) for name in ("a_timestamp", "a_timestamptz") for transform in (YearTransform, MonthTransform, DayTransform, HourTransform)]
CASES += [("a_date", YearTransform()), ("a_date", MonthTransform()), ("a_date", DayTransform()), ("a_string", VoidTransform()), (None, None)]


@pytest.fixture(scope="module")
def optimizing(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("s"), optimizer_threads=1) as server:
        RestCatalog("m", uri=server.uri, warehouse="default").create_namespace("db")
        yield server


def numbered(first: int) -> list[dict]:
    return [row | {"a_long": first + i} for i, row in enumerate(ROWS)]


def text(value) -> str:
    """One text for a value, whoever says it; NaN is NaN."""
    if isinstance(value, uuid.UUID):
        value = value.bytes
    if isinstance(value, dict):
        value = sorted(value.items()) if set(value) != {"key", "value"} else (value["key"], value["value"])
    if isinstance(value, datetime.datetime) and value.tzinfo:
        value = value.astimezone(UTC).replace(tzinfo=None)
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(text, value)) + "]"
    return repr(value)


def texts(rows, names) -> list[str]:
    return sorted("|".join(text(row[name]) for name in names) for row in rows)


def ids(table, row_filter, column: str = "a_long") -> list[int]:
    return sorted(table.scan(row_filter=row_filter, selected_fields=(column,)).to_arrow()[column].to_pylist())


def wanted_ids(rows, name, test) -> list[int]:
    return sorted(row["a_long"] for row in rows if row[name] is not None and test(row[name]))


def is_nan(value) -> bool:
    return isinstance(value, float) and value != value


def literal_of(column, value):
    if column == "a_uuid":
        return uuid.UUID(bytes=value)
    return value.isoformat() if isinstance(value, (datetime.datetime, datetime.date, datetime.time)) else value


def check_filters(table, rows, column):
    """What PyIceberg finds by the column, with files and manifests left out by Moraine's bounds, counts and summaries."""
    assert ids(table, IsNull(column)) == sorted(row["a_long"] for row in rows if row[column] is None), column
    assert ids(table, NotNull(column)) == wanted_ids(rows, column, lambda value: True), column
    for row in ROWS[:4]:
        value = row.get(column, 7)
        if is_nan(value):
            assert ids(table, IsNaN(column)) == wanted_ids(rows, column, is_nan), column
        elif value not in (float("inf"), float("-inf")):  # as literals PyIceberg takes them for out of range
            literal = literal_of(column, value)
            assert ids(table, EqualTo(column, literal)) == wanted_ids(rows, column, lambda v: v == value), (column, value)
            if column not in ("a_boolean", "a_uuid", "a_fixed", "a_binary"):
                assert ids(table, LessThanOrEqual(column, literal)) == wanted_ids(rows, column, lambda v: v <= value), (column, value)
                assert ids(table, GreaterThan(column, literal)) == wanted_ids(rows, column, lambda v: v > value), (column, value)


def check_duckdb(server, name, rows, names):
    with duck.attach(server.uri) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        plain = [n for n in names if n not in ("a_uuid", "a_map", "a_timestamptz")]
        read = connection.execute(f"SELECT {', '.join(plain)} FROM ice.db.{name}").fetchall()
        assert texts([dict(zip(plain, row)) for row in read], plain) == texts(rows, plain)
        for column, value in (("an_int", 0), ("a_string", "''"), ("a_date", "DATE '2026-02-28'"), ("a_decimal", "0.05"),
                              ("a_timestamp", "TIMESTAMP '2026-01-02 03:04:05.000006'"), ("a_boolean", "true")):
            found, = connection.execute(f"SELECT count(*) FROM ice.db.{name} WHERE {column} = {value}").fetchone()
            total, = connection.execute(f"SELECT count(*) FILTER ({column} = {value}) FROM ice.db.{name}").fetchone()
            assert found == total > 0, column
        found, = connection.execute(f"SELECT count(*) FROM ice.db.{name} WHERE a_double IS NULL").fetchone()
        assert found == sum(row["a_double"] is None for row in rows)


@pytest.mark.parametrize("source,transform", CASES, ids=lambda value: str(value))
def test_rows_stay_and_are_found(optimizing, source, transform):
    catalog = RestCatalog("m", uri=optimizing.uri, warehouse="default")
    spec = PartitionSpec()
    if transform is not None:
        spec = PartitionSpec(PartitionField(ALL_TYPES.find_field(source).field_id, 1000, transform, "part"))
    name = f"{source}_{transform}".replace("[", "_").replace("]", "").lower()
    table = catalog.create_table(f"db.{name}", ALL_TYPES, partition_spec=spec, properties=OPTIMIZED | {"format-version": "2"})
    # Each partition gets rows of two commits at least, so that there is something to merge.
    commits = [numbered(0), numbered(0 if isinstance(transform, IdentityTransform) and source == "a_long" else 5)]
    for commit in commits:
        table.append(pa.Table.from_pylist(commit, schema=table.schema().as_arrow()))
    rows = commits[0] + commits[1]
    names = [field.name for field in ALL_TYPES.fields]
    assert texts(table.scan().to_arrow().to_pylist(), names) == texts(rows, names)

    optimize(optimizing, name, "full")
    table = catalog.load_table(f"db.{name}")
    files = [task.file for task in table.scan().plan_files()]
    assert len(files) == len({str(file.partition) for file in files}), "one file a partition"
    assert texts(table.scan().to_arrow().to_pylist(), names) == texts(rows, names)
    for column in [n for n in names if n == source or (source is None and n not in ("a_struct", "a_list", "a_map"))]:
        check_filters(table, rows, column)
    check_duckdb(optimizing, name, rows, names)


DUCKDB_CASES = {
    "float": ("FLOAT", "x", ["'nan'", "'inf'", "'-inf'", "'-0.0'", "'0.0'", "1.5"]),
    "double": ("DOUBLE", "x", ["'nan'", "'inf'", "'-inf'", "'-0.0'", "'0.0'", "1.5"]),
    "uuid": ("UUID", "x", ["'f79c3e09-677c-4bbd-a479-3f349cb785e7'", "'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'"]),
    "time_bucket": ("TIME", "bucket(3, x)", ["'00:00:00'", "'23:59:59.999999'", "'12:00:00'"]),
    "int_truncate": ("INTEGER", "truncate(10, x)", ["-2147483640", "2147483647", "-1", "0"]),
    "blob_truncate": ("BLOB", "truncate(3, x)", ["'abcd'", "''", "'ab'"])}


@pytest.mark.parametrize("name", DUCKDB_CASES)
def test_rows_of_duckdb_stay_and_are_found(optimizing, name):
    kind, partitioning, values = DUCKDB_CASES[name]
    catalog = RestCatalog("m", uri=optimizing.uri, warehouse="default")
    with duck.attach(optimizing.uri) as connection:
        connection.execute(f"CREATE TABLE ice.db.duck_{name} (id BIGINT, x {kind}) PARTITIONED BY ({partitioning}) WITH ('format-version' = '2')")
        literals = [f"{value}::{kind}" for value in values] + ["NULL"]
        rows = ", ".join(f"({i}, {literal})" for i, literal in enumerate(literals))
        for _ in range(2):
            connection.execute(f"INSERT INTO ice.db.duck_{name} VALUES {rows}")
        # DuckDB 1.5.5 leaves out files by bounds, which never cover NaN, when it looks for one.
        finds = [f"x = {literal}" for literal in literals[:-1] if "nan" not in literal] + [f"x <= {literals[0]}", f"x > {literals[0]}", "x IS NULL", "x IS NOT NULL"]

        def seen():
            found = {where: sorted(connection.execute(f"SELECT id FROM ice.db.duck_{name} WHERE {where}").fetchall()) for where in finds}
            every = connection.execute(f"SELECT id, x FROM ice.db.duck_{name}").fetchall()
            return found, sorted(map(repr, every)), texts(catalog.load_table(f"db.duck_{name}").scan().to_arrow().to_pylist(), ["id", "x"])

        before = seen()
        assert len(before[1]) == len(before[2]) == 2 * len(literals)
        assert all(found for where, found in before[0].items() if ">" not in where)
        with catalog.load_table(f"db.duck_{name}").transaction() as change:
            change.set_properties(OPTIMIZED)
        optimize(optimizing, f"duck_{name}", "full")
        files = [task.file for task in catalog.load_table(f"db.duck_{name}").scan().plan_files()]
        assert len(files) == len({str(file.partition) for file in files}), "one file a partition"
        assert seen() == before


def test_a_partition_of_nan_is_merged_alone(optimizing):
    """DuckDB gives NaN as a bound of its manifests and says that they hold none: the files must be found all the same."""
    catalog = RestCatalog("m", uri=optimizing.uri, warehouse="default")
    with duck.attach(optimizing.uri) as connection:
        connection.execute("CREATE TABLE ice.db.only_nan (id BIGINT, x DOUBLE) PARTITIONED BY (x) WITH ('format-version' = '2')")
        connection.execute("INSERT INTO ice.db.only_nan VALUES (1, 'nan'), (2, 1.5)")
        connection.execute("INSERT INTO ice.db.only_nan VALUES (3, 'nan'), (4, 2.5)")
        with catalog.load_table("db.only_nan").transaction() as change:
            change.set_properties(OPTIMIZED)
        optimize(optimizing, "only_nan", "full")
        table = catalog.load_table("db.only_nan")
        assert sorted(task.file.record_count for task in table.scan().plan_files()) == [1, 1, 2]
        assert sorted(connection.execute("SELECT id FROM ice.db.only_nan").fetchall()) == [(1,), (2,), (3,), (4,)]
        assert ids(table, IsNaN("x"), "id") == [1, 3]
