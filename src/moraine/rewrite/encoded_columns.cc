#include "moraine/rewrite/encoded_columns.h"

#include <algorithm>
#include <utility>

#include <arrow/record_batch.h>

#include "moraine/splice/footer.h"

namespace moraine::rewrite {
namespace {

constexpr char kName[] = "encoded columns";

RowSource MakeSource(TaskRun* run, io::FileSystem& files, const std::vector<iceberg::Field>& fields,
                     RewriteProgress* progress) {
  RowSource::Options options;
  options.fields = fields;
  options.mapping = run->mapping();
  options.memory_bytes = run->budget().reader;
  options.dictionaries = iceberg::Dictionaries::kKeep;
  options.pool = run->pool();
  options.superseded = run->superseded();
  return RowSource(files, run->task(), run->filter(), std::move(options), progress);
}

}  // namespace

EncodedColumns::EncodedColumns(TaskRun* run, io::FileSystem& files,
                               std::vector<iceberg::Field> fields)
    : run_(run),
      fields_(std::move(fields)),
      source_(MakeSource(run, files, fields_, &unwatched_)) {}

Result<EncodedGroup> EncodedColumns::Next(Call& call, int64_t rows) {
  EncodedGroup group;
  group.file = std::make_unique<MemoryFile>();
  iceberg::WriteOptions options = run_->MakeWriteOptions();
  options.schema = std::make_shared<const iceberg::Schema>(0, fields_, std::vector<int32_t>());
  options.properties["write.parquet.row-group-size-bytes"] = std::to_string(INT64_MAX);
  MORAINE_ASSIGN(const auto writer,
                 iceberg::ParquetWriter::Open(call, *group.file, kName, options));
  while (rows > 0) {
    if (left_ == nullptr) {
      MORAINE_ASSIGN(RowBatch batch, source_.Next(call));
      if (batch.rows == nullptr) return Corruption("the inputs have fewer rows when read again");
      left_ = std::move(batch.rows);
    }
    const int64_t count = std::min(rows, left_->num_rows());
    MORAINE_TRY(writer->Write(call, *left_->Slice(0, count)));
    left_ = count < left_->num_rows() ? left_->Slice(count) : nullptr;
    rows -= count;
  }
  MORAINE_ASSIGN(group.metrics, writer->Close(call));
  group.reader = group.file->OpenBytes();
  MORAINE_ASSIGN(const std::string footer,
                 splice::ReadFooter(call, *group.reader, kName, INT64_MAX));
  MORAINE_ASSIGN(group.metadata, splice::ParseFileMetadata(footer, group.reader->size()));
  return group;
}

}  // namespace moraine::rewrite
