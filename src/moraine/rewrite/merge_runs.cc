// The k-way merge of sorted runs (sorted_rows.h).

#include <algorithm>
#include <deque>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include <arrow/array.h>
#include <arrow/array/array_dict.h>
#include <arrow/buffer.h>
#include <arrow/memory_pool.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "moraine/iceberg/data/value_cast.h"
#include "moraine/io/arrow_status.h"
#include "moraine/rewrite/row_sorter.h"
#include "moraine/rewrite/sort_rows.h"
#include "moraine/rewrite/sorted_rows.h"

namespace moraine::rewrite {
namespace {

// Batches of a run that are read before they are needed.
constexpr size_t kBatchesAhead = 2;

const arrow::DictionaryArray* AsDictionary(const BatchPtr& batch, int column) {
  const auto& array = batch->column(column);
  if (array->type_id() != arrow::Type::DICTIONARY) return nullptr;
  return static_cast<const arrow::DictionaryArray*>(array.get());
}

/// Gives a column of all runs one dictionary, or none.
class ColumnUnifier {
 public:
  /// heads: the first batch of each run. True when batches must go through Apply.
  Result<bool> Prepare(const std::vector<BatchPtr>& heads, int column, arrow::MemoryPool* pool) {
    size_t encoded = 0;
    for (const BatchPtr& head : heads) encoded += AsDictionary(head, column) != nullptr ? 1 : 0;
    if (encoded == 0) return false;
    value_type_ = static_cast<const arrow::DictionaryType&>(*FirstEncoded(heads, column)->type())
                      .value_type();
    if (encoded < heads.size()) return true;  // some are plain: all will be
    MORAINE_ASSIGN(auto unifier, arrow::DictionaryUnifier::Make(value_type_, pool));
    for (const BatchPtr& head : heads) {
      std::shared_ptr<arrow::Buffer> transpose;
      MORAINE_TRY(unifier->Unify(*AsDictionary(head, column)->dictionary(), &transpose));
      transposes_.push_back(std::move(transpose));
    }
    MORAINE_TRY(unifier->GetResultWithIndexType(arrow::int32(), &dictionary_));
    if (dictionary_->length() > kMaxDictionaryValues) dictionary_ = nullptr;
    return true;
  }

  Result<ArrayPtr> Apply(const ArrayPtr& values, size_t run, arrow::MemoryPool* pool) const {
    if (values->type_id() != arrow::Type::DICTIONARY) return values;
    if (dictionary_ == nullptr) return iceberg::CastValues(values, value_type_, pool);
    const auto& indices = *static_cast<const arrow::DictionaryArray&>(*values).indices();
    MORAINE_ASSIGN(std::shared_ptr<arrow::Buffer> mapped,
                   arrow::AllocateBuffer(indices.length() * 4, pool));
    const auto* in = static_cast<const arrow::Int32Array&>(indices).raw_values();
    auto* out = reinterpret_cast<int32_t*>(mapped->mutable_data());
    const auto* to = reinterpret_cast<const int32_t*>(transposes_[run]->data());
    const bool has_nulls = indices.null_count() > 0;
    for (int64_t i = 0; i < indices.length(); ++i)
      out[i] = has_nulls && indices.IsNull(i) ? 0 : to[in[i]];
    // The batches of a run are not sliced: their bitmaps begin at the first row.
    auto moved = std::make_shared<arrow::Int32Array>(indices.length(), std::move(mapped),
                                                     indices.null_bitmap(), indices.null_count());
    return ArrayPtr(
        std::make_shared<arrow::DictionaryArray>(values->type(), std::move(moved), dictionary_));
  }

 private:
  static ArrayPtr FirstEncoded(const std::vector<BatchPtr>& heads, int column) {
    for (const BatchPtr& head : heads) {
      if (AsDictionary(head, column) != nullptr) return head->column(column);
    }
    return nullptr;
  }

