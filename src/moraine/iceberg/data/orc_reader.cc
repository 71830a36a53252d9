#include "moraine/iceberg/data/orc_reader.h"

#include <algorithm>
#include <utility>

#include <arrow/memory_pool.h>
#include <arrow/record_batch.h>
#include <arrow/util/byte_size.h>

#include "moraine/iceberg/data/file_columns_internal.h"
#include "moraine/iceberg/data/foreign_errors_internal.h"
#include "moraine/iceberg/data/orc_columns_internal.h"

namespace moraine::iceberg {
namespace {

using BatchPtr = std::shared_ptr<arrow::RecordBatch>;

// By how much strings are compressed at most, where the file doesn't tell.
constexpr int64_t kGuessedCompression = 16;
// Fewer tell nothing of the size of others: buffers have a least size.
constexpr int64_t kTellingRows = 1024;

class Reader final : public DataFileReader {
 public:
  Reader(std::string location, ReadOptions options)
      : location_(std::move(location)),
        options_(std::move(options)),
        pool_(options_.pool != nullptr ? options_.pool : arrow::default_memory_pool()) {}

  Status Open(Call& call, io::FileSystem& files, std::optional<int64_t> known_size) {
    MORAINE_ASSIGN(auto file, files.Open(call, location_, known_size));
    return Annotated(GuardFile(location_, [&] { return OpenUnguarded(call, std::move(file)); }));
  }

  const std::shared_ptr<arrow::Schema>& schema() const override {
    return projection_->arrow_schema();
  }
  std::optional<int64_t> known_rows() const override { return file_->rows(); }
  const std::vector<FileColumn>& columns() const override { return columns_; }
  int64_t batch_position() const override { return batch_position_; }

  Result<BatchPtr> Next(Call& call) override {
    MORAINE_TRY(call.Check());
    BatchPtr batch;
    MORAINE_TRY(Annotated(GuardFile(location_, [&] { return NextUnguarded(&batch); })));
    return batch;
  }

 private:
  Status Annotated(Status status) const {
    if (status.ok() || status.message().find(location_) != std::string::npos) return status;
    return std::move(status).Annotate(location_);
  }
  Status OpenUnguarded(Call& call, std::unique_ptr<io::RandomReader> file);
  Status NextUnguarded(BatchPtr* batch);
  Status ReadRows(BatchPtr* batch);
  int64_t BatchRows() const;

  const std::string location_;
  const ReadOptions options_;
  arrow::MemoryPool* pool_;
  std::unique_ptr<OrcFile> file_;
  std::vector<FileColumn> columns_;
  std::optional<ColumnProjection> projection_;
  std::optional<OrcRows> rows_;  // none: no column of the file is wanted

  size_t next_stripe_ = 0;
  int64_t stripe_rows_left_ = 0;
  int64_t measured_row_bytes_ = 0;  // of the largest rows so far
  int64_t position_ = 0;            // of the next row
  int64_t batch_position_ = 0;
};

Status Reader::OpenUnguarded(Call& call, std::unique_ptr<io::RandomReader> file) {
  MORAINE_ASSIGN(file_, OrcFile::Open(call, std::move(file), pool_));
  MORAINE_ASSIGN(columns_, ToFileColumns(file_->types()));
  MORAINE_TRY(GiveIds(location_, options_, &columns_));
  SetTimeUnits(options_.fields, &columns_);
  MORAINE_ASSIGN(projection_,
                 ColumnProjection::Make(options_.fields, columns_, options_.constants));
  const std::vector<int>& leaves = projection_->leaf_indices();
  if (!leaves.empty()) rows_.emplace(file_.get(), columns_, leaves, pool_);
  return {};
}

int64_t Reader::BatchRows() const {
  int64_t row_bytes = std::max(rows_->row_bytes(), measured_row_bytes_);
  if (row_bytes == 0) {
    const OrcStripe& stripe = file_->stripes()[next_stripe_ - 1];
    row_bytes = stripe.data_length / stripe.rows * kGuessedCompression;
  }
  return std::clamp<int64_t>(options_.batch_bytes / std::max<int64_t>(row_bytes, 1), 1,
                             options_.batch_rows);
}

Status Reader::ReadRows(BatchPtr* batch) {
  while (stripe_rows_left_ == 0) {
    const OrcStripe& stripe = file_->stripes()[next_stripe_++];
    stripe_rows_left_ = stripe.rows;
    if (stripe.rows > 0) MORAINE_TRY(rows_->Open(stripe, options_.whole_row_group_bytes / 2));
  }
  const int64_t rows =
      rows_->Fitting(std::min(BatchRows(), stripe_rows_left_), options_.batch_bytes);
  MORAINE_ASSIGN(*batch, rows_->Next(rows));
  stripe_rows_left_ -= rows;
  if (rows >= kTellingRows) {
    measured_row_bytes_ =
        std::max(measured_row_bytes_, arrow::util::TotalBufferSize(**batch) / rows);
  }
  return {};
}

Status Reader::NextUnguarded(BatchPtr* batch) {
  if (position_ == file_->rows()) return {};
  BatchPtr input;
  int64_t rows = std::min(file_->rows() - position_, options_.batch_rows);
  if (rows_) {
    MORAINE_TRY(ReadRows(&input));
    rows = input->num_rows();
  }
  batch_position_ = position_;
  position_ += rows;
  const BatchOrigin origin{&location_, batch_position_,
                           options_.lineage ? &*options_.lineage : nullptr};
  MORAINE_ASSIGN(*batch,
                 projection_->Apply(input.get(), rows, origin, options_.dictionaries, pool_));
  return {};
}

}  // namespace

Result<std::unique_ptr<DataFileReader>> OpenOrcReader(Call& call, io::FileSystem& files,
                                                      const std::string& location,
                                                      std::optional<int64_t> known_size,
                                                      ReadOptions options) {
  auto reader = std::make_unique<Reader>(location, std::move(options));
  MORAINE_TRY(reader->Open(call, files, known_size));
  return std::unique_ptr<DataFileReader>(std::move(reader));
}

}  // namespace moraine::iceberg
