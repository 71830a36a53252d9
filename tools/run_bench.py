#!/usr/bin/env python3
"""Runs benchmarks and writes their results, with the machine and the commit, to bench/results/NAME.json, and all of them
as tables to bench/results/README.md.

  ./dev bench            all of bench/*_bench.cc (Google Benchmark) and bench/bench_*.py (whole system)
  ./dev bench plan ...   those with these names
  ./dev bench --wait ... waits up to five minutes for a quiet machine before each
  ./dev bench rewrite --cases nested --no-spark
                         flags that it does not know go to the script; its result is kept apart from a whole run's
"""
import argparse
import json
import os
import platform
import subprocess
import sys
import time
from contextlib import nullcontext
from datetime import datetime, timezone
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from database_server import DatabaseServer  # noqa: E402

RESULTS = ROOT / "bench" / "results"
QUIET_LOAD = 1.0
WAIT_SECONDS = 300
BUILD_THEMSELVES = {"rewrite", "s3"}  # scripts that need no server
# Google Benchmark's own members of a run; the others are the counters of ours.
OWN = {"name", "run_name", "run_type", "repetitions", "repetition_index", "threads", "iterations", "real_time", "cpu_time", "time_unit",
       "family_index", "per_family_instance_index", "aggregate_name", "label"}


