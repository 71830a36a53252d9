#!/usr/bin/env python3
"""Starts a server and shows it a stream: PyIceberg appends TPC-H lineitem in many small commits, and the server
puts the table in order by itself. The server goes on until Ctrl-C.

Optimizing of the demo's table is held back while the stream runs, so that there is a "before" to measure.
"""
import argparse
import json
import signal
import subprocess
import sys
import time
import urllib.parse
import urllib.request
import warnings
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))
warnings.filterwarnings("ignore")

import duckdb  # noqa: E402
from interop import duck  # noqa: E402
from pyiceberg.catalog.rest import RestCatalog  # noqa: E402

TABLE = "demo.lineitem"
QUERY = """SELECT l_returnflag, l_linestatus, sum(l_quantity), sum(l_extendedprice * (1 - l_discount)), avg(l_discount), count(*)
           FROM {table} WHERE l_shipdate <= DATE '1998-09-02' GROUP BY ALL ORDER BY ALL"""
WAIT_SECONDS = 900


def say(text: str = ""):
    print(text, flush=True)


class Line:
    """One line that is written over and over on a terminal, and now and then elsewhere."""

    def __init__(self):
        self.is_terminal = sys.stdout.isatty()
        self.last = 0.0

    def show(self, text: str, done: bool = False):
        now = time.monotonic()
        if self.is_terminal:
            print("\r\x1b[K" + text, end="\n" if done else "", flush=True)
        elif done or now - self.last > 5:
            self.last = now
            say(text)


def bar(part: float, width: int = 30) -> str:
    full = round(width * min(max(part, 0), 1))
    return "[" + "#" * full + "." * (width - full) + "]"


def size(count: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024 or unit == "GiB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024


class Server:
    def __init__(self, options):
        self.folder = options.folder.resolve()
        self.url = f"http://{options.listen}"
        (self.folder / "warehouse").mkdir(parents=True, exist_ok=True)
        self.log = self.folder / "server.log"
        self.command = [ROOT / "bin/moraine", "server", "--listen", options.listen, "--store", f"sqlite:///{self.folder}/moraine.db",
                        "--warehouse", f"file://{self.folder}/warehouse"]

    def start(self):
        begin = time.monotonic()
        with self.log.open("ab") as log:
            # A group of its own: Ctrl-C reaches this script only, which then stops the server in order.
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        while True:
            try:
                with urllib.request.urlopen(self.url + "/health", timeout=2):
                    pass
                if self.process.poll() is None:
                    return time.monotonic() - begin
            except OSError:
                pass
            if self.process.poll() is not None:
                tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-5:])
                raise SystemExit(f"moraine: the server did not start:\n{tail}")
            time.sleep(0.01)

    def get(self, path: str) -> dict:
        with urllib.request.urlopen(self.url + path, timeout=30) as answer:
            return json.load(answer)

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return self.process.returncode


@dataclass
class Measure:
    files: int
    bytes: int
    manifests: int
    seconds: float
    rows: int
    checksum: int


def measure(server: Server, catalog: RestCatalog) -> Measure:
    table = catalog.load_table(TABLE)
    files = [task.file for task in table.scan().plan_files()]
    manifests = len(table.current_snapshot().manifests(table.io))
    with duck.attach(server.url + "/iceberg") as connection:
        columns = ", ".join(field.name for field in table.schema().fields)
        rows, checksum = connection.execute(f"SELECT count(*), sum(hash({columns})::HUGEINT) FROM ice.{TABLE}").fetchone()
        best = 1e9
        for _ in range(3):
            begin = time.monotonic()
            connection.execute(QUERY.format(table=f"ice.{TABLE}")).fetchall()
            best = min(best, time.monotonic() - begin)
    return Measure(len(files), sum(file.file_size_in_bytes for file in files), manifests, best, rows, int(checksum or 0))