  std::shared_ptr<arrow::DataType> value_type_;
  std::vector<std::shared_ptr<arrow::Buffer>> transposes_;
  ArrayPtr dictionary_;  // nullptr: the column becomes plain
};

/// A batch with what its rows are compared by.
struct Head {
  BatchPtr batch;
  std::unique_ptr<KeyTable> keys;
  const int32_t* inputs = nullptr;
  const int64_t* positions = nullptr;
  std::vector<ArrayPtr> key_columns;  // once keys that were cut are met
};

class MergedRows final : public SortedRows {
 public:
  MergedRows(std::vector<std::unique_ptr<SpillRun>> runs, const SortKeys* keys,
             const TakeOptions& options)
      : keys_(keys != nullptr && keys->may_cut() ? keys : nullptr), options_(options) {
    for (auto& run : runs) cursors_.emplace_back().run = std::move(run);
  }

  Status Open() {
    MORAINE_TRY(ReadAhead());
    std::erase_if(cursors_, [](const Cursor& cursor) { return cursor.ahead.empty(); });
    MORAINE_TRY(Unify());
    for (size_t i = 0; i < cursors_.size(); ++i) {
      cursors_[i].number_of_run = i;
      MORAINE_TRY(Advance(&cursors_[i]));
      order_.push_back(i);
    }
    const auto after = [this](size_t a, size_t b) { return ComesBefore(b, a); };
    std::make_heap(order_.begin(), order_.end(), after);
    return {};
  }

  Result<BatchPtr> Next(Call& call) override {
    MORAINE_TRY(call.Check());
    const auto wanted = static_cast<size_t>(options_.batch_rows);
    while (picks_.size() < wanted && !order_.empty()) MORAINE_TRY(Pick());
    if (picks_.empty()) return BatchPtr();
    std::vector<BatchPtr> batches;
    for (const Head& head : heads_) batches.push_back(head.batch);
    MORAINE_ASSIGN(const BatchTaker taker, BatchTaker::Make(batches, options_));
    MORAINE_ASSIGN(BatchPtr batch, taker.Take(picks_));
    picks_.erase(picks_.begin(), picks_.begin() + batch->num_rows());
    if (picks_.empty()) MORAINE_TRY(DropReadHeads());
    return batch;
  }

 private:
  struct Cursor {
    std::unique_ptr<SpillRun> run;
    size_t number_of_run = 0;
    std::deque<BatchPtr> ahead;
    uint32_t head = 0;  // index into heads_
    uint32_t row = 0;
    uint32_t rows = 0;
    uint64_t number = 0;  // the first bytes of the key
  };

  /// Fills up what lies ready of each run.
  Status ReadAhead() {
    const auto read = [&](size_t i) -> Status {
      Cursor& cursor = cursors_[i];
      while (cursor.run != nullptr && cursor.ahead.size() < kBatchesAhead) {
        MORAINE_ASSIGN(BatchPtr batch, cursor.run->Next());
        if (batch == nullptr) cursor.run.reset();
        if (batch != nullptr && batch->num_rows() > 0) cursor.ahead.push_back(std::move(batch));
      }
      return {};
    };
    if (options_.helpers == nullptr || options_.helper_count == 0) {
      for (size_t i = 0; i < cursors_.size(); ++i) MORAINE_TRY(read(i));
      return {};
    }
    return ForEach(*options_.helpers, cursors_.size(), options_.helper_count, read);
  }

  Status Unify() {
    if (cursors_.empty()) return {};
    std::vector<BatchPtr> heads;
    for (const Cursor& cursor : cursors_) heads.push_back(cursor.ahead.front());
    for (int column = 0; column < heads[0]->num_columns(); ++column) {
      ColumnUnifier unifier;
      MORAINE_ASSIGN(const bool needed, unifier.Prepare(heads, column, options_.pool));
      if (needed) unifiers_.emplace(column, std::move(unifier));
    }
    return {};
  }

  /// The same rows with the dictionaries of the merge.
  Result<BatchPtr> Unified(BatchPtr batch, size_t run) const {
    for (const auto& [column, unifier] : unifiers_) {
      MORAINE_ASSIGN(ArrayPtr values, unifier.Apply(batch->column(column), run, options_.pool));
      const auto field = batch->schema()->field(column)->WithType(values->type());
      MORAINE_ASSIGN(batch, batch->SetColumn(column, field, values));
    }
    return batch;
  }

