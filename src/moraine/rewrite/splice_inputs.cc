#include "moraine/rewrite/splice_inputs.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "moraine/iceberg/manifest/capped_sum.h"
#include "moraine/io/range_cache.h"
#include "moraine/rewrite/written_fields.h"
#include "moraine/splice/chunk_pages.h"
#include "moraine/splice/footer.h"

namespace moraine::rewrite {
namespace {

constexpr int64_t kLeastFooterBytes = int64_t{8} << 20;
constexpr int64_t kReaderBytes = int64_t{2} << 10;  // about what an open file far away takes
/// A file far away of this size is here as a whole when its footer is.
constexpr int64_t kTinyFileBytes = io::RangeCacheOptions().tiny_file_bytes;

// Files of object stores take no descriptor, and are better not asked for again.
bool IsLocal(const std::string& location) {
  return location.find("://") == std::string::npos || location.rfind("file:", 0) == 0;
}

// A file that is opened for each read: row groups can be made of more files than may be open.
class ReopenedReader final : public io::RandomReader {
 public:
  ReopenedReader(io::FileSystem& files, std::string location, int64_t size)
      : files_(files), location_(std::move(location)), size_(size) {}
  int64_t size() const override { return size_; }
  Status ReadAt(Call& call, int64_t offset, std::span<char> buffer) override {
    MORAINE_ASSIGN(const auto reader, files_.Open(call, location_, size_));
    return reader->ReadAt(call, offset, buffer);
  }

