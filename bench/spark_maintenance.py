"""One procedure of Spark 3.5 with Iceberg in a JVM of its own, for bench_maintenance.py.

  spark_maintenance.py JSON     with the members jars (folders), settings (of Spark), warm (statements that are run before), and one of
                                statement (that is measured) or orphans (a table: its orphans are removed, however young they are)

Prints one line of JSON: seconds, CPU seconds and the JVM's peak of memory, and what came out. The start of the session and what `warm`
does are not in the seconds, but in the peak.
"""
import json
import os
import sys
import time
from pathlib import Path


def start(request: dict):
    sys.path.insert(0, f"{request['jars'][0]}/python")
    from pyspark.sql import SparkSession

    os.environ |= {"SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable}
    jars = [jar for folder in request["jars"] for jar in sorted(Path(folder, "jars").glob("*.jar"))]
    builder = SparkSession.builder.master("local[2]").appName("moraine-bench")
    for name, value in request["settings"].items():
        builder = builder.config(name, value)
    session = builder.config("spark.jars", ",".join(map(str, jars))).getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    return session


class Usage:
    def __init__(self, process: int):
        self.process = process

    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.process}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def peak_mib(self) -> int:
        return int(Path(f"/proc/{self.process}/status").read_text().split("VmHWM:")[1].split()[0]) // 1024


def remove_orphans(session, table: str) -> list:
    """The procedure takes no limit younger than a day; the action does."""
    java, jsession = session._jvm, session._jsparkSession
    loaded = java.org.apache.iceberg.spark.Spark3Util.loadIcebergTable(jsession, table)
    action = java.org.apache.iceberg.spark.actions.SparkActions.get(jsession).deleteOrphanFiles(loaded)
    result = action.olderThan(int(time.time() * 1000) + 60_000).usePrefixListing(True).execute()
    return result.orphanFileLocations()


def main():
    request = json.loads(sys.argv[1])
    session = start(request)
    usage = Usage(session.sparkContext._gateway.proc.pid)
    for statement in request.get("warm", ()):
        session.sql(statement).collect()
    cpu, begin = usage.cpu_seconds(), time.monotonic()
    if "orphans" in request:
        out = remove_orphans(session, request["orphans"])
        run = {"wall_s": time.monotonic() - begin, "cpu_s": usage.cpu_seconds() - cpu, "rows": [[row] for row in out]}
    else:
        frame = session.sql(request["statement"])  # a call is done when it returns
        run = {"wall_s": time.monotonic() - begin, "cpu_s": usage.cpu_seconds() - cpu, "rows": [list(row) for row in frame.collect()]}
    print(json.dumps(run | {"peak_mib": usage.peak_mib()}), flush=True)


if __name__ == "__main__":
    main()
