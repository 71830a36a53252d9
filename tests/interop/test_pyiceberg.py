"""PyIceberg through the REST catalog: every type, every kind of commit, names, pages, properties, conflicts."""
import datetime
import decimal
import uuid

import pyarrow as pa
import pytest
from pyiceberg.exceptions import (BadRequestError, CommitFailedException, NamespaceAlreadyExistsError, NamespaceNotEmptyError,
                                  NoSuchNamespaceError, NoSuchTableError, TableAlreadyExistsError)
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table.sorting import NullOrder, SortDirection, SortField, SortOrder
from pyiceberg.transforms import (BucketTransform, DayTransform, HourTransform, IdentityTransform, MonthTransform,
                                  TruncateTransform, YearTransform)
from pyiceberg.types import (BinaryType, BooleanType, DateType, DecimalType, DoubleType, FixedType, FloatType, IntegerType, ListType,
                             LongType, MapType, NestedField, StringType, StructType, TimestampType, TimestamptzType, TimeType,
                             UUIDType)

EVENTS = Schema(NestedField(1, "id", LongType(), required=True), NestedField(2, "kind", StringType()),
                NestedField(3, "at", TimestampType()), identifier_field_ids=[1])
ARROW_EVENTS = pa.schema([pa.field("id", pa.int64(), nullable=False), ("kind", pa.string()), ("at", pa.timestamp("us"))])


def events(ids, kind=None):
    day = datetime.datetime(2026, 1, 1)
    return pa.Table.from_pylist(
        [{"id": i, "kind": kind or "abc"[i % 3], "at": day + datetime.timedelta(hours=i)} for i in ids], schema=ARROW_EVENTS)


def ids(table, **scan):
    return sorted(table.scan(**scan).to_arrow()["id"].to_pylist())


ALL_TYPES = Schema(
    NestedField(1, "a_boolean", BooleanType()), NestedField(2, "an_int", IntegerType()), NestedField(3, "a_long", LongType(), required=True),
    NestedField(4, "a_float", FloatType()), NestedField(5, "a_double", DoubleType()), NestedField(6, "a_decimal", DecimalType(9, 2)),
    NestedField(7, "a_wide_decimal", DecimalType(38, 10)), NestedField(8, "a_date", DateType()), NestedField(9, "a_time", TimeType()),
    NestedField(10, "a_timestamp", TimestampType()), NestedField(11, "a_timestamptz", TimestamptzType()),
    NestedField(12, "a_string", StringType(), doc="any text"), NestedField(13, "a_uuid", UUIDType()), NestedField(14, "a_fixed", FixedType(3)),
    NestedField(15, "a_binary", BinaryType()),
    NestedField(16, "a_struct", StructType(NestedField(19, "x", IntegerType()), NestedField(20, "y", StringType()))),
    NestedField(17, "a_list", ListType(21, LongType(), element_required=False)),
    NestedField(18, "a_map", MapType(22, StringType(), 23, DoubleType(), value_required=False)))
ROW = {
    "a_boolean": True, "an_int": -(2**31), "a_long": 2**63 - 1, "a_float": 1.5, "a_double": -2.25e300,
    "a_decimal": decimal.Decimal("-1234567.89"), "a_wide_decimal": decimal.Decimal("1234567890123456789012345678.0123456789"),
    "a_date": datetime.date(1969, 12, 31), "a_time": datetime.time(23, 59, 59, 999999),
    "a_timestamp": datetime.datetime(1960, 1, 1, 0, 0, 0, 1),
    "a_timestamptz": datetime.datetime(2026, 7, 1, 12, 0, tzinfo=datetime.timezone.utc), "a_string": "Gr\u00fc\u00dfe \U0001f9ca",
    "a_uuid": uuid.UUID("f79c3e09-677c-4bbd-a479-3f349cb785e7").bytes, "a_fixed": b"\x00\x01\xff", "a_binary": b"", "a_struct": {"x": 1, "y": None},
    "a_list": [1, None, 3], "a_map": [("k", 1.0), ("l", None)]}


def test_every_type_makes_the_round_trip(catalog, namespace):
    table = catalog.create_table(f"{namespace}.t", ALL_TYPES)
    assert table.schema().as_struct() == ALL_TYPES.as_struct()
    arrow = table.schema().as_arrow()
    nothing = {name: None for name in ROW} | {"a_long": 0}
    table.append(pa.Table.from_pylist([ROW, nothing], schema=arrow))
    rows = catalog.load_table(f"{namespace}.t").scan().to_arrow().sort_by([("a_long", "descending")]).to_pylist()
    expected = ROW | {"a_uuid": uuid.UUID(bytes=ROW["a_uuid"])}
    assert rows[0] in (ROW, expected)
    assert rows[1] == nothing


