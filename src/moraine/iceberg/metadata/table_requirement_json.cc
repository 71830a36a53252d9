// JSON of requirements and of whole commit bodies (REST protocol, "TableRequirement",
// "CommitTableRequest").

#include <fmt/format.h>

#include "moraine/iceberg/metadata/table_update.h"

namespace moraine::iceberg {
namespace {

/// The requirements that compare one number: their type and the member that holds it are named
/// alike.
template <typename Requirement>
Result<TableRequirement> ReadId(const JsonCursor& json, std::string_view key) {
  MORAINE_ASSIGN(int32_t id, json.Int32(key));
  return TableRequirement(Requirement{id});
}

/// A snapshot-id that is null or missing says that the ref must not exist.
Result<TableRequirement> ReadRef(const JsonCursor& json) {
  requirement::AssertRefSnapshotId result;
  MORAINE_ASSIGN(result.ref, json.String("ref"));
  MORAINE_ASSIGN(result.snapshot_id, json.OptInt64("snapshot-id"));
  return TableRequirement(std::move(result));
}

Result<TableRequirement> ReadUuid(const JsonCursor& json) {
  MORAINE_ASSIGN(std::string uuid, json.String("uuid"));
  return TableRequirement(requirement::AssertTableUuid{std::move(uuid)});
}

struct RequirementWriter {
  JsonWriter* out;

  void Id(std::string_view type, std::string_view key, int32_t id) const {
    out->Field("type", type).Field(key, id);
  }
  void operator()(const requirement::AssertCreate&) const { out->Field("type", "assert-create"); }
  void operator()(const requirement::AssertTableUuid& r) const {
    out->Field("type", "assert-table-uuid").Field("uuid", r.uuid);
  }
  void operator()(const requirement::AssertRefSnapshotId& r) const {
    out->Field("type", "assert-ref-snapshot-id").Field("ref", r.ref).Key("snapshot-id");
    if (r.snapshot_id) {
      out->Int(*r.snapshot_id);
    } else {
      out->Null();
    }
  }
  void operator()(const requirement::AssertLastAssignedFieldId& r) const {
    Id("assert-last-assigned-field-id", "last-assigned-field-id", r.id);
  }
  void operator()(const requirement::AssertCurrentSchemaId& r) const {
    Id("assert-current-schema-id", "current-schema-id", r.id);
  }
  void operator()(const requirement::AssertLastAssignedPartitionId& r) const {
    Id("assert-last-assigned-partition-id", "last-assigned-partition-id", r.id);
  }
  void operator()(const requirement::AssertDefaultSpecId& r) const {
    Id("assert-default-spec-id", "default-spec-id", r.id);
  }
  void operator()(const requirement::AssertDefaultSortOrderId& r) const {
    Id("assert-default-sort-order-id", "default-sort-order-id", r.id);
  }
};

}  // namespace

Result<TableRequirement> TableRequirementFromJson(const JsonCursor& json) {
  MORAINE_ASSIGN(auto member, json.Get("type"));
  MORAINE_ASSIGN(std::string type, member.String());
  if (type == "assert-create") return TableRequirement(requirement::AssertCreate{});
  if (type == "assert-table-uuid") return ReadUuid(json);
  if (type == "assert-ref-snapshot-id") return ReadRef(json);
  if (type == "assert-last-assigned-field-id") {
    return ReadId<requirement::AssertLastAssignedFieldId>(json, "last-assigned-field-id");
  }
  if (type == "assert-current-schema-id") {
    return ReadId<requirement::AssertCurrentSchemaId>(json, "current-schema-id");
  }
  if (type == "assert-last-assigned-partition-id") {
    return ReadId<requirement::AssertLastAssignedPartitionId>(json, "last-assigned-partition-id");
  }
  if (type == "assert-default-spec-id") {
    return ReadId<requirement::AssertDefaultSpecId>(json, "default-spec-id");
  }
  if (type == "assert-default-sort-order-id") {
    return ReadId<requirement::AssertDefaultSortOrderId>(json, "default-sort-order-id");
  }
  return member.Error(fmt::format("unknown requirement type '{}'", type.substr(0, 80)));
}

void WriteTableRequirement(const TableRequirement& requirement, JsonWriter* out) {
  out->BeginObject();
  std::visit(RequirementWriter{out}, requirement);
  out->EndObject();
}

Result<CommitRequest> CommitRequestFromJson(const JsonCursor& json) {
  CommitRequest request;
  MORAINE_ASSIGN(auto requirements, json.Find("requirements"));
  if (requirements) {
    MORAINE_TRY(requirements->ExpectArray());
    for (size_t i = 0; i < requirements->size(); ++i) {
      JsonCursor item = requirements->At(i);
      MORAINE_ASSIGN(TableRequirement requirement, TableRequirementFromJson(item));
      request.requirements.push_back(std::move(requirement));
    }
  }
  MORAINE_ASSIGN(auto updates, json.Find("updates"));
  if (!updates) return request;
  MORAINE_TRY(updates->ExpectArray());
  for (size_t i = 0; i < updates->size(); ++i) {
    JsonCursor item = updates->At(i);
    MORAINE_ASSIGN(TableUpdate update, TableUpdateFromJson(item));
    request.updates.push_back(std::move(update));
  }
  return request;
}

}  // namespace moraine::iceberg
