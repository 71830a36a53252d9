#!/usr/bin/env python3
"""make.py: makes the tables of this folder anew with Spark 3.5 and the Iceberg runtime that tests/engines/install.sh installs.

Run it with the Python of the tests. It makes a folder of one long name in the root folder, which is where the tables say they are.
"""
import json
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
WAREHOUSE = Path("/spark" + "_" * 146)
PROPERTIES = "'write.delete.mode' = 'merge-on-read', 'write.update.mode' = 'merge-on-read', 'write.metadata.delete-after-commit.enabled' = 'true', " \
    "'write.metadata.previous-versions-max' = '1'"


def session():
    folder = Path(subprocess.run([HERE.parents[1] / "engines" / "install.sh"], check=True, capture_output=True, text=True).stdout.strip())
    sys.path.insert(0, str(folder / "python"))
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master("local[1]").config("spark.jars", ",".join(map(str, sorted((folder / "jars").glob("*.jar")))))
    for name, value in {
            "spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1", "spark.ui.enabled": "false",
            "spark.sql.session.timeZone": "UTC", "spark.sql.shuffle.partitions": "1",
            "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
            "spark.sql.catalog.c": "org.apache.iceberg.spark.SparkCatalog", "spark.sql.catalog.c.type": "hadoop",
            "spark.sql.catalog.c.warehouse": f"file://{WAREHOUSE}", "spark.sql.catalog.c.cache-enabled": "false"}.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def make_lineage(sql):
    """Version 3 from the start: rows are numbered, deletes are deletion vectors."""
    sql(f"CREATE TABLE c.db.lineage (id bigint, kind string, v double) USING iceberg PARTITIONED BY (kind) TBLPROPERTIES ('format-version' = '3', {PROPERTIES})")
    sql("INSERT INTO c.db.lineage VALUES (1, 'a', 1.5), (2, 'a', 2.5), (3, 'b', null), (4, 'b', 4.5), (5, null, 5.5)")
    sql("INSERT INTO c.db.lineage VALUES (6, 'a', 6.5), (7, 'b', 7.5)")
    sql("DELETE FROM c.db.lineage WHERE id = 2")
    sql("UPDATE c.db.lineage SET v = -1 WHERE id IN (3, 6)")
    sql("DELETE FROM c.db.lineage WHERE id = 1")  # the file's second vector takes in the first
    sql("ALTER TABLE c.db.lineage CREATE TAG kept")
    sql("CALL c.system.compute_table_stats('db.lineage')")


def make_upgraded(sql):
    """Version 2 with position deletes, then 3: old files have no row ids until a commit gives them some."""
    sql(f"CREATE TABLE c.db.upgraded (id bigint, kind string) USING iceberg TBLPROPERTIES ('format-version' = '2', {PROPERTIES})")
    sql("INSERT INTO c.db.upgraded SELECT id, concat('k', id) FROM range(8)")
    sql("DELETE FROM c.db.upgraded WHERE id = 0")
    sql("ALTER TABLE c.db.upgraded SET TBLPROPERTIES ('format-version' = '3')")
    sql("INSERT INTO c.db.upgraded VALUES (100, 'new')")
    sql("DELETE FROM c.db.upgraded WHERE id = 1")  # the vector replaces the position delete file


def expect(spark, table: str):
    rows = spark.sql(f"SELECT *, _row_id, _last_updated_sequence_number FROM c.db.{table}").collect()
    lines = sorted("|".join("null" if value is None else str(value) for value in row) for row in rows)
    (HERE / f"{table}.rows.txt").write_text("".join(line + "\n" for line in lines))
    columns = ["content", "file_path", "file_format", "spec_id", "record_count", "file_size_in_bytes", "first_row_id", "referenced_data_file",
               "content_offset", "content_size_in_bytes"]
    entries = spark.sql(f"SELECT status, snapshot_id, sequence_number, file_sequence_number, {', '.join(f'data_file.{c}' for c in columns)} "
                        f"FROM c.db.{table}.entries").toJSON().collect()
    found = sorted((json.loads(entry) for entry in entries), key=lambda entry: (entry["file_path"], entry.get("content_offset", 0)))
    (HERE / f"{table}.entries.json").write_text(json.dumps(found, indent=1) + "\n")


def main():
    shutil.rmtree(WAREHOUSE, ignore_errors=True)
    WAREHOUSE.mkdir()
    spark = session()
    make_lineage(spark.sql)
    make_upgraded(spark.sql)
    for table in ("lineage", "upgraded"):
        expect(spark, table)
        shutil.rmtree(HERE / table, ignore_errors=True)
        shutil.copytree(WAREHOUSE / "db" / table, HERE / table, ignore=shutil.ignore_patterns("*.crc", "version-hint.text"))
    spark.stop()
    shutil.rmtree(WAREHOUSE)


if __name__ == "__main__":
    main()
