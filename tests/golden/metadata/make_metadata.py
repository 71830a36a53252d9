"""Writes the golden table metadata of this folder: make_metadata.py FOLDER (needs pyiceberg[sql-sqlite,pyarrow])."""
import os
import shutil
import sys
import tempfile

import pyarrow as pa
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.schema import Schema
from pyiceberg.types import *
from pyiceberg.partitioning import PartitionSpec, PartitionField
from pyiceberg.transforms import *
from pyiceberg.table.sorting import SortOrder, SortField, SortDirection, NullOrder
out = sys.argv[1]
tmp = tempfile.mkdtemp()
cat = SqlCatalog("c", uri=f"sqlite:///{tmp}/c.db", warehouse=f"file://{tmp}/wh")
cat.create_namespace("db")
def save(t, name):
    p = t.metadata_location.replace("file://","")
    text = open(p).read().replace(f"file://{tmp}/wh", "file:///warehouse").replace(tmp, "/warehouse")
    open(os.path.join(out, name), "w").write(text)
all_types = Schema(
  NestedField(1,"b",BooleanType(),required=True, doc="a flag"),
  NestedField(2,"i",IntegerType()), NestedField(3,"l",LongType(),required=True), NestedField(4,"f",FloatType()), NestedField(5,"d",DoubleType()),
  NestedField(6,"dec",DecimalType(9,2)), NestedField(7,"dt",DateType()), NestedField(8,"tm",TimeType()), NestedField(9,"ts",TimestampType()),
  NestedField(10,"tstz",TimestamptzType()), NestedField(11,"s",StringType()), NestedField(12,"u",UUIDType()), NestedField(13,"fx",FixedType(16)), NestedField(14,"bin",BinaryType()),
  NestedField(15,"st",StructType(NestedField(16,"x",IntegerType(),required=True),NestedField(17,"y",StringType()))),
  NestedField(18,"li",ListType(19,StringType(),element_required=True)),
  NestedField(20,"ma",MapType(21,StringType(),22,StructType(NestedField(23,"z",LongType())),value_required=False)),
  identifier_field_ids=[3])
spec = PartitionSpec(PartitionField(7,1000,MonthTransform(),"dt_month"), PartitionField(3,1001,BucketTransform(16),"l_bucket"),
   PartitionField(11,1002,TruncateTransform(4),"s_trunc"), PartitionField(10,1003,HourTransform(),"tstz_hour"), PartitionField(2,1004,IdentityTransform(),"i"))
order = SortOrder(SortField(3,IdentityTransform(),SortDirection.DESC,NullOrder.NULLS_LAST), SortField(11,TruncateTransform(2)))
for v in ("1","2"):
    t = cat.create_table(f"db.all{v}", all_types, partition_spec=spec, sort_order=order, properties={"format-version":v,"owner":"golden","comment":'quotes " and ünïcode'})
    save(t, f"pyiceberg-v{v}-all-types.metadata.json")
for v in ("1","2"):
    simple = Schema(NestedField(1,"id",LongType()), NestedField(2,"name",StringType()), NestedField(3,"day",DateType()))
    t = cat.create_table(f"db.evolved{v}", simple, properties={"format-version":v})
    def rows(ids): return pa.table({"id":pa.array(ids,pa.int64()),"name":pa.array([f"n{i}" for i in ids]),"day":pa.array([17486+i for i in ids],pa.int32()).cast(pa.date32())})
    t.append(rows([1,2,3])); t.append(rows([4,5])); t.delete("id = 1")
    with t.update_schema() as u:
        u.add_column("price", DecimalType(10,2), doc="what it costs"); u.rename_column("name","title")
    with t.update_spec() as u: u.add_field("day", DayTransform(), "day_day")
    with t.update_spec() as u: u.add_field("id", BucketTransform(4))
    with t.update_spec() as u: u.remove_field("day_day")
    with t.transaction() as tx: tx.set_properties({"write.metadata.previous-versions-max":"3","k":"v"})
    t.manage_snapshots().create_tag(t.current_snapshot().snapshot_id,"v1", max_ref_age_ms=86400000).create_branch(t.current_snapshot().parent_snapshot_id,"audit", min_snapshots_to_keep=2, max_snapshot_age_ms=3600000).commit()
    save(t, f"pyiceberg-v{v}-evolved.metadata.json")
shutil.rmtree(tmp)
