// The JSON codec of table metadata (table spec, "Table metadata" and appendix C): members in the
// order that Java writes them, what Moraine does not know at the end.

#include <algorithm>
#include <unordered_set>

#include <fmt/format.h>

#include "moraine/iceberg/metadata/table_metadata.h"

namespace moraine::iceberg {
namespace {

constexpr int32_t kHighestId = 2147483447;  // of columns and partition fields; 200 are reserved

// ---- Writing ----

template <typename Items, typename Write>
void WriteArray(std::string_view key, const Items& items, JsonWriter* out, Write write) {
  out->Key(key).BeginArray();
  for (const auto& item : items) write(item);
  out->EndArray();
}

void WriteSchemas(const TableMetadata& metadata, JsonWriter* out) {
  if (metadata.format_version == 1) {
    out->Key("schema");
    WriteSchema(metadata.CurrentSchema(), out);
  }
  out->Field("current-schema-id", metadata.current_schema_id);
  WriteArray("schemas", metadata.schemas, out,
             [out](const SchemaPtr& schema) { WriteSchema(*schema, out); });
}

void WriteSpecsAndOrders(const TableMetadata& metadata, JsonWriter* out) {
  if (metadata.format_version == 1) {
    out->Key("partition-spec");
    WritePartitionFields(metadata.DefaultSpec(), out);
  }
  out->Field("default-spec-id", metadata.default_spec_id);
  WriteArray("partition-specs", metadata.partition_specs, out,
             [out](const PartitionSpecPtr& spec) { WritePartitionSpec(*spec, out); });
  out->Field("last-partition-id", metadata.last_partition_id);
  out->Field("default-sort-order-id", metadata.default_sort_order_id);
  WriteArray("sort-orders", metadata.sort_orders, out,
             [out](const SortOrder& order) { WriteSortOrder(order, out); });
}

void WriteSnapshots(const TableMetadata& metadata, JsonWriter* out) {
  out->Key("current-snapshot-id");
  if (metadata.current_snapshot_id == kNoSnapshot && metadata.format_version >= 3) {
    out->Null();
  } else {
    out->Int(metadata.current_snapshot_id);
  }
  if (metadata.format_version >= 3) out->Field("next-row-id", metadata.next_row_id);
  if (!metadata.encryption_keys.empty()) {
    WriteArray("encryption-keys", metadata.encryption_keys, out,
               [out](const EncryptionKey& key) { WriteEncryptionKey(key, out); });
  }
  out->Key("refs").BeginObject();
  for (const auto& [name, ref] : metadata.refs) {
    out->Key(name);
    WriteSnapshotRef(ref, out);
  }
  out->EndObject();
  WriteArray("snapshots", metadata.snapshots, out, [&](const std::shared_ptr<const Snapshot>& s) {
    WriteSnapshot(*s, metadata.format_version, out);
  });
}

void WriteStatisticsAndLogs(const TableMetadata& metadata, JsonWriter* out) {
  WriteArray("statistics", metadata.statistics, out,
             [out](const StatisticsFile& file) { WriteStatisticsFile(file, out); });
  WriteArray(
      "partition-statistics", metadata.partition_statistics, out,
      [out](const PartitionStatisticsFile& file) { WritePartitionStatisticsFile(file, out); });
  WriteArray("snapshot-log", metadata.snapshot_log, out, [out](const SnapshotLogEntry& entry) {
    out->BeginObject().Field("timestamp-ms", entry.timestamp_ms);
    out->Field("snapshot-id", entry.snapshot_id).EndObject();
  });
  WriteArray("metadata-log", metadata.metadata_log, out, [out](const MetadataLogEntry& entry) {
    out->BeginObject().Field("timestamp-ms", entry.timestamp_ms);
    out->Field("metadata-file", entry.metadata_file).EndObject();
  });
}

// ---- Reading ----

/// Appends read(item) for each element of the array, if it is there.
template <typename T, typename Read>
Status ReadArray(const JsonCursor& json, std::string_view key, std::vector<T>* out, Read read) {
  MORAINE_ASSIGN(auto array, json.Find(key));
  if (!array) return Status();
  MORAINE_TRY(array->ExpectArray());
  out->reserve(array->size());
  for (size_t i = 0; i < array->size(); ++i) {
    JsonCursor item = array->At(i);
    auto value = read(item);
    if (!value.ok()) return value.status();
    out->push_back(std::move(value).value());
  }
  return Status();
}

Result<SchemaPtr> ReadSchemaPtr(const JsonCursor& json) {
  MORAINE_ASSIGN(Schema schema, SchemaFromJson(json));
  return std::make_shared<const Schema>(std::move(schema));
}

Result<PartitionSpecPtr> ReadSpecPtr(const JsonCursor& json) {
  MORAINE_ASSIGN(PartitionSpec spec, PartitionSpecFromJson(json));
  return std::make_shared<const PartitionSpec>(std::move(spec));
}

Result<std::shared_ptr<const Snapshot>> ReadSnapshotPtr(const JsonCursor& json) {
  MORAINE_ASSIGN(Snapshot snapshot, SnapshotFromJson(json));
  return std::make_shared<const Snapshot>(std::move(snapshot));
}

Result<SnapshotLogEntry> ReadSnapshotLogEntry(const JsonCursor& json) {
  SnapshotLogEntry entry;
  MORAINE_ASSIGN(entry.timestamp_ms, json.Int64("timestamp-ms"));
  MORAINE_ASSIGN(entry.snapshot_id, json.Int64("snapshot-id"));
  return entry;
}

Result<MetadataLogEntry> ReadMetadataLogEntry(const JsonCursor& json) {
  MetadataLogEntry entry;
  MORAINE_ASSIGN(entry.timestamp_ms, json.Int64("timestamp-ms"));
  MORAINE_ASSIGN(entry.metadata_file, json.String("metadata-file"));
  return entry;
}

/// A counter of assigned ids: the next one must still be a legal id.
Result<int32_t> ReadLastId(const JsonCursor& json) {
  MORAINE_ASSIGN(int32_t id, json.Int32());
  if (id >= 0 && id <= kHighestId) return id;
  return json.Error(fmt::format("expected an id of 0 to {}, got {}", kHighestId, id));
}

/// A number that is not negative.
Result<int64_t> ReadCount(const JsonCursor& json, std::string_view key) {
  MORAINE_ASSIGN(auto member, json.Get(key));
  MORAINE_ASSIGN(int64_t count, member.Int64());
  if (count >= 0) return count;
  return member.Error(fmt::format("expected a number that is not negative, got {}", count));
}

/// An id that v1 may leave out and later versions must have.
Result<int32_t> ReadId(const JsonCursor& json, std::string_view key, int format_version,
                       int32_t v1_default) {
  if (format_version >= 2) return json.Int32(key);
  MORAINE_ASSIGN(auto id, json.OptInt32(key));
  return id.value_or(v1_default);
}

class MetadataReader {
 public:
  explicit MetadataReader(const JsonCursor& json) : json_(json) {}

