#!/usr/bin/env python3
"""Rewriting small files into large ones: bin-packing, with deletes, sorted; by writer of the input and shape of the table.

Every contender uses two threads and zstd; they take turns, so that a busy moment of the machine hits all of them, and the better of
two runs counts. Beside `cat` of the same bytes stands `cat` and a sync, since Moraine's files are durable when it ends. DuckDB does
COPY (an anti join for equality deletes, ORDER BY for sorts), Spark `rewrite_data_files` in a warm session, into two files. "decode" is
Moraine told to decode and encode everything. Queries run on what Moraine and Spark left.

  bench/bench_rewrite.py --cases lineitem     those with this in their names
  bench/bench_rewrite.py --list               their names
  bench/bench_rewrite.py --no-spark --runs 1  quicker
"""
import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from rewrite_inputs import TABLES, THREADS, connect, make_input
from spark_rewrite import Spark

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = ROOT / "build/fast/bench/rewrite_folder"
BUDGET_MIB = 512
KEYS = ["l_orderkey", "l_linenumber"]


@dataclass(frozen=True)
class Case:
    name: str
    table: str
    writer: str
    flags: tuple = ()  # of rewrite_folder: the deletes, the layout
    order: str = ""  # DuckDB's ORDER BY
    strategy: str = ""  # of Spark
    spark_runs: int = 1
    scale: float = 1


def equality(kind: str) -> tuple:
    return ("--equality-percent", "10", "--keys", ",".join(KEYS), "--deleted", kind)


CASES = [
    *(Case(f"lineitem, by {writer}", "lineitem", writer, spark_runs=2 if writer == "duckdb" else 1) for writer in ("duckdb", "spark", "pyarrow")),
    Case("wide strings, by duckdb", "wide strings", "duckdb"),
    Case("wide strings, by pyarrow", "wide strings", "pyarrow"),
    Case("narrow numbers, by duckdb", "narrow numbers", "duckdb"),
    Case("narrow numbers, by spark", "narrow numbers", "spark"),
    Case("nested, by spark", "nested", "spark"),
    Case("nested, by pyarrow", "nested", "pyarrow"),
    Case("lineitem, by duckdb, 1 % positions clustered", "lineitem", "duckdb", ("--position-percent", "1", "--deleted", "clustered")),
    Case("lineitem, by spark, 1 % positions clustered", "lineitem", "spark", ("--position-percent", "1", "--deleted", "clustered")),
    Case("lineitem, by spark, 10 % equality scattered", "lineitem", "spark", equality("scattered")),
    Case("lineitem, by spark, 10 % equality clustered", "lineitem", "spark", equality("clustered")),
    Case("lineitem, by spark, sort", "lineitem", "spark", ("--layout", "sort(l_shipdate,l_partkey)"), order="l_shipdate, l_partkey",
         strategy="strategy => 'sort', sort_order => 'l_shipdate ASC NULLS FIRST, l_partkey ASC NULLS FIRST',"),
    Case("lineitem, by spark, z-order", "lineitem", "spark", ("--layout", "zorder(l_shipdate,l_partkey)"), order="l_shipdate, l_partkey",
         strategy="strategy => 'sort', sort_order => 'zorder(l_shipdate, l_partkey)',"),
]
LARGE = [Case(f"lineitem of scale 10, by {writer}", "lineitem", writer, scale=10) for writer in ("duckdb", "spark", "pyarrow")]
QUERIES = {
    "lineitem": {
        "sum of all": "SELECT l_returnflag, sum(l_extendedprice * (1 - l_discount)), avg(l_quantity) FROM t GROUP BY 1",
        "a range": "SELECT count(*), sum(l_extendedprice) FROM t WHERE l_orderkey BETWEEN 1000000 AND 1010000",
        "a point": "SELECT count(*) FROM t WHERE l_orderkey = 3000001",
        "a date": "SELECT count(*), max(l_comment) FROM t WHERE l_shipdate = DATE '1995-03-15'"},
}
ROW_QUERIES = ("lineitem, by duckdb", "lineitem, by spark", "lineitem, by spark, sort", "lineitem, by spark, z-order")


def cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def run_cat(source: Path, target: Path, syncs: bool) -> dict:
    start = time.monotonic()
    subprocess.run(f"cat '{source}'/*.parquet > '{target}'", shell=True, check=True)
    if syncs:
        with target.open("rb") as file:
            os.fsync(file)
    run = {"wall_s": time.monotonic() - start, "bytes": target.stat().st_size}
    target.unlink()
    return run


