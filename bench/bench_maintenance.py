#!/usr/bin/env python3
"""Maintenance of large tables: Moraine beside the procedures of Spark, on the same files put back before each run.

Moraine is the whole of it: a server with its embedded optimizer of two threads, told over HTTP to run an action, from the request to
the end of the run. Spark runs the procedure in a warm session on two cores in a JVM of its own, with 1 GiB of heap (its default) and with the
least with which it ends; so its figures are without the start, Moraine's memory is with the server. Peaks are of whole processes.
What is gone afterwards must be the same files. Ratios are Spark's figure over Moraine's: seconds to the quicker run of Spark, memory to
the smaller one.

Expire: 1,000 of the 2,000 snapshots of a table that took in 200,000 files. Orphans: a million files in local folders, one in a hundred
an orphan, found (dry run) and removed; 30,000 on SeaweedFS. Manifests: 2,000 written anew. Ten million: bench/orphans_bench.cc, the task
alone, with a store that only lists, in a process that may hold no more than 512 MiB of data. Fleet: bench/maintenance_fleet_bench.cc.

  bench/bench_maintenance.py --cases expire orphans    those with these words in their names
  bench/bench_maintenance.py --scale 0.1 --no-spark    smaller tables, alone
"""
import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import urllib.parse
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests/engines")]

from harness import Server, die_with_parent  # noqa: E402
from maintenance_inputs import CACHE, PROGRAM, Input  # noqa: E402
from seaweed import KEY, REGION, SECRET, Seaweed  # noqa: E402

PROGRAMS = PROGRAM.parent
THREADS = 2
LIMIT_MIB = 512
HEAPS = ["1g", "512m", "2g", "4g", "8g"]  # the default; the least that Spark takes; where these do not do
SPARK_SECONDS, SPARK_START_SECONDS = 600, 45
SINCE = "TIMESTAMP '2026-06-01'"  # younger than all that is made here, older than a day


def mib(process: int, what: str) -> int:
    return int(Path(f"/proc/{process}/status").read_text().split(f"{what}:")[1].split()[0]) // 1024


def cpu_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Moraine:
    """A server of its own with the table in it."""

    def __init__(self, folder: Path, metadata: str, root: str, memory: str):
        self.server = Server(folder, "--set", f"optimizer.memory={memory}", optimizer_threads=THREADS, root=root)
        self.metadata = metadata

    def __enter__(self):
        self.server.start()
        for path, body in (("/iceberg/v1/default/namespaces", {"namespace": ["db"]}),
                           ("/iceberg/v1/default/namespaces/db/register", {"name": "t", "metadata-location": self.metadata})):
            status, answer, _ = self.server.post(path, body)
            if status >= 300:
                raise RuntimeError(f"{path}: {status} {answer}")
        return self

    def __exit__(self, *_):
        self.server.stop()

    def run(self, action: str, **options) -> dict:
        process = self.server.process.pid
        before, cpu, begin = mib(process, "VmRSS"), cpu_seconds(process), time.monotonic()
        status, asked, _ = self.server.post(f"/api/v1/warehouses/default/namespaces/db/tables/t/maintenance/actions/{action}/run", options)
        if status != 200:
            raise RuntimeError(f"{action}: {status} {asked}")
        while True:
            status, detail, _ = self.server.get(f"/api/v1/maintenance/runs/{asked['run-id']}")
            run = detail.get("run", {}) if status == 200 else {}
            if run.get("state", "running") != "running":
                break
            time.sleep(0.02)
        out = {"wall_s": time.monotonic() - begin, "cpu_s": cpu_seconds(process) - cpu, "peak_mib": mib(process, "VmHWM"), "idle_mib": before}
        if run["state"] != "succeeded":
            raise RuntimeError(f"{action}: {run}\n{self.server.log_tail()}")
        return out | {"reason": run["reason"], "details": detail.get("details", {})}


