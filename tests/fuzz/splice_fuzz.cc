// Parquet files whose pages are copied: footers, page headers, dictionaries, levels, page indexes.
// What can't be copied is an error, never more.

#include "fuzz/file_fields.h"
#include "fuzz/fuzz.h"

#include "moraine/iceberg/data/parquet_reader.h"
#include "moraine/io/testing/memory_file_system.h"
#include "moraine/rewrite/rewrite.h"

namespace {

using namespace moraine;           // NOLINT: a program, not a library
using namespace moraine::iceberg;  // NOLINT

}  // namespace

MORAINE_FUZZ(bytes) {
  Call call(SystemEnv(NullLogger()), std::chrono::minutes(1));
  io::MemoryFileSystem files;
  files.Put("/f", std::string(bytes), 0);
  ReadOptions read;
  read.without_ids = WithoutIds::kByName;
  auto probe = ParquetReader::Open(call, files, "/f", std::nullopt, read);
  if (!probe.ok()) return;
  tasks::RewriteTask task;
  task.process_id = "p";
  task.attempt = 1;
  task.spec = std::make_shared<const PartitionSpec>();
  task.schema = std::make_shared<const Schema>(0, fuzz::FieldsOf((*probe)->columns()),
                                               std::vector<int32_t>());
  task.target_size_bytes = 1 << 20;
  task.data_location = "/out";
  tasks::InputFile input;
  input.file.file_path = "/f";
  input.file.file_size_in_bytes = static_cast<int64_t>(bytes.size());
  input.file.record_count = (*probe)->num_rows();
  input.sequence_number = 1;
  task.rewrite = {input, input};  // dictionaries are merged
  rewrite::RewriteOptions options;
  options.way = rewrite::RewriteWay::kSplice;
  options.threads = 1;
  options.memory_bytes = 64 << 20;
  const auto output = rewrite::RunRewrite(call, files, task, options, nullptr);
  static_cast<void>(output.ok());
}
