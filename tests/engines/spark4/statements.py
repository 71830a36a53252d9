"""Runs statements on a Spark in this process, as flink/FlinkStatements.java does on a Flink.

statements.py PACKAGES JARS WORK NAME=VALUE...
"""
import json
import sys

packages, jars, work, *settings = sys.argv[1:]
sys.path.insert(0, packages)
from pyspark.sql import SparkSession  # noqa: E402

builder = SparkSession.builder.master("local[2]").appName("moraine-tests")
for name, value in {
        "spark.driver.memory": "1g", "spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1", "spark.ui.enabled": "false",
        "spark.jars": jars, "spark.sql.shuffle.partitions": "2", "spark.sql.session.timeZone": "UTC", "spark.sql.warehouse.dir": f"{work}/warehouse",
        "spark.local.dir": work, "spark.driver.extraJavaOptions": f"-Dderby.system.home={work}",
        "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions"}.items():
    builder = builder.config(name, value)
for setting in settings:
    builder = builder.config(*setting.split("=", 1))
spark = builder.getOrCreate()
spark.sparkContext.setLogLevel("ERROR")
for line in sys.stdin:
    mode, most, statement = line.rstrip("\n").split("\t", 2)
    try:
        for row in spark.sql(statement).collect()[:int(most)]:
            print(">", json.dumps(list(row), default=str))
        print("> ok", flush=True)
    except Exception as problem:  # the test says what it thinks of it
        print("> error", " ".join(str(problem).split())[:4000], flush=True)
spark.stop()