class Spark:
    """Starts JVMs, one for each run."""

    def __init__(self, folder: Path):
        self.folder, self.jars = folder, {}

    def installed(self, name: str) -> str:
        if name not in self.jars:
            self.jars[name] = subprocess.run([ROOT / "tests/engines/install.sh", name], env=os.environ | {"PYTHON": sys.executable}, check=True,
                                             stdout=subprocess.PIPE, text=True).stdout.split()[0]
        return self.jars[name]

    def run(self, heap: str, seconds: float, catalog: dict, more: dict, packages=("spark35",)) -> dict | None:
        """None: it did not end with this heap, or not in time."""
        settings = {
            "spark.driver.memory": heap, "spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.extraJavaOptions": f"-Dderby.system.home={self.folder}", "spark.ui.enabled": "false", "spark.ui.showConsoleProgress": "false",
            "spark.local.dir": str(self.folder), "spark.sql.warehouse.dir": str(self.folder / "spark"), "spark.sql.session.timeZone": "UTC",
            "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
            "spark.sql.catalog.ice": "org.apache.iceberg.spark.SparkCatalog",
            **{f"spark.sql.catalog.ice.{name}": value for name, value in catalog.items()}}
        request = {"jars": [self.installed(name) for name in packages], "settings": settings} | more
        try:
            ran = subprocess.run([sys.executable, ROOT / "bench/spark_maintenance.py", json.dumps(request)], capture_output=True, text=True,
                                 timeout=seconds, preexec_fn=die_with_parent)
        except subprocess.TimeoutExpired:
            print(f"  spark, {heap}: stopped after {seconds:.0f} s", flush=True)
            return None
        if ran.returncode:
            print(f"  spark, {heap}: {next((line for line in ran.stderr.splitlines() if 'Error' in line or 'Exception' in line), ran.stderr[-500:])}", flush=True)
            return None
        return json.loads(ran.stdout.splitlines()[-1])