class Bench:
    def __init__(self, arguments, folder: Path):
        self.arguments, self.folder = arguments, folder
        self.cases: dict[str, dict[str, dict]] = {}
        self.queries: dict[str, dict[str, dict]] = {}
        self.session: Spark | None = None

    def spark(self) -> Spark:
        if not self.session:
            self.session = Spark(self.folder / "warehouse", THREADS)
        return self.session

    def add(self, case: Case, name: str, run: dict):
        runs = self.cases.setdefault(case.name, {})
        if name not in runs or run["wall_s"] < runs[name]["wall_s"]:
            runs[name] = run

    def rewrite_folder(self, source: Path, *flags) -> str:
        # The program writes beside the folder that it is given.
        link = self.folder / "input"
        link.unlink(missing_ok=True)
        link.symlink_to(source)
        return subprocess.run([PROGRAM, link, "--threads", str(THREADS), "--memory-mib", str(BUDGET_MIB), "--spill-dir", self.folder, *map(str, flags)], stdout=subprocess.PIPE, text=True,
                              check=True).stdout

    def run_moraine(self, source: Path, case: Case, way: str) -> dict | None:
        flags = [*case.flags, *(("--way", "decode") if way == "decode" else ())]
        try:
            run = json.loads(self.rewrite_folder(source, "--runs", 1, *flags))
        except subprocess.CalledProcessError:
            print(f"  {way} cannot do it", flush=True)
            return None
        if run["peak_mib"] > BUDGET_MIB:
            run["over_budget_mib"] = run["peak_mib"] - BUDGET_MIB
        return run

    def run_duckdb(self, connection, source: Path, case: Case, deletes: Path | None) -> dict:
        query = f"SELECT input.* FROM read_parquet('{source}/*.parquet', file_row_number = false) input"
        if deletes:
            query += f" ANTI JOIN read_parquet('{deletes}/equality-*.parquet') deleted USING ({', '.join(KEYS)})"
        query += f" ORDER BY {case.order}" if case.order else ""
        cpu, start, target = cpu_seconds(), time.monotonic(), self.folder / "duckdb.parquet"
        rows = connection.execute(f"COPY ({query}) TO '{target}' (FORMAT parquet, COMPRESSION zstd)").fetchone()[0]
        with target.open("rb") as file:
            os.fsync(file)
        run = {"wall_s": time.monotonic() - start, "cpu_s": cpu_seconds() - cpu, "rows": rows, "bytes": target.stat().st_size}
        target.unlink()
        return run

    def measure(self, case: Case):
        print(f"{case.name}", flush=True)
        source = make_input(case.table, case.writer, case.scale * self.arguments.scale, self.spark)
        subprocess.run(f"cat '{source}'/*.parquet > /dev/null", shell=True, check=True)
        name = "t" + "".join(c if c.isalnum() else "_" for c in case.name)
        table = self.folder / f"warehouse/db/{name}"
        has_equality, has_positions = "--equality-percent" in case.flags, "--position-percent" in case.flags
        uses_spark = not self.arguments.no_spark and case.spark_runs
        if uses_spark or has_equality:
            deletes_only = [flag for flag in case.flags if "sort(" not in flag and "zorder(" not in flag and flag != "--layout"]
            self.rewrite_folder(source, "--table", table, *deletes_only)
        connection = connect()
        for _ in range(self.arguments.runs):
            self.add(case, "cat", run_cat(source, self.folder / "cat", syncs=False))
            self.add(case, "cat, sync", run_cat(source, self.folder / "cat", syncs=True))
            for way in ("moraine",) if case.order else ("moraine", "decode"):  # a sort decodes anyway
                if run := self.run_moraine(source, case, way):
                    self.add(case, way, run)
            if not has_positions:  # DuckDB alone does not know them
                self.add(case, "duckdb", self.run_duckdb(connection, source, case, table / "data" if has_equality else None))
        if uses_spark:
            self.measure_spark(case, source, name)

    def measure_spark(self, case: Case, source: Path, name: str):
        spark, size = self.spark(), sum(file.stat().st_size for file in source.iterdir())
        target = max(size * 6 // 10, 1 << 20)
        if not self.cases.get("warm"):
            spark.rewrite(f"db.{name}", target, case.strategy)
            self.cases["warm"] = {"spark": {}}
        paths = []
        for _ in range(case.spark_runs):
            run = spark.rewrite(f"db.{name}", target, case.strategy)
            paths = run.pop("paths", [])
            self.add(case, "spark", run)
            if run := self.run_moraine(source, case, "moraine"):  # in the same minute
                self.add(case, "moraine", run)
        if case.name in ROW_QUERIES and paths and not self.arguments.no_queries:
            self.measure_queries(case, source, paths)

    def measure_queries(self, case: Case, source: Path, spark_paths: list[str]):
        """On as many files as Spark made, of about one size: an engine's threads share files."""
        size = self.cases[case.name]["moraine"]["bytes"]
        try:
            self.rewrite_folder(source, "--runs", 1, "--keep", "yes", "--target-mib", max(int(size / len(spark_paths) * 1.02) >> 20, 1), *case.flags)
        except subprocess.CalledProcessError:
            return
        out = self.folder / "input-out"
        ours = sorted(str(path) for path in out.glob("bench*.parquet"))
        results = self.queries.setdefault(case.name, {})
        for words, query in QUERIES[case.table].items():
            for who, paths in (("moraine's files", ours), ("spark's files", spark_paths)):
                run = results.setdefault(f"{words}, {who}", {})
                run["duckdb_s"] = round(query_duckdb(paths, query), 4)
                run["spark_s"] = round(self.spark().query(paths, query), 4)

    def check_rows(self):
        for case, runs in self.cases.items():
            counts = {name: run["rows"] for name, run in runs.items() if "rows" in run}
            if len(set(counts.values())) > 1:
                raise SystemExit(f"{case}: not the same rows: {counts}")

    def round(self):
        self.cases.pop("warm", None)
        for runs in self.cases.values():
            for name, run in runs.items():
                runs[name] = {key: round(value, 3) for key, value in run.items() if isinstance(value, (int, float))}

    def ratios(self, figure: str) -> dict:
        """Moraine's seconds as a multiple of the others'."""
        return {case: {name: round(runs["moraine"][figure] / run[figure], 3) for name, run in runs.items() if name != "moraine" and run.get(figure)}
                for case, runs in self.cases.items() if "moraine" in runs}

    def show(self):
        print(f"\n{'':45} {'':9} {'wall s':>8} {'CPU s':>8} {'MB out':>8} {'peak MiB':>9} {'MB/s':>7}   moraine's wall, CPU time / this one's")
        wall, cpu = self.ratios("wall_s"), self.ratios("cpu_s")
        for case, runs in self.cases.items():
            for name, run in runs.items():
                ratio = "  ".join(f"{ratios[case][name]:6.3f}" for ratios in (wall, cpu) if name in ratios.get(case, {}))
                rate = runs["cat"]["bytes"] / 1e6 / max(run["wall_s"], 1e-3)
                print(f"{case:45} {name:9} {run['wall_s']:8.2f} {run.get('cpu_s', 0):8.2f} {run.get('bytes', 0) / 1e6:8.1f} {run.get('peak_mib', ''):>9} {rate:7.0f}   {ratio}")
        for case, results in self.queries.items():
            for words, run in results.items():
                print(f"{case:45} {words:35} DuckDB {run['duckdb_s']:.3f} s, Spark {run['spark_s']:.3f} s")


def query_duckdb(paths: list[str], query: str) -> float:
    connection = connect()
    connection.execute(f"CREATE VIEW t AS FROM read_parquet({paths})")
    seconds = []
    for _ in range(3):
        start = time.monotonic()
        connection.execute(query).fetchall()
        seconds.append(time.monotonic() - start)
    return min(seconds)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="*", metavar="WORD", help="those that have one of these in their names")
    parser.add_argument("--large", action="store_true", help="lineitem of scale 10, too")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--scale", type=float, default=1, help="of all inputs: 0.1 to try something out")
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--no-spark", action="store_true")
    parser.add_argument("--no-queries", action="store_true")
    arguments = parser.parse_args()
    cases = [case for case in CASES + (LARGE if arguments.large else []) if not arguments.cases or any(word in case.name for word in arguments.cases)]
    if arguments.list:
        return print("\n".join(case.name for case in CASES + LARGE))
    assert all(case.table in TABLES for case in cases)
    subprocess.run(["./dev", "build", "rewrite_folder"], cwd=ROOT, check=True)
    with tempfile.TemporaryDirectory(dir=ROOT / "build") as temporary:
        bench = Bench(arguments, Path(temporary))
        for case in cases:
            bench.measure(case)
        if bench.session:
            bench.session.stop()
    bench.round()
    bench.check_rows()
    bench.show()
    # The last line is for tools/run_bench.py.
    print(json.dumps({"threads": THREADS, "rounds": arguments.runs, "budget_mib": BUDGET_MIB, "cases": bench.cases, "queries": bench.queries,
                      "moraine_wall_over": bench.ratios("wall_s"), "moraine_cpu_over": bench.ratios("cpu_s")}))
    return None


if __name__ == "__main__":
    sys.exit(main())
