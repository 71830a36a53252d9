// The k-way merge of sorted runs (sorted_rows.h). Of each run the keys of one block are in memory;
// its other columns are read when a row of the block is next, so rows that are large wait on disk.

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include <arrow/array.h>
#include <arrow/memory_pool.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "moraine/io/arrow_status.h"
#include "moraine/rewrite/row_sorter.h"
#include "moraine/rewrite/sort_rows.h"
#include "moraine/rewrite/sorted_rows.h"

namespace moraine::rewrite {
namespace {

using Types = std::vector<std::shared_ptr<arrow::DataType>>;

/// A block that is being merged.
struct Head {
  SpillBlock block;
  size_t run = 0;
  BatchPtr key_batch;  // as it was written
  std::unique_ptr<KeyTable> keys;
  std::vector<uint64_t> numbers;  // of the keys
  ArrayPtr inputs;
  ArrayPtr positions;
  BatchPtr rows;                      // all columns, of the types of the merge; once needed
  std::vector<ArrayPtr> key_columns;  // once keys that were cut are met
};

class MergedRows final : public SortedRows {
 public:
  MergedRows(std::vector<SpillRun> runs, const MergeContext& context, const TakeOptions& options)
      : context_(context), options_(options), runs_(std::move(runs)) {
    if (context_.keys != nullptr && !context_.keys->may_cut()) context_.keys = nullptr;
  }

  Status Open() {
    std::erase_if(runs_, [](const SpillRun& run) { return run.blocks.empty(); });
    if (runs_.empty()) return {};
    std::vector<std::shared_ptr<arrow::Schema>> schemas;
    for (const SpillRun& run : runs_) {
      auto fields = run.values->fields();
      for (const auto& field : run.keys->fields()) fields.push_back(field);
      schemas.push_back(arrow::schema(std::move(fields)));
    }
    MORAINE_ASSIGN(types_, context_.packer->CommonTypes(schemas));
    cursors_.resize(runs_.size());
    for (size_t i = 0; i < runs_.size(); ++i) {
      MORAINE_TRY(Advance(i));
      order_.push_back(i);
    }
    const auto after = [this](size_t a, size_t b) { return ComesBefore(b, a); };
    std::make_heap(order_.begin(), order_.end(), after);
    return std::move(status_);
  }

  Result<BatchPtr> Next(Call& call) override {
    MORAINE_TRY(call.Check());
    MORAINE_TRY(PickRows());
    if (picks_.empty()) return BatchPtr();
    MORAINE_TRY(LoadPicked());
    // Only blocks with picked rows are there.
    std::vector<BatchPtr> batches;
    std::vector<uint32_t> places(heads_.size());
    for (size_t i = 0; i < heads_.size(); ++i) {
      places[i] = static_cast<uint32_t>(batches.size());
      if (is_picked_[i] != 0) batches.push_back(heads_[i].rows);
    }
    std::vector<RowPick> picks = picks_;
    for (RowPick& pick : picks) pick.batch = places[pick.batch];
    MORAINE_ASSIGN(const BatchTaker taker, BatchTaker::Make(batches, options_));
    MORAINE_ASSIGN(BatchPtr batch, taker.Take(picks));
    picks_.erase(picks_.begin(), picks_.begin() + batch->num_rows());
    if (picks_.empty()) DropReadHeads();
    return batch;
  }

 private:
  struct Cursor {
    size_t next_block = 0;
    uint32_t head = 0;  // index into heads_
    uint32_t row = 0;
    uint32_t rows = 0;
    uint64_t number = 0;  // of the key
  };

  /// The next rows of all, as many as fit in a batch, if those to come are as large as their
  /// blocks' average. The blocks that end with them stay in memory: few do.
  Status PickRows() {
    int64_t bytes = 0;
    const auto wanted = static_cast<size_t>(options_.batch_rows);
    if (!picks_.empty()) return {};
    while (picks_.size() < wanted && !order_.empty()) {
      const SpillBlock& block = heads_[cursors_[order_.front()].head].block;
      bytes += block.values.bytes / block.rows;
      if (bytes > options_.batch_bytes && !picks_.empty()) break;
      MORAINE_TRY(Pick());
    }
    return std::move(status_);
  }

  /// Reads all columns of the blocks that have picked rows.
  Status LoadPicked() {
    is_picked_.assign(heads_.size(), 0);
    for (const RowPick pick : picks_) is_picked_[pick.batch] = 1;
    std::vector<size_t> missing;
    for (size_t i = 0; i < heads_.size(); ++i) {
      if (is_picked_[i] != 0 && heads_[i].rows == nullptr) missing.push_back(i);
    }
    const auto load = [&](size_t i) { return Load(&heads_[missing[i]]); };
    if (options_.helpers != nullptr && options_.helper_count > 0 && missing.size() > 1)
      return ForEach(*options_.helpers, missing.size(), options_.helper_count, load);
    for (size_t i = 0; i < missing.size(); ++i) MORAINE_TRY(load(i));
    return {};
  }

  Status Load(Head* head) const {
    if (head->rows != nullptr) return {};
    MORAINE_ASSIGN(const BatchPtr values,
                   context_.file->Read(head->block.values, runs_[head->run].values));
    auto columns = values->columns();
    auto fields = values->schema()->fields();
    for (int i = 0; i < head->key_batch->num_columns(); ++i) {
      columns.push_back(head->key_batch->column(i));
      fields.push_back(head->key_batch->schema()->field(i));
    }
    const auto rows =
        arrow::RecordBatch::Make(arrow::schema(std::move(fields)), head->block.rows, columns);
    MORAINE_ASSIGN(head->rows, context_.packer->Align(rows, types_));
    return {};
  }

