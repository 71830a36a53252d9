#include "moraine/iceberg/data/orc_reader.h"

#include <algorithm>
#include <span>
#include <utility>

#include <arrow/adapters/orc/adapter.h>
#include <arrow/array.h>
#include <arrow/io/interfaces.h>
#include <arrow/record_batch.h>
#include <arrow/util/byte_size.h>
#include <fmt/format.h>

#include "moraine/iceberg/data/file_columns_internal.h"
#include "moraine/iceberg/data/foreign_errors_internal.h"
#include "moraine/iceberg/data/orc_columns_internal.h"
#include "moraine/io/arrow_file.h"

namespace moraine::iceberg {
namespace {

using BatchPtr = std::shared_ptr<arrow::RecordBatch>;

// By how much files of strings are compressed at most, where they don't tell.
constexpr int64_t kGuessedCompression = 16;
// Fewer tell nothing of the size of others: buffers have a least size.
constexpr int64_t kTellingRows = 1024;

// The adapter forgets what went wrong below it.
class WatchedReader final : public io::RandomReader {
 public:
  WatchedReader(std::unique_ptr<io::RandomReader> reader, std::shared_ptr<Status> error)
      : reader_(std::move(reader)), error_(std::move(error)) {}
  int64_t size() const override { return reader_->size(); }
  Status ReadAt(Call& call, int64_t offset, std::span<char> buffer) override {
    Status status = reader_->ReadAt(call, offset, buffer);
    if (!status.ok()) *error_ = status;
    return status;
  }

 private:
  std::unique_ptr<io::RandomReader> reader_;
  std::shared_ptr<Status> error_;
};

class Reader final : public DataFileReader {
 public:
  Reader(const Call& call, std::string location, ReadOptions options)
      : call_(call),
        location_(std::move(location)),
        options_(std::move(options)),
        pool_(options_.pool != nullptr ? options_.pool : arrow::default_memory_pool()) {}

  Status Open(io::FileSystem& files, std::optional<int64_t> known_size) {
    return Explain(GuardFile(location_, [&] { return OpenUnguarded(files, known_size); }));
  }

  const std::shared_ptr<arrow::Schema>& schema() const override {
    return projection_->arrow_schema();
  }
  std::optional<int64_t> known_rows() const override { return rows_; }
  const std::vector<FileColumn>& columns() const override { return columns_; }
  int64_t batch_position() const override { return batch_position_; }

  Result<BatchPtr> Next(Call& call) override {
    MORAINE_TRY(call.Check());
    BatchPtr batch;
    MORAINE_TRY(Explain(GuardFile(location_, [&] { return NextUnguarded(&batch); })));
    return batch;
  }

 private:
  Status Explain(Status status);
  Status OpenUnguarded(io::FileSystem& files, std::optional<int64_t> known_size);
  Status CheckStripes();
  Status NextUnguarded(BatchPtr* batch);
  Status OpenStripe();
  Status ReadBatch(BatchPtr* batch);
  Status ReadColumns(BatchPtr* batch);
  int64_t BatchRows(const arrow::adapters::orc::StripeInformation& stripe) const;

  Call call_;  // the file reads through it
  const std::string location_;
  const ReadOptions options_;
  arrow::MemoryPool* pool_;
  std::shared_ptr<Status> io_error_ = std::make_shared<Status>();
  std::unique_ptr<arrow::adapters::orc::ORCFileReader> reader_;
  std::vector<FileColumn> columns_;
  std::optional<ColumnProjection> projection_;
  std::vector<int> places_;  // of the columns that are read
  int64_t rows_ = 0;
  int64_t row_bytes_ = 0;  // of the largest rows so far, or as the statistics say; 0: unknown

