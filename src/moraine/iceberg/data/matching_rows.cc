#include "moraine/iceberg/data/matching_rows.h"

#include <algorithm>
#include <utility>
#include <vector>

#include <arrow/record_batch.h>
#include <fmt/format.h>

#include "moraine/iceberg/data/column_values.h"
#include "moraine/iceberg/data/data_file_reader.h"

namespace moraine::iceberg {

Result<PositionSet> FindMatchingRows(Call& call, io::FileSystem& files, const DataFile& file,
                                     int64_t sequence_number, const DeleteFilter& deletes,
                                     const RowSearch& search) {
  if (file.key_metadata)
    return Unsupported(fmt::format("reading an encrypted file: {}", file.file_path));
  ReadOptions read;
  read.fields = {search.column};
  for (const Field& key : deletes.key_fields()) {
    if (key.id != search.column.id) read.fields.push_back(key);
  }
  read.constants = search.constants;
  read.mapping = search.mapping;
  read.batch_bytes = std::clamp<int64_t>(search.memory_bytes / 16, 64 << 10, 8 << 20);
  read.whole_row_group_bytes = search.memory_bytes / 4;
  MORAINE_ASSIGN(FileDeletes applied,
                 FileDeletes::Make(deletes, file.file_path, sequence_number, read.fields));
  MORAINE_ASSIGN(auto reader, DataFileReader::Open(call, files, file.file_path, file.format,
                                                   file.file_size_in_bytes, std::move(read)));
  PositionSet found;
  int64_t rows = 0;
  while (true) {
    MORAINE_ASSIGN(const auto batch, reader->Next(call));
    if (batch == nullptr) break;
    const int64_t first = reader->batch_position();
    std::vector<uint8_t> keep(static_cast<size_t>((batch->num_rows() + 7) / 8), 0xFF);
    if (!applied.empty()) MORAINE_TRY(applied.Apply(*batch, first, keep.data(), nullptr));
    std::vector<int64_t> positions;
    for (int64_t row = 0; row < batch->num_rows(); ++row) {
      if ((keep[static_cast<size_t>(row / 8)] >> (row % 8) & 1) == 0) continue;
      if (search.picks(ValueAt(*batch->column(0), *search.column.type, row)))
        positions.push_back(first + row);
    }
    found.AddMany(positions);
    rows += batch->num_rows();
  }
  if (rows == file.record_count) return found;
  return Corruption(fmt::format("{}: the table's metadata says {} rows, the file has {}",
                                file.file_path, file.record_count, rows));
}

}  // namespace moraine::iceberg
