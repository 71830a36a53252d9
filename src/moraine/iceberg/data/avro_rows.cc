#include <string>
#include <utility>

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "moraine/iceberg/data/avro_columns_internal.h"
#include "moraine/iceberg/data/avro_decoders_internal.h"
#include "moraine/io/arrow_status.h"

namespace moraine::iceberg {
namespace {

// Walks columns and schema side by side: a column has children where ToFileColumns went into its
// node.
class DecoderMaker {
 public:
  DecoderMaker(const AvroSchema& schema, const std::vector<int>& leaves, AvroSharedState* shared,
               arrow::MemoryPool* pool)
      : schema_(schema), shared_(shared), pool_(pool) {
    for (int leaf : leaves) {
      if (static_cast<size_t>(leaf) >= wanted_.size())
        wanted_.resize(static_cast<size_t>(leaf) + 1);
      wanted_[static_cast<size_t>(leaf)] = true;
    }
  }

  std::unique_ptr<AvroDecoder> Record(const AvroNode& node,
                                      const std::vector<FileColumn>& columns) {
    std::vector<AvroFieldStep> steps;
    std::vector<AvroOptionalDecoder> children;
    arrow::FieldVector fields;
    for (size_t i = 0; i < columns.size(); ++i) {
      if (!IsWanted(columns[i])) {
        AddSkip(node.fields[i].node, &steps);
        continue;
      }
      steps.push_back({.child = static_cast<int>(children.size())});
      children.push_back(Column(columns[i], node.fields[i].node));
      fields.push_back(arrow::field(columns[i].name, columns[i].type));
    }
    return MakeRecordDecoder(shared_, std::move(steps), std::move(children), std::move(fields),
                             pool_);
  }

 private:
  bool IsWanted(const FileColumn& column) const {
    if (column.children.empty()) {
      const auto leaf = static_cast<size_t>(column.leaf_index);
      return leaf < wanted_.size() && wanted_[leaf];
    }
    for (const FileColumn& child : column.children) {
      if (IsWanted(child)) return true;
    }
    return false;
  }

  void AddSkip(int node, std::vector<AvroFieldStep>* steps) {
    const bool extends = !steps->empty() && steps->back().child < 0;
    const size_t begin = extends ? steps->back().skip_begin : shared_->skipper.Fence();
    shared_->skipper.Append(schema_, node);
    if (shared_->skipper.size() == begin) return;
    if (!extends) steps->push_back({.child = -1, .skip_begin = begin});
    steps->back().skip_end = shared_->skipper.size();
  }

  AvroOptionalDecoder Column(const FileColumn& column, int index) {
    const std::optional<AvroOptional> type = AsOptional(schema_, index);
    const bool is_null = type && schema_.node(type->node).kind == AvroKind::kNull;
    if (!type || (column.type->id() == arrow::Type::NA && !is_null)) {
      const size_t begin = shared_->skipper.Fence();
      shared_->skipper.Append(schema_, index);
      return {{.node = index}, MakeSkippedDecoder(shared_, begin, shared_->skipper.size())};
    }
    const AvroNode& node = schema_.node(type->node);
    if (column.children.empty()) return {*type, MakeLeafDecoder(node, column.type, pool_)};
    if (node.kind == AvroKind::kRecord) return {*type, Record(node, column.children)};
    return {*type, Repeated(node, column)};
  }

  std::unique_ptr<AvroDecoder> Repeated(const AvroNode& node, const FileColumn& column) {
    const int item = node.children[0];
    size_t least_bytes = schema_.node(item).min_bytes;
    std::vector<AvroOptionalDecoder> children;
    if (node.kind == AvroKind::kMap) {
      least_bytes += 1;  // the key's length
      AvroNode key;
      key.kind = AvroKind::kString;
      children.push_back({{}, MakeLeafDecoder(key, column.children[0].type, pool_)});
      children.push_back(Column(column.children[1], item));
    } else if (column.children.size() == 2) {
      const std::vector<AvroField>& fields = schema_.node(item).fields;
      for (size_t i = 0; i < 2; ++i) children.push_back(Column(column.children[i], fields[i].node));
    } else {
      children.push_back(Column(column.children[0], item));
    }
    return MakeRepeatedDecoder(shared_, least_bytes, std::move(children), column.type, pool_);
  }

  const AvroSchema& schema_;
  AvroSharedState* shared_;
  arrow::MemoryPool* pool_;
  std::vector<bool> wanted_;
};

}  // namespace

struct AvroRows::State {
  AvroSharedState shared;
  std::unique_ptr<AvroDecoder> root;
  int64_t rows = 0;
  int64_t own_bytes = 0;  // of the records as they are in the file
};

AvroRows::AvroRows(std::unique_ptr<State> state) : state_(std::move(state)) {}
AvroRows::AvroRows(AvroRows&&) noexcept = default;
AvroRows::~AvroRows() = default;

AvroRows AvroRows::Make(const AvroSchema& schema, const std::vector<FileColumn>& columns,
                        const std::vector<int>& leaves, arrow::MemoryPool* pool) {
  auto state = std::make_unique<State>();
  DecoderMaker maker(schema, leaves, &state->shared, pool);
  state->root = maker.Record(schema.node(schema.root()), columns);
  state->shared.skipper.Link(schema);
  return AvroRows(std::move(state));
}

Status AvroRows::Append(AvroCursor* cursor) {
  const size_t before = cursor->remaining();
  MORAINE_TRY(state_->root->Read(cursor));
  state_->own_bytes += static_cast<int64_t>(before - cursor->remaining());
  ++state_->rows;
  return {};
}

int64_t AvroRows::num_rows() const { return state_->rows; }

int64_t AvroRows::memory_bytes() const {
  return state_->rows * state_->root->fixed_bytes() + state_->shared.element_bytes +
         state_->own_bytes;
}

Result<std::shared_ptr<arrow::RecordBatch>> AvroRows::Finish() {
  MORAINE_ASSIGN(const std::shared_ptr<arrow::Array> array, state_->root->Finish());
  const auto& rows = static_cast<const arrow::StructArray&>(*array);
  auto batch =
      arrow::RecordBatch::Make(arrow::schema(rows.type()->fields()), rows.length(), rows.fields());
  state_->rows = 0;
  state_->own_bytes = 0;
  state_->shared.element_bytes = 0;
  return batch;
}

}  // namespace moraine::iceberg
