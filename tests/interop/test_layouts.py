"""Rows that Moraine has put in order, as pyarrow and DuckDB read them: the same rows, in the order that DuckDB gives them, files that do not overlap."""
import time
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from harness import Server
from interop.test_data_files import EVERY, every_row, rewrite, same
from optimizing import optimize, wait_until_idle
from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.io.pyarrow import schema_to_pyarrow
from pyiceberg.schema import Schema
from pyiceberg.transforms import YearTransform
from pyiceberg.types import DateType, DecimalType, DoubleType, LongType, NestedField, StringType

ROWS = Schema(NestedField(1, "id", LongType()), NestedField(2, "name", StringType()), NestedField(3, "day", DateType()),
              NestedField(4, "amount", DecimalType(12, 2)), NestedField(5, "ratio", DoubleType()))


def write_inputs(folder: Path, files: int, rows: int) -> list[Path]:
    """Rows in disorder, some values null, some NaN."""
    connection = duckdb.connect()
    paths = []
    for i in range(files):
        table = connection.execute(
            f"""SELECT CASE WHEN hash(i, {i}) % 11 = 0 THEN NULL ELSE (hash(i, {i}) % 5000)::BIGINT END AS id,
                       CASE WHEN hash(i, {i}, 1) % 7 = 0 THEN NULL ELSE 'n' || (hash(i, {i}, 1) % 300) END AS name,
                       DATE '2020-01-01' + (hash(i, {i}, 2) % 900)::INTEGER AS day,
                       ((hash(i, {i}, 3) % 100000)::BIGINT / 100)::DECIMAL(12, 2) AS amount,
                       CASE WHEN hash(i, {i}, 4) % 13 = 0 THEN 'nan'::DOUBLE ELSE (hash(i, {i}, 4) % 999)::DOUBLE - 500 END AS ratio
                FROM range({rows}) AS r(i)""").to_arrow_table()
        paths.append(folder / f"{i}.parquet")
        pq.write_table(table.cast(schema_to_pyarrow(ROWS, include_field_ids=True)), paths[-1], compression="zstd")
    return paths


def sort_field(column: int, direction: str = "asc", nulls: str = "nulls-first", transform: str = "identity") -> dict:
    return {"source-id": column, "transform": transform, "direction": direction, "null-order": nulls}


def sorted_by(*fields: dict, order_id: int = 0) -> dict:
    return {"kind": "sort", "order": {"order-id": order_id, "fields": list(fields)}}


@pytest.mark.parametrize("fields, order_by", [
    ([sort_field(3), sort_field(1, "desc", "nulls-last")], "day, id DESC NULLS LAST"),
    ([sort_field(2, nulls="nulls-last"), sort_field(5, "desc")], "name NULLS LAST, ratio DESC NULLS FIRST"),
    ([sort_field(4, "desc"), sort_field(2)], "amount DESC NULLS FIRST, name NULLS FIRST"),
    ([sort_field(3, transform="month"), sort_field(5), sort_field(1)], "date_trunc('month', day), ratio NULLS FIRST, id NULLS FIRST"),
])
def test_the_order_is_that_of_duckdb(tmp_path, fields, order_by):
    inputs = write_inputs(tmp_path, 6, 2000)
    output = rewrite(tmp_path, ROWS, inputs, layout=sorted_by(*fields, order_id=4))
    [file] = output["data-files"]
    assert file["sort-order-id"] == 4
    columns = ", ".join(part.split()[0] if "(" not in part else part for part in ["id", "name", "day", "amount", "ratio"])
    read = duckdb.connect().execute(f"SELECT {columns} FROM read_parquet('{file['path']}', file_row_number = true) ORDER BY file_row_number").fetchall()
    keys = {"day": 2, "id": 0, "name": 1, "ratio": 4, "amount": 3}
    expected = duckdb.connect().execute(f"SELECT {columns} FROM read_parquet('{tmp_path}/*.parquet') ORDER BY {order_by}").fetchall()
    ordered_by = [position for name, position in keys.items() if name in order_by and "date_trunc" not in order_by] or [4, 0]
    assert [[repr(row[k]) for k in ordered_by] for row in read] == [[repr(row[k]) for k in ordered_by] for row in expected]
    assert sorted(map(repr, read)) == sorted(map(repr, expected))