@pytest.mark.parametrize("source,transform", [
    ("a_long", IdentityTransform()), ("a_string", IdentityTransform()), ("a_date", IdentityTransform()), ("a_decimal", IdentityTransform()),
    ("a_long", BucketTransform(7)), ("a_string", BucketTransform(16)), ("a_uuid", BucketTransform(4)), ("a_date", BucketTransform(3)),
    ("a_string", TruncateTransform(2)), ("a_long", TruncateTransform(10)), ("a_decimal", TruncateTransform(100)),
    ("a_date", YearTransform()), ("a_timestamp", MonthTransform()), ("a_timestamptz", DayTransform()), ("a_timestamp", HourTransform())],
    ids=lambda value: str(value))
def test_every_transform_partitions(catalog, namespace, source, transform):
    field = PartitionField(ALL_TYPES.find_field(source).field_id, 1000, transform, f"{source}_part")
    table = catalog.create_table(f"{namespace}.t", ALL_TYPES, partition_spec=PartitionSpec(field))
    nothing = {name: None for name in ROW} | {"a_long": 0}
    table.append(pa.Table.from_pylist([ROW, nothing], schema=table.schema().as_arrow()))
    table = catalog.load_table(f"{namespace}.t")
    assert str(table.spec().fields[0].transform) == str(transform)
    assert table.scan().to_arrow().num_rows == 2
    assert len({str(task.file.partition) for task in table.scan().plan_files()}) == 2


def test_append_overwrite_delete_upsert(catalog, namespace):
    table = catalog.create_table(f"{namespace}.t", EVENTS, partition_spec=PartitionSpec(PartitionField(2, 1000, IdentityTransform(), "kind")))
    table.append(events(range(9)))
    assert ids(table, row_filter="kind = 'a' and id > 0") == [3, 6]
    table.delete("id = 3")
    table.overwrite(events([100, 101], kind="b"), overwrite_filter="kind = 'b'")
    assert ids(table) == [0, 2, 5, 6, 8, 100, 101]
    done = table.upsert(events([0, 200], kind="z"))
    assert (done.rows_updated, done.rows_inserted) == (1, 1)
    loaded = catalog.load_table(f"{namespace}.t")
    assert ids(loaded, row_filter="kind = 'z'") == [0, 200]
    assert int(loaded.current_snapshot().summary["total-records"]) == len(ids(loaded)) == 8
    sequence_numbers = [snapshot.sequence_number for snapshot in loaded.snapshots()]
    assert sequence_numbers == sorted(set(sequence_numbers)) and sequence_numbers[0] == 1
    assert ids(loaded, snapshot_id=loaded.snapshots()[0].snapshot_id) == list(range(9))
    table.overwrite(events([7]))
    assert ids(catalog.load_table(f"{namespace}.t")) == [7]


def test_schema_evolves_and_old_rows_stay_readable(catalog, namespace):
    table = catalog.create_table(f"{namespace}.t", Schema(
        NestedField(1, "id", IntegerType(), required=True), NestedField(2, "name", StringType()), NestedField(3, "price", FloatType())))
    table.append(pa.Table.from_pylist([{"id": 1, "name": "one", "price": 1.5}], schema=table.schema().as_arrow()))
    with table.update_schema() as update:
        update.add_column("extra", StructType(NestedField(0, "note", StringType())), doc="added later")
        update.rename_column("name", "title")
        update.update_column("id", field_type=LongType())
        update.update_column("price", field_type=DoubleType())
        update.move_first("price")
    with table.update_schema() as update:
        update.add_column(("extra", "size"), LongType())
    table = catalog.load_table(f"{namespace}.t")
    assert [field.name for field in table.schema().fields] == ["price", "id", "title", "extra"]
    assert [schema.schema_id for schema in table.metadata.schemas] == [0, 1, 2]
    table.append(pa.Table.from_pylist([{"price": 2.5, "id": 2**40, "title": "two", "extra": {"note": "n", "size": 3}}],
                                      schema=table.schema().as_arrow()))
    with table.update_schema(allow_incompatible_changes=True) as update:
        update.delete_column("price")
    rows = sorted(catalog.load_table(f"{namespace}.t").scan().to_arrow().to_pylist(), key=lambda row: row["id"])
    assert rows == [{"id": 1, "title": "one", "extra": None}, {"id": 2**40, "title": "two", "extra": {"note": "n", "size": 3}}]


