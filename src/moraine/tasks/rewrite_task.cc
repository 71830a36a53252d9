#include "moraine/tasks/rewrite_task.h"

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "moraine/base/text.h"
#include "moraine/iceberg/manifest/capped_sum.h"
#include "moraine/tasks/partition_json.h"
#include "moraine/tasks/task_pieces.h"

namespace moraine::tasks {
namespace {

using iceberg::TypePtr;
using PartitionTypes = std::vector<TypePtr>;

void WriteInputs(std::string_view key, const std::vector<InputFile>& inputs,
                 const PartitionTypes& types, JsonWriter* out) {
  if (inputs.empty()) return;
  out->Key(key).BeginArray();
  for (const InputFile& input : inputs) {
    out->BeginObject().Key("file");
    WriteDataFile(input.file, types, out);
    out->Field("sequence-number", input.sequence_number);
    if (!input.deletes.empty()) {
      out->Key("deletes").BeginArray();
      for (int32_t index : input.deletes) out->Int(index);
      out->EndArray();
    }
    out->EndObject();
  }
  out->EndArray();
}

Result<std::vector<int32_t>> ReadDeleteIndices(const JsonCursor& json, size_t delete_count) {
  std::vector<int32_t> indices;
  MORAINE_ASSIGN(auto array, json.Find("deletes"));
  if (!array) return indices;
  MORAINE_TRY(array->ExpectArray());
  for (size_t i = 0; i < array->size(); ++i) {
    MORAINE_ASSIGN(int32_t index, array->At(i).Int32());
    if (index < 0 || static_cast<size_t>(index) >= delete_count) {
      return array->At(i).Error("no such delete file in the task");
    }
    indices.push_back(index);
  }
  return indices;
}

/// Arrays of files, which may be very long, in pieces of this size.
constexpr size_t kPieceBytes = size_t{256} << 10;
constexpr std::array<std::string_view, 3> kFileArrays = {"deletes", "rewrite", "rewrite-positions"};
/// No file is described in less.
constexpr size_t kLeastFileBytes = 64;

/// A task's document, of which long arrays of files are parsed piece by piece.
struct TaskDocument {
  Json rest;
  std::map<std::string, ArrayPieces, std::less<>> arrays;
};

Result<TaskDocument> ParseDocument(std::string_view text) {
  TaskDocument document;
  std::optional<TaskPieces> cut = CutArrays(text, kFileArrays, kPieceBytes);
  if (!cut) {
    MORAINE_ASSIGN(document.rest, Json::Parse(text));
    return document;
  }
  MORAINE_ASSIGN(document.rest, Json::Parse(cut->rest));
  document.arrays = std::move(cut->arrays);
  return document;
}

/// Calls read with each element of an array of files.
template <typename File, typename Read>
Result<std::vector<File>> ReadElements(const TaskDocument& document, std::string_view key,
                                       const Read& read) {
  std::vector<File> files;
  const auto add = [&](const JsonCursor& array) -> Status {
    MORAINE_TRY(array.ExpectArray());
    for (size_t i = 0; i < array.size(); ++i) {
      MORAINE_ASSIGN(File file, read(array.At(i)));
      files.push_back(std::move(file));
    }
    return {};
  };
  const auto known = document.arrays.find(key);
  if (known == document.arrays.end()) {
    const JsonCursor root(document.rest);
    MORAINE_ASSIGN(const auto array, root.Find(key));
    if (array) MORAINE_TRY(add(*array));
    return files;
  }
  size_t bytes = 0;
  for (std::string_view piece : known->second.pieces) bytes += piece.size();
  files.reserve(std::min(known->second.elements, bytes / kLeastFileBytes));
  for (std::string_view piece : known->second.pieces) {
    const size_t first = files.size();
    const Result<Json> elements = ParsePiece(piece);
    Status status = elements.status();
    if (status.ok()) status = add(JsonCursor(*elements));
    if (!status.ok()) {
      return std::move(status).Annotate(std::string(key) + ", from element " +
                                        std::to_string(first) + " on");
    }
  }
  return files;
}

Result<std::vector<InputFile>> ReadInputs(const TaskDocument& document, std::string_view key,
                                          const PartitionTypes& types, size_t delete_count) {
  return ReadElements<InputFile>(
      document, key, [&](const JsonCursor& element) -> Result<InputFile> {
        InputFile input;
        MORAINE_ASSIGN(JsonCursor file, element.Get("file"));
        MORAINE_ASSIGN(input.file, DataFileFromJson(file, types));
        MORAINE_ASSIGN(input.sequence_number, element.Int64("sequence-number"));
        MORAINE_ASSIGN(input.deletes, ReadDeleteIndices(element, delete_count));
        return input;
      });
}

// Global equality deletes belong to another, unpartitioned spec; its void fields have no type here.
PartitionTypes TypesOfDelete(int32_t spec_id, size_t fields, const RewriteTask& task,
                             const PartitionTypes& types) {
  if (spec_id == task.spec->spec_id) return types;
  return PartitionTypes(fields, iceberg::Type::Primitive(iceberg::TypeKind::kUnknown));
}

void WriteDeletes(const RewriteTask& task, const PartitionTypes& types, JsonWriter* out) {
  if (task.deletes.empty()) return;
  out->Key("deletes").BeginArray();
  for (const DeleteInput& input : task.deletes) {
    out->BeginObject().Key("file");
    WriteDataFile(input.file,
                  TypesOfDelete(input.file.spec_id, input.file.partition.size(), task, types), out);
    out->Field("sequence-number", input.sequence_number).EndObject();
  }
  out->EndArray();
}

Result<std::vector<DeleteInput>> ReadDeletes(const TaskDocument& document, const RewriteTask& task,
                                             const PartitionTypes& types) {
  return ReadElements<DeleteInput>(
      document, "deletes", [&](const JsonCursor& element) -> Result<DeleteInput> {
        DeleteInput input;
        MORAINE_ASSIGN(JsonCursor file, element.Get("file"));
        MORAINE_ASSIGN(auto partition, file.Find("partition"));
        MORAINE_ASSIGN(int32_t spec_id, file.Int32("spec-id"));
        const size_t fields = partition ? partition->size() : 0;
        MORAINE_ASSIGN(input.file,
                       DataFileFromJson(file, TypesOfDelete(spec_id, fields, task, types)));
        MORAINE_ASSIGN(input.sequence_number, element.Int64("sequence-number"));
        return input;
      });
}

Status CheckFormatAndKind(const JsonCursor& json) {
  MORAINE_ASSIGN(int32_t format, json.Int32("task-format"));
  if (format < 1 || format > kTaskFormat) {
    return Unsupported("task-format: this binary reads up to " + std::to_string(kTaskFormat) +
                       ", got " + std::to_string(format));
  }
  MORAINE_ASSIGN(std::string kind, json.String("kind"));
  if (kind != "rewrite") return Unsupported("kind: expected rewrite, got " + kind);
  return {};
}

Status ReadHeader(const JsonCursor& json, RewriteTask* task) {
  MORAINE_ASSIGN(task->kind, json.String("kind"));
  MORAINE_ASSIGN(task->process_id, json.String("process-id"));
  MORAINE_ASSIGN(task->task_id, json.Int32("task-id"));
  MORAINE_ASSIGN(task->attempt, json.Int32("attempt"));
  MORAINE_ASSIGN(task->table, json.String("table"));
  MORAINE_ASSIGN(task->format_version, json.Int32("format-version"));
  MORAINE_ASSIGN(task->target_size_bytes, json.Int64("target-size-bytes"));
  MORAINE_ASSIGN(task->data_location, json.String("data-location"));
  MORAINE_ASSIGN(task->partition_path, json.String("partition-path"));
  MORAINE_ASSIGN(JsonCursor properties, json.Get("properties"));
  MORAINE_ASSIGN(task->properties, iceberg::StringMapFromJson(properties));
  return {};
}

/// What format 1 has not.
Status ReadArrangement(const JsonCursor& json, RewriteTask* task) {
  MORAINE_ASSIGN(const auto layout, json.Find("layout"));
  if (layout) {
    MORAINE_ASSIGN(task->layout, LayoutFromJson(*layout));
  }
  MORAINE_ASSIGN(const auto dedup, json.Find("dedup"));
  if (dedup) {
    MORAINE_ASSIGN(task->dedup, DedupFromJson(*dedup));
  }
  MORAINE_ASSIGN(const auto spec_json, json.Find("target-spec"));
  if (!spec_json) return {};
  MORAINE_ASSIGN(iceberg::PartitionSpec spec, iceberg::PartitionSpecFromJson(*spec_json));
  task->target_spec = std::make_shared<const iceberg::PartitionSpec>(std::move(spec));
  return {};
}

void WriteFiles(std::string_view key, const std::vector<iceberg::DataFile>& files,
                const PartitionTypes& types, JsonWriter* out) {
  out->Key(key).BeginArray();
  for (const iceberg::DataFile& file : files) WriteDataFile(file, types, out);
  out->EndArray();
}

Result<std::vector<iceberg::DataFile>> ReadFiles(const JsonCursor& json, std::string_view key,
                                                 const PartitionTypes& types) {
  std::vector<iceberg::DataFile> files;
  MORAINE_ASSIGN(JsonCursor array, json.Get(key));
  MORAINE_TRY(array.ExpectArray());
  for (size_t i = 0; i < array.size(); ++i) {
    MORAINE_ASSIGN(iceberg::DataFile file, DataFileFromJson(array.At(i), types));
    files.push_back(std::move(file));
  }
  return files;
}

void WriteMap(const PositionMap& map, JsonWriter* out) {
  out->Key("position-map").BeginObject();
  if (map.location.empty()) {
    out->Field("bytes", Base64Encode(map.bytes));
  } else {
    out->Field("location", map.location).Field("size-in-bytes", map.size_bytes);
  }
  out->EndObject();
}

Result<std::optional<PositionMap>> ReadMap(const JsonCursor& json) {
  std::optional<PositionMap> map;
  MORAINE_ASSIGN(auto object, json.Find("position-map"));
  if (!object) return map;
  map.emplace();
  MORAINE_ASSIGN(auto bytes, object->Find("bytes"));
  if (bytes) {
    MORAINE_ASSIGN(const std::string text, bytes->String());
    MORAINE_ASSIGN(map->bytes, Base64Decode(text));
    return map;
  }
  MORAINE_ASSIGN(map->location, object->String("location"));
  MORAINE_ASSIGN(map->size_bytes, object->Int64("size-in-bytes"));
  return map;
}

}  // namespace

int64_t RewriteTask::input_bytes() const {
  int64_t bytes = 0;
  for (const InputFile& input : rewrite) {
    bytes = iceberg::AddCapped(bytes, input.file.file_size_in_bytes);
  }
  for (const InputFile& input : rewrite_positions) {
    bytes = iceberg::AddCapped(bytes, input.file.file_size_in_bytes);
  }
  for (const DeleteInput& input : deletes) {
    bytes = iceberg::AddCapped(
        bytes, input.file.content_size_in_bytes.value_or(input.file.file_size_in_bytes));
  }
  return bytes;
}

std::string RewriteTask::OutputPrefix() const {
  std::string prefix = data_location;
  while (!prefix.empty() && prefix.back() == '/') prefix.pop_back();
  prefix += '/';
  if (!partition_path.empty()) prefix += partition_path + "/";
  return prefix + process_id + "-" + std::to_string(task_id) + "-" + std::to_string(attempt) + "-";
}

std::string RewriteTaskToJson(const RewriteTask& task) {
  const PartitionTypes types = iceberg::PartitionTypes(*task.spec, *task.schema);
  std::string text;
  JsonWriter out(&text);
  out.BeginObject();
  out.Field("task-format", kTaskFormat).Field("kind", task.kind);
  out.Field("process-id", task.process_id).Field("task-id", task.task_id);
  out.Field("attempt", task.attempt).Field("table", task.table);
  out.Field("format-version", int32_t{task.format_version});
  out.Field("target-size-bytes", task.target_size_bytes);
  out.Field("data-location", task.data_location).Field("partition-path", task.partition_path);
  out.Key("properties");
  iceberg::WriteStringMap(task.properties, &out);
  out.Key("schema");
  iceberg::WriteSchema(*task.schema, &out);
  out.Key("spec");
  iceberg::WritePartitionSpec(*task.spec, &out);
  out.Key("partition");
  WritePartition(task.partition, types, &out);
  WriteDeletes(task, types, &out);
  if (!task.layout.is_none()) {
    out.Key("layout");
    WriteLayout(task.layout, &out);
  }
  if (!task.dedup.is_none()) {
    out.Key("dedup");
    WriteDedup(task.dedup, &out);
  }
  if (task.target_spec != nullptr) {
    out.Key("target-spec");
    iceberg::WritePartitionSpec(*task.target_spec, &out);
  }
  WriteInputs("rewrite", task.rewrite, types, &out);
  WriteInputs("rewrite-positions", task.rewrite_positions, types, &out);
  if (task.range) {
    out.Key("range");
    WriteTaskRange(*task.range, *task.schema, &out);
  }
  out.EndObject();
  return text;
}

Result<RewriteTask> RewriteTaskFromJson(std::string_view text) {
  MORAINE_ASSIGN(const TaskDocument document, ParseDocument(text));
  const JsonCursor json(document.rest);
  MORAINE_TRY(json.ExpectObject());
  MORAINE_TRY(CheckFormatAndKind(json));
  RewriteTask task;
  MORAINE_TRY(ReadHeader(json, &task));
  MORAINE_ASSIGN(JsonCursor schema_json, json.Get("schema"));
  MORAINE_ASSIGN(iceberg::Schema schema, iceberg::SchemaFromJson(schema_json));
  MORAINE_ASSIGN(JsonCursor spec_json, json.Get("spec"));
  MORAINE_ASSIGN(iceberg::PartitionSpec spec, iceberg::PartitionSpecFromJson(spec_json));
  task.schema = std::make_shared<const iceberg::Schema>(std::move(schema));
  task.spec = std::make_shared<const iceberg::PartitionSpec>(std::move(spec));
  const PartitionTypes types = iceberg::PartitionTypes(*task.spec, *task.schema);
  MORAINE_ASSIGN(JsonCursor partition, json.Get("partition"));
  MORAINE_ASSIGN(task.partition, ReadPartition(partition, types));
  MORAINE_TRY(ReadArrangement(json, &task));
  MORAINE_ASSIGN(task.deletes, ReadDeletes(document, task, types));
  MORAINE_ASSIGN(task.rewrite, ReadInputs(document, "rewrite", types, task.deletes.size()));
  MORAINE_ASSIGN(task.rewrite_positions,
                 ReadInputs(document, "rewrite-positions", types, task.deletes.size()));
  MORAINE_ASSIGN(const auto range, json.Find("range"));
  if (range) {
    MORAINE_ASSIGN(task.range, TaskRangeFromJson(*range, *task.schema, task.rewrite.size()));
  }
  return task;
}

std::string RewriteOutputToJson(const RewriteOutput& output, const RewriteTask& task) {
  const PartitionTypes types = iceberg::PartitionTypes(*task.spec, *task.schema);
  std::string text;
  JsonWriter out(&text);
  out.BeginObject().Field("task-format", kTaskFormat);
  const PartitionTypes data_types = iceberg::PartitionTypes(task.output_spec(), *task.schema);
  WriteFiles("data-files", output.data_files, data_types, &out);
  WriteFiles("delete-files", output.delete_files, types, &out);
  if (output.positions) WriteMap(*output.positions, &out);
  out.Field("rows-read", output.rows_read).Field("rows-deleted", output.rows_deleted);
  if (output.rows_deduplicated > 0) out.Field("rows-deduplicated", output.rows_deduplicated);
  if (output.rows_elsewhere > 0) out.Field("rows-elsewhere", output.rows_elsewhere);
  out.Field("rows-written", output.rows_written).Field("bytes-read", output.bytes_read);
  out.Field("bytes-written", output.bytes_written).Field("duration-ms", output.duration_ms);
  out.EndObject();
  return text;
}

Result<RewriteOutput> RewriteOutputFromJson(std::string_view text, const RewriteTask& task) {
  MORAINE_ASSIGN(const Json document, Json::Parse(text));
  const JsonCursor json(document);
  MORAINE_ASSIGN(int32_t format, json.Int32("task-format"));
  if (format < 1 || format > kTaskFormat) {
    return Unsupported("task-format: this binary reads up to " + std::to_string(kTaskFormat) +
                       ", got " + std::to_string(format));
  }
  const PartitionTypes types = iceberg::PartitionTypes(*task.spec, *task.schema);
  RewriteOutput output;
  const PartitionTypes data_types = iceberg::PartitionTypes(task.output_spec(), *task.schema);
  MORAINE_ASSIGN(output.data_files, ReadFiles(json, "data-files", data_types));
  MORAINE_ASSIGN(output.delete_files, ReadFiles(json, "delete-files", types));
  MORAINE_ASSIGN(output.positions, ReadMap(json));
  MORAINE_ASSIGN(output.rows_read, json.Int64("rows-read"));
  MORAINE_ASSIGN(output.rows_deleted, json.Int64("rows-deleted"));
  MORAINE_ASSIGN(const auto deduplicated, json.OptInt64("rows-deduplicated"));
  output.rows_deduplicated = deduplicated.value_or(0);
  MORAINE_ASSIGN(const auto elsewhere, json.OptInt64("rows-elsewhere"));
  output.rows_elsewhere = elsewhere.value_or(0);
  MORAINE_ASSIGN(output.rows_written, json.Int64("rows-written"));
  MORAINE_ASSIGN(output.bytes_read, json.Int64("bytes-read"));
  MORAINE_ASSIGN(output.bytes_written, json.Int64("bytes-written"));
  MORAINE_ASSIGN(output.duration_ms, json.Int64("duration-ms"));
  return output;
}

}  // namespace moraine::tasks
