#!/usr/bin/env python3
"""Starts a server and shows what it does to a table that a stream has written.

  ./dev run                         TPC-H lineitem, 6 M rows in 300 appends; the server goes on until Ctrl-C
  ./dev run --scale 0.1             a tenth of the rows
  ./dev run --listen 127.0.0.1:1700 another port
  ./dev run --exit                  stop the server at the end
"""
import argparse
import json
import os
import shutil
import signal
import site
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import duckdb
from pyiceberg.catalog.rest import RestCatalog

ROOT = Path(__file__).resolve().parent.parent
TERMINAL = sys.stdout.isatty()
TABLE = "demo.lineitem"
QUERY = """SELECT l_returnflag, l_linestatus, sum(l_quantity), sum(l_extendedprice * (1 - l_discount)), count(*)
           FROM moraine.demo.lineitem WHERE l_shipdate <= DATE '1998-09-02' GROUP BY ALL ORDER BY ALL"""


def say(text: str = ""):
    print(text, flush=True)


class Bar:
    """A progress bar redrawn in place on a terminal, a line now and then elsewhere."""

    def __init__(self, title: str):
        self.title = title
        self.start = time.monotonic()
        self.printed = 0.0

    def show(self, part: float, note: str, last: bool = False):
        part = min(max(part, 0.0), 1.0)
        now = time.monotonic()
        line = f"{self.title:<12} [{'#' * int(part * 30):<30}] {part * 100:3.0f} %  {note}  {now - self.start:.0f} s"
        if TERMINAL:
            print(f"\r\033[K{line}", end="\n" if last else "", flush=True)
        elif last or now - self.printed > 10:
            self.printed = now
            say(line)


class Server:
    def __init__(self, binary: Path, folder: Path, listen: str, threads: int):
        self.url = f"http://{listen}"
        self.log = folder / "server.log"
        folder.mkdir(parents=True, exist_ok=True)
        command = [binary, "server", "--listen", listen, "--store", f"sqlite:///{folder / 'moraine.db'}",
                   "--warehouse", f"file://{folder / 'warehouse'}", "--optimizer-threads", str(threads)]
        with self.log.open("wb") as log:
            # A process group of its own: Ctrl-C is for this program, which then stops the server.
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        end = time.monotonic() + 30
        while not self.healthy():
            if self.process.poll() is not None or time.monotonic() > end:
                self.stop()
                raise SystemExit(f"moraine server did not start on {listen}:\n{self.log.read_text().strip()}\n"
                                 "If another server uses the port: ./dev run --listen 127.0.0.1:PORT")
            time.sleep(0.05)

    def healthy(self) -> bool:
        try:
            return urllib.request.urlopen(self.url + "/health", timeout=2).status == 200
        except (urllib.error.URLError, OSError):
            return False

    def get(self, path: str):
        with urllib.request.urlopen(self.url + "/api/v1" + path, timeout=30) as answer:
            return json.load(answer)

    def table(self):
        return self.get("/warehouses/default/namespaces/demo/tables/lineitem")

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def load_extension(connection, name: str):
    for folder in site.getsitepackages():
        file = Path(folder, f"duckdb_extension_{name}", "extensions", f"v{duckdb.__version__}", f"{name}.duckdb_extension")
        if file.exists():
            connection.execute(f"LOAD '{file}'")
            return
    raise SystemExit(f"DuckDB's extension {name} is missing: run ./dev setup")


def attach(server: Server):
    connection = duckdb.connect()
    for name in ("avro", "httpfs", "iceberg"):
        load_extension(connection, name)
    connection.execute(f"ATTACH 'default' AS moraine (TYPE iceberg, ENDPOINT '{server.url}/iceberg', AUTHORIZATION_TYPE 'none')")
    return connection