@pytest.mark.parametrize("layout", [{"kind": "zorder", "columns": [1, 3]}, {"kind": "hilbert", "columns": [2, 3, 4]}])
def test_curves_keep_rows_and_let_duckdb_skip(tmp_path, layout):
    inputs = write_inputs(tmp_path, 10, 20_000)
    output = rewrite(tmp_path, ROWS, inputs, {"write.parquet.row-group-size-bytes": "150000"}, layout=layout, **{"target-size-bytes": 300_000})
    files = [file["path"] for file in output["data-files"]]
    assert len(files) > 3 and output["rows-written"] == 200_000
    sums = "SELECT count(*), sum(hash(id, name, day, amount, ratio)::HUGEINT) FROM read_parquet({})"
    connection = duckdb.connect()
    assert connection.execute(sums.format(files)).fetchall() == connection.execute(sums.format([str(p) for p in inputs])).fetchall()
    names = {1: "id", 2: "name", 3: "day", 4: "amount"}
    for column in layout["columns"]:  # each column's values lie in a part of its range in most row groups
        spans = []
        for path in files:
            metadata = pq.read_metadata(path)
            for group in range(metadata.num_row_groups):
                statistics = next(metadata.row_group(group).column(c).statistics for c in range(metadata.num_columns)
                                  if metadata.schema.column(c).name == names[column])
                spans.append((statistics.min, statistics.max))
        low, high = min(s[0] for s in spans), max(s[1] for s in spans)
        assert sum(s == (low, high) for s in spans) < len(spans) / 2, names[column]


def test_every_type_survives_a_sort(tmp_path):
    table = pa.Table.from_pylist([every_row(i) for i in range(300)], schema=schema_to_pyarrow(EVERY, include_field_ids=True))
    for i in range(3):
        pq.write_table(table.slice(i * 100, 100), tmp_path / f"{i}.parquet", row_group_size=30)
    output = rewrite(tmp_path, EVERY, [tmp_path / f"{i}.parquet" for i in range(3)], layout=sorted_by(sort_field(3, "desc")))
    [file] = output["data-files"]
    read = pq.read_table(file["path"])
    names = [name for name in table.column_names if name != "a_uuid"]
    plain = pa.Table.from_pylist(table.to_pylist()[::-1], schema=pa.schema([pa.field(f.name, f.type) for f in table.schema]))
    assert same(read.select(names), plain.select(names))


def test_dedup_is_that_of_duckdb(tmp_path):
    inputs = write_inputs(tmp_path, 5, 3000)
    output = rewrite(tmp_path, ROWS, inputs, dedup={"keys": [2], "order-by": 1})
    connection = duckdb.connect()
    read = connection.execute(f"SELECT name, id FROM read_parquet('{output['data-files'][0]['path']}')").fetchall()
    expected = connection.execute(f"SELECT name, max(id) FROM read_parquet('{tmp_path}/*.parquet') GROUP BY name").fetchall()
    assert sorted(map(repr, read)) == sorted(map(repr, expected))
    assert output["rows-read"] == output["rows-written"] + output["rows-deduplicated"] == 15_000


def test_rows_move_to_the_current_spec(tmp_path):
    inputs = write_inputs(tmp_path, 4, 1000)
    spec = {"spec-id": 2, "fields": [{"source-id": 3, "field-id": 1000, "name": "day_year", "transform": "year"}]}
    output = rewrite(tmp_path, ROWS, inputs, **{"target-spec": spec})
    years = {}
    for file in output["data-files"]:
        assert file["spec-id"] == 2
        [year] = {row["day"].year for row in pq.read_table(file["path"], columns=["day"]).to_pylist()}
        assert file["partition"] == [year - 1970]
        years[year] = years.get(year, 0) + 1
    assert years == {2020: 1, 2021: 1, 2022: 1}
    assert output["rows-written"] == 4000


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("s"), optimizer_threads=1) as server:
        yield server


