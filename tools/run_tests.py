#!/usr/bin/env python3
"""Runs the tests in stages, each within a time budget, and ends with a table and one line of counts.

  ./dev test                all stages in order, stopping at the first that fails
  ./dev test asan kill      these stages
  ./dev test iceberg        the unit tests of a module
  ./dev test table_update   the unit tests of src/moraine/**/table_update_test.cc
  ./dev test interop/duckdb a file or folder of tests/, by pytest
  ./dev test Commit.Retries any other word: the unit tests with that in their name

With CI=true a skipped test fails the run unless tests/allowed_skips.txt gives its name and a reason.
Logs are in build/test/. Everything that is started is ended, also on Ctrl-C and when time is up.
"""
import argparse
import contextlib
import fnmatch
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CI = os.environ.get("CI") == "true"
sys.path.insert(0, str(ROOT / "tests"))

from database_server import DatabaseServer  # noqa: E402

LOGS = ROOT / "build" / "test"
CORES = os.cpu_count() or 1
WHOLE_MINUTES = 85  # a run that takes longer is ended, so that its table is still printed
DISK_GIB = 12  # what a whole run has on the disk at most: builds 8, inputs and installed engines 4
SANITIZER_ENV = {
    "ASAN_OPTIONS": "detect_stack_use_after_return=1:strict_string_checks=1:detect_leaks=1",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "LSAN_OPTIONS": f"suppressions={ROOT}/tests/sanitizers/lsan.txt:print_suppressions=0",
    "TSAN_OPTIONS": f"suppressions={ROOT}/tests/sanitizers/tsan.txt:halt_on_error=1:second_deadlock_stack=1",
    "ARROW_DEFAULT_MEMORY_POOL": "system",
}


class StageFailed(Exception):
    pass


@dataclass
class Counts:
    passed: int = 0
    failed: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)  # name -> reason


@dataclass
class Stage:
    name: str
    minutes: float
    what: str
    body: "callable"
    counts: Counts = field(default_factory=Counts)
    seconds: float = 0
    result: str = ""
    full: bool = False

    def __post_init__(self):
        self.folder = LOGS / self.name
        self.log = LOGS / f"{self.name}.log"

    def execute(self, full: bool, whole_deadline: float):
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.log.write_bytes(b"")
        self.full = full
        start = time.monotonic()
        self.deadline = min(start + 60 * self.minutes * (4 if full else 1), whole_deadline)
        try:
            with tempfile.TemporaryDirectory(prefix="moraine-test-", ignore_cleanup_errors=True) as scratch:
                os.environ["TMPDIR"] = os.environ["TEST_TMPDIR"] = scratch
                self.body(self)
            self.result = "failed" if self.counts.failed else "ok"
        except StageFailed as problem:
            self.result = "failed"
            with self.log.open("a") as log:
                log.write(f"\n{problem}\n")
            if not self.counts.failed:
                self.counts.failed.append(f"{self.name}: {problem}")
        self.seconds = time.monotonic() - start

    def run(self, *command, check=True, cwd=ROOT, **env) -> int:
        """Runs one command in a process group of its own, its output to the stage's log."""
        left = self.deadline - time.monotonic()
        with self.log.open("ab") as log:
            log.write(f"\n$ {' '.join(map(str, command))}\n".encode())
            log.flush()
            process = subprocess.Popen([str(part) for part in command], cwd=cwd, stdin=subprocess.DEVNULL, stdout=log,
                                       stderr=subprocess.STDOUT, env=os.environ | env, start_new_session=True)
            try:
                status = process.wait(max(left, 0.1))
            except subprocess.TimeoutExpired:
                raise StageFailed(f"over its budget of {self.minutes:g} min, or the run over its own: {command[0]}") from None
            finally:
                end_group(process)
        if check and status != 0:
            raise StageFailed(f"exit code {status}: {' '.join(map(str, command))}")
        return status

    # -- the kinds of tests --------------------------------------------------------------------------
    def ctest(self, preset: str, *arguments, **env):
        junit = self.folder / "ctest.xml"
        status = self.run("ctest", "--test-dir", ROOT / "build" / preset, "-j", CORES, "--output-on-failure", "--no-tests=ignore",
                          "--output-junit", junit, *arguments, check=False,
                          GTEST_OUTPUT=f"xml:{self.folder}/", GTEST_COLOR="no", **env)
        for case in ET.parse(junit).iter("testcase") if junit.exists() else ():
            name = case.get("name")
            details = self.folder / f"{name}_test.xml"
            if details.exists():
                self.read_junit(details, name)
            elif case.get("status") == "run":
                self.counts.passed += 1
            if case.get("status") == "fail" and not any(f.startswith(name) for f in self.counts.failed):
                self.counts.failed.append(f"{name} (see its output above)")
        if status != 0 and not self.counts.failed:
            raise StageFailed(f"ctest gave {status}")

    def gtest(self, binary: Path, filter: str):
        status = self.run(binary, f"--gtest_filter={filter}", f"--gtest_output=xml:{self.folder}/{binary.name}.xml", check=False)
        details = self.folder / f"{binary.name}.xml"
        if details.exists():
            self.read_junit(details, binary.name)
        if status != 0 and not self.counts.failed:
            raise StageFailed(f"{binary.name} gave {status}")

    def pytest(self, *arguments, **env):
        junit = self.folder / f"pytest-{len(list(self.folder.glob('pytest-*')))}.xml"
        status = self.run(sys.executable, "-m", "pytest", "-q", "-ra", "--color=no", "-p", "no:cacheprovider", "--durations=5",
                          f"--junitxml={junit}", *arguments, check=False, **env)
        if junit.exists():
            self.read_junit(junit, "")
        if status not in (0, 5) and not self.counts.failed:
            raise StageFailed(f"pytest gave {status}")

    def read_junit(self, file: Path, prefix: str):
        for case in ET.parse(file).iter("testcase"):
            name = ".".join(filter(None, (prefix, case.get("classname"), case.get("name"))))
            if case.find("failure") is not None or case.find("error") is not None:
                self.counts.failed.append(name)
            elif (skip := case.find("skipped")) is not None or case.get("result") == "skipped":
                self.counts.skipped[name] = (skip.get("message") or "").strip() if skip is not None else ""
            elif case.get("status") != "notrun":
                self.counts.passed += 1