  /// To the next batch of the run; rows 0 when there is none.
  Status Advance(Cursor* cursor) {
    cursor->row = cursor->rows = 0;
    if (cursor->ahead.empty()) {
      MORAINE_TRY(ReadAhead());
      if (cursor->ahead.empty()) return {};
    }
    Head head;
    MORAINE_ASSIGN(head.batch, Unified(std::move(cursor->ahead.front()), cursor->number_of_run));
    cursor->ahead.pop_front();
    const int columns = head.batch->num_columns();
    const auto column = [&](int from_end) { return head.batch->column(columns - from_end); };
    head.keys = std::make_unique<KeyTable>(std::vector<ArrayPtr>{column(1)});
    head.positions = static_cast<const arrow::Int64Array&>(*column(2)).raw_values();
    head.inputs = static_cast<const arrow::Int32Array&>(*column(3)).raw_values();
    if (keys_ != nullptr) {
      MORAINE_ASSIGN(head.key_columns, keys_->Extract(*head.batch, options_.pool));
    }
    cursor->head = static_cast<uint32_t>(heads_.size());
    cursor->rows = static_cast<uint32_t>(head.batch->num_rows());
    heads_.push_back(std::move(head));
    cursor->number = KeyNumber(KeyOf(*cursor), 0);
    return {};
  }

  std::string_view KeyOf(const Cursor& cursor) const {
    return heads_[cursor.head].keys->at({0, cursor.row});
  }

  bool ComesBefore(size_t a, size_t b) const {
    const Cursor& x = cursors_[a];
    const Cursor& y = cursors_[b];
    if (x.number != y.number) return x.number < y.number;
    const int order = KeyOf(x).compare(KeyOf(y));
    if (order != 0) return order < 0;
    const Head& p = heads_[x.head];
    const Head& q = heads_[y.head];
    if (keys_ != nullptr) {
      const int by_value = keys_->Compare(p.key_columns, x.row, q.key_columns, y.row);
      if (by_value != 0) return by_value < 0;
    }
    if (p.inputs[x.row] != q.inputs[y.row]) return p.inputs[x.row] < q.inputs[y.row];
    return p.positions[x.row] < q.positions[y.row];
  }

  /// Takes the first of all rows.
  Status Pick() {
    Cursor& cursor = cursors_[order_.front()];
    picks_.push_back({cursor.head, cursor.row});
    if (++cursor.row == cursor.rows) {
      MORAINE_TRY(Advance(&cursor));
      if (cursor.rows == 0) {
        order_.front() = order_.back();
        order_.pop_back();
      }
    } else {
      cursor.number = KeyNumber(KeyOf(cursor), 0);
    }
    SiftDown();
    return {};
  }

  /// The first of order_ has changed.
  void SiftDown() {
    size_t at = 0;
    while (true) {
      size_t child = 2 * at + 1;
      if (child >= order_.size()) return;
      if (child + 1 < order_.size() && ComesBefore(order_[child + 1], order_[child])) ++child;
      if (!ComesBefore(order_[child], order_[at])) return;
      std::swap(order_[child], order_[at]);
      at = child;
    }
  }

  /// Keeps only the batches that still have rows; fills up what lies ready.
  Status DropReadHeads() {
    std::vector<Head> kept;
    for (const size_t i : order_) {
      kept.push_back(std::move(heads_[cursors_[i].head]));
      cursors_[i].head = static_cast<uint32_t>(kept.size() - 1);
    }
    heads_ = std::move(kept);
    return ReadAhead();
  }

  const SortKeys* keys_;
  const TakeOptions options_;
  std::vector<Cursor> cursors_;
  std::unordered_map<int, ColumnUnifier> unifiers_;
  std::vector<Head> heads_;
  std::vector<size_t> order_;  // a heap of cursors: the first row of all in front
  std::vector<RowPick> picks_;
};

}  // namespace

Result<std::unique_ptr<SortedRows>> MakeMergedRows(Call& call,
                                                   std::vector<std::unique_ptr<SpillRun>> runs,
                                                   const SortKeys* keys,
                                                   const TakeOptions& options) {
  MORAINE_TRY(call.Check());
  auto rows = std::make_unique<MergedRows>(std::move(runs), keys, options);
  MORAINE_TRY(rows->Open());
  return std::unique_ptr<SortedRows>(std::move(rows));
}

}  // namespace moraine::rewrite
