"""Random tables of pyarrow and DuckDB, with changed schemas and deletes, are rewritten, and readers that no one here wrote find
what must be there (rewrite_judge.py). A seed is a table:

  tests/interop/test_random_rewrites.py --first 1000 --seeds 500     a campaign; prints what is wrong and goes on
  tests/interop/test_random_rewrites.py --first 1234 --keep /tmp/x   one table, its files kept
"""
import argparse
import datetime
import json
import random
import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from interop import rewrite_judge  # noqa: E402
from interop.random_tables import Table, random_table  # noqa: E402

FIXED_SEEDS = range(100)


def rewrite(rng: random.Random, table: Table, flags: tuple = ()) -> list[str]:
    flags = (*flags, "--threads", str(rng.choice([1, 2])), "--memory-mib", str(rng.choice([64, 512])))
    done = rewrite_judge.run_rewrite(table.folder, table.task(), *flags)
    if "splice" in flags and done.stderr.startswith("Unsupported: "):
        return []
    if done.returncode != 0:
        return [f"the rewrite gave {done.returncode}: {done.stderr.strip()}"]
    return rewrite_judge.judge(rng, table, json.loads(done.stdout))


def problems_of(seed: int, folder: Path, flags: tuple = ()) -> list[str]:
    rng = random.Random(seed)
    table = random_table(rng, folder)
    (folder / "table.txt").write_text(table.words() + "\n")
    problems = rewrite(rng, table, flags)
    if problems:
        problems += [f"again: tests/interop/test_random_rewrites.py --first {seed} {' '.join(flags)}", *table.words().splitlines()]
    return problems


def pytest_generate_tests(metafunc):
    metafunc.parametrize("seed", [*FIXED_SEEDS, datetime.date.today().toordinal()], ids=lambda seed: f"seed{seed}")


def test_a_random_table(tmp_path, seed):
    problems = problems_of(seed, tmp_path)
    assert not problems, "\n".join(problems)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="a folder for the files; those of a table without fault go")
    parser.add_argument("--way", help="a flag of run_rewrite")
    arguments = parser.parse_args()
    failed, start, copied = [], time.monotonic(), 0
    flags = ("--way", arguments.way) if arguments.way else ()
    for seed in range(arguments.first, arguments.first + arguments.seeds):
        parent = arguments.keep or Path(tempfile.gettempdir())
        parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f"seed{seed}-", dir=parent))
        try:
            problems = problems_of(seed, folder, flags)
        except Exception:
            problems = traceback.format_exc().splitlines()[-14:]
        copied += any(b"(build splice)" in file.read_bytes()[-100_000:] for file in folder.glob("out/*.parquet"))
        if problems:
            failed.append(seed)
            print(f"seed {seed}", *(line[:600] for line in problems), sep="\n  ", flush=True)
        if not problems and arguments.seeds > 1 or not arguments.keep:
            shutil.rmtree(folder)
        else:
            print(f"  files: {folder}")
    print(f"{len(failed)} of {arguments.seeds} tables failed in {time.monotonic() - start:.0f} s, {copied} had pages copied: {failed}")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
