#!/usr/bin/env python3
"""Rewriting 200 small files of TPC-H lineitem (scale 1) into one, without and with 10 % equality deletes.

Compared in one run with `cat` of the same bytes and with DuckDB COPY (an anti join for the deletes), on two
input sets: written by pyarrow as PyIceberg does, and by DuckDB. Prints a table, then one line of JSON.
"""
import json
import resource
import shutil
import site
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

ROOT = Path(__file__).resolve().parent.parent
FILES = 200
RUNS = 3
KEYS = ["l_orderkey", "l_linenumber"]


def connect() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("SET threads = 2")
    return connection


def load_tpch(connection):
    for folder in site.getsitepackages():
        file = Path(folder, "duckdb_extension_tpch", "extensions", f"v{duckdb.__version__}", "tpch.duckdb_extension")
        if file.exists():
            return connection.execute(f"LOAD '{file}'")
    raise SystemExit("the package duckdb_extension_tpch is missing: run ./dev setup")


def make_input(folder: Path):
    """folder/pyarrow and folder/duckdb, 200 files each, with field ids."""
    connection = connect()
    load_tpch(connection)
    connection.execute("CALL dbgen(sf = 1)")
    table = connection.execute("SELECT * FROM lineitem").to_arrow_table()
    fields = [pa.field(f.name, f.type, metadata={"PARQUET:field_id": str(i + 1)}) for i, f in enumerate(table.schema)]
    table = pa.Table.from_arrays(table.columns, schema=pa.schema(fields))
    rows = -(-table.num_rows // FILES)
    ids = ", ".join(f"{field.name}: {i + 1}" for i, field in enumerate(fields))
    for name in ("pyarrow", "duckdb"):
        (folder / name).mkdir()
    for i in range(FILES):
        part = table.slice(i * rows, rows)
        pq.write_table(part, folder / "pyarrow" / f"{i:03}.parquet", compression="zstd", compression_level=3, store_schema=False,
                       store_decimal_as_integer=True)
        connection.register("part", part)
        connection.execute(f"COPY (SELECT * FROM part) TO '{folder}/duckdb/{i:03}.parquet' (COMPRESSION zstd, FIELD_IDS {{{ids}}})")


def cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def best(runs: list[dict]) -> dict:
    return min(runs, key=lambda run: run["wall_s"])


def run_cat(folder: Path) -> dict:
    runs = []
    for _ in range(RUNS):
        start = time.monotonic()
        subprocess.run(f"cat '{folder}'/*.parquet > '{folder}.cat'", shell=True, check=True)
        runs.append({"wall_s": time.monotonic() - start, "bytes": Path(f"{folder}.cat").stat().st_size})
    Path(f"{folder}.cat").unlink()
    return best(runs)


def run_duckdb(folder: Path, deletes: str | None) -> dict:
    connection = connect()
    query = f"SELECT * FROM read_parquet('{folder}/*.parquet')"
    if deletes:
        query += f" ANTI JOIN read_parquet('{deletes}') USING ({', '.join(KEYS)})"
    runs = []
    for _ in range(RUNS):
        cpu, start = cpu_seconds(), time.monotonic()
        connection.execute(f"COPY ({query}) TO '{folder}.copy' (FORMAT parquet, COMPRESSION zstd)")
        runs.append({"wall_s": time.monotonic() - start, "cpu_s": cpu_seconds() - cpu, "bytes": Path(f"{folder}.copy").stat().st_size})
    Path(f"{folder}.copy").unlink()
    return best(runs)


def run_moraine(folder: Path, *flags: str) -> dict:
    command = [ROOT / "build/fast/bench/rewrite_folder", folder, "--runs", str(RUNS), *flags]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return best([json.loads(line) for line in lines])


def main():
    subprocess.run(["./dev", "build", "rewrite_folder"], cwd=ROOT, check=True)
    figures = {}

    def show(name: str, run: dict):
        figures[name] = {key: round(value, 3) for key, value in run.items()}
        print(f"{name:40} {run['wall_s']:7.2f} s wall {run.get('cpu_s', 0):7.2f} s CPU {run['bytes'] / 1e6:8.1f} MB "
              f"{run.get('peak_mib', 0):6} MiB peak", flush=True)

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        make_input(folder)
        for source in ("pyarrow", "duckdb"):
            show(f"{source} files, cat", run_cat(folder / source))
            show(f"{source} files, duckdb", run_duckdb(folder / source, None))
            show(f"{source} files, moraine", run_moraine(folder / source))
        flags = ["--equality-percent", "10", "--keys", ",".join(KEYS)]
        show("10 % equality deletes, moraine", run_moraine(folder / "pyarrow", *flags))
        show("10 % equality deletes, duckdb", run_duckdb(folder / "pyarrow", f"{folder}/pyarrow-out/equality-*.parquet"))
        shutil.rmtree(folder / "pyarrow-out")
    for case in ("pyarrow files", "duckdb files", "10 % equality deletes"):
        figures[f"{case}, moraine / duckdb"] = round(figures[f"{case}, moraine"]["wall_s"] / figures[f"{case}, duckdb"]["wall_s"], 2)
    print(json.dumps(figures))


if __name__ == "__main__":
    sys.exit(main())
