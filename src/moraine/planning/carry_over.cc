#include "moraine/planning/carry_over.h"

#include <optional>
#include <utility>

#include <fmt/format.h>

#include "moraine/iceberg/data/delete_filter.h"
#include "moraine/iceberg/data/delete_writer.h"
#include "moraine/planning/passing_files.h"

namespace moraine::planning {
namespace {

using iceberg::DataFile;
using iceberg::DeleteFilter;
using iceberg::PositionSet;

/// Of one task.
class Carrier {
 public:
  Carrier(Call& call, io::FileSystem& files, const iceberg::TableMetadata& table,
          const FinishedWork& work, int64_t memory_bytes)
      : call_(call),
        files_(files),
        table_(table),
        task_(*work.task),
        output_(*work.output),
        memory_bytes_(memory_bytes) {}

  Status Carry(const CarryOver& carry, CarriedDeletes* carried) {
    MORAINE_TRY(ReadMapped(carry));
    const std::string prefix = CarriedPrefix(task_) + MakeUuid(call_.random());
    carried->prefixes[carry.work] = prefix;
    return table_.format_version >= 3 ? WriteVectors(prefix + ".puffin", carry, carried)
                                      : WriteFiles(prefix, carried);
  }

 private:
  Result<DeleteFilter> Load(const std::vector<iceberg::DeleteSource>& deletes,
                            std::set<std::string> data_files) {
    iceberg::DeleteFilterOptions options;
    options.schema = task_.schema;
    options.data_files = std::move(data_files);
    options.memory_bytes = memory_bytes_ / 2;
    return DeleteFilter::Load(call_, files_, deletes, options);
  }

  Status ReadMapped(const CarryOver& carry) {
    if (carry.deletes.empty() || output_.data_files.empty()) return {};
    std::vector<iceberg::DeleteSource> deletes;
    for (const auto& one : carry.deletes) deletes.push_back({&one.file, one.sequence_number});
    std::set<std::string> inputs;
    for (const auto& input : task_.rewrite) inputs.insert(input.file.file_path);
    MORAINE_ASSIGN(const DeleteFilter filter, Load(deletes, std::move(inputs)));
    std::map<size_t, const PositionSet*> positions;
    for (size_t i = 0; i < task_.rewrite.size(); ++i) {
      if (const PositionSet* found = filter.Positions(task_.rewrite[i].file.file_path))
        positions.emplace(i, found);
    }
    if (positions.empty()) return {};
    auto mapped = tasks::MapPositions(call_, files_, *output_.positions, MapShapeOf(task_, output_),
                                      positions, memory_bytes_ / 2);
    // Nobody but us removes a map: it does not come back.
    if (mapped.status().code() == Code::kNotFound)
      return Corruption(std::string(mapped.status().message()));
    MORAINE_TRY(mapped.status());
    mapped_ = std::move(*mapped);
    return {};
  }

  Status WriteFiles(const std::string& prefix, CarriedDeletes* carried) {
    iceberg::WriteOptions options;
    options.properties = table_.properties;
    options.memory_bytes = memory_bytes_ / 2;
    for (auto& [output, set] : mapped_) {
      if (set.empty()) continue;
      const DataFile& target = output_.data_files[output];
      carried->written.push_back(fmt::format("{}-{:05}-deletes.parquet", prefix, output));
      std::map<std::string, PositionSet> positions;
      positions.emplace(target.file_path, std::move(set));
      MORAINE_ASSIGN(DataFile file,
                     iceberg::WritePositionDeletes(call_, files_, carried->written.back(),
                                                   positions, options));
      Place(target, std::move(file), carried);
    }
    return {};
  }

  /// All rows of a vector and of what came beside it.
  Result<PositionSet> Merge(const VectorMerge& merge) {
    const std::string& path = *merge.own.referenced_data_file;
    std::vector<iceberg::DeleteSource> others;
    for (const auto& other : merge.others) others.push_back({&other.file, other.sequence_number});
    PositionSet all;
    for (const auto& deletes : {std::vector<iceberg::DeleteSource>{{&merge.own, 0}}, others}) {
      MORAINE_ASSIGN(const DeleteFilter filter, Load(deletes, {path}));
      if (const PositionSet* positions = filter.Positions(path)) all.Merge(*positions);
    }
    return all;
  }

  Status WriteVectors(const std::string& location, const CarryOver& carry,
                      CarriedDeletes* carried) {
    iceberg::DeletionVectorWriter writer(files_, location);
    carried->written.push_back(location);  // begun by the first vector
    std::vector<const DataFile*> places;   // files with the same spec and partition
    for (const auto& [output, set] : mapped_) {
      if (set.empty()) continue;
      places.push_back(&output_.data_files[output]);
      MORAINE_TRY(writer.Add(call_, places.back()->file_path, set));
    }
    for (const VectorMerge& merge : carry.vectors) {
      MORAINE_ASSIGN(const PositionSet all, Merge(merge));
      places.push_back(&merge.own);
      MORAINE_TRY(writer.Add(call_, *merge.own.referenced_data_file, all));
    }
    if (places.empty()) return {};
    MORAINE_ASSIGN(std::vector<DataFile> entries, writer.Close(call_));
    for (size_t i = 0; i < entries.size(); ++i) Place(*places[i], std::move(entries[i]), carried);
    return {};
  }

  static void Place(const DataFile& like, DataFile file, CarriedDeletes* carried) {
    file.spec_id = like.spec_id;
    file.partition = like.partition;
    carried->added.push_back(std::move(file));
  }

  Call& call_;
  PassingFiles files_;
  const iceberg::TableMetadata& table_;
  const tasks::RewriteTask& task_;
  const tasks::RewriteOutput& output_;
  const int64_t memory_bytes_;
  tasks::PositionsByFile mapped_;
};

}  // namespace

std::string CarriedPrefix(const tasks::RewriteTask& task) {
  return task.OutputPrefix() + "carried-";
}

Status CarryOverDeletes(Call& call, io::FileSystem& files, const iceberg::TableMetadata& table,
                        const CommitDecision& decision, const std::vector<FinishedWork>& finished,
                        int64_t memory_bytes, CarriedDeletes* carried) {
  for (const CarryOver& carry : decision.carried) {
    MORAINE_TRY(call.Check());
    Carrier carrier(call, files, table, finished[carry.work], memory_bytes);
    Status status = carrier.Carry(carry, carried);
    if (!IsLasting(status.code())) {
      MORAINE_TRY(status);
      continue;
    }
    carried->refused.emplace(
        carry.work, fmt::format("another commit deleted rows of input files, which could not be"
                                " carried over: {}",
                                status.ToString()));
  }
  return {};
}

}  // namespace moraine::planning