  Result<TableMetadata> Read() {
    MORAINE_TRY(ReadVersion());
    MORAINE_TRY(ReadHead());
    MORAINE_TRY(ReadSchemas());
    MORAINE_TRY(ReadSpecs());
    MORAINE_TRY(ReadSortOrders());
    MORAINE_TRY(ReadSnapshots());
    MORAINE_TRY(ReadRefs());
    MORAINE_TRY(ReadStatisticsAndLogs());
    MORAINE_TRY(CheckRefs());
    m_.unknown = UnknownMembers(json_, {"format-version",
                                        "table-uuid",
                                        "location",
                                        "last-sequence-number",
                                        "last-updated-ms",
                                        "last-column-id",
                                        "schema",
                                        "current-schema-id",
                                        "schemas",
                                        "partition-spec",
                                        "default-spec-id",
                                        "partition-specs",
                                        "last-partition-id",
                                        "default-sort-order-id",
                                        "sort-orders",
                                        "properties",
                                        "current-snapshot-id",
                                        "next-row-id",
                                        "encryption-keys",
                                        "refs",
                                        "snapshots",
                                        "statistics",
                                        "partition-statistics",
                                        "snapshot-log",
                                        "metadata-log"});
    return std::move(m_);
  }

 private:
  Status ReadVersion() {
    MORAINE_ASSIGN(m_.format_version, json_.Int32("format-version"));
    if (m_.format_version > kMaxFormatVersion) {
      return Unsupported(fmt::format("Cannot read unsupported version {}", m_.format_version));
    }
    if (m_.format_version < 1) {
      return json_.Error(
          fmt::format("expected a format-version of 1 to 3, got {}", m_.format_version));
    }
    return Status();
  }

  Status ReadHead() {
    MORAINE_ASSIGN(auto uuid, json_.OptString("table-uuid"));
    if (!uuid && m_.format_version >= 2) return json_.Get("table-uuid").status();
    m_.table_uuid = uuid.value_or("");
    if (m_.table_uuid.empty() && m_.format_version >= 2) {
      return json_.Error("table-uuid: expected a uuid, got an empty string");
    }
    MORAINE_ASSIGN(m_.location, json_.String("location"));
    while (m_.location.size() > 1 && m_.location.back() == '/') m_.location.pop_back();
    if (m_.format_version >= 2) {
      MORAINE_ASSIGN(m_.last_sequence_number, ReadCount(json_, "last-sequence-number"));
    }
    MORAINE_ASSIGN(m_.last_updated_ms, json_.Int64("last-updated-ms"));
    MORAINE_ASSIGN(auto last_column, json_.Get("last-column-id"));
    MORAINE_ASSIGN(m_.last_column_id, ReadLastId(last_column));
    MORAINE_ASSIGN(auto properties, json_.Find("properties"));
    if (properties) {
      MORAINE_ASSIGN(m_.properties, StringMapFromJson(*properties));
    }
    return Status();
  }

