#include <algorithm>
#include <utility>
#include <vector>

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "moraine/iceberg/data/orc_columns_internal.h"
#include "moraine/iceberg/data/orc_decoders_internal.h"
#include "moraine/iceberg/manifest/capped_sum.h"

namespace moraine::iceberg {
namespace {

using DecoderPtr = std::unique_ptr<OrcDecoder>;

constexpr int64_t kLeastWindow = int64_t{64} << 10;
constexpr int64_t kMostWindow = int64_t{4} << 20;
constexpr int64_t kFirstSlice = 16;
constexpr int64_t kMostSlice = 1024;

// Walks columns and types side by side.
class DecoderMaker {
 public:
  DecoderMaker(const std::vector<OrcType>& types, const std::vector<int>& leaves,
               arrow::MemoryPool* pool)
      : types_(types), leaves_(leaves), pool_(pool) {}

  DecoderPtr Struct(uint32_t number, const std::vector<FileColumn>& columns) {
    std::vector<DecoderPtr> children;
    arrow::FieldVector fields;
    for (size_t i = 0; i < columns.size(); ++i) {
      if (!IsWanted(columns[i])) continue;
      children.push_back(Column(types_[number].subtypes[i], columns[i]));
      fields.push_back(arrow::field(columns[i].name, columns[i].type));
    }
    return MakeStructDecoder(number, std::move(children), std::move(fields), pool_);
  }

 private:
  bool IsWanted(const FileColumn& column) const {
    if (column.children.empty()) {
      return std::binary_search(leaves_.begin(), leaves_.end(), column.leaf_index);
    }
    return std::any_of(column.children.begin(), column.children.end(),
                       [this](const FileColumn& child) { return IsWanted(child); });
  }

  DecoderPtr Column(uint32_t number, const FileColumn& column) {
    const OrcType& type = types_[number];
    if (column.children.empty()) return MakeLeafDecoder(type, number, column.type, pool_);
    if (type.kind == OrcKind::kStruct) return Struct(number, column.children);
    std::vector<DecoderPtr> children;
    for (size_t i = 0; i < column.children.size(); ++i) {
      children.push_back(Column(type.subtypes[i], column.children[i]));
    }
    return MakeRepeatedDecoder(number, std::move(children), column.type, pool_);
  }

  const std::vector<OrcType>& types_;
  const std::vector<int>& leaves_;  // ascending
  arrow::MemoryPool* pool_;
};

// 0: the file does not tell.
int64_t RowBytes(const OrcFile& file, const std::vector<int>& leaves) {
  if (file.rows() == 0) return 0;
  int64_t sum = 0;
  for (int leaf : leaves) {
    const auto at = static_cast<size_t>(leaf);
    if (at >= file.statistics().size()) return 0;
    const OrcStatistics& statistics = file.statistics()[at];
    const OrcKind kind = file.types()[at].kind;
    const bool is_text = kind == OrcKind::kString || kind == OrcKind::kBinary ||
                         kind == OrcKind::kVarchar || kind == OrcKind::kChar;
    if (is_text && !statistics.text_bytes && statistics.values > 0) return 0;
    sum = AddCapped(sum, MultiplyCapped(std::max(statistics.values, file.rows()), 10));
    sum = AddCapped(sum, statistics.text_bytes.value_or(0));
  }
  return std::max<int64_t>(sum / file.rows(), 1);
}

}  // namespace

OrcRows::OrcRows(OrcFile* file, const std::vector<FileColumn>& columns,
                 const std::vector<int>& leaves, arrow::MemoryPool* pool)
    : file_(file),
      root_(DecoderMaker(file->types(), leaves, pool).Struct(0, columns)),
      row_bytes_(RowBytes(*file, leaves)) {}
OrcRows::~OrcRows() = default;

Status OrcRows::Open(const OrcStripe& stripe, int64_t memory_bytes) {
  MORAINE_ASSIGN(footer_, file_->ReadStripeFooter(stripe));
  const auto streams = static_cast<int64_t>(footer_.streams.size()) + 1;
  const int64_t window = std::clamp(memory_bytes / streams, kLeastWindow, kMostWindow);
  return root_->Open(OrcStreams(file_, footer_, window));
}

// In slices, few rows first: what is looked at takes memory.
int64_t OrcRows::Fitting(int64_t rows, int64_t max_bytes) {
  root_->Rewind();
  std::vector<int64_t> bytes;
  int64_t sum = 0;
  int64_t slice = kFirstSlice;
  for (int64_t begin = 0; begin < rows; begin += static_cast<int64_t>(bytes.size())) {
    bytes.assign(static_cast<size_t>(std::min(slice, rows - begin)), 0);
    root_->Measure(bytes);
    for (size_t i = 0; i < bytes.size(); ++i) {
      sum = AddCapped(sum, bytes[i]);
      if (sum > max_bytes) return std::max<int64_t>(begin + static_cast<int64_t>(i), 1);
    }
    slice = std::min(2 * slice, kMostSlice);
  }
  return rows;
}

Result<std::shared_ptr<arrow::RecordBatch>> OrcRows::Next(int64_t rows) {
  MORAINE_ASSIGN(auto data, root_->Decode(rows, nullptr));
  const arrow::StructArray array(data);
  return arrow::RecordBatch::Make(arrow::schema(array.type()->fields()), rows, array.fields());
}

}  // namespace moraine::iceberg
