#include "moraine/iceberg/data/delete_filter.h"

#include <algorithm>
#include <utility>

#include <arrow/array.h>
#include <arrow/compute/api_vector.h>
#include <arrow/compute/exec.h>
#include <arrow/record_batch.h>

#include "moraine/iceberg/data/delete_loading_internal.h"
#include "moraine/io/arrow_status.h"

namespace moraine::iceberg {
namespace {

std::vector<int32_t> SortedIds(const DataFile& file) {
  std::vector<int32_t> ids = file.equality_ids;
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

void MergeDropped(const std::vector<Field>& more, std::vector<Field>* fields) {
  for (const Field& field : more) {
    const bool known = std::any_of(fields->begin(), fields->end(),
                                   [&](const Field& f) { return f.id == field.id; });
    if (!known) fields->push_back(field);
  }
}

// Positions by data file. A deletion vector holds all of its file: position deletes of that file
// are left out, as the table spec has it.
Status LoadPositions(Call& call, io::FileSystem& files, const std::vector<DeleteSource>& deletes,
                     const DeleteFilterOptions& options, PositionTable* table) {
  DeleteFilterOptions without_vector = options;
  VectorLoader vectors(files, options);
  for (const DeleteSource& source : deletes) {
    if (!source.file->is_deletion_vector()) continue;
    MORAINE_TRY(call.Check());
    MORAINE_TRY(vectors.Load(call, *source.file, table));
    without_vector.data_files.erase(*source.file->referenced_data_file);
  }
  for (const DeleteSource& source : deletes) {
    if (source.file->content != FileContent::kPositionDeletes ||
        source.file->is_deletion_vector()) {
      continue;
    }
    MORAINE_TRY(call.Check());
    MORAINE_TRY(LoadPositionDeletes(call, files, *source.file, without_vector, table));
  }
  return {};
}

}  // namespace

Result<DeleteFilter> DeleteFilter::Load(Call& call, io::FileSystem& files,
                                        const std::vector<DeleteSource>& deletes,
                                        const DeleteFilterOptions& options) {
  DeleteFilter filter;
  MORAINE_TRY(LoadPositions(call, files, deletes, options, &filter.positions_));
  std::vector<const DeleteSource*> equality;
  for (const DeleteSource& source : deletes) {
    MORAINE_TRY(call.Check());
    if (source.file->content == FileContent::kPositionDeletes) continue;
    if (source.file->content != FileContent::kEqualityDeletes ||
        source.file->equality_ids.empty()) {
      return InvalidArgument("not a delete file with its keys: " + source.file->file_path);
    }
    equality.push_back(&source);
    MORAINE_ASSIGN(auto dropped, DroppedKeyFields(call, files, *source.file, options));
    MergeDropped(dropped, &filter.dropped_fields_);
  }
  std::vector<Field> fields = options.schema->fields();
  fields.insert(fields.end(), filter.dropped_fields_.begin(), filter.dropped_fields_.end());
  std::vector<int32_t> all_ids;
  for (const DeleteSource* source : equality) {
    const std::vector<int32_t> ids = SortedIds(*source->file);
    all_ids.insert(all_ids.end(), ids.begin(), ids.end());
    auto group = std::find_if(filter.groups_.begin(), filter.groups_.end(),
                              [&](const Group& known) { return known.ids == ids; });
    if (group == filter.groups_.end()) {
      MORAINE_ASSIGN(const KeyColumns keys, KeyColumns::Make(fields, ids));
      MORAINE_ASSIGN(EqualitySet set, EqualitySet::Make(keys.types()));
      filter.groups_.push_back({ids, std::move(set)});
      group = filter.groups_.end() - 1;
    }
    const int64_t others = filter.memory_bytes() - group->set.memory_bytes();
    MORAINE_TRY(LoadEqualityDeletes(call, files, *source, fields, options,
                                    options.memory_bytes - others, &group->set));
  }
  filter.key_fields_ = SelectFields(fields, all_ids);
  return filter;
}

int64_t DeleteFilter::memory_bytes() const {
  int64_t bytes = 0;
  for (const auto& [path, set] : positions_.by_file) bytes += set.memory_bytes();
  for (const Group& group : groups_) bytes += group.set.memory_bytes();
  return bytes;
}

const PositionSet* DeleteFilter::Positions(const std::string& data_file) const {
  const auto it = positions_.by_file.find(data_file);
  return it == positions_.by_file.end() || it->second.empty() ? nullptr : &it->second;
}

Result<FileDeletes> FileDeletes::Make(const DeleteFilter& filter, const std::string& data_file,
                                      int64_t sequence_number,
                                      const std::vector<Field>& batch_fields) {
  FileDeletes deletes;
  deletes.positions_ = filter.Positions(data_file);
  deletes.sequence_number_ = sequence_number;
  for (const DeleteFilter::Group& group : filter.groups_) {
    if (group.set.max_sequence_number() <= sequence_number) continue;
    MORAINE_ASSIGN(KeyColumns keys, KeyColumns::Make(batch_fields, group.ids));
    deletes.groups_.push_back({&group.set, std::move(keys), group.set.MakeRowKeys()});
  }
  return deletes;
}

Result<int64_t> FileDeletes::Apply(const arrow::RecordBatch& batch, int64_t first_position,
                                   uint8_t* keep, arrow::MemoryPool* pool) {
  int64_t deleted = 0;
  if (positions_ != nullptr) {
    deleted += positions_->ClearKept(first_position, batch.num_rows(), keep);
  }
  for (Group& group : groups_) {
    MORAINE_ASSIGN(auto columns, group.keys.Extract(batch, pool));
    deleted +=
        group.set->ClearKept(columns, batch.num_rows(), sequence_number_, &group.scratch, keep);
  }
  return deleted;
}

Result<std::shared_ptr<arrow::RecordBatch>> KeepRows(
    const std::shared_ptr<arrow::RecordBatch>& batch, const std::vector<uint8_t>& keep,
    arrow::MemoryPool* pool) {
  const auto mask =
      std::make_shared<arrow::BooleanArray>(batch->num_rows(), arrow::Buffer::Wrap(keep));
  arrow::compute::ExecContext context(pool);
  context.set_use_threads(false);
  MORAINE_ASSIGN(
      arrow::Datum kept,
      arrow::compute::Filter(batch, mask, arrow::compute::FilterOptions::Defaults(), &context));
  return kept.record_batch();
}

}  // namespace moraine::iceberg