  Status ReadSchemas() {
    MORAINE_TRY(ReadArray(json_, "schemas", &m_.schemas, ReadSchemaPtr));
    if (m_.schemas.empty()) {
      if (m_.format_version >= 2) return json_.Error("schemas: expected at least one schema");
      MORAINE_ASSIGN(auto schema, json_.Get("schema"));
      MORAINE_ASSIGN(SchemaPtr only, ReadSchemaPtr(schema));
      m_.current_schema_id = only->schema_id();
      m_.schemas.push_back(std::move(only));
    } else {
      MORAINE_ASSIGN(m_.current_schema_id, json_.Int32("current-schema-id"));
    }
    MORAINE_TRY(CheckUnique("schemas", m_.schemas, [](auto& s) { return s->schema_id(); }));
    if (m_.FindSchema(m_.current_schema_id) != nullptr) return Status();
    return json_.Error(fmt::format("Cannot find schema with current-schema-id={} from schemas",
                                   m_.current_schema_id));
  }

  Status ReadSpecs() {
    MORAINE_TRY(ReadArray(json_, "partition-specs", &m_.partition_specs, ReadSpecPtr));
    if (m_.partition_specs.empty()) {
      if (m_.format_version >= 2) return json_.Error("partition-specs: expected at least one spec");
      MORAINE_ASSIGN(auto fields, json_.Get("partition-spec"));
      PartitionSpec only;
      MORAINE_ASSIGN(only.fields, PartitionFieldsFromJson(fields));
      m_.partition_specs.push_back(std::make_shared<const PartitionSpec>(std::move(only)));
      m_.default_spec_id = 0;
    } else {
      MORAINE_ASSIGN(m_.default_spec_id, json_.Int32("default-spec-id"));
    }
    MORAINE_TRY(
        CheckUnique("partition-specs", m_.partition_specs, [](auto& s) { return s->spec_id; }));
    if (m_.FindSpec(m_.default_spec_id) == nullptr) {
      return json_.Error(fmt::format(
          "Cannot find partition spec with default-spec-id={} from specs", m_.default_spec_id));
    }
    int32_t highest = kFirstPartitionFieldId - 1;
    for (const auto& spec : m_.partition_specs) highest = std::max(highest, spec->HighestFieldId());
    m_.last_partition_id = highest;
    MORAINE_ASSIGN(auto last, json_.Find("last-partition-id"));
    if (!last) return m_.format_version >= 2 ? json_.Get("last-partition-id").status() : Status();
    MORAINE_ASSIGN(m_.last_partition_id, ReadLastId(*last));
    return Status();
  }

  Status ReadSortOrders() {
    MORAINE_TRY(ReadArray(json_, "sort-orders", &m_.sort_orders, SortOrderFromJson));
    if (m_.sort_orders.empty()) {
      if (m_.format_version >= 2) return json_.Error("sort-orders: expected at least one order");
      m_.sort_orders.emplace_back();
    }
    MORAINE_ASSIGN(m_.default_sort_order_id,
                   ReadId(json_, "default-sort-order-id", m_.format_version, 0));
    MORAINE_TRY(CheckUnique("sort-orders", m_.sort_orders, [](auto& o) { return o.order_id; }));
    for (const SortOrder& order : m_.sort_orders) {
      if (order.order_id == m_.default_sort_order_id) return Status();
    }
    if (m_.default_sort_order_id == 0) {
      m_.sort_orders.insert(m_.sort_orders.begin(), SortOrder());
      return Status();
    }
    return json_.Error(fmt::format("Cannot find sort order with default-sort-order-id={}",
                                   m_.default_sort_order_id));
  }

  Status ReadSnapshots() {
    MORAINE_ASSIGN(auto current, json_.OptInt64("current-snapshot-id"));
    m_.current_snapshot_id = current.value_or(kNoSnapshot);
    if (m_.current_snapshot_id < 0) m_.current_snapshot_id = kNoSnapshot;
    if (m_.format_version >= 3) {
      MORAINE_ASSIGN(m_.next_row_id, ReadCount(json_, "next-row-id"));
    }
    MORAINE_TRY(ReadArray(json_, "snapshots", &m_.snapshots, ReadSnapshotPtr));
    for (size_t i = 0; i < m_.snapshots.size(); ++i) {
      const Snapshot& snapshot = *m_.snapshots[i];
      if (!snapshot_ids_.insert(snapshot.snapshot_id).second) {
        return json_.Error(
            fmt::format("snapshots[{}]: snapshot {} is listed twice", i, snapshot.snapshot_id));
      }
      if (m_.format_version >= 2 && snapshot.sequence_number > m_.last_sequence_number) {
        return json_.Error(
            fmt::format("snapshots[{}]: Invalid snapshot with sequence number {} greater than last "
                        "sequence number {}",
                        i, snapshot.sequence_number, m_.last_sequence_number));
      }
    }
    return Status();
  }