def stream(server: Server, scale: float, appends: int):
    """Writes lineitem as a stream would: many small appends, in the order in which rows come."""
    source = duckdb.connect()
    load_extension(source, "tpch")
    say(f"Making TPC-H lineitem, scale {scale:g} ...")
    source.execute(f"CALL dbgen(sf={scale})")
    rows = source.execute("SELECT count(*) FROM lineitem").fetchone()[0]
    batch = -(-rows // appends)
    reader = source.execute("SELECT * FROM lineitem").to_arrow_reader(batch)
    catalog = RestCatalog("moraine", uri=server.url + "/iceberg", warehouse="default")
    catalog.create_namespace_if_not_exists("demo")
    # Off while the stream writes, so that the harm can be measured before it is healed.
    table = catalog.create_table(TABLE, reader.schema, properties={"self-optimizing.enabled": "false"})
    bar = Bar("writing")
    import pyarrow as pa
    written = 0
    waiting = []
    done = 0
    for piece in reader:
        waiting.append(piece)
        have = sum(p.num_rows for p in waiting)
        while have >= batch or (waiting and written + have == rows):
            chunk = pa.Table.from_batches(waiting)
            take = chunk.slice(0, batch)
            rest = chunk.slice(batch)
            waiting = rest.to_batches() if rest.num_rows else []
            have = rest.num_rows
            table.append(take)
            written += take.num_rows
            done += 1
            bar.show(written / rows, f"{done} appends by PyIceberg, {written:,} rows")
    bar.show(1, f"{done} appends by PyIceberg, {written:,} rows", last=True)
    return catalog


def measure(server: Server, catalog: RestCatalog) -> dict:
    table = catalog.load_table(TABLE)
    summary = table.current_snapshot().summary
    files = int(summary["total-data-files"])
    size = int(summary["total-files-size"])
    times = []
    for _ in range(2):
        connection = attach(server)
        start = time.monotonic()
        connection.execute(QUERY).fetchall()
        times.append(time.monotonic() - start)
    columns = ", ".join(field.name for field in table.schema().fields)
    count, checksum = attach(server).execute(
        f"SELECT count(*), sum(hash({columns})::HUGEINT) FROM moraine.demo.lineitem").fetchone()
    return {"data files": files, "bytes": size, "mean file size": size / max(files, 1),
            "manifests": len(table.inspect.manifests()), "DuckDB query": min(times), "rows": count, "checksum": checksum}


def watch(server: Server, catalog: RestCatalog, limit: float = 900):
    """Switches optimizing on and shows what the server makes of it, until it has nothing left to do."""
    with catalog.load_table(TABLE).transaction() as change:
        change.set_properties({"self-optimizing.enabled": "true"})
    bar = Bar("optimizing")
    end = time.monotonic() + limit
    seen = None
    while time.monotonic() < end:
        processes = server.get("/processes?limit=1")["processes"]
        if processes:
            process = server.get(f"/processes/{processes[0]['process-id']}")
            progress = process["progress"]
            tasks = f"{process['type']}, task {progress['succeeded']} of {process['tasks']}"
            if seen != process["process-id"]:
                seen = process["process-id"]
                if TERMINAL:
                    print("\r\033[K", end="")
                say(f"The server noticed: {process['reason']}.")
            if process["state"] in ("failed", "cancelled"):
                raise SystemExit(f"optimizing ended as {process['state']}: {process['error']}")
            part = progress["bytes-read"] / max(process["input-bytes"], 1) if process["state"] == "running" else 1
            bar.show(part, f"{tasks}, {process['input-bytes'] / 2**20:.0f} MiB")
            if process["state"] == "succeeded":
                status = server.table()
                if status["status"] == "idle" and status["refreshed-ms"] > process["finished-ms"]:
                    bar.show(1, f"{process['input-files']} files became {process['output-files']}", last=True)
                    return
        else:
            bar.show(0, server.table()["status"])
        time.sleep(0.1)
    raise SystemExit(f"not optimized within {limit:.0f} s; the server's log: {server.log}")


def report(before: dict, after: dict):
    mib = lambda value: f"{value / 2**20:,.2f} MiB"
    forms = {"data files": "{:,}".format, "bytes": mib, "mean file size": mib, "manifests": "{:,}".format,
             "DuckDB query": "{:.2f} s".format}
    say(f"\n{'':<16}{'before':>14}{'after':>14}")
    for name, form in forms.items():
        say(f"{name:<16}{form(before[name]):>14}{form(after[name]):>14}")
    same = before["rows"] == after["rows"] and before["checksum"] == after["checksum"]
    say(f"\nThe rows are {'the same' if same else 'NOT THE SAME'}: {after['rows']:,} rows, checksum {after['checksum']}"
        + ("" if same else f" (before: {before['rows']:,}, {before['checksum']})"))
    if not same:
        raise SystemExit(1)


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev run", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=1, help="TPC-H scale factor (default 1: 6 M rows)")
    parser.add_argument("--appends", type=int, default=300, help="commits that the stream makes (default 300)")
    parser.add_argument("--listen", default="127.0.0.1:1630", metavar="HOST:PORT")
    parser.add_argument("--optimizer-threads", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=ROOT / ".moraine" / "demo", help="where the demo keeps its files (made anew)")
    parser.add_argument("--exit", action="store_true", help="stop the server at the end instead of waiting for Ctrl-C")
    options = parser.parse_args()
    binary = Path(os.environ.get("MORAINE_BINARY", ROOT / "bin" / "moraine"))
    shutil.rmtree(options.folder, ignore_errors=True)
    server = Server(binary, options.folder.resolve(), options.listen, options.optimizer_threads)
    try:
        say(f"moraine server is up: {server.url}  (log: {server.log})\n")
        catalog = stream(server, options.scale, options.appends)
        before = measure(server, catalog)
        watch(server, catalog)
        report(before, measure(server, catalog))
        say(f"""
Catalog for engines   {server.url}/iceberg   (warehouse: default)
Management API        {server.url}/api/v1    (description: /api/v1/openapi.json)
Metrics               {server.url}/metrics

Try next:
  bin/moraine table health demo.lineitem --server {server.url}
  bin/moraine table snapshots demo.lineitem --server {server.url}
  bin/moraine process list --server {server.url}
""")
        if not options.exit:
            say("The server goes on. Ctrl-C stops it.")
            server.process.wait()
            say(f"The server has ended by itself; its log: {server.log}")
            return 1
        return 0
    except KeyboardInterrupt:
        say("\nStopping the server ...")
        return 0
    finally:
        server.stop()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