def machine() -> dict:
    commit = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True, text=True).stdout.strip()
    model = next((line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "")
    return {"commit": commit, "date": datetime.now(timezone.utc).isoformat(timespec="seconds"), "cores": os.cpu_count(), "cpu": model,
            "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30), "system": platform.platform(),
            "load_before": round(os.getloadavg()[0], 2)}


def run_program(name: str, flags: list[str]) -> dict:
    program = ROOT / "build/fast/bench" / f"{name}_bench"
    out = RESULTS / f"{name}.raw.json"
    with DatabaseServer("postgresql", durable=True) if name == "store" else nullcontext() as server:
        environment = os.environ | ({"MORAINE_TEST_STORE": server.url} if server else {})
        subprocess.run([program, f"--benchmark_out={out}", "--benchmark_out_format=json", *flags], cwd=ROOT, check=True, env=environment)
    raw = json.loads(out.read_text())
    out.unlink()
    return {"benchmarks": [{key: value for key, value in run.items() if key not in ("run_name", "family_index", "per_family_instance_index", "run_type", "repetitions",
                                                                             "repetition_index", "threads")}
                           for run in raw["benchmarks"]]}


def run_script(name: str, flags: list[str]) -> dict:
    """A script prints what it does, and as its last line one JSON object of figures."""
    with subprocess.Popen([sys.executable, ROOT / f"bench/bench_{name}.py", *flags], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        last = ""
        for line in process.stdout:
            print(line, end="", flush=True)
            last = line if line.strip() else last
    if process.returncode:
        raise SystemExit(f"bench {name} failed")
    return {"figures": json.loads(last)}


def wait_for_quiet():
    until = time.monotonic() + WAIT_SECONDS
    while os.getloadavg()[0] > QUIET_LOAD and time.monotonic() < until:
        time.sleep(5)


def number(value) -> str:
    if not isinstance(value, (int, float)):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def table(head: list[str], rows: list[list]) -> list[str]:
    lines = [head, ["---"] * len(head), *[[number(cell) for cell in row] for row in rows]]
    return ["| " + " | ".join(line) + " |" for line in lines] + [""]


def program_tables(result: dict) -> list[str]:
    rows = []
    for run in result["benchmarks"]:
        counters = ", ".join(f"{key} {number(value)}" for key, value in run.items() if key not in OWN)
        rows.append([run["name"], f"{number(run['real_time'])} {run['time_unit']}", f"{number(run['cpu_time'])} {run['time_unit']}", counters])
    return table(["benchmark", "wall", "CPU of its thread", "counters"], rows)


def flatten(value, name: str = "") -> list[list]:
    if not isinstance(value, dict):
        return [[name, ", ".join(map(number, value)) if isinstance(value, list) else value]]
    return [row for key, inner in value.items() for row in flatten(inner, f"{name}, {key}" if name else key)]


def script_tables(figures: dict) -> list[str]:
    """Cases with runs as a table each, everything else as one of two columns."""
    lines, others = [], {}
    for key, value in figures.items():
        inner = list(value.values()) if isinstance(value, dict) else []
        if not inner or not all(isinstance(run, dict) and run and all(isinstance(r, dict) for r in run.values()) for run in inner):
            others[key] = value
            continue
        names = list(dict.fromkeys(name for runs in inner for run in runs.values() for name in run))
        rows = [[case, who, *(run.get(name, "") for name in names)] for case, runs in value.items() for who, run in runs.items()]
        lines += table([key, "", *names], rows)
    return lines + (table(["figure", "value"], flatten(others)) if others else [])


def write_summary():
    """Made from the result files alone, so that a run of one benchmark keeps the others."""
    lines = ["# Results of the benchmarks", "", "Written by `./dev bench`; each section says when, where and of which commit. What a benchmark does and what its",
             "counters mean stands at the top of its source in `bench/`. A load before of more than 1 means that others used the machine, too.", ""]
    for file in sorted(RESULTS.glob("*.json")):
        result = json.loads(file.read_text())
        lines += [f"## {result['name']}", "", f"`{result.get('command', '')}`, {result['date'][:16].replace('T', ' ')} UTC, commit {result['commit']}, {result['seconds']} s. {result['cores']} cores of {result['cpu']}, {result['memory_gib']} GiB, {result['system']}; load before {result['load_before']}.", ""]
        lines += program_tables(result) if "benchmarks" in result else script_tables(result["figures"])
    (RESULTS / "README.md").write_text("\n".join(lines).rstrip() + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--wait", action="store_true")
    # Flags of a script may take words that look like names: those before the first flag are names.
    own = [word for word in sys.argv[1:] if word == "--wait"]
    words = [word for word in sys.argv[1:] if word != "--wait"]
    first = next((i for i, word in enumerate(words) if word.startswith("-") and word not in ("-h", "--help")), len(words))
    arguments, flags = parser.parse_args(own + words[:first]), words[first:]
    names = arguments.names
    if flags and len(names) != 1:
        raise SystemExit(f"{' '.join(flags)}: for which benchmark? Name one")
    known = {file.stem.removesuffix("_bench"): run_program for file in sorted((ROOT / "bench").glob("*_bench.cc"))}
    known |= {file.stem.removeprefix("bench_"): run_script for file in sorted((ROOT / "bench").glob("bench_*.py"))}
    if unknown := [name for name in names if name not in known]:
        raise SystemExit(f"no such benchmark: {', '.join(unknown)}; there are: {', '.join(known)}")
    chosen = {name: run for name, run in known.items() if not names or name in names}
    programs = [f"{name}_bench" for name, run in chosen.items() if run is run_program]
    if programs:
        subprocess.run(["./dev", "build", *programs], cwd=ROOT, check=True)
    if any(run is run_script and name not in BUILD_THEMSELVES for name, run in chosen.items()):
        subprocess.run(["./dev", "build"], cwd=ROOT, check=True)
    RESULTS.mkdir(parents=True, exist_ok=True)
    begin = time.monotonic()
    for name, run in chosen.items():
        print(f"== {name}", flush=True)
        if arguments.wait:
            wait_for_quiet()
        start, where = time.monotonic(), machine()
        result = run(name, flags)
        taken = {"command": " ".join(["./dev bench", name, *flags]), "seconds": round(time.monotonic() - start)}
        if flags:  # a part says nothing of the whole
            (ROOT / "build" / f"bench-{name}.json").write_text(json.dumps({"name": name} | where | taken | result, indent=1) + "\n")
            print(f"wrote build/bench-{name}.json after {taken['seconds']} s", flush=True)
            continue
        (RESULTS / f"{name}.json").write_text(json.dumps({"name": name} | where | taken | result, indent=1) + "\n")
        write_summary()
        print(f"wrote bench/results/{name}.json after {taken['seconds']} s", flush=True)
    print(f"{len(chosen)} benchmarks in {time.monotonic() - begin:.0f} s; as tables: bench/results/README.md")


if __name__ == "__main__":
    main()