def test_partition_spec_evolves(catalog, namespace):
    table = catalog.create_table(f"{namespace}.t", EVENTS)
    table.append(events([1, 2]))
    with table.update_spec() as update:
        update.add_field("at", DayTransform(), "at_day")
        update.add_field("id", BucketTransform(4), "id_bucket")
    table.append(events([30, 31]))
    with table.update_spec() as update:
        update.remove_field("id_bucket")
        update.rename_field("at_day", "day")
    table.append(events([60]))
    table = catalog.load_table(f"{namespace}.t")
    assert ids(table) == [1, 2, 30, 31, 60]
    assert ids(table, row_filter="at >= '2026-01-02T00:00:00'") == [30, 31, 60]
    assert {task.file.spec_id for task in table.scan().plan_files()} == {0, 1, 2}
    assert [field.name for field in table.spec().fields] == ["day"]


def test_sort_order_location_and_properties_are_kept(catalog, namespace):
    order = SortOrder(SortField(1, IdentityTransform(), SortDirection.DESC, NullOrder.NULLS_LAST))
    table = catalog.create_table(f"{namespace}.t", EVENTS, sort_order=order, properties={"a": "1", "write.parquet.compression-codec": "zstd"})
    assert table.sort_order().fields == order.fields
    with table.transaction() as transaction:
        transaction.set_properties(b="2", c="Gr\u00fc\u00dfe")
        transaction.remove_properties("a")
    loaded = catalog.load_table(f"{namespace}.t")
    assert {name: loaded.properties.get(name) for name in "abc"} == {"a": None, "b": "2", "c": "Gr\u00fc\u00dfe"}
    assert loaded.location() == table.location()
    assert loaded.metadata.table_uuid == table.metadata.table_uuid
    assert len(loaded.metadata.metadata_log) >= 1


def test_branches_and_tags(catalog, namespace):
    table = catalog.create_table(f"{namespace}.t", EVENTS)
    table.append(events([1]))
    first = table.current_snapshot().snapshot_id
    table.append(events([2]))
    table.manage_snapshots().create_tag(first, "first").create_branch(first, "work").commit()
    table.append(events([3]), branch="work")
    table = catalog.load_table(f"{namespace}.t")
    assert ids(table) == [1, 2]
    assert set(table.metadata.refs) == {"main", "first", "work"}
    assert ids(table, snapshot_id=table.metadata.refs["work"].snapshot_id) == [1, 3]
    table.manage_snapshots().remove_tag("first").remove_branch("work").commit()
    assert set(catalog.load_table(f"{namespace}.t").metadata.refs) == {"main"}


def test_a_transaction_is_one_commit(catalog, namespace):
    table = catalog.create_table(f"{namespace}.t", EVENTS)
    with table.transaction() as transaction:
        with transaction.update_schema() as update:
            update.add_column("x", LongType())
        transaction.append(events([1]).append_column("x", pa.array([7], pa.int64())))
        transaction.set_properties(done="yes")
    loaded = catalog.load_table(f"{namespace}.t")
    assert loaded.scan().to_arrow()["x"].to_pylist() == [7]
    assert loaded.properties["done"] == "yes"
    assert len(loaded.metadata.metadata_log) == 1


def test_staged_create_exists_only_after_its_commit(catalog, namespace):
    with catalog.create_table_transaction(f"{namespace}.t", EVENTS, properties={"a": "b"}) as transaction:
        transaction.append(events([1, 2]))
        assert not catalog.table_exists(f"{namespace}.t")
    table = catalog.load_table(f"{namespace}.t")
    assert ids(table) == [1, 2] and table.properties["a"] == "b"


def test_stale_writers_conflict_or_retry_but_lose_nothing(catalog, namespace):
    first = catalog.create_table(f"{namespace}.t", EVENTS)
    second = catalog.load_table(f"{namespace}.t")
    first.append(events([1]))
    try:
        second.append(events([2]))
        expected = [1, 2]
    except CommitFailedException:
        expected = [1]
    assert ids(catalog.load_table(f"{namespace}.t")) == expected
    stale = catalog.load_table(f"{namespace}.t")
    with first.update_schema() as update:
        update.add_column("x", LongType())
    with pytest.raises(CommitFailedException):
        with stale.update_schema() as update:
            update.add_column("y", LongType())


