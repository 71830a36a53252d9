#include "moraine/rewrite/position_rewrite.h"

#include <map>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "moraine/iceberg/data/delete_writer.h"

namespace moraine::rewrite {
namespace {

Status WritePositionFile(Call& call, TaskRun* run, const tasks::InputFile& input,
                         iceberg::PositionSet dead) {
  const std::string location =
      run->task().OutputPrefix() +
      fmt::format("{:05}-deletes.parquet", run->output().delete_files.size());
  std::map<std::string, iceberg::PositionSet> positions;
  positions.emplace(input.file.file_path, std::move(dead));
  MORAINE_ASSIGN(iceberg::DataFile file,
                 iceberg::WritePositionDeletes(call, run->files(), location, positions,
                                               run->MakeWriteOptions()));
  file.spec_id = run->task().spec->spec_id;
  file.partition = run->task().partition;
  run->output().delete_files.push_back(std::move(file));
  return {};
}

}  // namespace

Status RewritePositions(Call& call, TaskRun* run) {
  RowSource source = run->MakeSource();
  for (const tasks::InputFile& input : run->task().rewrite_positions) {
    MORAINE_TRY(call.Check());
    MORAINE_ASSIGN(iceberg::PositionSet dead, source.DeletedPositions(call, input));
    if (!dead.empty()) MORAINE_TRY(WritePositionFile(call, run, input, std::move(dead)));
  }
  run->Count(source);
  return {};
}

}  // namespace moraine::rewrite
