#include "moraine/upkeep/sketch_scan.h"

#include <algorithm>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "moraine/iceberg/data/file_sketches.h"
#include "moraine/iceberg/sketches/theta_hash.h"

namespace moraine::upkeep {
namespace {

using iceberg::DataFile;
using iceberg::FileTask;

constexpr size_t kMostFilesInChunk = 256;

}  // namespace

Result<SketchScan> SketchScan::Make(io::FileSystem& files, const OpenedSnapshot& opened,
                                    ScannedFiles which, int64_t memory_bytes,
                                    JobProgress* progress) {
  SketchScan scan(files, opened, memory_bytes, progress);
  if (which.since) scan.since_.emplace(which.since->begin(), which.since->end());
  scan.part_ = static_cast<uint64_t>(which.part);
  scan.parts_ = static_cast<uint64_t>(which.parts);
  MORAINE_ASSIGN(scan.mapping_, iceberg::NameMapping::OfTable(opened.metadata.properties));
  return scan;
}

bool SketchScan::IsMine(const iceberg::ManifestEntry& entry) const {
  if (since_ && !since_->contains(entry.snapshot_id.value_or(0))) return false;
  return parts_ == 1 || iceberg::MurmurHash(entry.file.file_path, 0) % parts_ == part_;
}

Result<std::vector<iceberg::CompactSketch>> SketchScan::Run(Call& call,
                                                            const std::vector<int32_t>& columns) {
  columns_ = columns;
  sketches_.clear();
  files_read_ = 0;
  rows_read_ = 0;
  for (const int32_t id : columns) {
    const iceberg::Field* field = SchemaOf(opened_).FindField(id);
    if (field == nullptr || !iceberg::HasSketch(*field->type))
      return InvalidArgument(fmt::format("the table has no column {} that can be counted", id));
    sketches_.emplace_back(field->type);
  }
  Chunk chunk;
  MORAINE_TRY(iceberg::PlanFiles(call, files_, opened_.metadata, opened_.snapshot, nullptr, {},
                                 [&](FileTask& task) -> Status {
                                   if (!IsMine(task.entry)) return {};
                                   return Take(call, std::move(task), &chunk);
                                 }));
  MORAINE_TRY(ReadChunk(call, &chunk));
  std::vector<iceberg::CompactSketch> done;
  for (const auto& sketch : sketches_) done.push_back(sketch.Compact());
  return done;
}

Status SketchScan::Take(Call& call, FileTask task, Chunk* chunk) {
  std::vector<iceberg::DeleteEntryPtr> equality;
  int64_t bytes = 0;
  for (const auto& entry : task.deletes) {
    bytes += BytesOf(entry->file);
    if (entry->file.content == iceberg::FileContent::kEqualityDeletes) equality.push_back(entry);
  }
  const bool fits = chunk->equality == equality && chunk->tasks.size() < kMostFilesInChunk &&
                    chunk->delete_bytes + bytes <= memory_bytes_ / 64;
  if (!fits) MORAINE_TRY(ReadChunk(call, chunk));
  chunk->equality = std::move(equality);
  chunk->delete_bytes += bytes;
  chunk->tasks.push_back(std::move(task));
  return {};
}

Status SketchScan::ReadChunk(Call& call, Chunk* chunk) {
  const std::vector<FileTask> tasks = std::exchange(chunk->tasks, {});
  chunk->delete_bytes = 0;
  std::set<const iceberg::ManifestEntry*> seen;
  std::vector<iceberg::DeleteSource> sources;
  iceberg::DeleteFilterOptions load;
  for (const auto& task : tasks) {
    load.data_files.insert(task.file().file_path);
    for (const auto& entry : task.deletes) {
      if (seen.insert(entry.get()).second)
        sources.push_back({&entry->file, entry->sequence_number.value_or(0)});
    }
  }
  iceberg::DeleteFilter deletes;
  if (!sources.empty()) {
    load.schema = opened_.metadata.FindSchema(opened_.metadata.current_schema_id);
    load.mapping = mapping_ ? &*mapping_ : nullptr;
    load.memory_bytes = memory_bytes_ / 2;
    MORAINE_ASSIGN(deletes, iceberg::DeleteFilter::Load(call, files_, sources, load));
  }
  for (const auto& task : tasks) MORAINE_TRY(ReadFile(call, task, deletes));
  return {};
}

Status SketchScan::ReadFile(Call& call, const FileTask& task,
                            const iceberg::DeleteFilter& deletes) {
  MORAINE_TRY(call.Check());
  const DataFile& file = task.file();
  auto spec = opened_.metadata.FindSpec(file.spec_id);
  if (!spec) return Corruption(fmt::format("a file of an unknown spec: {}", file.file_path));
  iceberg::SketchedColumns columns;
  columns.schema = &SchemaOf(opened_);
  columns.ids = columns_;
  columns.constants = iceberg::PartitionConstants(*spec, file.partition);
  columns.mapping = mapping_ ? &*mapping_ : nullptr;
  columns.memory_bytes = memory_bytes_ / 2;
  MORAINE_ASSIGN(const int64_t rows,
                 iceberg::AddFileToSketches(call, files_, file, task.sequence_number(), deletes,
                                            columns, &sketches_));
  ++files_read_;
  rows_read_ += rows;
  if (progress_ != nullptr) {
    ++progress_->files;
    progress_->bytes_read += file.file_size_in_bytes;
  }
  return {};
}

}  // namespace moraine::upkeep
