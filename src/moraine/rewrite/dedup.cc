#include "moraine/rewrite/dedup.h"

#include <algorithm>
#include <numeric>
#include <tuple>
#include <utility>

#include <arrow/array.h>
#include <arrow/record_batch.h>

#include "moraine/rewrite/arrange.h"
#include "moraine/rewrite/row_sorter.h"
#include "moraine/rewrite/sort_keys.h"
#include "moraine/tasks/layout.h"

namespace moraine::rewrite {
namespace {

/// Files from the oldest to the newest. Those of one commit by their paths: the files of one
/// rewrite are numbered.
std::vector<size_t> ByAge(const tasks::RewriteTask& task) {
  std::vector<size_t> order(task.rewrite.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    const auto& x = task.rewrite[a];
    const auto& y = task.rewrite[b];
    return std::tie(x.sequence_number, x.file.file_path) <
           std::tie(y.sequence_number, y.file.file_path);
  });
  return order;
}

/// Goes through rows that are sorted by key, and notes all but the last of each key.
class KeepLast {
 public:
  KeepLast(const SortKeys& keys, const std::vector<size_t>& files, size_t inputs)
      : keys_(keys), files_(files), superseded_(inputs) {}

  Status Take(const BatchPtr& batch, arrow::MemoryPool* pool) {
    MORAINE_ASSIGN(std::vector<ArrayPtr> columns, keys_.Extract(*batch, pool));
    const int at = batch->num_columns() - kSorterColumns + 1;  // keys are left out
    const auto& ages = static_cast<const arrow::Int32Array&>(*batch->column(at));
    const auto& positions = static_cast<const arrow::Int64Array&>(*batch->column(at + 1));
    for (int64_t row = 0; row < batch->num_rows(); ++row) {
      const bool first = row == 0;
      const bool same = first
                            ? has_last_ && keys_.Compare(last_columns_, last_row_, columns, 0) == 0
                            : keys_.Compare(columns, row - 1, columns, row) == 0;
      if (same) superseded_[last_file_].Add(last_position_);
      last_file_ = files_[static_cast<size_t>(ages.Value(row))];
      last_position_ = positions.Value(row);
    }
    has_last_ = true;
    last_row_ = batch->num_rows() - 1;
    last_columns_ = std::move(columns);
    return {};
  }

  std::vector<iceberg::PositionSet> Done() { return std::move(superseded_); }

 private:
  const SortKeys& keys_;
  const std::vector<size_t>& files_;  // by age
  std::vector<iceberg::PositionSet> superseded_;
  bool has_last_ = false;
  std::vector<ArrayPtr> last_columns_;
  int64_t last_row_ = 0;
  size_t last_file_ = 0;
  int64_t last_position_ = 0;
};

/// What rows are sorted by, and the columns to read for it: *fields holds all that are written.
std::vector<int32_t> ChooseColumns(const TaskRun& run, std::vector<iceberg::Field>* fields) {
  const tasks::Dedup& dedup = run.task().dedup;
  std::vector<int32_t> ids = dedup.keys;
  if (dedup.order_by) ids.push_back(*dedup.order_by);
  std::vector<iceberg::Field> chosen = FieldsWith(run, ids);
  // A rewrite gives rows a new file; from format version 3 on they remember their own number.
  const auto own = std::find_if(fields->begin(), fields->end(), [](const auto& field) {
    return field.id == iceberg::kLastUpdatedSequenceNumberFieldId;
  });
  if (own != fields->end()) {
    ids.push_back(own->id);
    chosen.push_back(*own);
  }
  *fields = std::move(chosen);
  return ids;
}

}  // namespace

Result<std::vector<iceberg::PositionSet>> FindSuperseded(Call& call, TaskRun* run) {
  const tasks::RewriteTask& task = run->task();
  MORAINE_TRY(tasks::ValidateDedup(task.dedup, *task.schema));
  RowSource::Options source = run->SourceOptions();
  source.superseded = nullptr;  // of a run that starts over
  const std::vector<int32_t> ids = ChooseColumns(*run, &source.fields);
  MORAINE_ASSIGN(const SortKeys order,
                 SortKeys::Make(source.fields, AscendingBy(ids), NaNs::kAllEqual));
  MORAINE_ASSIGN(const SortKeys keys,
                 SortKeys::Make(source.fields, AscendingBy(task.dedup.keys), NaNs::kAllEqual));

  // The sorter puts rows with equal keys in the order of their files: so that is their age.
  const std::vector<size_t> files = ByAge(task);
  std::vector<size_t> ages(files.size());
  for (size_t age = 0; age < files.size(); ++age) ages[files[age]] = age;
  RowSorter sorter(SorterOptionsOf(run, &order));
  RewriteProgress unwatched;
  MORAINE_TRY(ReadAll(
      call, run, source, &unwatched,
      [&](Call& c, RowBatch batch) -> Status {
        MORAINE_ASSIGN(const auto columns, order.Extract(*batch.rows, run->pool()));
        MORAINE_ASSIGN(ArrayPtr encoded,
                       order.Encode(columns, batch.rows->num_rows(), run->pool()));
        batch.origin.input = ages[batch.origin.input];
        return sorter.Add(c, batch, std::move(encoded));
      },
      [](const RowSource&) {}));
  MORAINE_TRY(sorter.Finish(call));
  KeepLast keep(keys, files, task.rewrite.size());
  while (true) {
    MORAINE_ASSIGN(const BatchPtr batch, sorter.Next(call));
    if (batch == nullptr) return keep.Done();
    MORAINE_TRY(keep.Take(batch, run->pool()));
  }
}

}  // namespace moraine::rewrite
