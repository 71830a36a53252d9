#pragma once
// Builds a position map while a rewrite writes its outputs: rows are told of in the order in which
// each output gets them (outputs may take turns), in runs, or one by one for rewrites that change
// the order. Called by the ways of rewriting.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/iceberg/deletes/position_set.h"
#include "moraine/io/file_system.h"
#include "moraine/tasks/position_map.h"

namespace moraine::tasks {

/// Used by one thread at a time. Memory: under 1 MiB and 8 bytes an input, whatever the rows: what
/// is larger than kMaxInlineMapBytes goes to the file on the way. Destroyed before Finish, it
/// abandons its file.
class PositionMapBuilder {
 public:
  /// location: of the file, should there have to be one (PositionMapLocation).
  PositionMapBuilder(io::FileSystem& files, std::string location);
  ~PositionMapBuilder();
  PositionMapBuilder(PositionMapBuilder&&) noexcept;

  /// run.count rows of the input are the next ones of the output. Runs that continue each other
  /// become one. Errors: Internal if first_output_position is not the next one of the output; as
  /// io.
  Status AddRun(Call& call, const MappedRun& run);
  /// The same for a span of run.count rows of which the dead ones did not get into the output.
  Status AddRun(Call& call, const MappedRun& run, const iceberg::PositionSet& dead);
  /// The same with a bit for each row of the span, least significant first: clear ones are dead.
  Status AddKept(Call& call, const MappedRun& run, const uint8_t* keep);
  /// Rows in any order: the next inputs.size() of the output are these, each an input with a
  /// position. 2 to 5 bytes a row before compression.
  Status AddRows(Call& call, size_t output, int64_t first_output_position,
                 std::span<const int32_t> inputs, std::span<const int64_t> positions);

  /// The next position of an output: how many rows it has been told of.
  int64_t output_rows(size_t output) const;

  /// Call once. inputs, outputs: how many files there are.
  Result<PositionMap> Finish(Call& call, size_t inputs, size_t outputs);

 private:
  Status CheckNext(size_t output, int64_t first_output_position) const;
  void BeginOutput(size_t output);
  void EndKeep();
  int64_t& Next(size_t input);
  void Put(uint64_t op, uint64_t n);
  Status EndChunkIfFull(Call& call);
  Status EndChunk(Call& call);
  Status Append(Call& call, char kind, std::string_view raw);

  io::FileSystem& files_;
  std::string location_;
  std::unique_ptr<io::Writer> writer_;  // nullptr: all is in bytes_
  std::string bytes_;
  int64_t chunks_ = 0;
  std::vector<int64_t> output_rows_;

  // The chunk that is being made.
  std::string chunk_;
  std::vector<int64_t> next_;    // by input: the position behind its last row
  std::vector<size_t> touched_;  // inputs with a next_ other than 0
  size_t output_ = 0;
  size_t input_ = 0;
  int64_t keep_ = 0;  // rows of a kKeep that is not written yet
  bool has_output_ = false;
};

/// "<output prefix>positions.map".
std::string PositionMapLocation(const std::string& output_prefix);

}  // namespace moraine::tasks
