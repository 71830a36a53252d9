#!/usr/bin/env python3
"""Checks the rules that keep this tree in shape; prints "file:line: what" for each breach, exits 1 on any.

  edges    an #include "moraine/X/..." is allowed by src/moraine/modules.txt, which has no cycle
  private  *_internal.h stays in its folder; X/testing/ is for tests and for doubles of modules above X
  doors    a foreign library is included only by the modules that DOORS names
  effects  clocks, sleeps, randomness, threads and the environment only in base; printing only in cli
  paths    no committed file names a folder of the machine it was written on
  links    relative links in the documentation resolve, with their headings

Standard library only, well under two seconds. Run by ./dev tidy and as the ctest "tidy".
"""
import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

# Who may include what, by the longest matching prefix of the included path. A place is a module or a
# folder inside one; "tests" stands for *_test.cc, X/testing/ and tests/. An empty list: everybody.
DOORS = {
    "CLI/": ["base", "cli"],
    "arrow/": ["io", "iceberg", "mixed", "rewrite", "splice", "logstore", "terminal"],
    "arrow/filesystem/": ["io"],
    "bench/": ["bench"],
    "benchmark/": ["bench"],
    "boost/": ["net"],
    "case_runner/": ["tests"],
    "cjose/": ["server"],
    "curl/": ["net"],
    "duckdb": ["terminal/duckdb"],
    "errmsg.h": ["store"],  # MariaDB's
    "fmt/": [],
    "fuzz/": ["tests"],
    "gmock/": ["tests"],
    "gtest/": ["tests"],
    "libdeflate.h": ["base", "iceberg"],
    "libpq-fe.h": ["store"],
    "librdkafka/": ["logstore"],
    "mysql.h": ["store"],
    "mysqld_error.h": ["store"],
    "openssl/": ["net"],
    "orc/": ["iceberg/data", "rewrite"],
    "parquet/": ["iceberg/data", "rewrite", "splice"],
    "prometheus/": ["base"],
    "pulsar/": ["logstore"],
    "roaring/": ["iceberg/deletes", "iceberg/puffin"],
    "simdjson": ["base"],
    "snappy": ["base", "iceberg"],
    "soci/": ["store"],
    "spdlog/": ["base"],
    "sqlite3.h": ["store"],
    "thrift/": ["net", "catalog/hive", "compat", "terminal"],
    "xxhash.h": ["base", "iceberg"],
    "yaml-cpp/": ["base"],
    "zlib.h": ["base", "iceberg"],
    "zstd": ["base", "iceberg", "tasks", "splice", "upkeep"],  # task rows, lists of files
}
# The operating system's headers: for those who talk to the outside.
SYSTEM = re.compile(
    r"^(sys/|netinet/|arpa/|linux/|sanitizer/|(unistd|fcntl|poll|dirent|dlfcn|fnmatch|glob|netdb|pthread|pwd|sched|"
    r"signal|spawn|stdlib|string|syslog|termios|time|errno|malloc|stdio|stdint)\.h$)")
SYSTEM_PLACES = ["base", "io", "net", "store", "server", "cli", "tests", "bench"]
STANDARD = re.compile(r"^[a-z_0-9]+$|^(cxxabi|execinfo|immintrin|x86intrin)\.h$")

EFFECTS = [
    (re.compile(r"\b(system_clock|steady_clock|high_resolution_clock)::now\b"), "reads the clock: take a Clock", ["base"]),
    (re.compile(r"\b(gettimeofday|clock_gettime)\s*\("), "reads the clock: take a Clock", ["base"]),
    (re.compile(r"\b(sleep_for|sleep_until|usleep|nanosleep)\b|(?<![\w.>:])sleep\s*\("), "sleeps: wait on a Clock", ["base"]),
    (re.compile(r"\brandom_device\b|(?<![\w.>:])s?rand\s*\("), "makes randomness: take a Random", ["base"]),
    (re.compile(r"\bstd::mt19937"), "makes randomness: take a Random", ["base", "tests"]),  # a test's has a seed
    (re.compile(r"\bstd::(j?thread|async)\b(?!::)"), "starts a thread: use base/executor.h", ["base"]),
    (re.compile(r"\b(secure_)?getenv\s*\("), "reads the environment: take it from the config", ["base", "tests"]),
    (re.compile(r"\bstd::(cout|cerr|clog)\b|\b(f?printf|puts|fputs|putchar)\s*\(|\bfmt::print\b"), "prints: return text, or log", ["base", "cli"]),
]
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]')
SKIP = {"build", "bin", "lib", ".git", ".moraine", "node_modules", "__pycache__", ".pytest_cache"}