def stream(catalog: RestCatalog, appends: int, scale: float):
    """Appends lineitem in equal parts, one commit each."""
    line = Line()
    with duckdb.connect() as connection:
        duck.load_extension(connection, "tpch")
        line.show(f"  making lineitem at scale {scale:g} ...")
        connection.execute(f"CALL dbgen(sf = {scale})")
        total = connection.execute("SELECT count(*) FROM lineitem").fetchone()[0]
        batch = -(-total // appends)
        connection.execute("SET preserve_insertion_order = true")
        reader = connection.execute("SELECT * FROM lineitem").to_arrow_reader(batch)
        import pyarrow as pa

        catalog.create_namespace_if_not_exists("demo")
        if catalog.table_exists(TABLE):
            catalog.purge_table(TABLE)
        table = catalog.create_table(TABLE, reader.schema, properties={"self-optimizing.enabled": "false"})
        begin, done, rows, waiting = time.monotonic(), 0, 0, []
        for piece in reader:
            waiting.append(piece)
            while sum(part.num_rows for part in waiting) >= batch or (waiting and rows + sum(p.num_rows for p in waiting) == total):
                whole = pa.Table.from_batches(waiting)
                table.append(whole.slice(0, batch))
                waiting = whole.slice(batch).to_batches()
                done, rows = done + 1, rows + min(batch, whole.num_rows)
                rate = done / (time.monotonic() - begin)
                line.show(f"  {bar(rows / total)} {done:>4} commits, {rows / 1e6:.2f} M rows, {rate:.1f} commits a second")
        line.show(f"  {bar(1)} {done:>4} commits, {rows / 1e6:.2f} M rows in {time.monotonic() - begin:.0f} s", done=True)
    return table


def watch(server: Server, table_id: int, begin: float):
    """Shows processes of the table until nothing is left to do."""
    line = Line()
    path = f"/api/v1/warehouses/default/namespaces/demo/tables/{TABLE.split('.')[1]}"
    end = time.monotonic() + WAIT_SECONDS
    calm, finished = 0, []
    while time.monotonic() < end and calm < 5:
        state = server.get(path)
        processes = server.get(f"/api/v1/processes?table-id={table_id}")["processes"]
        running = [p for p in processes if p["state"] in ("running", "committing")]
        finished = [p for p in processes if p["state"] not in ("running", "committing")]
        if running:
            calm = 0
            process = running[0]
            progress = server.get(f"/api/v1/processes/{process['process-id']}")["progress"]
            part = progress["bytes-read"] / max(process["input-bytes"], 1)
            line.show(f"  {bar(part)} {process['type']}: {process['input-files']} files, {size(process['input-bytes'])} in "
                      f"{process['tasks']} tasks, {progress['succeeded']} done ({time.monotonic() - begin:.0f} s)")
        else:
            calm = calm + 1 if finished and state["status"] == "idle" else 0
            line.show(f"  {bar(0)} {state['status']}: {state['reason']} ({time.monotonic() - begin:.0f} s)")
        time.sleep(0.2)
    for process in sorted(finished, key=lambda p: p["created-ms"]):
        took = (process["finished-ms"] - process["created-ms"]) / 1000
        line.show(f"  {process['type']} ({process['reason']}): {process['input-files']} files of {size(process['input-bytes'])} became "
                  f"{process['output-files']} of {size(process['output-bytes'])} in {took:.1f} s: {process['state']} {process['error']}", done=True)
    return any(p["state"] == "succeeded" for p in finished) and calm >= 5


def report(before: Measure, after: Measure):
    rows = [("data files", f"{before.files:,}", f"{after.files:,}"), ("bytes", size(before.bytes), size(after.bytes)),
            ("mean file size", size(before.bytes / max(before.files, 1)), size(after.bytes / max(after.files, 1))),
            ("manifests", f"{before.manifests:,}", f"{after.manifests:,}"),
            ("TPC-H Q1 in DuckDB", f"{before.seconds:.2f} s", f"{after.seconds:.2f} s"), ("rows", f"{before.rows:,}", f"{after.rows:,}"),
            ("checksum of all rows", f"{before.checksum % 2**64:016x}", f"{after.checksum % 2**64:016x}")]
    say(f"\n  {'':<22} {'before':>18} {'after':>18}")
    for name, one, two in rows:
        say(f"  {name:<22} {one:>18} {two:>18}")
    same = (before.rows, before.checksum) == (after.rows, after.checksum)
    say(f"\n  {'The rows are the same.' if same else 'THE ROWS DIFFER: this is a bug.'}")
    return same


def demo(server: Server, options) -> bool:
    catalog = RestCatalog("moraine", uri=server.url + "/iceberg", warehouse="default")
    say(f"\n1. A stream: PyIceberg appends TPC-H lineitem to {TABLE} in {options.appends} commits (optimizing is held back until it ends)")
    table = stream(catalog, options.appends, options.scale)
    say("\n2. What it left behind")
    before = measure(server, catalog)
    say(f"  {before.files} files of {size(before.bytes / before.files)} on average, {before.manifests} manifests; Q1 takes {before.seconds:.2f} s")
    say("\n3. Optimizing is let go: the server notices by itself")
    begin = time.monotonic()
    with table.transaction() as transaction:
        transaction.remove_properties("self-optimizing.enabled")
    table_id = server.get("/api/v1/warehouses/default/namespaces/demo/tables/" + urllib.parse.quote(TABLE.split(".")[1]))["id"]
    settled = watch(server, table_id, begin)
    say("\n4. Before and after")
    same = report(before, measure(server, catalog))
    if not settled:
        say(f"  The table did not settle within {WAIT_SECONDS} s; the log is {server.log}")
    return same and settled


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev run", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--listen", default="127.0.0.1:1630", metavar="HOST:PORT")
    parser.add_argument("--folder", type=Path, default=ROOT / ".moraine", help="where store, warehouse and log are kept (default .moraine)")
    parser.add_argument("--appends", type=int, default=300, help="commits of the stream")
    parser.add_argument("--scale", type=float, default=1, help="scale factor of TPC-H; 1 is 6 million rows")
    parser.add_argument("--no-demo", action="store_true", help="only the server")
    parser.add_argument("--exit", action="store_true", help="stop after the demo")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    server = Server(options)
    say(f"moraine: serving after {server.start() * 1000:.0f} ms on {server.url}, log in {server.log}")
    good = True
    try:
        if not options.no_demo:
            good = demo(server, options)
        say(f"""
Moraine serves on. Engines connect to
  {server.url}/iceberg         Iceberg REST catalog, warehouse 'default'
  {server.url}/metrics         for Prometheus
  {server.url}/api/v1/tables   tables and their health
Try next
  bin/moraine table list
  bin/moraine table health {TABLE}
  bin/moraine process list
Ctrl-C stops the server.""")
        while not options.exit and server.process.poll() is None:
            time.sleep(0.2)
        if server.process.poll() is not None:
            say(f"moraine: the server ended by itself with {server.process.returncode}; its log is {server.log}")
            good = False
    except KeyboardInterrupt:
        say()
    finally:
        status = server.stop()
        say(f"moraine: stopped ({'cleanly' if status == 0 else f'exit code {status}'})")
    return 0 if good and status == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