  int64_t stripe_ = -1;
  int64_t stripe_end_ = 0;  // a row of the file
  std::shared_ptr<arrow::RecordBatchReader> batches_;
  int64_t rows_at_once_ = 0;  // of batches_
  int64_t position_ = 0;      // of the next row
  int64_t batch_position_ = 0;
};

Status Reader::Explain(Status status) {
  if (status.ok()) return status;
  if (!io_error_->ok()) return *io_error_;
  if (status.message().find("nanosecond resolution") != std::string::npos) {
    return Unsupported(location_ +
                       ": a timestamp before 1677 or after 2262, which can't be read from ORC");
  }
  if (status.message().find(location_) != std::string::npos) return status;
  return std::move(status).Annotate(location_);
}

Status Reader::OpenUnguarded(io::FileSystem& files, std::optional<int64_t> known_size) {
  MORAINE_ASSIGN(auto file, files.Open(call_, location_, known_size));
  auto watched = std::make_shared<WatchedReader>(std::move(file), io_error_);
  MORAINE_FILE_ASSIGN(
      location_, reader_,
      arrow::adapters::orc::ORCFileReader::Open(io::ToArrowFile(call_, std::move(watched)), pool_));
  MORAINE_FILE_ASSIGN(location_, const auto orc_schema, reader_->ReadSchema());
  MORAINE_TRY(CheckStripes());
  columns_ = ToFileColumns(*orc_schema);
  MORAINE_TRY(GiveIds(location_, options_, &columns_));
  MORAINE_ASSIGN(projection_, ColumnProjection::Make(options_.fields, columns_, options_.constants,
                                                     NestedReads::kWholeColumns));
  places_ = projection_->leaf_indices();
  places_.erase(std::unique(places_.begin(), places_.end()), places_.end());
  row_bytes_ = DecodedRowBytes(reader_->GetSerializedFileTail(), *orc_schema, places_).value_or(0);
  return {};
}

// Counts that the file claims and that we add up or allocate by.
Status Reader::CheckStripes() {
  rows_ = reader_->NumberOfRows();
  int64_t rows = 0;
  for (int64_t i = 0; i < reader_->NumberOfStripes(); ++i) {
    const auto stripe = reader_->GetStripeInformation(i);
    if (stripe.num_rows < 0 || stripe.num_rows > INT64_MAX - rows || stripe.first_row_id != rows) {
      return Corruption(fmt::format("stripe {} claims {} rows from row {} on, after {} of others",
                                    i, stripe.num_rows, stripe.first_row_id, rows));
    }
    rows += stripe.num_rows;
  }
  if (rows == rows_) return {};
  return Corruption(fmt::format("the stripes have {} rows, the file claims {}", rows, rows_));
}

int64_t Reader::BatchRows(const arrow::adapters::orc::StripeInformation& stripe) const {
  int64_t row_bytes = row_bytes_;
  if (row_bytes == 0) row_bytes = stripe.length / stripe.num_rows * kGuessedCompression;
  return std::clamp<int64_t>(options_.batch_bytes / std::max<int64_t>(row_bytes, 1), 1,
                             std::min<int64_t>(options_.batch_rows, INT32_MAX));
}

// From position_ on.
Status Reader::OpenStripe() {
  arrow::adapters::orc::StripeInformation stripe = reader_->GetStripeInformation(stripe_);
  rows_at_once_ = BatchRows(stripe);
  stripe_end_ = stripe.first_row_id + stripe.num_rows;
  MORAINE_FILE_TRY(location_, reader_->Seek(position_));
  MORAINE_FILE_ASSIGN(location_, batches_, reader_->NextStripeReader(rows_at_once_, places_));
  return {};
}

Status Reader::ReadBatch(BatchPtr* batch) {
  while (position_ == stripe_end_) {
    batches_ = nullptr;
    ++stripe_;
    stripe_end_ = position_ + reader_->GetStripeInformation(stripe_).num_rows;
  }
  if (batches_ == nullptr) MORAINE_TRY(OpenStripe());
  if (batches_ != nullptr) MORAINE_FILE_TRY(location_, batches_->ReadNext(batch));
  const int64_t rows = *batch != nullptr ? (*batch)->num_rows() : 0;
  if (rows <= 0 || rows > stripe_end_ - position_ ||
      (*batch)->num_columns() != static_cast<int>(places_.size())) {
    return Corruption(fmt::format("stripe {} has other rows than it claims", stripe_));
  }
  if (rows == rows_at_once_ || rows >= kTellingRows) {
    row_bytes_ = std::max(row_bytes_, arrow::util::TotalBufferSize(**batch) / rows);
  }
  // Rows that are larger than the others were: fewer at once from here on.
  if (row_bytes_ > 2 * options_.batch_bytes / rows_at_once_ && rows_at_once_ > 1) {
    batches_ = nullptr;
  }
  return {};
}

Status Reader::ReadColumns(BatchPtr* batch) {
  MORAINE_TRY(ReadBatch(batch));
  arrow::FieldVector fields;
  arrow::ArrayVector arrays;
  for (size_t i = 0; i < places_.size(); ++i) {
    const FileColumn& column = columns_[static_cast<size_t>(places_[i])];
    MORAINE_ASSIGN(auto array, ToColumnType(column, (*batch)->column(static_cast<int>(i)), pool_));
    fields.push_back(arrow::field(column.name, array->type()));
    arrays.push_back(std::move(array));
  }
  *batch = arrow::RecordBatch::Make(arrow::schema(std::move(fields)), (*batch)->num_rows(),
                                    std::move(arrays));
  return {};
}

Status Reader::NextUnguarded(BatchPtr* batch) {
  if (position_ == rows_) return {};
  BatchPtr input;
  int64_t rows = std::min(rows_ - position_, options_.batch_rows);
  if (!places_.empty()) {
    MORAINE_TRY(ReadColumns(&input));
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
  auto reader = std::make_unique<Reader>(call, location, std::move(options));
  MORAINE_TRY(reader->Open(files, known_size));
  return std::unique_ptr<DataFileReader>(std::move(reader));
}

}  // namespace moraine::iceberg
