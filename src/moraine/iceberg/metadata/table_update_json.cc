// JSON of table updates (REST protocol, "TableUpdate").

#include <fmt/format.h>

#include "moraine/iceberg/metadata/table_update.h"

namespace moraine::iceberg {
namespace {

template <typename Number>
Result<std::vector<Number>> ReadNumbers(const JsonCursor& json, std::string_view key) {
  MORAINE_ASSIGN(auto array, json.Get(key));
  MORAINE_TRY(array.ExpectArray());
  std::vector<Number> numbers;
  for (size_t i = 0; i < array.size(); ++i) {
    if constexpr (sizeof(Number) == 4) {
      MORAINE_ASSIGN(Number number, array.At(i).Int32());
      numbers.push_back(number);
    } else {
      MORAINE_ASSIGN(Number number, array.At(i).Int64());
      numbers.push_back(number);
    }
  }
  return numbers;
}

Result<TableUpdate> ReadAssignUuid(const JsonCursor& json) {
  MORAINE_ASSIGN(std::string uuid, json.String("uuid"));
  return TableUpdate(update::AssignUuid{std::move(uuid)});
}
Result<TableUpdate> ReadUpgrade(const JsonCursor& json) {
  MORAINE_ASSIGN(int32_t version, json.Int32("format-version"));
  return TableUpdate(update::UpgradeFormatVersion{version});
}
Result<TableUpdate> ReadAddSchema(const JsonCursor& json) {
  MORAINE_ASSIGN(auto member, json.Get("schema"));
  MORAINE_ASSIGN(Schema schema, SchemaFromJson(member));
  MORAINE_ASSIGN(auto last_column_id, json.OptInt32("last-column-id"));
  return TableUpdate(update::AddSchema{std::move(schema), last_column_id});
}
Result<TableUpdate> ReadSetCurrentSchema(const JsonCursor& json) {
  MORAINE_ASSIGN(int32_t id, json.Int32("schema-id"));
  return TableUpdate(update::SetCurrentSchema{id});
}
Result<TableUpdate> ReadAddSpec(const JsonCursor& json) {
  MORAINE_ASSIGN(auto member, json.Get("spec"));
  MORAINE_ASSIGN(PartitionSpec spec, UnassignedPartitionSpecFromJson(member));
  return TableUpdate(update::AddPartitionSpec{std::move(spec)});
}
Result<TableUpdate> ReadSetDefaultSpec(const JsonCursor& json) {
  MORAINE_ASSIGN(int32_t id, json.Int32("spec-id"));
  return TableUpdate(update::SetDefaultSpec{id});
}
Result<TableUpdate> ReadAddSortOrder(const JsonCursor& json) {
  MORAINE_ASSIGN(auto member, json.Get("sort-order"));
  MORAINE_ASSIGN(SortOrder order, SortOrderFromJson(member));
  return TableUpdate(update::AddSortOrder{std::move(order)});
}
Result<TableUpdate> ReadSetDefaultSortOrder(const JsonCursor& json) {
  MORAINE_ASSIGN(int32_t id, json.Int32("sort-order-id"));
  return TableUpdate(update::SetDefaultSortOrder{id});
}
Result<TableUpdate> ReadAddSnapshot(const JsonCursor& json) {
  MORAINE_ASSIGN(auto member, json.Get("snapshot"));
  MORAINE_ASSIGN(Snapshot snapshot, SnapshotFromJson(member));
  return TableUpdate(update::AddSnapshot{std::move(snapshot)});
}
Result<TableUpdate> ReadSetRef(const JsonCursor& json) {
  MORAINE_ASSIGN(std::string name, json.String("ref-name"));
  MORAINE_ASSIGN(SnapshotRef ref, SnapshotRefFromJson(json));
  ref.unknown.clear();  // "action" and "ref-name" belong to the update
  return TableUpdate(update::SetSnapshotRef{std::move(name), std::move(ref)});
}
Result<TableUpdate> ReadRemoveRef(const JsonCursor& json) {
  MORAINE_ASSIGN(std::string name, json.String("ref-name"));
  return TableUpdate(update::RemoveSnapshotRef{std::move(name)});
}
Result<TableUpdate> ReadRemoveSnapshots(const JsonCursor& json) {
  MORAINE_ASSIGN(auto ids, ReadNumbers<int64_t>(json, "snapshot-ids"));
  return TableUpdate(update::RemoveSnapshots{std::move(ids)});
}
Result<TableUpdate> ReadSetLocation(const JsonCursor& json) {
  MORAINE_ASSIGN(std::string location, json.String("location"));
  return TableUpdate(update::SetLocation{std::move(location)});
}

/// The member under its name, or under the one that old clients use.
Result<JsonCursor> GetEither(const JsonCursor& json, std::string_view key,
                             std::string_view old_key) {
  MORAINE_ASSIGN(auto old_member, json.Find(old_key));
  if (old_member) return *old_member;
  return json.Get(key);
}
Result<TableUpdate> ReadSetProperties(const JsonCursor& json) {
  MORAINE_ASSIGN(auto member, GetEither(json, "updates", "updated"));
  MORAINE_ASSIGN(StringMap properties, StringMapFromJson(member));
  return TableUpdate(update::SetProperties{std::move(properties)});
}
Result<TableUpdate> ReadRemoveProperties(const JsonCursor& json) {
  MORAINE_ASSIGN(auto member, GetEither(json, "removals", "removed"));
  MORAINE_TRY(member.ExpectArray());
  update::RemoveProperties result;
  for (size_t i = 0; i < member.size(); ++i) {
    MORAINE_ASSIGN(std::string key, member.At(i).String());
    result.keys.push_back(std::move(key));
  }
  return TableUpdate(std::move(result));
}
Result<TableUpdate> ReadSetStatistics(const JsonCursor& json) {
  MORAINE_ASSIGN(auto member, json.Get("statistics"));
  MORAINE_ASSIGN(StatisticsFile file, StatisticsFileFromJson(member));
  return TableUpdate(update::SetStatistics{std::move(file)});
}
Result<TableUpdate> ReadRemoveStatistics(const JsonCursor& json) {
  MORAINE_ASSIGN(int64_t id, json.Int64("snapshot-id"));
  return TableUpdate(update::RemoveStatistics{id});
}
Result<TableUpdate> ReadSetPartitionStatistics(const JsonCursor& json) {
  MORAINE_ASSIGN(auto member, json.Get("partition-statistics"));
  MORAINE_ASSIGN(PartitionStatisticsFile file, PartitionStatisticsFileFromJson(member));
  return TableUpdate(update::SetPartitionStatistics{std::move(file)});
}
Result<TableUpdate> ReadRemovePartitionStatistics(const JsonCursor& json) {
  MORAINE_ASSIGN(int64_t id, json.Int64("snapshot-id"));
  return TableUpdate(update::RemovePartitionStatistics{id});
}
Result<TableUpdate> ReadRemoveSpecs(const JsonCursor& json) {
  MORAINE_ASSIGN(auto ids, ReadNumbers<int32_t>(json, "spec-ids"));
  return TableUpdate(update::RemovePartitionSpecs{std::move(ids)});
}
Result<TableUpdate> ReadRemoveSchemas(const JsonCursor& json) {
  MORAINE_ASSIGN(auto ids, ReadNumbers<int32_t>(json, "schema-ids"));
  return TableUpdate(update::RemoveSchemas{std::move(ids)});
}
Result<TableUpdate> ReadAddKey(const JsonCursor& json) {
  MORAINE_ASSIGN(auto member, json.Get("encryption-key"));
  MORAINE_ASSIGN(EncryptionKey key, EncryptionKeyFromJson(member));
  return TableUpdate(update::AddEncryptionKey{std::move(key)});
}
Result<TableUpdate> ReadRemoveKey(const JsonCursor& json) {
  MORAINE_ASSIGN(std::string id, json.String("key-id"));
  return TableUpdate(update::RemoveEncryptionKey{std::move(id)});
}

struct Action {
  std::string_view name;
  Result<TableUpdate> (*read)(const JsonCursor&);
};
// In the order of TableUpdate's alternatives.
constexpr Action kActions[] = {
    {"assign-uuid", ReadAssignUuid},
    {"upgrade-format-version", ReadUpgrade},
    {"add-schema", ReadAddSchema},
    {"set-current-schema", ReadSetCurrentSchema},
    {"add-spec", ReadAddSpec},
    {"set-default-spec", ReadSetDefaultSpec},
    {"add-sort-order", ReadAddSortOrder},
    {"set-default-sort-order", ReadSetDefaultSortOrder},
    {"add-snapshot", ReadAddSnapshot},
    {"set-snapshot-ref", ReadSetRef},
    {"remove-snapshot-ref", ReadRemoveRef},
    {"remove-snapshots", ReadRemoveSnapshots},
    {"set-location", ReadSetLocation},
    {"set-properties", ReadSetProperties},
    {"remove-properties", ReadRemoveProperties},
    {"set-statistics", ReadSetStatistics},
    {"remove-statistics", ReadRemoveStatistics},
    {"set-partition-statistics", ReadSetPartitionStatistics},
    {"remove-partition-statistics", ReadRemovePartitionStatistics},
    {"remove-partition-specs", ReadRemoveSpecs},
    {"remove-schemas", ReadRemoveSchemas},
    {"add-encryption-key", ReadAddKey},
    {"remove-encryption-key", ReadRemoveKey},
};
static_assert(std::size(kActions) == std::variant_size_v<TableUpdate>);

template <typename Items>
void WriteNumbers(std::string_view key, const Items& items, JsonWriter* out) {
  out->Key(key).BeginArray();
  for (auto item : items) out->Int(item);
  out->EndArray();
}

/// Writes the members beside "action".
struct UpdateWriter {
  JsonWriter* out;