def end_group(process: subprocess.Popen):
    """Ends what a command left behind in the process group that was made for it."""
    for sign, wait in ((signal.SIGTERM, 5), (signal.SIGKILL, 5)):
        try:
            os.killpg(process.pid, sign)
        except ProcessLookupError:
            break
        end = time.monotonic() + wait
        while time.monotonic() < end:
            process.poll()
            try:
                os.killpg(process.pid, 0)
            except ProcessLookupError:
                break
            time.sleep(0.02)
    process.poll()


# -- stages ------------------------------------------------------------------------------------------
def tidy(stage: Stage):
    stage.run(sys.executable, "tools/tidy.py")
    stage.run("./dev", "fmt", "--check")
    stage.pytest("tests/tools")
    stage.counts.passed += 2


def build(stage: Stage):
    stage.run("./dev", "build")


def unit(stage: Stage):
    stage.ctest("fast")


def histories(stage: Stage):
    """Seeds of the model checker beyond those of the unit tests, a share for each core."""
    each = (20_000 if stage.full else 2_000) // CORES
    binary = ROOT / "build/fast/src/moraine/maintenance/maintenance_test"

    def share(number: int):
        details = stage.folder / f"{number}.xml"
        status = stage.run(binary, "--gtest_filter=RandomLives.EverySnapshotReadsItsRows", f"--gtest_output=xml:{details}", check=False,
                           MORAINE_SEED=str(1_000 + number * each), MORAINE_SEEDS=str(each))
        return status, details

    with ThreadPoolExecutor(CORES) as pool:
        for status, details in pool.map(share, range(CORES)):
            if details.exists():
                stage.read_junit(details, details.stem)
            if status != 0 and not stage.counts.failed:
                raise StageFailed(f"maintenance_test gave {status}")


def stores(stage: Stage):
    for kind in ("postgresql", "mariadb"):
        try:
            server = DatabaseServer(kind).__enter__()
        except (AssertionError, OSError, RuntimeError, subprocess.SubprocessError) as problem:
            raise StageFailed(f"{kind} can't be started: {problem}") from None
        with contextlib.closing(server):
            stage.ctest("fast", "-R", "^(store|catalog|events|optimizing|maintenance|rest)$", MORAINE_TEST_STORE=server.url)
    stage.pytest("tests/e2e", "-m", "database", "--timeout=300", MORAINE_FULL=str(int(stage.full)))


def interop(stage: Stage):
    stage.pytest("tests/interop", "tests/e2e", "-m", "not kill and not database", "--timeout=120", MORAINE_FULL=str(int(stage.full)))


def drop_build(preset: str):
    """A sanitizer's build is gigabytes, and in a run of all stages nobody needs it again."""
    if CI:
        shutil.rmtree(ROOT / "build" / preset, ignore_errors=True)


def asan(stage: Stage):
    stage.run("./dev", "build", "--preset", "asan")
    stage.ctest("asan", "-L", "unit", **SANITIZER_ENV)
    drop_build("asan")


