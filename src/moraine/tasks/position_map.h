#pragma once
// Where the rows of a rewrite went: from (input file, position) to (output file, position), for
// each row that an output holds. A worker's rewrite emits it (position_map_builder.h); the
// committer maps deletes that landed on the inputs meanwhile through it (design note 0010). Small
// ones stand in the output's JSON, larger ones in a file under the attempt's prefix that no table
// metadata names.
//
// Bytes: "MPOS", a version, then chunks: kind (1: rows, 2: end), stored size (4 bytes, little
// endian), one zstd frame with a checksum. Rows are instructions in output order, varints n << 3 |
// op; each chunk begins at input 0, position 0. The end has the number of chunks, inputs, outputs.

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/iceberg/deletes/position_set.h"
#include "moraine/io/file_system.h"

namespace moraine::tasks {

/// Encoded maps up to this size stand in the output itself.
inline constexpr int64_t kMaxInlineMapBytes = int64_t{64} << 10;

/// Of all inputs of a map.
inline constexpr int64_t kMaxCheckedRows = int64_t{1} << 27;

/// A finished map: its bytes, or the file that has them.
struct PositionMap {
  std::string bytes;     ///< empty: they are in the file
  std::string location;  ///< empty: there is no file
  int64_t size_bytes = 0;
  bool operator==(const PositionMap&) const = default;
};

/// How many rows the files on both sides have, by the indices that the map uses: those of
/// RewriteTask::rewrite and RewriteOutput::data_files.
struct MapShape {
  std::vector<int64_t> input_rows;
  std::vector<int64_t> output_rows;
};

/// Rows next to each other in both files.
struct MappedRun {
  size_t input = 0;
  int64_t first_position = 0;
  int64_t count = 0;
  size_t output = 0;
  int64_t first_output_position = 0;
  bool operator==(const MappedRun&) const = default;
};

using PositionsByFile = std::map<size_t, iceberg::PositionSet>;

/// Visits all runs, each output's in order, with memory for a few chunks. Every row of every output
/// is visited exactly once when this returns OK, and no row of an input twice, which takes a bit
/// for each and is believed of inputs of more than kMaxCheckedRows. Errors: Corruption for a map
/// that does not fit the shape or is damaged; as io; what visit returns.
Status VisitPositionMap(Call& call, io::FileSystem& files, const PositionMap& map,
                        const MapShape& shape,
                        const std::function<Status(const MappedRun&)>& visit);

/// The same for a map that has its bytes, as a check. A map in a file is not looked into.
Status CheckPositionMap(const PositionMap& map, const MapShape& shape);

/// Where these rows, by input, are now, by output; those that no output holds (they were dead
/// before) are left out. One pass over the map. Errors: Exhausted when the result would need more
/// than max_bytes; as VisitPositionMap.
Result<PositionsByFile> MapPositions(Call& call, io::FileSystem& files, const PositionMap& map,
                                     const MapShape& shape,
                                     const std::map<size_t, const iceberg::PositionSet*>& positions,
                                     int64_t max_bytes);

}  // namespace moraine::tasks