class Tidy:
    def __init__(self, root: Path):
        self.root = root
        self.problems: list[str] = []
        self.edges: dict[str, set[str]] = {}

    def problem(self, file: Path, line: int, text: str):
        self.problems.append(f"{file.relative_to(self.root)}:{line}: {text}")

    def files(self, *suffixes: str):
        for folder, folders, names in os.walk(self.root):
            folders[:] = sorted(f for f in folders if f not in SKIP)
            for name in sorted(names):
                if name.endswith(suffixes):
                    yield Path(folder, name)

    # -- modules.txt ---------------------------------------------------------------------------------
    def read_modules(self):
        file = self.root / "src/moraine/modules.txt"
        for number, line in enumerate(file.read_text().splitlines(), 1):
            line = line.split("#")[0].strip()
            if not line:
                continue
            left, colon, right = line.partition(":")
            left, names = left.strip(), right.split()
            if not colon or left in self.edges:
                self.problem(file, number, f"expected one 'module : modules' line each, got '{line}'")
                continue
            inside = left.split("/")[0] + "/" if "/" in left else ""
            self.edges[left] = {inside + name for name in names}
            if not inside:
                self.edges[left] |= {"base"}
        for left, names in self.edges.items():
            for name in names - self.edges.keys():
                self.problem(file, 1, f"{left} may include {name}, which has no line of its own")
        self.find_cycle(file)
        for folder in sorted((self.root / "src/moraine").iterdir()):
            if folder.is_dir() and folder.name not in self.edges:
                self.problem(file, 1, f"src/moraine/{folder.name} is no module: it has no line")

    def find_cycle(self, file: Path):
        done: set[str] = set()

        def visit(name: str, path: list[str]):
            if name in path:
                cycle = " -> ".join(path[path.index(name):] + [name])
                self.problem(file, 1, f"modules include each other in a circle: {cycle}")
                return
            if name not in done:
                for other in sorted(self.edges.get(name, set()) - {name}):
                    visit(other, path + [name])
                done.add(name)

        for name in sorted(self.edges):
            visit(name, [])

    # -- C++ files -----------------------------------------------------------------------------------
    def check_source(self, file: Path):
        parts = file.relative_to(self.root).parts
        place = Place(parts)
        text = file.read_text(errors="replace")
        for number, line in enumerate(text.splitlines(), 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            if match[2].startswith("moraine/"):
                self.check_own_include(file, number, place, match[2])
            else:
                self.check_foreign_include(file, number, place, match[2])
        for number, line in enumerate(blank_comments_and_strings(text).splitlines(), 1):
            self.check_effects(file, number, place, line)

    def check_own_include(self, file: Path, number: int, place: "Place", included: str):
        target = included.split("/")[1:]  # module, folders..., file
        module = target[0]
        if target[-1].endswith("_internal.h") and list(place.folders) != target[:-1]:
            self.problem(file, number, f"{included} is private to {'/'.join(target[:-1])}/")
        if "testing" in target[:-1] and not place.is_test:
            self.problem(file, number, f"{included} is for tests only")
        if not place.module:  # tests/ and bench/ stand above all modules
            return
        if place.module == "main":
            allowed = {"cli"}
        else:
            allowed = self.edges.get(place.module, set()) | {place.module, "base"}
        if module not in allowed:
            self.problem(file, number, f"{place.module} may not include {module} (modules.txt)")
        elif module == place.module and place.folder and len(target) > 2:
            here, there = f"{module}/{place.folder}", f"{module}/{target[1]}"
            if here in self.edges and there in self.edges and here != there and there not in self.edges[here]:
                if not (place.is_test and target[1] == "testing"):
                    self.problem(file, number, f"{here} may not include {there} (modules.txt)")

    def check_foreign_include(self, file: Path, number: int, place: "Place", included: str):
        prefix = max((p for p in DOORS if included.startswith(p)), key=len, default=None)
        if prefix is None:
            if STANDARD.match(included):
                return
            if not SYSTEM.match(included):
                self.problem(file, number, f"<{included}> has no door: name its modules in tools/tidy.py")
            elif not place.is_one_of(SYSTEM_PLACES):
                self.problem(file, number, f"<{included}> is for {', '.join(SYSTEM_PLACES)}")
        elif DOORS[prefix] and not place.is_one_of(DOORS[prefix]):
            self.problem(file, number, f"<{included}> may be included by {', '.join(DOORS[prefix])} only")

    def check_effects(self, file: Path, number: int, place: "Place", line: str):
        for pattern, what, places in EFFECTS:
            # tests/ and bench/ stand outside: they may do all but sleep.
            forbidden = not place.is_one_of(places) if place.module else "sleeps" in what
            if forbidden and pattern.search(line):
                self.problem(file, number, what)

    # -- everything else -----------------------------------------------------------------------------
    def check_machine_paths(self):
        pattern = re.compile(r"(?<![\w.])/(" + "wo" + "rk|ro" + r"ot|home/\w+)/")
        listed = subprocess.run(["git", "-C", self.root, "ls-files", "-z"], capture_output=True)
        names = listed.stdout.decode().split("\0")[:-1] if listed.returncode == 0 else []
        for file in [self.root / name for name in names] or list(self.files("")):
            if not file.is_file() or file.is_symlink() or file.stat().st_size > 1 << 20:
                continue
            data = file.read_bytes()
            if b"\0" in data:
                continue
            for number, line in enumerate(data.decode(errors="replace").splitlines(), 1):
                if pattern.search(line):
                    self.problem(file, number, f"names a folder of one machine: {pattern.search(line)[0]}")

    def check_links(self):
        for file in self.files(".md"):
            fenced = False
            for number, line in enumerate(file.read_text().splitlines(), 1):
                fenced ^= line.lstrip().startswith("```")
                if fenced:
                    continue
                for link in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`]*`", "", line)):
                    if not re.match(r"[a-z]+:", link):
                        self.check_link(file, number, link)

    def check_link(self, file: Path, number: int, link: str):
        path, _, heading = link.partition("#")
        target = (file.parent / path).resolve() if path else file
        if not target.exists():
            self.problem(file, number, f"link to nothing: {link}")
        elif heading and target.suffix == ".md" and heading not in headings(target):
            self.problem(file, number, f"no such heading: {link}")

    def run(self) -> list[str]:
        self.read_modules()
        for file in self.files(".h", ".cc"):
            if file.relative_to(self.root).parts[0] in ("src", "tests", "bench"):
                self.check_source(file)
        self.check_machine_paths()
        self.check_links()
        return self.problems


class Place:
    """Where a file stands: src/moraine/MODULE/FOLDER/..., or tests/ or bench/."""

    def __init__(self, parts: tuple[str, ...]):
        self.folders = parts[2:-1] if parts[:2] == ("src", "moraine") else ()
        self.top = parts[0]
        self.module = (self.folders[0] if self.folders else "main") if self.top == "src" else None
        self.folder = self.folders[1] if len(self.folders) > 1 else None
        self.is_test = self.top in ("tests", "bench") or "testing" in self.folders or parts[-1].endswith(("_test.cc", "_bench.cc"))
        self.is_bench = self.top == "bench" or parts[-1].endswith("_bench.cc")

    def is_one_of(self, places: list[str]) -> bool:
        path = "/".join(self.folders) + "/"
        return any(
            (place == "tests" and self.is_test)
            or (place == "bench" and self.is_bench)
            or (place not in ("tests", "bench") and (path.startswith(place + "/") or self.top in ("tests", "bench")))
            for place in places)


def blank_comments_and_strings(text: str) -> str:
    """The same lines, with comments and literals emptied."""
    pattern = re.compile(
        r'//[^\n]*|/\*.*?\*/|R"([^(\s]*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|(?<![0-9a-fA-F])\'(?:\\.|[^\'\\\n])+\'', re.S)
    return pattern.sub(lambda m: "\n" * m[0].count("\n"), text)


def headings(file: Path) -> set[str]:
    found, fenced = set(), False
    for line in file.read_text().splitlines():
        fenced ^= line.lstrip().startswith("```")
        if not fenced and line.startswith("#"):
            text = re.sub(r"[^\w\s-]", "", line.lstrip("#").strip().lower())
            found.add(re.sub(r"\s", "-", text))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parent.parent)
    problems = Tidy(parser.parse_args().root.resolve()).run()
    print("\n".join(problems) if problems else "tidy: all rules hold")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
