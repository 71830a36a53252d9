// Parquet files: footers, page headers, levels and encodings, read by the columns that they claim.

#include "fuzz/file_fields.h"
#include "fuzz/fuzz.h"
#include <arrow/memory_pool.h>
#include <arrow/record_batch.h>

#include "moraine/iceberg/data/parquet_reader.h"
#include "moraine/io/testing/memory_file_system.h"

namespace {

using namespace moraine;           // NOLINT: a program, not a library
using namespace moraine::iceberg;  // NOLINT

}  // namespace

MORAINE_FUZZ(bytes) {
  Call call(SystemEnv(NullLogger()), std::chrono::minutes(1));
  io::MemoryFileSystem files;
  files.Put("/f", std::string(bytes), 0);
  arrow::ProxyMemoryPool counted(arrow::default_memory_pool());
  arrow::CappedMemoryPool pool(&counted, 64 << 20);
  ReadOptions options;
  options.pool = &pool;
  options.without_ids = WithoutIds::kByName;
  auto probe = ParquetReader::Open(call, files, "/f", std::nullopt, options);
  if (!probe.ok()) return;
  options.fields = fuzz::FieldsOf((*probe)->columns());
  auto reader = ParquetReader::Open(call, files, "/f", std::nullopt, options);
  if (!reader.ok()) return;
  for (int i = 0; i < 100; ++i) {
    auto batch = (*reader)->Next(call);
    if (!batch.ok() || *batch == nullptr) return;
  }
}
