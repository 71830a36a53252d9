#include "moraine/iceberg/data/file_sketches.h"

#include <algorithm>
#include <utility>

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <fmt/format.h>

#include "moraine/iceberg/data/data_file_reader.h"
#include "moraine/iceberg/data/key_columns.h"

namespace moraine::iceberg {
namespace {

/// Those of the schema's fields that are counted or compared with deletes, then those that only
/// deletes still know.
std::vector<Field> FieldsToRead(const SketchedColumns& columns, const DeleteFilter& deletes) {
  std::vector<int32_t> ids = columns.ids;
  for (const auto& key : deletes.key_fields()) ids.push_back(key.id);
  auto fields = SelectFields(columns.schema->fields(), ids);
  const auto& dropped = deletes.dropped_fields();
  fields.insert(fields.end(), dropped.begin(), dropped.end());
  return fields;
}

using BatchPtr = std::shared_ptr<arrow::RecordBatch>;

Result<BatchPtr> WithoutDeleted(BatchPtr batch, int64_t first_position, FileDeletes* deletes) {
  if (deletes->empty()) return batch;
  std::vector<uint8_t> keep(static_cast<size_t>((batch->num_rows() + 7) / 8), 0xFF);
  MORAINE_ASSIGN(const int64_t gone, deletes->Apply(*batch, first_position, keep.data(), nullptr));
  if (gone == 0) return batch;
  return KeepRows(batch, keep, nullptr);
}

}  // namespace

Result<int64_t> AddFileToSketches(Call& call, io::FileSystem& files, const DataFile& file,
                                  int64_t sequence_number, const DeleteFilter& deletes,
                                  const SketchedColumns& columns,
                                  std::vector<ColumnSketch>* sketches) {
  if (file.key_metadata)
    return Unsupported(fmt::format("reading an encrypted file: {}", file.file_path));
  ReadOptions read;
  read.fields = FieldsToRead(columns, deletes);
  read.constants = columns.constants;
  read.mapping = columns.mapping;
  read.dictionaries = Dictionaries::kKeep;
  read.batch_bytes = std::clamp<int64_t>(columns.memory_bytes / 16, 64 << 10, 8 << 20);
  read.whole_row_group_bytes = columns.memory_bytes / 4;
  MORAINE_ASSIGN(const auto wanted, KeyColumns::Make(read.fields, columns.ids));
  MORAINE_ASSIGN(auto applied,
                 FileDeletes::Make(deletes, file.file_path, sequence_number, read.fields));
  MORAINE_ASSIGN(auto reader, DataFileReader::Open(call, files, file.file_path, file.format,
                                                   file.file_size_in_bytes, std::move(read)));
  int64_t rows = 0;
  while (true) {
    MORAINE_ASSIGN(auto batch, reader->Next(call));
    if (batch == nullptr) break;
    rows += batch->num_rows();
    MORAINE_ASSIGN(batch, WithoutDeleted(std::move(batch), reader->batch_position(), &applied));
    MORAINE_ASSIGN(const auto arrays, wanted.ExtractEncoded(*batch, nullptr));
    for (size_t i = 0; i < arrays.size(); ++i) MORAINE_TRY((*sketches)[i].Add(*arrays[i]));
  }
  if (rows == file.record_count) return rows;
  return Corruption(fmt::format("{}: the table's metadata says {} rows, the file has {}",
                                file.file_path, file.record_count, rows));
}

}  // namespace moraine::iceberg
