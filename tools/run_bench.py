#!/usr/bin/env python3
"""Runs benchmarks and writes their results, with the machine and the commit, to bench/results/NAME.json.

  ./dev bench            all of bench/*_bench.cc (Google Benchmark) and bench/bench_*.py (whole system)
  ./dev bench plan ...   those with these names
"""
import argparse
import json
import os
import platform
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "results"


def machine() -> dict:
    commit = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True, text=True).stdout.strip()
    model = next((line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "")
    return {"commit": commit, "date": datetime.now(timezone.utc).isoformat(timespec="seconds"), "cores": os.cpu_count(), "cpu": model,
            "system": platform.platform()}


def run_program(name: str) -> dict:
    program = ROOT / "build/fast/bench" / f"{name}_bench"
    out = RESULTS / f"{name}.raw.json"
    subprocess.run([program, f"--benchmark_out={out}", "--benchmark_out_format=json"], cwd=ROOT, check=True)
    raw = json.loads(out.read_text())
    out.unlink()
    return {"benchmarks": [{key: value for key, value in run.items() if key not in ("run_name", "family_index", "per_family_instance_index")}
                           for run in raw["benchmarks"]]}


def run_script(name: str) -> dict:
    """A script prints what it does, and as its last line one JSON object of figures."""
    with subprocess.Popen([sys.executable, ROOT / f"bench/bench_{name}.py"], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        last = ""
        for line in process.stdout:
            print(line, end="", flush=True)
            last = line if line.strip() else last
    if process.returncode:
        raise SystemExit(f"bench {name} failed")
    return {"figures": json.loads(last)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME")
    names = parser.parse_args().names
    known = {file.stem.removesuffix("_bench"): run_program for file in sorted((ROOT / "bench").glob("*_bench.cc"))}
    known |= {file.stem.removeprefix("bench_"): run_script for file in sorted((ROOT / "bench").glob("bench_*.py"))}
    if unknown := [name for name in names if name not in known]:
        raise SystemExit(f"no such benchmark: {', '.join(unknown)}; there are: {', '.join(known)}")
    chosen = {name: run for name, run in known.items() if not names or name in names}
    programs = [f"{name}_bench" for name, run in chosen.items() if run is run_program]
    if programs:
        subprocess.run(["./dev", "build", *programs], cwd=ROOT, check=True)
    if len(programs) < len(chosen):
        subprocess.run(["./dev", "build"], cwd=ROOT, check=True)
    RESULTS.mkdir(parents=True, exist_ok=True)
    for name, run in chosen.items():
        print(f"== {name}", flush=True)
        result = run(name)
        (RESULTS / f"{name}.json").write_text(json.dumps({"name": name} | machine() | result, indent=1) + "\n")
        print(f"wrote bench/results/{name}.json")


if __name__ == "__main__":
    main()
