#include "moraine/rewrite/position_rewrite.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "moraine/iceberg/data/delete_writer.h"

namespace moraine::rewrite {
namespace {

constexpr int kFirstVersionWithVectors = 3;

/// Where the deletes of one file after another go.
class DeleteOutput {
 public:
  explicit DeleteOutput(TaskRun* run)
      : run_(run),
        has_vectors_(run->task().format_version >= kFirstVersionWithVectors),
        vectors_(run->files(), run->task().OutputPrefix() + "deletes.puffin") {}

  Status Add(Call& call, const std::string& data_file, iceberg::PositionSet dead) {
    if (has_vectors_) return vectors_.Add(call, data_file, dead);
    const std::string location =
        run_->task().OutputPrefix() +
        fmt::format("{:05}-deletes.parquet", run_->output().delete_files.size());
    std::map<std::string, iceberg::PositionSet> positions;
    positions.emplace(data_file, std::move(dead));
    MORAINE_ASSIGN(iceberg::DataFile file,
                   iceberg::WritePositionDeletes(call, run_->files(), location, positions,
                                                 run_->MakeWriteOptions()));
    Keep(std::move(file));
    return {};
  }

  Status Close(Call& call) {
    MORAINE_ASSIGN(std::vector<iceberg::DataFile> vectors, vectors_.Close(call));
    for (iceberg::DataFile& file : vectors) Keep(std::move(file));
    return {};
  }

 private:
  void Keep(iceberg::DataFile file) {
    file.spec_id = run_->task().spec->spec_id;
    file.partition = run_->task().partition;
    run_->output().delete_files.push_back(std::move(file));
  }

  TaskRun* run_;
  const bool has_vectors_;
  iceberg::DeletionVectorWriter vectors_;
};

}  // namespace

Status RewritePositions(Call& call, TaskRun* run) {
  RowSource source = run->MakeSource();
  DeleteOutput output(run);
  for (const tasks::InputFile& input : run->task().rewrite_positions) {
    MORAINE_TRY(call.Check());
    MORAINE_ASSIGN(iceberg::PositionSet dead, source.DeletedPositions(call, input));
    dead.CutAt(input.file.record_count);  // writers may have named rows that are not there
    if (!dead.empty()) MORAINE_TRY(output.Add(call, input.file.file_path, std::move(dead)));
  }
  MORAINE_TRY(output.Close(call));
  run->Count(source);
  return {};
}

}  // namespace moraine::rewrite