 private:
  io::FileSystem& files_;
  const std::string location_;
  const int64_t size_;
};

bool IsSame(const splice::Leaf& a, const splice::Leaf& b) {
  return a.type == b.type && a.repetitions == b.repetitions &&
         (a.type != splice::Physical::kFixed || a.type_length == b.type_length);
}

// DuckDB (seen: 1.5) leaves out of a null count what is null above the leaf.
void DropDoubtfulStatistics(splice::FileMetadata* metadata) {
  if (metadata->created_by.rfind("DuckDB", 0) != 0) return;
  for (splice::RowGroupMetadata& group : metadata->row_groups) {
    for (size_t i = 0; i < group.columns.size(); ++i) {
      if (metadata->leaves[i].max_definition <= 1) continue;
      group.columns[i].statistics.null_count.reset();
      group.columns[i].size_statistics.reset();
    }
  }
}

bool IsLineage(const iceberg::Field& field) {
  return field.id == iceberg::kRowIdFieldId ||
         field.id == iceberg::kLastUpdatedSequenceNumberFieldId;
}

}  // namespace

SpliceInputs::SpliceInputs(TaskRun* run, const iceberg::ParquetShape& shape,
                           const splice::FileMetadata& output)
    : run_(run),
      opened_(run->files()),
      shape_(shape),
      output_(output),
      fields_(WrittenFields(run->task())),
      encoded_(shape.must_encode),
      known_(run->task().rewrite.size()),
      field_bytes_(fields_.size()) {}

Status SpliceInputs::CheckInput(const tasks::InputFile& input) const {
  if (input.file.format != iceberg::FileFormat::kParquet) {
    return Unsupported(input.file.file_path + " is no Parquet file");
  }
  if (input.file.key_metadata) return Unsupported(input.file.file_path + " is encrypted");
  return {};
}

Result<std::shared_ptr<const FieldLeaves>> SpliceInputs::Match(
    const std::string& footer, const splice::FileMetadata& metadata) {
  std::shared_ptr<const FieldLeaves>& known = by_schema_[metadata.schema];
  if (known != nullptr) return known;
  MORAINE_ASSIGN(FieldLeaves leaves, iceberg::MatchColumns(fields_, footer, run_->mapping()));
  size_t leaf = 0;
  for (size_t i = 0; i < fields_.size(); ++i) {
    bool is_same = !leaves[i].empty();
    for (size_t k = 0; leaf < shape_.leaves.size() && shape_.leaves[leaf].field == i; ++leaf, ++k) {
      const size_t at = k < leaves[i].size() ? static_cast<size_t>(leaves[i][k]) : SIZE_MAX;
      is_same = is_same && at < metadata.leaves.size() &&
                IsSame(metadata.leaves[at], output_.leaves[leaf]);
    }
    if (!is_same) leaves[i].clear();
  }
  known = std::make_shared<const FieldLeaves>(std::move(leaves));
  return known;
}

void SpliceInputs::Weigh(const SpliceFile& file) {
  const bool has_row_ids = run_->task().rewrite[file.input].file.first_row_id.has_value();
  for (const splice::RowGroupMetadata& group : file.metadata.row_groups) {
    for (const splice::ChunkMetadata& chunk : group.columns) {
      total_bytes_ = iceberg::AddCapped(total_bytes_, chunk.total_compressed_size);
    }
    for (size_t i = 0; i < fields_.size(); ++i) {
      if ((*file.leaves)[i].empty()) encoded_[i] = true;
      for (int leaf : (*file.leaves)[i]) {
        const splice::ChunkMetadata& chunk = group.columns[static_cast<size_t>(leaf)];
        field_bytes_[i] = iceberg::AddCapped(field_bytes_[i], chunk.total_compressed_size);
        // A null stands for a value that is derived; a file without ids has none, whatever it says.
        const bool is_derived = chunk.statistics.null_count != 0 || !has_row_ids;
        if (IsLineage(fields_[i]) && is_derived) encoded_[i] = true;
      }
    }
  }
}

Status SpliceInputs::Survey(Call& call) {
  const std::vector<tasks::InputFile>& inputs = run_->task().rewrite;
  for (size_t i = 0; i < inputs.size(); ++i) {
    MORAINE_TRY(call.Check());
    MORAINE_TRY(CheckInput(inputs[i]));
    Known known;
    MORAINE_ASSIGN(SpliceFile file, Look(call, i, &known));
    Weigh(file);
    // Files of this machine are opened again: open ones are few.
    if (!IsLocal(inputs[i].file.file_path)) known.reader = std::move(file.reader);
    Keep(i, std::move(known));
  }
  is_read_again_ = std::find(encoded_.begin(), encoded_.end(), true) != encoded_.end();
  // What matches no field counts, too: it may be a field in another form.
  encoded_bytes_ = total_bytes_;
  for (size_t i = 0; i < fields_.size(); ++i) {
    if (!encoded_[i]) encoded_bytes_ -= field_bytes_[i];
  }
  return {};
}

void SpliceInputs::Keep(size_t input, Known known) {
  const int64_t size = run_->task().rewrite[input].file.file_size_in_bytes;
  int64_t bytes = static_cast<int64_t>(known.footer.size());
  if (known.reader != nullptr) bytes += kReaderBytes + (size <= kTinyFileBytes ? size : 0);
  if (known_bytes_ + bytes > run_->options().memory_bytes / 32) return;
  known_bytes_ += bytes;
  known_[input] = std::move(known);
}

Result<SpliceFile> SpliceInputs::Open(Call& call, size_t input, bool keep_open) {
  Known known = std::exchange(known_[input], {});
  MORAINE_ASSIGN(SpliceFile file, Look(call, input, &known));
  const iceberg::DataFile& data = run_->task().rewrite[input].file;
  if (!IsLocal(data.file_path)) {
    if (is_read_again_) opened_.Add(data.file_path, file.reader);
  } else if (!keep_open) {
    file.reader =
        std::make_shared<ReopenedReader>(run_->files(), data.file_path, data.file_size_in_bytes);
  }
  return file;
}

void SpliceInputs::Forget(size_t input) {
  opened_.Remove(run_->task().rewrite[input].file.file_path);
}

// Uses what is known, and adds the footer to it.
Result<SpliceFile> SpliceInputs::Look(Call& call, size_t input, Known* known) {
  const iceberg::DataFile& data = run_->task().rewrite[input].file;
  SpliceFile file;
  file.input = input;
  file.reader = std::move(known->reader);
  if (file.reader == nullptr) {
    MORAINE_ASSIGN(file.reader, run_->files().Open(call, data.file_path, data.file_size_in_bytes));
  }
  const bool is_tiny = data.file_size_in_bytes <= kTinyFileBytes;
  if (is_tiny && !IsLocal(data.file_path)) {
    io::WillRead(call, *file.reader, std::vector<io::ByteRange>{{0, data.file_size_in_bytes}});
  }
  std::string& footer = known->footer;
  if (footer.empty()) {
    const int64_t most = std::max(kLeastFooterBytes, run_->options().memory_bytes / 16);
    MORAINE_ASSIGN(footer, splice::ReadFooter(call, *file.reader, data.file_path, most));
  }
  Result<splice::FileMetadata> metadata =
      splice::ParseFileMetadata(footer, data.file_size_in_bytes);
  if (!metadata.ok()) return std::move(metadata).status().Annotate(data.file_path);
  file.metadata = std::move(*metadata);
  DropDoubtfulStatistics(&file.metadata);
  if (file.metadata.num_rows != data.record_count) {
    return Corruption(fmt::format("{}: the table's metadata says {} rows, the file has {}",
                                  data.file_path, data.record_count, file.metadata.num_rows));
  }
  MORAINE_ASSIGN(file.leaves, Match(footer, file.metadata));
  file.footer_bytes = static_cast<int64_t>(footer.size());
  return file;
}

std::vector<int> SpliceInputs::CopiedColumns(const SpliceFile& file) const {
  std::vector<int> columns;
  for (size_t i = 0; i < fields_.size(); ++i) {
    if (encoded_[i]) continue;
    columns.insert(columns.end(), (*file.leaves)[i].begin(), (*file.leaves)[i].end());
  }
  return columns;
}

Result<std::shared_ptr<const ChunkParts>> SpliceInputs::Announce(
    Call& call, const SpliceFile& file, size_t row_group,
    const std::vector<splice::RowRange>* rows) {
  if (IsLocal(run_->task().rewrite[file.input].file.file_path)) {
    return std::shared_ptr<const ChunkParts>();
  }
  const splice::RowGroupMetadata& group = file.metadata.row_groups[row_group];
  std::vector<io::ByteRange> indexes;
  std::vector<io::ByteRange> ranges;
  const std::vector<int> columns = CopiedColumns(file);
  for (int column : columns) {
    const splice::ChunkMetadata& chunk = group.columns[static_cast<size_t>(column)];
    indexes.push_back({chunk.offset_index.offset, chunk.offset_index.size});
    indexes.push_back({chunk.column_index.offset, chunk.column_index.size});
  }
  std::shared_ptr<ChunkParts> parts;
  if (rows != nullptr) {
    io::WillRead(call, *file.reader, indexes);
    parts = std::make_shared<ChunkParts>();
    parts->columns.resize(group.columns.size());
  }
  for (int column : columns) {
    const auto at = static_cast<size_t>(column);
    const splice::ChunkMetadata& chunk = group.columns[at];
    // How many values pages of lists have, no index tells.
    if (parts != nullptr && file.metadata.leaves[at].max_repetition == 0) {
      MORAINE_ASSIGN(const splice::ChunkIndexes known,
                     splice::ReadIndexes(call, *file.reader, chunk));
      parts->columns[at] = CutChunk(*file.reader, chunk, known, group.num_rows, *rows);
    }
    if (parts != nullptr && parts->columns[at]) {
      const ChunkPart& part = *parts->columns[at];
      ranges.insert(ranges.end(), part.ranges.begin(), part.ranges.end());
      parts->memory_bytes += part.memory_bytes;
    } else {
      ranges.push_back({chunk.start(), chunk.total_compressed_size});
    }
  }
  if (rows == nullptr) ranges.insert(ranges.end(), indexes.begin(), indexes.end());
  io::WillRead(call, *file.reader, ranges);
  return std::shared_ptr<const ChunkParts>(std::move(parts));
}

Result<DeadRows> SpliceInputs::FindDeadRows(Call& call, size_t input) {
  const tasks::InputFile& file = run_->task().rewrite[input];
  RowSource::Options options;
  options.mapping = run_->mapping();
  options.memory_bytes = run_->budget().reader;
  options.pool = run_->pool();
  RewriteProgress unwatched;
  std::shared_ptr<io::RandomReader>& reader = known_[input].reader;
  if (!IsLocal(file.file.file_path) && run_->filter().has_equality_deletes()) {
    if (reader == nullptr) {
      MORAINE_ASSIGN(reader,
                     run_->files().Open(call, file.file.file_path, file.file.file_size_in_bytes));
    }
    opened_.Add(file.file.file_path, reader);
  }
  RowSource source(opened_, run_->task(), run_->filter(), std::move(options), &unwatched);
  DeadRows dead;
  MORAINE_ASSIGN(dead.deleted, source.DeletedPositions(call, file));
  if (!is_read_again_) Forget(input);
  if (run_->superseded() != nullptr) dead.superseded = &(*run_->superseded())[input];
  return dead;
}

LiveRows FindLiveRows(const DeadRows& dead, int64_t first, int64_t count) {
  LiveRows live;
  live.keep.assign(static_cast<size_t>((count + 7) / 8), 0xFF);
  live.deleted = dead.deleted.ClearKept(first, count, live.keep.data());
  if (dead.superseded != nullptr) {
    live.superseded = dead.superseded->ClearKept(first, count, live.keep.data());
  }
  live.alive = count - live.deleted - live.superseded;
  if (live.alive == count) {
    live.keep.clear();
    return live;
  }
  for (int64_t row = 0; row < count; ++row) {
    if ((live.keep[static_cast<size_t>(row / 8)] >> (row % 8) & 1) == 0) continue;
    if (!live.ranges.empty() && live.ranges.back().end == row) {
      ++live.ranges.back().end;
    } else {
      live.ranges.push_back({row, row + 1});
    }
  }
  return live;
}

}  // namespace moraine::rewrite