def test_rename_and_drop(catalog, namespace):
    table = catalog.create_table(f"{namespace}.t", EVENTS)
    table.append(events([1]))
    catalog.create_table(f"{namespace}.taken", EVENTS)
    with pytest.raises(TableAlreadyExistsError):
        catalog.rename_table(f"{namespace}.t", f"{namespace}.taken")
    with pytest.raises(NoSuchTableError):
        catalog.rename_table(f"{namespace}.nothing", f"{namespace}.u")
    renamed = catalog.rename_table(f"{namespace}.t", f"{namespace}.u")
    assert ids(renamed) == [1] and renamed.metadata.table_uuid == table.metadata.table_uuid
    assert not catalog.table_exists(f"{namespace}.t")
    catalog.drop_table(f"{namespace}.u")
    with pytest.raises(NoSuchTableError):
        catalog.load_table(f"{namespace}.u")
    with pytest.raises(NoSuchTableError):
        catalog.drop_table(f"{namespace}.u")
    again = catalog.create_table(f"{namespace}.u", EVENTS)
    assert again.current_snapshot() is None and again.metadata.table_uuid != table.metadata.table_uuid


def test_namespaces(catalog):
    catalog.create_namespace(("top",), {"owner": "me", "text": "Gr\u00fc\u00dfe"})
    catalog.create_namespace(("top", "a b/c%d"))
    try:
        assert catalog.load_namespace_properties("top")["owner"] == "me"
        summary = catalog.update_namespace_properties("top", removals={"owner", "missing"}, updates={"x": "y"})
        assert (summary.removed, summary.updated, summary.missing) == (["owner"], ["x"], ["missing"])
        assert ("top",) in catalog.list_namespaces()
        assert catalog.list_namespaces(("top",)) in ([("top", "a b/c%d")], [("a b/c%d",)])
        with pytest.raises(NamespaceAlreadyExistsError):
            catalog.create_namespace(("top",))
        table = catalog.create_table(("top", "a b/c%d", "t\u00e9st"), EVENTS)
        table.append(events([1]))
        assert ids(catalog.load_table(("top", "a b/c%d", "t\u00e9st"))) == [1]
        with pytest.raises(NamespaceNotEmptyError):
            catalog.drop_namespace(("top", "a b/c%d"))
        catalog.drop_table(("top", "a b/c%d", "t\u00e9st"))
    finally:
        catalog.drop_namespace(("top", "a b/c%d"))
        catalog.drop_namespace(("top",))
    assert not catalog.namespace_exists("top")
    with pytest.raises(NoSuchNamespaceError):
        catalog.list_tables("top")
    with pytest.raises(NoSuchNamespaceError):
        catalog.create_table("top.t", EVENTS)


def test_long_lists_come_in_pages(server, catalog, namespace):
    names = sorted(f"t{i:03}" for i in range(25))
    for name in names:
        catalog.create_table(f"{namespace}.{name}", Schema(NestedField(1, "id", LongType())))
    assert sorted(name for _, name in catalog.list_tables(namespace)) == names
    session, prefix = catalog._session, catalog.url("").rstrip("/")
    seen, token, pages = [], "", 0
    while token is not None:
        answer = session.get(f"{prefix}/namespaces/{namespace}/tables", params={"pageToken": token, "pageSize": 10}).json()
        seen += [table["name"] for table in answer["identifiers"]]
        token = answer.get("next-page-token")
        pages += 1
    assert sorted(seen) == names and len(set(seen)) == 25
    assert pages == 3


def test_errors_name_what_is_wrong(catalog, namespace):
    catalog.create_table(f"{namespace}.t", EVENTS)
    with pytest.raises(TableAlreadyExistsError):
        catalog.create_table(f"{namespace}.t", EVENTS)
    with pytest.raises(NoSuchTableError, match="nothing"):
        catalog.load_table(f"{namespace}.nothing")
    with pytest.raises(BadRequestError):
        catalog.create_table(f"{namespace}.u", EVENTS, location="relative/path")
    assert not catalog.table_exists(f"{namespace}.u")


def test_formats_one_and_two(catalog, namespace):
    one = catalog.create_table(f"{namespace}.one", EVENTS, properties={"format-version": "1"})
    assert one.metadata.format_version == 1
    one.append(events([1, 2]))
    with one.transaction() as transaction:
        transaction.upgrade_table_version(2)
    loaded = catalog.load_table(f"{namespace}.one")
    assert loaded.metadata.format_version == 2 and ids(loaded) == [1, 2]
    loaded.append(events([3]))
    assert ids(catalog.load_table(f"{namespace}.one")) == [1, 2, 3]
