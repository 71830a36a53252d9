#include "moraine/iceberg/data/key_sample.h"

#include <algorithm>
#include <utility>

#include <arrow/array.h>
#include <arrow/memory_pool.h>
#include <arrow/record_batch.h>

#include "moraine/iceberg/data/column_values.h"
#include "moraine/iceberg/data/key_columns.h"

namespace moraine::iceberg {

Result<std::vector<std::vector<Value>>> SampleKeys(Call& call, io::FileSystem& files,
                                                   const DataFile& file,
                                                   const std::vector<int32_t>& ids,
                                                   const ReadOptions& options, int64_t rows) {
  MORAINE_ASSIGN(const KeyColumns keys, KeyColumns::Make(options.fields, ids));
  const std::vector<TypePtr> types = keys.types();
  MORAINE_ASSIGN(auto reader, DataFileReader::Open(call, files, file.file_path, file.format,
                                                   file.file_size_in_bytes, options));
  const int64_t step = std::max<int64_t>(1, file.record_count / std::max<int64_t>(1, rows));
  arrow::MemoryPool* pool = options.pool != nullptr ? options.pool : arrow::default_memory_pool();
  std::vector<std::vector<Value>> sample;
  int64_t next = step / 2;  // rows until the next one that is taken
  while (true) {
    MORAINE_ASSIGN(const auto batch, reader->Next(call));
    if (batch == nullptr) return sample;
    if (next < batch->num_rows()) {
      MORAINE_ASSIGN(const auto columns, keys.Extract(*batch, pool));
      for (; next < batch->num_rows(); next += step) {
        std::vector<Value> row;
        for (size_t i = 0; i < columns.size(); ++i)
          row.push_back(ValueAt(*columns[i], *types[i], next));
        sample.push_back(std::move(row));
      }
    }
    next -= batch->num_rows();
  }
}

}  // namespace moraine::iceberg