QUIET = {"self-optimizing.min-plan-interval": "0", "self-optimizing.hot-partition-delay": "0", "self-optimizing.minor.trigger.interval": "-1",
         "self-optimizing.minor.trigger.file-count": "1000"}
PATH = "/api/v1/warehouses/default/namespaces/db/tables/"


@pytest.fixture(scope="module")
def catalog(server):
    catalog = RestCatalog("m", uri=server.uri, warehouse="default")
    catalog.create_namespace("db")
    return catalog


def append_some(table, tmp_path: Path, files: int) -> list[str]:
    rows = []
    for path in write_inputs(tmp_path, files, 500):
        part = pq.read_table(path)
        part = part.cast(pa.schema([pa.field(f.name, f.type) for f in part.schema]))
        table.append(part)
        rows += part.to_pylist()
    return sorted(map(repr, rows))


def rows_of(table) -> list[str]:
    return sorted(map(repr, table.refresh().scan().to_arrow().to_pylist()))


def test_a_person_asks_for_a_layout_and_it_ends(server, catalog, tmp_path):
    table = catalog.create_table("db.asked", ROWS, properties=QUIET | {"self-optimizing.full.trigger.interval": "1"})
    rows = append_some(table, tmp_path, 4)
    status, answer, _ = server.post(PATH + "asked/optimize", {"layout": "zorder(nothing)"})
    assert status == 400 and "nothing" in str(answer)
    process = optimize(server, "asked", "full", "sort(day desc)")
    assert process["type"] == "full" and process["started-by"] == "person"
    [file] = [task.file for task in table.refresh().scan().plan_files()]
    days = pq.read_table(file.file_path.removeprefix("file://"))["day"].to_pylist()
    assert days == sorted(days, reverse=True)
    assert "-sort" in file.file_path
    assert rows_of(table) == rows
    rows2 = rows + append_some(table, tmp_path, 1)
    process = optimize(server, "asked", "full", "zorder(id, name)")
    assert rows_of(table) == sorted(rows2)
    [file] = [task.file for task in table.refresh().scan().plan_files()]
    assert "-zorder" in file.file_path
    # It lies so already: asked again, nothing is written.
    assert server.post(PATH + "asked/optimize", {"layout": "zorder(id, name)"})[0] == 204
    wait_until_idle(server)
    assert [task.file.file_path for task in table.refresh().scan().plan_files()] == [file.file_path]


def test_the_property_lays_out_what_comes_and_ends(server, catalog, tmp_path):
    table = catalog.create_table("db.property", ROWS, properties=QUIET | {"self-optimizing.layout": "hilbert(id, day)",
                                                                          "self-optimizing.target-size": "5000"})
    rows = append_some(table, tmp_path, 6)
    end = time.monotonic() + 60
    while not all("-hilbert" in task.file.file_path for task in table.refresh().scan().plan_files()):
        assert time.monotonic() < end, (server.get(PATH + "property")[1], server.log_tail())
        time.sleep(0.2)
    wait_until_idle(server)
    assert rows_of(table) == rows
    snapshot = table.refresh().current_snapshot().snapshot_id
    wait_until_idle(server)
    assert table.refresh().current_snapshot().snapshot_id == snapshot


def test_a_full_run_moves_rows_to_the_current_spec(server, catalog, tmp_path):
    table = catalog.create_table("db.moved", ROWS, properties=QUIET | {"self-optimizing.full.move-to-current-spec": "true"})
    rows = append_some(table, tmp_path, 3)
    with table.update_spec() as update:
        update.add_field("day", YearTransform(), "day_year")
    optimize(server, "moved", "full")
    tasks = list(table.refresh().scan().plan_files())
    assert {task.file.spec_id for task in tasks} == {table.spec().spec_id}
    assert len(tasks) == 3
    assert rows_of(table) == rows
    one = table.scan(row_filter="day >= '2021-01-01' and day < '2022-01-01'")
    assert len(list(one.plan_files())) == 1
    assert all(row["day"].year == 2021 for row in one.to_arrow().to_pylist())
