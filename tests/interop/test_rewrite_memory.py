"""A rewrite under a hard limit of memory: whatever the shape of its input, it ends, or says which budget it needs.

The kernel refuses the process more private memory (RLIMIT_DATA) than its budget and what a process of this kind needs anyway.
MORAINE_FULL=1 makes the inputs as large as the engine promises to cope with.
"""
import json
import os
import random
import re
import resource
import subprocess
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from interop.parquet_judge import META, Judge, named
from interop.rewrite_judge import PROGRAM

FULL = os.environ.get("MORAINE_FULL") == "1"
MIB = 1 << 20
BASE_MIB = 64  # code that is written to, stacks of threads, arenas of malloc
STACK_MIB = 2


def limited(limit_bytes: int):
    def limit():
        resource.setrlimit(resource.RLIMIT_STACK, (STACK_MIB * MIB, STACK_MIB * MIB))
        resource.setrlimit(resource.RLIMIT_DATA, (limit_bytes, limit_bytes))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    return limit


def field(number: int, name: str, kind: str) -> dict:
    return {"id": number, "name": name, "required": False, "type": kind}


def with_ids(table: pa.Table) -> pa.Table:
    return pa.Table.from_arrays(table.columns, schema=pa.schema([f.with_metadata({"PARQUET:field_id": str(i + 1)}) for i, f in enumerate(table.schema)]))


def rewrite(folder: Path, fields: list[dict], files: list[Path], budget_mib: int, properties: dict | None = None, layout: dict | None = None, way: str = "auto") -> subprocess.CompletedProcess:
    inputs = [{"file": {"format": "parquet", "path": str(file), "spec-id": 0, "records": pq.read_metadata(file).num_rows, "bytes": file.stat().st_size},
               "sequence-number": 1} for file in files]
    return run(folder, fields, inputs, budget_mib, properties, layout, way)


def run(folder: Path, fields: list[dict], inputs: list[dict], budget_mib: int, properties: dict | None = None, layout: dict | None = None, way: str = "auto") -> subprocess.CompletedProcess:
    task = {"task-format": 1, "kind": "rewrite", "process-id": "p", "task-id": 0, "attempt": 1, "table": "t", "format-version": 2, "target-size-bytes": 1 << 40,
            "data-location": str(folder / "out"), "partition-path": "", "properties": properties or {}, "schema": {"type": "struct", "schema-id": 0, "fields": fields},
            "spec": {"spec-id": 0, "fields": []}, "partition": [], "rewrite": inputs}
    if layout:
        task["layout"] = layout
    path = folder / "task.json"
    path.write_text(json.dumps(task))
    # Arrow's own allocator takes address space in gigabytes at once, which the limit counts.
    env = os.environ | {"ARROW_DEFAULT_MEMORY_POOL": "system", "MALLOC_ARENA_MAX": "2"}
    if layout:  # buffers of many sizes come and go: the holes that malloc leaves are not the engine's
        env["MALLOC_MMAP_THRESHOLD_"] = "65536"
    return subprocess.run([PROGRAM, path, "--memory-mib", str(budget_mib), "--threads", "2", "--way", way], capture_output=True, text=True, env=env,
                          preexec_fn=limited((budget_mib + BASE_MIB) * MIB))


def written(done: subprocess.CompletedProcess) -> list[str]:
    assert done.returncode == 0, f"gave {done.returncode}: {done.stderr[-2000:]}"
    return [file["path"] for file in json.loads(done.stdout)["data-files"]]


def same_rows(files: list[Path], output: list[str], figures: str):
    count = [duckdb.sql(f"SELECT count(*), {figures} FROM read_parquet({list(map(str, paths))})").fetchall() for paths in (files, output)]
    assert count[0] == count[1]


def one_row_group(path: Path, writer: str, megabytes: int):
    """Columns of all kinds, in one row group. DuckDB's pages have up to 100 MB, pyarrow's 1 MB."""
    rows = megabytes * MIB // 120
    with duckdb.connect() as connection:
        connection.execute("SET threads = 1; SET preserve_insertion_order = true")
        query = f"""SELECT i AS k, (hash(i) % 1000000007)::DOUBLE AS random, md5(i::VARCHAR) AS text, 'word' || hash(i * 3) % 1000 AS few,
            (i / 7)::DECIMAL(12, 2) AS price, CASE WHEN i % 3 > 0 THEN repeat(chr((97 + i % 26)::INTEGER), 40) END AS padded FROM range({rows}) r(i)"""
        if writer == "duckdb":
            connection.execute(f"COPY ({query}) TO '{path}' (COMPRESSION zstd, ROW_GROUP_SIZE {rows + 2048}, FIELD_IDS {{k: 1, random: 2, text: 3, few: 4, price: 5, padded: 6}})")
        else:
            pq.write_table(with_ids(connection.execute(query).to_arrow_table()), path, compression="zstd", row_group_size=1 << 30)
    assert pq.read_metadata(path).num_row_groups == 1


