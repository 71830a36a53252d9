#!/usr/bin/env python3
"""Files in an S3 store (SeaweedFS, started here): Moraine's throughput beside what curl gets from the same store.

Large: one file of 256 MiB, written (multipart) and read (in one call, and fetched ahead in small pieces). curl puts and gets the same
bytes over one connection, and over four at once. Small: 400 files of 64 KiB by four threads; curl with four connections. curl uses
presigned URLs, so it hashes nothing; Moraine signs the SHA-256 of what it sends, as plain HTTP wants. The rounds take turns; the best of
each counts. Prints a table, then one line of JSON.
"""
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests/engines")]

from seaweed import Seaweed  # noqa: E402

MIB, SMALL, SMALL_KIB, ROUNDS, CONNECTIONS = 256, 400, 64, 3, 4


def curl(*arguments) -> float:
    begin = time.monotonic()
    subprocess.run(["curl", "-sS", "--fail", "-o", "/dev/null", *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - begin


def curl_many(folder: Path, lines: list[str]) -> float:
    """Many transfers of one curl, four connections at a time."""
    config = folder / "curl.conf"
    config.write_text("\n".join(lines) + "\n")
    begin = time.monotonic()
    subprocess.run(["curl", "-sS", "--no-progress-meter", "--fail", "-Z", "--parallel-max", str(CONNECTIONS), "-K", config], check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - begin


def raw(store: Seaweed, folder: Path, number: int) -> dict[str, float]:
    large, quarter, small = folder / "large", folder / "quarter", folder / "small"
    def put(path, file):
        return [f'url = "{store.presign("PUT", path)}"', f'upload-file = "{file}"', 'output = "/dev/null"']
    def get(path, options=()):
        return [f'url = "{store.presign("GET", path)}"', 'output = "/dev/null"', *options]
    many = [f"/bench/raw{number}/small/{i}" for i in range(SMALL)]
    quarters = [f"/bench/raw{number}/quarter{i}" for i in range(CONNECTIONS)]
    at = f"/bench/raw{number}/large"
    return {
        "write": curl("-T", large, store.presign("PUT", at)),
        "write_4": curl_many(folder, [line for path in quarters for line in put(path, quarter)]),
        "read": curl(store.presign("GET", at)),
        "read_4": curl_many(folder, [line for path in quarters for line in get(path)]),
        "small_write": curl_many(folder, [line for path in many for line in put(path, small)]),
        "small_read": curl_many(folder, [line for path in many for line in get(path)])}


def main():
    subprocess.run(["./dev", "build", "s3_speed"], cwd=ROOT, check=True)
    program = os.environ.get("MORAINE_S3_SPEED", ROOT / "build/fast/bench/s3_speed")
    best: dict[str, dict[str, float]] = {"moraine": {}, "curl": {}}
    with tempfile.TemporaryDirectory() as name, Seaweed(Path(name) / "store") as store:
        folder = Path(name)
        store.create_bucket("bench")
        (folder / "large").write_bytes(os.urandom(MIB << 20))
        (folder / "quarter").write_bytes(os.urandom((MIB << 20) // CONNECTIONS))
        (folder / "small").write_bytes(os.urandom(SMALL_KIB << 10))
        for number in range(ROUNDS):
            ran = subprocess.run([program, f"s3://bench/moraine{number}/", str(MIB), str(SMALL), str(SMALL_KIB)], env=os.environ | store.environment,
                                 check=True, capture_output=True, text=True)
            for who, seconds in (("moraine", json.loads(ran.stdout)), ("curl", raw(store, folder, number))):
                for case, value in seconds.items():
                    best[who][case] = min(value, best[who].get(case, value))
    ours, theirs = best["moraine"], best["curl"]
    speed = {"large": MIB, "small": SMALL}
    rows = [("write, 256 MiB", "large", ours["write"], theirs["write"], theirs["write_4"]),
            ("read, 256 MiB in one call", "large", ours["read"], theirs["read"], theirs["read_4"]),
            ("read, 256 MiB fetched ahead", "large", ours["read_ahead"], theirs["read"], theirs["read_4"]),
            ("write, 400 files of 64 KiB", "small", ours["small_write"], None, theirs["small_write"]),
            ("read, 400 files of 64 KiB", "small", ours["small_read"], None, theirs["small_read"])]
    figures = {}
    print(f"{'':30} {'Moraine':>14} {'curl, 1 conn.':>14} {'4 conn.':>14} {'of the better':>14}")
    for name, kind, mine, one, four in rows:
        unit = "MiB/s" if kind == "large" else "files/s"
        def text(seconds):
            return f"{speed[kind] / seconds:.0f} {unit}" if seconds else ""
        ratio = min(value for value in (one, four) if value) / mine
        print(f"{name:30} {text(mine):>14} {text(one):>14} {text(four):>14} {ratio:>13.0%}")
        figures[name] = {"moraine": text(mine)} | ({"curl, 1 connection": text(one)} if one else {}) | \
            {"curl, 4 connections": text(four), "of the better": f"{ratio:.0%}"}
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