def tsan(stage: Stage):
    stage.run("./dev", "build", "--preset", "tsan")
    stage.ctest("tsan", "-L", "unit", **SANITIZER_ENV)
    drop_build("tsan")


def fuzz(stage: Stage):
    entries = sorted(file.name.removesuffix("_fuzz.cc") for file in (ROOT / "tests/fuzz").glob("*_fuzz.cc"))
    if not entries:
        return
    stage.run("./dev", "build", "--preset", "clang", *[f"fuzz_{entry}" for entry in entries])
    seconds = 300 if stage.full else 20

    def one(entry: str):
        found = stage.folder / entry
        found.mkdir()
        corpus = [folder for folder in (ROOT / "tests/fuzz/corpus" / entry,) if folder.exists()]
        return entry, stage.run(
            ROOT / "build/clang/tests/fuzz" / f"fuzz_{entry}", f"-max_total_time={seconds}", "-timeout=50", "-rss_limit_mb=2048",
            "-print_final_stats=0", "-verbosity=1", f"-artifact_prefix={found}/crash-", found, *corpus, check=False, **SANITIZER_ENV)

    with ThreadPoolExecutor(CORES) as pool:
        for entry, status in pool.map(one, entries):
            if status:
                stage.counts.failed.append(f"fuzz {entry}: its input is in {stage.folder.relative_to(ROOT)}/{entry}")
            else:
                stage.counts.passed += 1


def kill(stage: Stage):
    stage.pytest("tests/e2e", "-m", "kill", "--timeout=1200", MORAINE_FULL=str(int(stage.full)))


#: Suites of other people and requests at random, which are no engines: a stage of their own.
JUDGES = [f"tests/engines/test_{name}.py" for name in ("kit", "pyiceberg_suite", "requests_at_random")]


def install(stage: Stage, *names: str):
    for name in names:
        stage.run("tests/engines/install.sh", name, PYTHON=sys.executable)


def judges(stage: Stage):
    install(stage, "reference", "pyiceberg", "schemathesis")
    stage.pytest(*JUDGES, "--timeout=900", MORAINE_FULL=str(int(stage.full)))


def engines(stage: Stage):
    install(stage, "spark35", "spark4", "flink", "trino", "jdk")
    stage.pytest("tests/engines", *[f"--ignore={file}" for file in JUDGES], "--timeout=900", MORAINE_FULL=str(int(stage.full)))


STAGES = [
    Stage("tidy", 2, "module directions, doors, effects, links, format", tidy),
    Stage("build", 30, "the shipped tree and all tests", build),
    Stage("unit", 5, "unit, case and fault tests", unit),
    Stage("histories", 5, "thousands of random histories of tables, against a model", histories),
    Stage("stores", 20, "unit tests on PostgreSQL and MariaDB, and servers on them", stores),
    Stage("interop", 16, "PyIceberg, DuckDB and the binary as a black box", interop),
    Stage("kill", 12, "kill -9 under concurrent writers", kill),
    Stage("judges", 15, "Iceberg's compatibility kit, PyIceberg's own tests, requests at random", judges),
    Stage("engines", 30, "Spark 3.5 and 4, Flink, Trino", engines),
    Stage("asan", 40, "unit tests with address and undefined behaviour sanitizers", asan),
    Stage("tsan", 40, "unit tests of the modules with threads, thread sanitizer", tsan),
    Stage("fuzz", 25, "every parser of foreign bytes, with its corpus", fuzz),
]


# -- tests by name -----------------------------------------------------------------------------------
def by_name(name: str) -> Stage:
    def body(stage: Stage):
        stem = ROOT / "tests" / name
        files = [path for path in (stem, stem.with_suffix(".py"), stem.with_name(f"test_{stem.name}.py")) if path.exists()]
        files = files or list((ROOT / "tests").rglob(f"test_{name}.py"))
        if name.startswith("cases"):
            stage.run("./dev", "build")
            stage.ctest("fast", "-L", "unit", GTEST_FILTER="Case.*" + name.removeprefix("cases").strip("/").replace("/", "?") + "*")
        elif files:
            stage.run("./dev", "build")
            stage.pytest(*files, "--timeout=900")
        elif (ROOT / "src/moraine" / name / "CMakeLists.txt").exists():
            stage.run("./dev", "build", f"{name}_test")
            stage.ctest("fast", "-R", f"^{name}$")
        else:
            unit_tests(stage, name)
        if not stage.counts.passed and not stage.counts.failed and not stage.counts.skipped:
            raise StageFailed(f"no test has the name {name}")

    return Stage(re.sub(r"\W", "-", name), 30, f"tests named {name}", body)


