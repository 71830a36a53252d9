"""Spark 3.5 with the Iceberg runtime, for bench_rewrite.py: `rewrite_data_files` of a table in a Hadoop catalog, files by Spark, queries."""
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIMIT_SECONDS = 150


class Spark:
    """One session on this many threads. It writes a file with one thread, so files of target_bytes decide how many work."""

    def __init__(self, warehouse: Path, threads: int):
        self.warehouse = warehouse
        installed = subprocess.run([ROOT / "tests/engines/install.sh"], env=os.environ | {"PYTHON": sys.executable}, check=True, stdout=subprocess.PIPE, text=True)
        folder = Path(installed.stdout.strip())
        sys.path.insert(0, str(folder / "python"))
        from pyspark.sql import SparkSession

        os.environ |= {"SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable}
        catalog = "spark.sql.catalog.ice"
        settings = {
            "spark.driver.memory": "3g", "spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.extraJavaOptions": f"-Dderby.system.home={warehouse}", "spark.ui.enabled": "false",
            "spark.ui.showConsoleProgress": "false", "spark.local.dir": str(warehouse), "spark.sql.warehouse.dir": str(warehouse / "spark"),
            "spark.jars": ",".join(map(str, sorted((folder / "jars").glob("*.jar")))), "spark.sql.session.timeZone": "UTC",
            "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
            # A task for each file that is read.
            "spark.sql.files.openCostInBytes": str(1 << 30), "spark.sql.files.maxPartitionBytes": str(1 << 30),
            catalog: "org.apache.iceberg.spark.SparkCatalog", f"{catalog}.type": "hadoop", f"{catalog}.warehouse": str(warehouse),
            f"{catalog}.cache-enabled": "false"}
        builder = SparkSession.builder.master(f"local[{threads}]").appName("moraine-bench")
        for name, value in settings.items():
            builder = builder.config(name, value)
        self.session = builder.getOrCreate()
        self.session.sparkContext.setLogLevel("ERROR")
        self.java = self.session.sparkContext._gateway.proc.pid

    def stop(self):
        self.session.stop()

    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.java}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def peak_mib(self) -> int:
        status = Path(f"/proc/{self.java}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) // 1024

    def write_like(self, source: Path, folder: Path):
        """The same rows in as many files, by Spark's Iceberg writer, in folder."""
        self.session.read.parquet(str(source)).createOrReplaceTempView("source")
        self.session.sql("CREATE TABLE ice.db.written USING iceberg TBLPROPERTIES ('write.distribution-mode' = 'none') AS SELECT * FROM source")
        paths = [row[0] for row in self.session.sql("SELECT file_path FROM ice.db.written.files").collect()]
        for i, path in enumerate(sorted(paths)):
            os.link(path.removeprefix("file:"), folder / f"{i:04}.parquet")
        self.session.sql("DROP TABLE ice.db.written PURGE")

    def rewrite(self, table: str, target_bytes: int, strategy: str = "") -> dict:
        """Rewrites all files of the table, then goes back to the snapshot before. Over the limit it is stopped, and has no rows.
        The new files stay and are named."""
        snapshot = self.session.sql(f"SELECT snapshot_id FROM ice.{table}.refs WHERE name = 'main'").collect()[0][0]
        cpu, start = self.cpu_seconds(), time.monotonic()
        stop = threading.Timer(LIMIT_SECONDS, self.session.sparkContext.cancelAllJobs)
        stop.start()
        try:
            self.session.sql(
                f"CALL ice.system.rewrite_data_files(table => '{table}', {strategy} options => map('rewrite-all', 'true', "
                f"'target-file-size-bytes', '{target_bytes}', 'max-file-group-size-bytes', '{1 << 40}'))").collect()
        except Exception:
            if time.monotonic() - start < LIMIT_SECONDS:
                raise
        finally:
            stop.cancel()
        run = {"wall_s": time.monotonic() - start, "cpu_s": self.cpu_seconds() - cpu, "peak_mib": self.peak_mib()}
        if run["wall_s"] >= LIMIT_SECONDS:
            return run | {"stopped": 1}
        files = self.session.sql(f"SELECT file_path, record_count, file_size_in_bytes FROM ice.{table}.data_files").collect()
        self.session.sql(f"CALL ice.system.rollback_to_snapshot('{table}', {snapshot})").collect()
        return run | {"files": len(files), "bytes": sum(f[2] for f in files), "rows": sum(f[1] for f in files), "paths": [f[0].removeprefix("file:") for f in files]}

    def query(self, paths: list[str], query: str) -> float:
        """Seconds of the better of two runs of a query of `t`, the files."""
        self.session.read.parquet(*paths).createOrReplaceTempView("t")
        seconds = []
        for _ in range(2):
            start = time.monotonic()
            self.session.sql(query).collect()
            seconds.append(time.monotonic() - start)
        return min(seconds)