class Bench:
    def __init__(self, arguments, folder: Path):
        self.arguments, self.folder = arguments, folder
        self.runs: dict[str, dict[str, dict]] = {}
        self.spark = Spark(folder)
        self.servers = 0

    def scaled(self, count: int) -> int:
        return max(int(count * self.arguments.scale), 10)

    def moraine(self, metadata: str, root: str) -> Moraine:
        self.servers += 1
        return Moraine(self.folder / f"server{self.servers}", metadata, root, self.arguments.memory)

    def note(self, case: str, who: str, run: dict):
        self.runs.setdefault(case, {})[who] = {name: round(value, 3) for name, value in run.items() if isinstance(value, (int, float))}
        print(f"  {who:12} {run['wall_s']:8.2f} s  CPU {run.get('cpu_s', 0):8.2f} s  {run['peak_mib']:6} MiB  {str(run.get('reason', ''))[:100]}", flush=True)

    def with_heaps(self, case: str, run):
        """The default; then the least. run(heap, seconds) gives figures or None, and looks at what came out."""
        if self.arguments.no_spark:
            return
        seconds = None  # of the default
        for heap in HEAPS:
            if seconds and heap != "512m":
                break
            # With too little it collects garbage without end.
            if figures := run(heap, SPARK_START_SECONDS + seconds if seconds else SPARK_SECONDS):
                self.note(case, f"spark, {heap}", figures)
                seconds = seconds or figures["wall_s"]

    def check_same(self, case: str, ours, theirs):
        if ours != theirs:
            raise SystemExit(f"{case}: not the same files: {len(ours - theirs)} only by Moraine, {sorted(ours - theirs)[:3]}; "
                             f"{len(theirs - ours)} only by Spark, {sorted(theirs - ours)[:3]}")

    def local(self, case: str, source: Input, action: str, options: dict, procedure: str, compare: bool = True):
        print(case, flush=True)
        catalog = {"type": "hadoop", "warehouse": str(source.live.parent.parent), "cache-enabled": "false"}
        source.restore()
        warm = Input("history", 20, 5)
        with self.moraine(source.metadata, f"file://{source.live.parent.parent}") as moraine:
            figures = moraine.run(action, **options)
        ours = source.gone()
        self.note(case, "moraine", figures | {"gone": len(ours)})

        def spark(heap: str, seconds: float):
            source.restore()
            warm.restore()
            run = self.spark.run(heap, seconds, catalog, {"warm": [f"CALL ice.system.{procedure.format(table=f'db.{warm.name}', keep=10)}"],
                                                 "statement": f"CALL ice.system.{procedure.format(table=f'db.{source.name}', keep=self.scaled(2000) // 2)}"})
            if run and options.get("dry-run"):
                # Each says which; ours in its list, of which the run tells the number.
                if len(run["rows"]) != figures["details"]["orphans"]:
                    raise SystemExit(f"{case}: {figures['details']['orphans']} by Moraine, {len(run['rows'])} by Spark")
                run["found"] = len(run["rows"])
            if run and compare:
                theirs = source.gone()
                self.check_same(case, ours, theirs)
                run["gone"] = len(theirs)
            return run

        self.with_heaps(case, spark)

    def expire(self, case: str):
        self.local(case, Input("history", self.scaled(2000), 100), "expire-snapshots", {},
                   f"expire_snapshots(table => '{{table}}', older_than => {SINCE}, retain_last => {{keep}})")

    def orphans_dry(self, case: str):
        self.local(case, Input("folder", self.scaled(1_000_000), 100), "clean-orphan-files", {"dry-run": True},
                   f"remove_orphan_files(table => '{{table}}', older_than => {SINCE}, dry_run => true)")

    def orphans(self, case: str):
        self.local(case, Input("folder", self.scaled(1_000_000), 100), "clean-orphan-files", {},
                   f"remove_orphan_files(table => '{{table}}', older_than => {SINCE})")

    def manifests(self, case: str):
        self.local(case, Input("manifests", self.scaled(2000), 100), "rewrite-manifests", {}, "rewrite_manifests(table => '{table}')", compare=False)

    def orphans_on_s3(self, case: str):
        print(case, flush=True)
        source = Input("folder", self.scaled(30_000), 100, named="s3://bench/db/t")
        with Seaweed(self.folder / "seaweed") as store:
            store.create_bucket("bench")
            os.environ.update(store.environment)
            every = sorted(source.files)
            self.put(store, source, every)
            self.note(case, "a listing", self.list_all(store))
            with self.moraine(source.metadata, "s3://bench") as moraine:
                figures = moraine.run("clean-orphan-files", options={"older-than-ms": 0, "allow-young": True})
                after = self.listed(store)
                ours = set(every) - after
                self.note(case, "moraine", figures | {"gone": len(ours)})
                catalog = {"type": "rest", "uri": moraine.server.uri, "warehouse": "default", "cache-enabled": "false",
                           "io-impl": "org.apache.iceberg.aws.s3.S3FileIO", "client.region": REGION, **store.properties}

                def spark(heap: str, seconds: float):
                    self.put(store, source, sorted(ours))
                    for path in self.listed(store) - set(every):  # lists of our run
                        store.request("DELETE", f"/bench/db/t/{path}")
                    run = self.spark.run(heap, seconds, catalog, {"warm": ["SELECT count(*) FROM ice.db.t.files"], "orphans": "ice.db.t"}, ("spark35", "aws"))
                    if run:
                        theirs = set(every) - self.listed(store)
                        self.check_same(case, ours, theirs)
                        run["gone"] = len(theirs)
                    return run

                self.with_heaps(case, spark)

    def put(self, store: Seaweed, source: Input, paths: list[str]):
        config = self.folder / "curl.conf"
        config.write_text("\n".join(f'url = "{store.presign("PUT", f"/bench/db/t/{path}")}"\nupload-file = "{source.made}/table/{path}"\noutput = "/dev/null"' for path in paths))
        begin = time.monotonic()
        subprocess.run(["curl", "-sS", "--no-progress-meter", "--fail", "-Z", "--parallel-max", "16", "-K", config], check=True, stdout=subprocess.DEVNULL)
        print(f"  {len(paths)} objects put in {time.monotonic() - begin:.1f} s", flush=True)

    def pages(self, store: Seaweed):
        token = None
        while True:
            status, body = store.request("GET", "/bench", {"list-type": "2", "prefix": "db/t/"} | ({"continuation-token": token} if token else {}))
            assert status == 200, body
            text = body.decode()
            yield [urllib.parse.unquote(piece.split("</Key>")[0]) for piece in text.split("<Key>")[1:]]
            if "<NextContinuationToken>" not in text:
                return
            token = text.split("<NextContinuationToken>")[1].split("<")[0]

    def listed(self, store: Seaweed) -> set[str]:
        return {key.removeprefix("db/t/") for page in self.pages(store) for key in page}

    def list_all(self, store: Seaweed) -> dict:
        """What the store takes to name them, page after page: nobody can be quicker."""
        begin = time.monotonic()
        count = sum(len(page) for page in self.pages(store))
        return {"wall_s": time.monotonic() - begin, "peak_mib": 0, "objects": count}

    def program(self, name: str, words: str = "", limit_mib: int = 0) -> list[dict]:
        """What a Google Benchmark program says of each run."""
        out = self.folder / f"{name}.json"

        def limit():
            die_with_parent()
            if limit_mib:
                resource.setrlimit(resource.RLIMIT_DATA, (limit_mib << 20, limit_mib << 20))
        subprocess.run([PROGRAMS / name, f"--benchmark_filter={words}", f"--benchmark_out={out}", "--benchmark_out_format=json"],
                       env=os.environ | {"TMPDIR": str(self.folder), "MORAINE_BENCH_TABLES": str(self.scaled(20_000))}, check=True, stdout=subprocess.DEVNULL, preexec_fn=limit)
        return json.loads(out.read_text())["benchmarks"]

    def ten_million(self, case: str):
        print(case, flush=True)
        run = self.program("orphans_bench", "SyntheticStore", LIMIT_MIB)[0]
        self.note(case, "moraine", {"wall_s": run["real_time"], "cpu_s": run["cpu_s"], "peak_mib": round(run["peak_mib"]), "listed": run["files"],
                                    "gone": run["orphans"], "spilled_mib": run["spilled_mib"], "limit_mib": LIMIT_MIB})

    def fleet(self, case: str):
        print(case, flush=True)
        counters = ("tables", "tables_s", "actions_s", "runs", "failed", "late_s", "p99_late_s", "late_of_interval", "cpu_ms", "statements", "writes")
        for run in self.program("maintenance_fleet_bench", "Fleet"):
            seconds = run["tables"] / run["tables_s"]
            self.note(case, " ".join(run["name"].split("/")[:2]),
                      {"wall_s": seconds, "cpu_s": run["cpu_ms"] * run["tables"] / 1e3, "peak_mib": round(run["peak_mib"])} |
                      {name: run[name] for name in counters if name in run and name != "cpu_ms"})

    def ratios(self) -> dict:
        out = {}
        for case, runs in self.runs.items():
            theirs = [run for who, run in runs.items() if who.startswith("spark")]
            if not theirs or "moraine" not in runs:
                continue
            ours = runs["moraine"]
            out[case] = {"seconds": round(min(run["wall_s"] for run in theirs) / ours["wall_s"], 1),
                         "cpu_seconds": round(min(run["cpu_s"] for run in theirs) / ours["cpu_s"], 1),
                         "memory": round(min(run["peak_mib"] for run in theirs) / ours["peak_mib"], 1)}
        return out