@pytest.mark.parametrize("writer", ["pyarrow", "duckdb"])
def test_one_row_group(tmp_path, writer):
    path = tmp_path / "in.parquet"
    one_row_group(path, writer, 2048 if FULL else 300)
    kinds = ["long", "double", "string", "string", "decimal(12, 2)", "string"]
    fields = [field(i + 1, name, kind) for i, (name, kind) in enumerate(zip(["k", "random", "text", "few", "price", "padded"], kinds))]
    output = written(rewrite(tmp_path, fields, [path], 96 if writer == "pyarrow" else needed_mib(path)))
    same_rows([path], output, "sum(k), sum(hash(random)), sum(hash(text)), sum(hash(few)), sum(hash(price)), sum(hash(padded))")


def test_pages_of_very_many_values(tmp_path):
    """DuckDB's pages end after 100 MB, whatever they hold: 17 million indices; row groups are cut within them."""
    path, rows = tmp_path / "in.parquet", 17_000_000
    query = f"SELECT i % 11 AS k, 'w' || hash(i) % 1000 AS text FROM range({rows}) r(i)"
    with duckdb.connect() as connection:
        connection.execute("SET threads = 1; SET preserve_insertion_order = true")
        connection.execute(f"COPY ({query}) TO '{path}' (COMPRESSION zstd, ROW_GROUP_SIZE {rows + 2048}, FIELD_IDS {{k: 1, text: 2}})")
    assert pq.read_metadata(path).num_row_groups == 1
    output = written(rewrite(tmp_path, LARGE, [path], needed_mib(path), {"write.parquet.row-group-size-bytes": str(4 * MIB)}, way="splice"))
    assert pq.read_metadata(output[0]).num_row_groups > 2
    same_rows([path], output, "sum(k), sum(hash(k)), sum(hash(text))")


@pytest.mark.parametrize("budget_mib", [96, 128])
def test_two_thousand_columns(tmp_path, budget_mib):
    rng, rows, columns = random.Random(1), 5000, 2000
    longs = pa.array([rng.getrandbits(40) for _ in range(rows)])
    words = pa.array([f"word {rng.randrange(3000)}" for _ in range(rows)])
    arrays = [longs if i % 3 else words for i in range(columns)]
    table = with_ids(pa.table(arrays, names=[f"c{i}" for i in range(columns)]))
    files = [tmp_path / f"{i}.parquet" for i in range(3)]
    for file in files:
        pq.write_table(table, file, compression="zstd", row_group_size=rows)
    fields = [field(i + 1, f"c{i}", "long" if i % 3 else "string") for i in range(columns)]
    output = written(rewrite(tmp_path, fields, files, budget_mib))
    same_rows(files, output, ", ".join(f"sum(hash(c{i}))" for i in (0, 1, 999, 1998, 1999)))