  Status ReadRefs() {
    MORAINE_ASSIGN(auto refs, json_.Find("refs"));
    if (!refs) {
      if (m_.current_snapshot_id != kNoSnapshot) {
        m_.refs[kMainBranch].snapshot_id = m_.current_snapshot_id;
      }
      return Status();
    }
    MORAINE_TRY(refs->ExpectObject());
    for (size_t i = 0; i < refs->member_count(); ++i) {
      JsonCursor member = refs->Member(i);
      MORAINE_ASSIGN(SnapshotRef ref, SnapshotRefFromJson(member));
      m_.refs.emplace(refs->member_key(i), std::move(ref));
    }
    return Status();
  }

  Status ReadStatisticsAndLogs() {
    MORAINE_TRY(ReadArray(json_, "encryption-keys", &m_.encryption_keys, EncryptionKeyFromJson));
    MORAINE_TRY(ReadArray(json_, "statistics", &m_.statistics, StatisticsFileFromJson));
    MORAINE_TRY(ReadArray(json_, "partition-statistics", &m_.partition_statistics,
                          PartitionStatisticsFileFromJson));
    MORAINE_TRY(ReadArray(json_, "snapshot-log", &m_.snapshot_log, ReadSnapshotLogEntry));
    return ReadArray(json_, "metadata-log", &m_.metadata_log, ReadMetadataLogEntry);
  }

  Status CheckRefs() const {
    for (const auto& [name, ref] : m_.refs) {
      if (snapshot_ids_.count(ref.snapshot_id) == 0) {
        return json_.Error(
            fmt::format("refs.{}: snapshot {} is not in snapshots", name, ref.snapshot_id));
      }
    }
    if (m_.current_snapshot_id != kNoSnapshot && snapshot_ids_.count(m_.current_snapshot_id) == 0) {
      return json_.Error(fmt::format("current-snapshot-id: snapshot {} is not in snapshots",
                                     m_.current_snapshot_id));
    }
    auto main = m_.refs.find(kMainBranch);
    if (main == m_.refs.end() || main->second.snapshot_id == m_.current_snapshot_id)
      return Status();
    return json_.Error(fmt::format("Current snapshot ID does not match main branch ({} != {})",
                                   m_.current_snapshot_id, main->second.snapshot_id));
  }

  template <typename T, typename Id>
  Status CheckUnique(std::string_view key, const std::vector<T>& items, Id id) const {
    std::unordered_set<int32_t> seen;
    for (size_t i = 0; i < items.size(); ++i) {
      if (id(items[i]) < 0 || id(items[i]) > kHighestId) {
        return json_.Error(fmt::format("{}[{}]: expected an id of 0 to {}, got {}", key, i,
                                       kHighestId, id(items[i])));
      }
      if (!seen.insert(id(items[i])).second) {
        return json_.Error(fmt::format("{}[{}]: the id {} is used twice", key, i, id(items[i])));
      }
    }
    return Status();
  }

  const JsonCursor& json_;
  TableMetadata m_;
  std::unordered_set<int64_t> snapshot_ids_;
};

}  // namespace

std::string TableMetadataToJson(const TableMetadata& metadata) {
  std::string text;
  JsonWriter out(&text);
  out.BeginObject().Field("format-version", metadata.format_version);
  if (!metadata.table_uuid.empty()) out.Field("table-uuid", metadata.table_uuid);
  out.Field("location", metadata.location);
  if (metadata.format_version >= 2)
    out.Field("last-sequence-number", metadata.last_sequence_number);
  out.Field("last-updated-ms", metadata.last_updated_ms);
  out.Field("last-column-id", metadata.last_column_id);
  WriteSchemas(metadata, &out);
  WriteSpecsAndOrders(metadata, &out);
  out.Key("properties");
  WriteStringMap(metadata.properties, &out);
  WriteSnapshots(metadata, &out);
  WriteStatisticsAndLogs(metadata, &out);
  WriteUnknownMembers(metadata.unknown, &out);
  out.EndObject();
  return text;
}

Result<TableMetadata> TableMetadataFromJson(std::string_view text) {
  MORAINE_ASSIGN(Json json, Json::Parse(text));
  return TableMetadataFromJson(JsonCursor(json));
}

Result<TableMetadata> TableMetadataFromJson(const JsonCursor& json) {
  return MetadataReader(json).Read();
}

}  // namespace moraine::iceberg