  /// To the next block of the run; rows 0 when there is none.
  Status Advance(size_t run) {
    Cursor& cursor = cursors_[run];
    cursor.row = cursor.rows = 0;
    const auto& blocks = runs_[run].blocks;
    if (cursor.next_block == blocks.size()) return {};
    Head head;
    head.run = run;
    head.block = blocks[cursor.next_block++];
    MORAINE_ASSIGN(head.key_batch, context_.file->Read(head.block.keys, runs_[run].keys));
    const int first = runs_[run].values->num_fields();
    MORAINE_ASSIGN(head.inputs, context_.packer->UnpackColumn(head.key_batch->column(0), first));
    MORAINE_ASSIGN(head.positions,
                   context_.packer->UnpackColumn(head.key_batch->column(1), first + 1));
    head.keys = std::make_unique<KeyTable>(std::vector<ArrayPtr>{head.key_batch->column(2)});
    cursor.rows = static_cast<uint32_t>(head.block.rows);
    for (uint32_t row = 0; row < cursor.rows; ++row)
      head.numbers.push_back(context_.shape.NumberOf(head.keys->at({0, row})));
    cursor.head = static_cast<uint32_t>(heads_.size());
    cursor.number = head.numbers[0];
    heads_.push_back(std::move(head));
    return {};
  }

  bool ComesBefore(size_t a, size_t b) {
    const Cursor& x = cursors_[a];
    const Cursor& y = cursors_[b];
    if (x.number != y.number) return x.number < y.number;
    Head& p = heads_[x.head];
    Head& q = heads_[y.head];
    if (!context_.shape.is_exact()) {
      const std::string_view key = p.keys->at({0, x.row});
      const int order = key.compare(q.keys->at({0, y.row}));
      if (order != 0) return order < 0;
      const int by_value =
          context_.keys != nullptr && IsCutKey(key) ? CompareExactly(&p, x.row, &q, y.row) : 0;
      if (by_value != 0) return by_value < 0;
    }
    const auto place = [](const Head& head, uint32_t row) {
      return std::pair(static_cast<const arrow::Int32Array&>(*head.inputs).Value(row),
                       static_cast<const arrow::Int64Array&>(*head.positions).Value(row));
    };
    return place(p, x.row) < place(q, y.row);
  }

  /// An error goes to status_.
  int CompareExactly(Head* p, uint32_t i, Head* q, uint32_t j) {
    for (Head* head : {p, q}) {
      if (!head->key_columns.empty() || !status_.ok()) continue;
      Status extracted = ExtractKeys(head);
      if (!extracted.ok()) status_ = std::move(extracted);
    }
    if (!status_.ok()) return 0;
    return context_.keys->Compare(p->key_columns, i, q->key_columns, j);
  }

  Status ExtractKeys(Head* head) const {
    MORAINE_TRY(Load(head));
    MORAINE_ASSIGN(const BatchPtr rows,
                   context_.packer->UnpackSome(head->rows, context_.keys->sources()));
    MORAINE_ASSIGN(head->key_columns, context_.keys->Extract(*rows, options_.pool));
    return {};
  }

  /// Takes the first of all rows.
  Status Pick() {
    const size_t run = order_.front();
    Cursor& cursor = cursors_[run];
    picks_.push_back({cursor.head, cursor.row});
    if (++cursor.row == cursor.rows) {
      MORAINE_TRY(Advance(run));
      if (cursor.rows == 0) {
        order_.front() = order_.back();
        order_.pop_back();
      }
    } else {
      cursor.number = heads_[cursor.head].numbers[cursor.row];
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

  /// Keeps only the blocks that still have rows. Large ones that were only looked at wait on disk
  /// again.
  void DropReadHeads() {
    std::vector<Head> kept;
    for (const size_t i : order_) {
      Head& head = heads_[cursors_[i].head];
      if (head.block.values.bytes > options_.batch_bytes) {
        head.rows.reset();
        head.key_columns.clear();
      }
      kept.push_back(std::move(head));
      cursors_[i].head = static_cast<uint32_t>(kept.size() - 1);
    }
    for (const Head& head : heads_) {
      if (head.keys != nullptr) context_.file->Discard(head.block);
    }
    heads_ = std::move(kept);
  }

  MergeContext context_;
  const TakeOptions options_;
  std::vector<SpillRun> runs_;
  Types types_;
  std::vector<Cursor> cursors_;  // one of each run
  std::vector<Head> heads_;
  std::vector<size_t> order_;  // a heap of cursors: the first row of all in front
  std::vector<RowPick> picks_;
  std::vector<uint8_t> is_picked_;  // for each of heads_
  Status status_;                   // of what comparing needs
};

}  // namespace

Result<std::unique_ptr<SortedRows>> MakeMergedRows(Call& call, std::vector<SpillRun> runs,
                                                   const MergeContext& context,
                                                   const TakeOptions& options) {
  MORAINE_TRY(call.Check());
  auto rows = std::make_unique<MergedRows>(std::move(runs), context, options);
  MORAINE_TRY(rows->Open());
  return std::unique_ptr<SortedRows>(std::move(rows));
}

}  // namespace moraine::rewrite