def large_values(tmp_path: Path, megabytes: int) -> Path:
    rng = random.Random(2)
    texts = [rng.randbytes(megabytes * MIB // 4).hex()[:megabytes * MIB // 2] * 2 for _ in range(3)]
    table = with_ids(pa.table({"k": list(range(12)), "text": [texts[i // 4] if i % 4 == 1 else "short" if i % 4 else None for i in range(12)]}))
    path = tmp_path / "in.parquet"
    pq.write_table(table, path, compression="zstd", use_dictionary=False, write_batch_size=1)
    return path


LARGE = [field(1, "k", "long"), field(2, "text", "string")]


def test_strings_of_fifty_megabytes(tmp_path):
    path = large_values(tmp_path, 50)
    needed = needed_mib(path)
    output = written(rewrite(tmp_path, LARGE, [path, path], needed))
    same_rows([path, path], output, "sum(k), sum(hash(text)), sum(length(text))")


def needed_mib(path: Path) -> int:
    """By the rule: 64 MiB and four times the largest value or page, whichever is larger."""
    judge = Judge(path)
    pages = [page.header["uncompressed"] for group in judge.groups for chunk in group["chunks"] for page in judge.read_pages("", named(chunk[3], META))]
    return 64 + -(-4 * max(pages) // MIB)


def test_a_budget_too_small_is_refused_with_the_figure(tmp_path):
    path = large_values(tmp_path, 50)
    done = rewrite(tmp_path, LARGE, [path], 96)
    if done.returncode == 0:  # more than is promised
        return same_rows([path], written(done), "sum(k), sum(hash(text))")
    assert done.stderr.startswith("Exhausted"), done.stderr
    figures = [float(number) for number in re.findall(r"([0-9.]+) MiB", done.stderr)]
    assert any(figure > 96 for figure in figures), f"no figure of what it needs: {done.stderr}"
    same_rows([path], written(rewrite(tmp_path, LARGE, [path], round(max(figures)) + 1)), "sum(k), sum(hash(text))")


def test_very_many_inputs(tmp_path):
    count, first = 100_000 if FULL else 10_000, [tmp_path / f"first{i}.parquet" for i in range(20)]
    for i, file in enumerate(first):
        pq.write_table(with_ids(pa.table({"k": list(range(i * 10, i * 10 + 10)), "text": [f"text {i}"] * 10})), file, compression="zstd")
    files = [tmp_path / f"{i:06}.parquet" for i in range(count)]
    for i, file in enumerate(files):
        os.link(first[i % 20], file)
    output = written(rewrite(tmp_path, LARGE, files, 96))
    wanted = count // 20 * duckdb.sql(f"SELECT sum(hash(k)) + sum(hash(text)) FROM read_parquet('{tmp_path}/first*.parquet')").fetchone()[0]
    assert duckdb.sql(f"SELECT count(*), sum(hash(k)) + sum(hash(text)) FROM read_parquet({output})").fetchone() == (count * 10, wanted)


def test_a_task_of_very_many_inputs_is_read_within_its_memory(tmp_path):
    """The first of the files is not there: that is what must be said."""
    inputs = [{"file": {"format": "parquet", "path": str(tmp_path / f"{i:06}.parquet"), "spec-id": 0, "records": 10, "bytes": 700}, "sequence-number": 1}
              for i in range(100_000)]
    done = run(tmp_path, LARGE, inputs, 96)
    assert done.returncode == 1 and done.stderr.startswith("NotFound"), done.stderr


def sorted_by(*columns: int) -> dict:
    fields = [{"source-id": column, "transform": "identity", "direction": "asc", "null-order": "nulls-first"} for column in columns]
    return {"kind": "sort", "order": {"order-id": 0, "fields": fields}}


def is_sorted(output: list[str], columns: list[str]) -> bool:
    """Whether the rows of all files, one after the other, come in the order of these columns."""
    last = None
    for path in output:
        for batch in pq.ParquetFile(path).iter_batches(batch_size=64, columns=columns):
            for row in zip(*(batch.column(name).to_pylist() for name in columns)):
                if last is not None and row < last:
                    return False
                last = row
    return True


def test_a_sort_of_wide_strings_in_many_runs(tmp_path):
    """Rows of 400 bytes, more than the budget; the first column's values differ only behind what keys hold."""
    rows, count = (400_000, 20) if FULL else (50_000, 6)
    files = [tmp_path / f"{i}.parquet" for i in range(count)]
    for i, file in enumerate(files):
        query = f"""SELECT (hash(i) % 100000)::BIGINT AS k, repeat('x', 80) || (hash(i * 7) % 1000) AS text, repeat(md5(i::VARCHAR), 8) AS wide,
            'some ' || hash(i * 3) % 30 AS few FROM range({i * rows}, {(i + 1) * rows}) r(i)"""
        duckdb.sql(f"COPY ({query}) TO '{file}' (COMPRESSION zstd, ROW_GROUP_SIZE 8192, FIELD_IDS {{k: 1, text: 2, wide: 3, few: 4}})")
    fields = [field(1, "k", "long"), field(2, "text", "string"), field(3, "wide", "string"), field(4, "few", "string")]
    figures = "sum(hash(k)), sum(hash(text)), sum(hash(wide)), sum(hash(few))"
    for columns, names in (((2, 1), ["text", "k"]), ((4, 1), ["few", "k"])):
        folder = tmp_path / names[0]
        folder.mkdir()
        output = written(rewrite(folder, fields, files, 96, layout=sorted_by(*columns)))
        same_rows(files, output, figures)
        assert is_sorted(output, names)


@pytest.mark.parametrize("columns", [(1,), (2,)], ids=["by_number", "by_the_large_column"])
def test_a_sort_with_a_few_huge_rows(tmp_path, columns):
    """Strings of 30 MB in every file, among small ones: more of them than memory has room for."""
    files, large = [], random.Random(5).randbytes(15 * MIB).hex()
    for i in range(8 if FULL else 3):
        table = pa.table({"k": [(j * 7919 + i) % 1009 for j in range(1000)], "text": [f"{i} small {j}" if j % 400 != 7 else f"{j} {large}{i}" for j in range(1000)]})
        files.append(tmp_path / f"{i}.parquet")
        pq.write_table(with_ids(table), files[-1], compression="zstd", use_dictionary=False, write_batch_size=1)
    budget_mib = max(needed_mib(file) for file in files) + (0 if columns == (1,) else 2 * 30)  # two large values are compared
    output = written(rewrite(tmp_path, LARGE, files, budget_mib, layout=sorted_by(*columns)))
    same_rows(files, output, "sum(k), sum(hash(text)), sum(length(text))")
    assert is_sorted(output, ["k"] if columns == (1,) else ["text"])
