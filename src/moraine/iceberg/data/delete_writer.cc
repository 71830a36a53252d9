#include "moraine/iceberg/data/delete_writer.h"

#include <algorithm>
#include <utility>

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "moraine/base/text.h"
#include "moraine/iceberg/data/arrow_schema.h"
#include "moraine/iceberg/deletes/deletion_vector.h"

namespace moraine::iceberg {
namespace {

constexpr size_t kBatchRows = 64 * 1024;

SchemaPtr PositionDeleteSchema() {
  Field path;
  path.id = kFilePathFieldId;
  path.name = "file_path";
  path.required = true;
  path.type = Type::Primitive(TypeKind::kString);
  Field position = path;
  position.id = kPositionFieldId;
  position.name = "pos";
  position.type = Type::Primitive(TypeKind::kLong);
  return std::make_shared<const Schema>(0, std::vector<Field>{path, position});
}

Status WriteRun(Call& call, const Field& path_field, const std::string& path,
                std::span<const int64_t> positions, arrow::MemoryPool* pool,
                ParquetWriter* writer) {
  const auto rows = static_cast<int64_t>(positions.size());
  MORAINE_ASSIGN(auto paths, RepeatValue(*path_field.type, path, rows, pool));
  auto values = std::make_shared<arrow::Int64Array>(
      rows, std::make_shared<arrow::Buffer>(reinterpret_cast<const uint8_t*>(positions.data()),
                                            rows * int64_t{sizeof(int64_t)}));
  static const auto* schema =
      new std::shared_ptr<arrow::Schema>(ToArrowSchema(PositionDeleteSchema()->fields()));
  return writer->Write(
      call, *arrow::RecordBatch::Make(*schema, rows, {std::move(paths), std::move(values)}));
}

}  // namespace

Result<DataFile> WritePositionDeletes(Call& call, io::FileSystem& files,
                                      const std::string& location,
                                      const std::map<std::string, PositionSet>& positions,
                                      const WriteOptions& options) {
  WriteOptions own = options;
  own.schema = PositionDeleteSchema();
  own.content = FileContent::kPositionDeletes;
  own.key_values = {{"delete-type", "position"}};
  own.modes = {{kFilePathFieldId, MetricsMode::Full()}, {kPositionFieldId, MetricsMode::Full()}};
  own.sort_order_id.reset();
  MORAINE_ASSIGN(auto writer, ParquetWriter::Open(call, files, location, own));
  const Field& path_field = own.schema->fields()[0];
  arrow::MemoryPool* pool = own.pool != nullptr ? own.pool : arrow::default_memory_pool();
  std::vector<int64_t> some;
  for (const auto& [path, set] : positions) {  // a map sorts as UTF-8 bytes do
    for (int64_t next = 0;;) {
      some.clear();
      set.AppendFrom(next, kBatchRows, &some);
      if (some.empty()) break;
      MORAINE_TRY(WriteRun(call, path_field, path, some, pool, writer.get()));
      if (some.size() < kBatchRows) break;
      next = some.back() + 1;
    }
  }
  MORAINE_ASSIGN(DataFile file, writer->Close(call));
  // As Java: counts of the two columns say nothing.
  file.value_counts.clear();
  file.null_value_counts.clear();
  if (positions.size() == 1) file.referenced_data_file = positions.begin()->first;
  return file;
}

Status DeletionVectorWriter::Add(Call& call, const std::string& data_file,
                                 const PositionSet& positions) {
  MORAINE_ASSIGN(const std::string bytes, EncodeDeletionVector(positions));
  if (!writer_) {
    MORAINE_ASSIGN(writer_, PuffinWriter::Create(call, files_, location_));
  }
  const int64_t cardinality = positions.cardinality();
  PuffinBlob blob;
  blob.type = kDeletionVectorBlobType;
  blob.fields = {kMetadataPositionFieldId};  // as Java
  blob.properties = {{"referenced-data-file", data_file},
                     {"cardinality", std::to_string(cardinality)}};
  MORAINE_ASSIGN(blob, writer_->Add(call, std::move(blob), bytes));
  DataFile& entry = entries_.emplace_back();
  entry.content = FileContent::kPositionDeletes;
  entry.format = FileFormat::kPuffin;
  entry.file_path = location_;
  entry.record_count = cardinality;
  entry.referenced_data_file = data_file;
  entry.content_offset = blob.offset;
  entry.content_size_in_bytes = blob.length;
  return {};
}

Result<std::vector<DataFile>> DeletionVectorWriter::Close(Call& call) {
  if (!writer_) return std::vector<DataFile>();
  MORAINE_ASSIGN(const int64_t size, writer_->Close(call));
  for (DataFile& entry : entries_) entry.file_size_in_bytes = size;
  return std::move(entries_);
}

Result<std::vector<DataFile>> WriteDeletionVectors(
    Call& call, io::FileSystem& files, const std::string& location,
    const std::map<std::string, PositionSet>& positions) {
  DeletionVectorWriter writer(files, location);
  for (const auto& [path, set] : positions) MORAINE_TRY(writer.Add(call, path, set));
  return writer.Close(call);
}

Result<DataFile> WriteEqualityDeletes(
    Call& call, io::FileSystem& files, const std::string& location,
    const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches,
    std::vector<int32_t> equality_ids, const WriteOptions& options) {
  WriteOptions own = options;
  own.content = FileContent::kEqualityDeletes;
  std::string ids;
  for (int32_t id : equality_ids) ids += (ids.empty() ? "" : ",") + std::to_string(id);
  own.key_values = {{"delete-type", "equality"}, {"delete-field-ids", std::move(ids)}};
  own.sort_order_id = options.sort_order_id.value_or(0);
  MORAINE_ASSIGN(auto writer, ParquetWriter::Open(call, files, location, own));
  for (const auto& batch : batches) MORAINE_TRY(writer->Write(call, *batch));
  MORAINE_ASSIGN(DataFile file, writer->Close(call));
  file.equality_ids = std::move(equality_ids);
  return file;
}

}  // namespace moraine::iceberg
