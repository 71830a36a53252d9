#include "moraine/planning/carry_over.h"

#include <optional>
#include <utility>

#include <fmt/format.h>

#include "moraine/iceberg/data/delete_filter.h"
#include "moraine/iceberg/data/delete_writer.h"

namespace moraine::planning {
namespace {

using iceberg::DataFile;
using iceberg::DeleteFilter;
using iceberg::PositionSet;

/// What lies in the bytes read or the memory given, and no later try heals.
bool IsLasting(Code code) {
  return code == Code::kCorruption || code == Code::kExhausted || code == Code::kUnsupported ||
         code == Code::kInvalidArgument;
}

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

  /// By the index of the output. Everything that the task itself may be at fault for happens here.
  Status Read(const CarryOver& carry) {
    MORAINE_TRY(ReadMapped(carry));
    for (const VectorPair& pair : carry.vectors) {
      const std::string& path = *pair.own.referenced_data_file;
      PositionSet both;
      for (const DataFile* one : {&pair.own, &pair.other}) {
        MORAINE_ASSIGN(const DeleteFilter filter, Load({{one, 0}}, {path}));
        if (const PositionSet* positions = filter.Positions(path)) both.Merge(*positions);
      }
      vectors_.emplace_back(&pair.own, std::move(both));
    }
    return {};
  }

  Status Write(CarriedDeletes* carried) {
    const std::string prefix =
        task_.OutputPrefix() + fmt::format("carried-{}", MakeUuid(call_.random()));
    return table_.format_version >= 3 ? WriteVectors(prefix + ".puffin", carried)
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

  Status WriteVectors(const std::string& location, CarriedDeletes* carried) {
    iceberg::DeletionVectorWriter writer(files_, location);
    std::vector<const DataFile*> places;  // files with the same spec and partition
    for (const auto& [output, set] : mapped_) {
      if (set.empty()) continue;
      places.push_back(&output_.data_files[output]);
      MORAINE_TRY(writer.Add(call_, places.back()->file_path, set));
    }
    for (const auto& [own, set] : vectors_) {
      places.push_back(own);
      MORAINE_TRY(writer.Add(call_, *own->referenced_data_file, set));
    }
    if (places.empty()) return {};
    carried->written.push_back(location);
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
  io::FileSystem& files_;
  const iceberg::TableMetadata& table_;
  const tasks::RewriteTask& task_;
  const tasks::RewriteOutput& output_;
  const int64_t memory_bytes_;
  tasks::PositionsByFile mapped_;
  std::vector<std::pair<const DataFile*, PositionSet>> vectors_;
};

}  // namespace

Status CarryOverDeletes(Call& call, io::FileSystem& files, const iceberg::TableMetadata& table,
                        const CommitDecision& decision, const std::vector<FinishedWork>& finished,
                        int64_t memory_bytes, CarriedDeletes* carried) {
  for (const CarryOver& carry : decision.carried) {
    MORAINE_TRY(call.Check());
    Carrier carrier(call, files, table, finished[carry.work], memory_bytes);
    Status read = carrier.Read(carry);
    if (IsLasting(read.code())) {
      carried->refused.emplace(
          carry.work, fmt::format("another commit deleted rows of input files, which could not be"
                                  " carried over: {}",
                                  read.ToString()));
      continue;
    }
    MORAINE_TRY(read);
    MORAINE_TRY(carrier.Write(carried));
  }
  return {};
}

}  // namespace moraine::planning
