#!/usr/bin/env python3
"""Rewriting 200 small files of TPC-H lineitem (scale 1) into one, without and with 10 % equality deletes.

Compared in one run, all with two threads and zstd level 3, with `cat` of the same bytes, DuckDB COPY (an anti join for the
deletes) and Spark's `rewrite_data_files` (a warm session; it writes two files). The files are written by pyarrow as PyIceberg
does; a second set by DuckDB. Those that are compared take turns, so that a busy moment of the machine hits all of them, and
the better of two runs counts; Spark's run with deletes takes minutes: it is done once, and stopped after five. Prints a table, then one line of JSON.
"""
import json
import resource
import site
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from spark_rewrite import Spark

ROOT = Path(__file__).resolve().parent.parent
FILES = 200
RUNS = 2
THREADS = 2
KEYS = ["l_orderkey", "l_linenumber"]
UPSERTS = "10 % equality deletes"


def connect() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute(f"SET threads = {THREADS}")
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


def run_cat(folder: Path) -> dict:
    start = time.monotonic()
    subprocess.run(f"cat '{folder}'/*.parquet > '{folder}.cat'", shell=True, check=True)
    run = {"wall_s": time.monotonic() - start, "bytes": Path(f"{folder}.cat").stat().st_size}
    Path(f"{folder}.cat").unlink()
    return run


def run_duckdb(connection: duckdb.DuckDBPyConnection, folder: Path, deletes: str | None) -> dict:
    query = f"SELECT input.* FROM read_parquet('{folder}/*.parquet') input"
    if deletes:
        query += f" ANTI JOIN read_parquet('{deletes}') deleted USING ({', '.join(KEYS)})"
    cpu, start = cpu_seconds(), time.monotonic()
    rows = connection.execute(f"COPY ({query}) TO '{folder}.copy' (FORMAT parquet, COMPRESSION zstd)").fetchone()[0]
    run = {"wall_s": time.monotonic() - start, "cpu_s": cpu_seconds() - cpu, "rows": rows, "bytes": Path(f"{folder}.copy").stat().st_size}
    Path(f"{folder}.copy").unlink()
    return run


def rewrite_folder(folder: Path, *flags) -> str:
    command = [ROOT / "build/fast/bench/rewrite_folder", folder, "--threads", str(THREADS), *map(str, flags)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def run_moraine(folder: Path, *flags) -> dict:
    return json.loads(rewrite_folder(folder, "--runs", 1, *flags))


class Figures:
    """The best run of each contender in each case."""

    def __init__(self):
        self.cases: dict[str, dict[str, dict]] = {}

    def add(self, case: str, name: str, run: dict):
        runs = self.cases.setdefault(case, {})
        if name not in runs or run["wall_s"] < runs[name]["wall_s"]:
            runs[name] = {key: round(value, 3) for key, value in run.items()}

    def check_rows(self):
        for case, runs in self.cases.items():
            counts = {name: run["rows"] for name, run in runs.items() if "rows" in run}
            if len(set(counts.values())) > 1:
                raise SystemExit(f"{case}: not the same rows: {counts}")

    def ratios(self, figure: str) -> dict:
        """Moraine's seconds as a multiple of the others'."""
        return {case: {name: round(runs["moraine"][figure] / run[figure], 3) for name, run in runs.items() if name != "moraine" and figure in run}
                for case, runs in self.cases.items()}

    def show(self):
        print(f"\n{'':27} {'':8} {'wall s':>8} {'CPU s':>8} {'MB out':>8} {'peak MiB':>9}   moraine's wall, CPU time / this one's")
        wall, cpu = self.ratios("wall_s"), self.ratios("cpu_s")
        for case, runs in self.cases.items():
            for name, run in runs.items():
                ratio = "  ".join(f"{ratios[case][name]:6.3f}" for ratios in (wall, cpu) if name in ratios[case])
                print(f"{case:27} {name:8} {run['wall_s']:8.2f} {run.get('cpu_s', 0):8.2f} {run.get('bytes', 0) / 1e6:8.1f} {run.get('peak_mib', ''):>9}   {ratio}")


def compare_plain(figures: Figures, folder: Path, name: str):
    connection = connect()
    case = f"{name} files"
    for _ in range(RUNS):
        figures.add(case, "cat", run_cat(folder / name))
        figures.add(case, "duckdb", run_duckdb(connection, folder / name, None))
        figures.add(case, "moraine", run_moraine(folder / name))


def compare_deletes(figures: Figures, folder: Path, flags: list[str]):
    connection = connect()
    deletes = f"{folder}/warehouse/db/upserts/data/equality-*.parquet"
    for _ in range(RUNS):
        figures.add(UPSERTS, "cat", run_cat(folder / "pyarrow"))
        figures.add(UPSERTS, "duckdb", run_duckdb(connection, folder / "pyarrow", deletes))
        figures.add(UPSERTS, "moraine", run_moraine(folder / "pyarrow", *flags))


def compare_spark(figures: Figures, folder: Path, flags: list[str]):
    spark = Spark(folder / "warehouse", THREADS, target_bytes=100 << 20)
    spark.rewrite("db.plain")  # warms up
    for _ in range(RUNS):
        figures.add("pyarrow files", "spark", spark.rewrite("db.plain"))
        figures.add("pyarrow files", "moraine", run_moraine(folder / "pyarrow"))
    figures.add(UPSERTS, "spark", spark.rewrite("db.upserts"))
    figures.add(UPSERTS, "moraine", run_moraine(folder / "pyarrow", *flags))
    spark.stop()


def main():
    subprocess.run(["./dev", "build", "rewrite_folder"], cwd=ROOT, check=True)
    figures = Figures()
    flags = ["--equality-percent", "10", "--keys", ",".join(KEYS)]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        print("making the files", flush=True)
        make_input(folder)
        rewrite_folder(folder / "pyarrow", "--table", folder / "warehouse/db/plain")
        rewrite_folder(folder / "pyarrow", "--table", folder / "warehouse/db/upserts", *flags)
        for source in ("pyarrow", "duckdb"):
            print(f"files of {source}: cat, DuckDB, Moraine", flush=True)
            compare_plain(figures, folder, source)
        print("equality deletes: cat, DuckDB, Moraine", flush=True)
        compare_deletes(figures, folder, flags)
        print("Spark", flush=True)
        compare_spark(figures, folder, flags)
    figures.check_rows()
    figures.show()
    # The last line is for tools/run_bench.py.
    print(json.dumps({"threads": THREADS, "rounds": RUNS, "cases": figures.cases, "moraine_wall_over": figures.ratios("wall_s"),
                      "moraine_cpu_over": figures.ratios("cpu_s")}))


if __name__ == "__main__":
    sys.exit(main())