  void operator()(const update::AssignUuid& u) const { out->Field("uuid", u.uuid); }
  void operator()(const update::UpgradeFormatVersion& u) const {
    out->Field("format-version", u.format_version);
  }
  void operator()(const update::AddSchema& u) const {
    out->Key("schema");
    WriteSchema(u.schema, out);
    out->Field("last-column-id", u.last_column_id.value_or(u.schema.HighestFieldId()));
  }
  void operator()(const update::SetCurrentSchema& u) const { out->Field("schema-id", u.schema_id); }
  void operator()(const update::AddPartitionSpec& u) const {
    out->Key("spec");
    WritePartitionSpec(u.spec, out);
  }
  void operator()(const update::SetDefaultSpec& u) const { out->Field("spec-id", u.spec_id); }
  void operator()(const update::AddSortOrder& u) const {
    out->Key("sort-order");
    WriteSortOrder(u.order, out);
  }
  void operator()(const update::SetDefaultSortOrder& u) const {
    out->Field("sort-order-id", u.order_id);
  }
  void operator()(const update::AddSnapshot& u) const {
    out->Key("snapshot");
    WriteSnapshot(u.snapshot, kMaxFormatVersion, out);
  }
  void operator()(const update::SetSnapshotRef& u) const {
    out->Field("ref-name", u.name).Field("snapshot-id", u.ref.snapshot_id);
    out->Field("type", u.ref.type == SnapshotRef::Type::kBranch ? "branch" : "tag");
    if (u.ref.min_snapshots_to_keep) {
      out->Field("min-snapshots-to-keep", *u.ref.min_snapshots_to_keep);
    }
    if (u.ref.max_snapshot_age_ms) out->Field("max-snapshot-age-ms", *u.ref.max_snapshot_age_ms);
    if (u.ref.max_ref_age_ms) out->Field("max-ref-age-ms", *u.ref.max_ref_age_ms);
  }
  void operator()(const update::RemoveSnapshotRef& u) const { out->Field("ref-name", u.name); }
  void operator()(const update::RemoveSnapshots& u) const {
    WriteNumbers("snapshot-ids", u.snapshot_ids, out);
  }
  void operator()(const update::SetLocation& u) const { out->Field("location", u.location); }
  void operator()(const update::SetProperties& u) const {
    out->Key("updates");
    WriteStringMap(u.properties, out);
  }
  void operator()(const update::RemoveProperties& u) const {
    out->Key("removals").BeginArray();
    for (const std::string& key : u.keys) out->String(key);
    out->EndArray();
  }
  void operator()(const update::SetStatistics& u) const {
    out->Field("snapshot-id", u.statistics.snapshot_id).Key("statistics");
    WriteStatisticsFile(u.statistics, out);
  }
  void operator()(const update::RemoveStatistics& u) const {
    out->Field("snapshot-id", u.snapshot_id);
  }
  void operator()(const update::SetPartitionStatistics& u) const {
    out->Key("partition-statistics");
    WritePartitionStatisticsFile(u.statistics, out);
  }
  void operator()(const update::RemovePartitionStatistics& u) const {
    out->Field("snapshot-id", u.snapshot_id);
  }
  void operator()(const update::RemovePartitionSpecs& u) const {
    WriteNumbers("spec-ids", u.spec_ids, out);
  }
  void operator()(const update::RemoveSchemas& u) const {
    WriteNumbers("schema-ids", u.schema_ids, out);
  }
  void operator()(const update::AddEncryptionKey& u) const {
    out->Key("encryption-key");
    WriteEncryptionKey(u.key, out);
  }
  void operator()(const update::RemoveEncryptionKey& u) const { out->Field("key-id", u.key_id); }
};

}  // namespace

Result<TableUpdate> TableUpdateFromJson(const JsonCursor& json) {
  MORAINE_ASSIGN(auto member, json.Get("action"));
  MORAINE_ASSIGN(std::string name, member.String());
  for (const Action& action : kActions) {
    if (action.name == name) return action.read(json);
  }
  return member.Error(fmt::format("unknown update action '{}'", name.substr(0, 80)));
}

void WriteTableUpdate(const TableUpdate& update, JsonWriter* out) {
  out->BeginObject().Field("action", kActions[update.index()].name);
  std::visit(UpdateWriter{out}, update);
  out->EndObject();
}

}  // namespace moraine::iceberg