def unit_tests(stage: Stage, name: str):
    sources = [s for s in (ROOT / "src/moraine").rglob("*_test.cc") if s.name.removesuffix("_test.cc") == name]
    if not sources:
        stage.run("./dev", "build")
        for binary in sorted((ROOT / "build/fast/src/moraine").glob("*/*_test")):
            stage.gtest(binary, f"*{name}*")
    for source in sources:
        module = source.relative_to(ROOT / "src/moraine").parts[0]
        suites = sorted(set(re.findall(r"^(?:TYPED_)?TEST(?:_[FP])?\((\w+),", source.read_text(), re.M)))
        stage.run("./dev", "build", f"{module}_test")
        stage.gtest(ROOT / f"build/fast/src/moraine/{module}/{module}_test", ":".join(f"{s}.*:*/{s}.*" for s in suites))


# -- the report --------------------------------------------------------------------------------------
def refuse_skips(stages: list[Stage]):
    """With CI=true: a skip without a written reason is a failure."""
    file = ROOT / "tests/allowed_skips.txt"
    lines = [line.split("#")[0].split(None, 1) for line in file.read_text().splitlines()] if file.exists() else []
    allowed = [line[0] for line in lines if len(line) == 2]
    for stage in stages:
        for name, reason in list(stage.counts.skipped.items()):
            if not any(fnmatch.fnmatchcase(name, pattern) for pattern in allowed):
                del stage.counts.skipped[name]
                stage.counts.failed.append(f"{name}: skipped ({reason}), and tests/allowed_skips.txt does not allow it")
                stage.result = "failed"


def tail(file: Path, lines: int = 120) -> str:
    return "\n".join(file.read_text(errors="replace").splitlines()[-lines:])


def report(stages: list[Stage], started: float) -> int:
    for stage in stages:
        if stage.result == "failed":
            print(f"\n---- end of {stage.log.relative_to(ROOT)}\n{tail(stage.log)}\n----")
    print(f"\n{'stage':<10} {'result':<8} {'passed':>7} {'failed':>7} {'skipped':>8} {'time':>9} {'budget':>9}")
    for stage in stages:
        counts = stage.counts
        print(f"{stage.name:<10} {stage.result or 'not run':<8} {counts.passed:>7} {len(counts.failed):>7} {len(counts.skipped):>8} "
              f"{stage.seconds:>7.1f} s {60 * stage.minutes:>7.0f} s")
    print(f"{'all':<10} {'':<8} {'':>7} {'':>7} {'':>8} {time.monotonic() - started:>7.1f} s")
    for stage in stages:
        for name in stage.counts.failed:
            print(f"FAILED {name}")
        for name, reason in stage.counts.skipped.items():
            print(f"skipped {name}: {reason}")
    passed, failed, skipped = (sum(len(c) if not isinstance(c, int) else c for c in column) for column in zip(
        *((s.counts.passed, s.counts.failed, s.counts.skipped) for s in stages)))
    print(f"\n{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or any(s.result == "failed" for s in stages) else 0


def free_gib() -> float:
    return shutil.disk_usage(ROOT).free / 2**30


def warn_of_little_disk(stages: list[Stage]):
    if stages is STAGES and free_gib() < DISK_GIB:
        print(f"warning: {free_gib():.1f} GiB of disk are free, and a whole run needs up to {DISK_GIB}: remove build/ or old inputs of"
              " benchmarks (build/bench-inputs) if a stage fails for want of space", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--full", action="store_true", help="longer: more kill rounds, longer fuzzing")
    parser.add_argument("--keep-going", action="store_true", help="run the other stages after one failed, too")
    parser.add_argument("--list", action="store_true", help="print the stages")
    options = parser.parse_args()
    if options.list:
        for stage in STAGES:
            print(f"{stage.name:<10} {stage.minutes:>4g} min  {stage.what}")
        return 0
    known = {stage.name: stage for stage in STAGES}
    stages = [known.get(name) or by_name(name) for name in options.names] or STAGES
    started = time.monotonic()
    LOGS.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    warn_of_little_disk(stages)
    for stage in stages:
        print(f"{stage.name:<10} {stage.what} ...", flush=True)
        stage.execute(options.full, started + 60 * WHOLE_MINUTES * (8 if options.full else 1))
        print(f"{'':<10} {stage.result}, {stage.seconds:.1f} s, {free_gib():.0f} GiB of disk free", flush=True)
        if stage.result == "failed" and not options.keep_going:
            break
    if CI:
        refuse_skips(stages)
    return report(stages, started)


if __name__ == "__main__":
    sys.exit(main())