CASES = {
    "expire 1,000 of 2,000 snapshots": Bench.expire,
    "orphans among 1,000,000 files, dry run": Bench.orphans_dry,
    "orphans among 1,000,000 files": Bench.orphans,
    "rewrite 2,000 manifests": Bench.manifests,
    "orphans among 30,000 on s3": Bench.orphans_on_s3,
    "orphans among 10,000,000, synthetic": Bench.ten_million,
    "fleet": Bench.fleet,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="*", metavar="WORD", help="those that have one of these in their names")
    parser.add_argument("--scale", type=float, default=1, help="of the tables: 0.1 to try something out")
    parser.add_argument("--memory", default="64MiB", help="of each of the optimizer's threads")
    parser.add_argument("--no-spark", action="store_true")
    arguments = parser.parse_args()
    cases = {name: run for name, run in CASES.items() if not arguments.cases or any(word in name for word in arguments.cases)}
    if "MORAINE_BINARY" not in os.environ:
        subprocess.run(["./dev", "build", PROGRAM.name, "orphans_bench", "maintenance_fleet_bench"], cwd=ROOT, check=True)
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=ROOT / "build") as temporary:
        bench = Bench(arguments, Path(temporary))
        for name, run in cases.items():
            run(bench, name)
    ratios = bench.ratios()
    for case, ratio in ratios.items():
        print(f"{case:45} {ratio['seconds']:7.1f} times as quick, {ratio['cpu_seconds']:7.1f} times less CPU time, {ratio['memory']:6.1f} times less memory")
    print(json.dumps({"threads": THREADS, "optimizer_memory": arguments.memory, "cases": bench.runs, "spark_over_moraine": ratios}))


if __name__ == "__main__":
    main()
