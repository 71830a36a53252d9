#pragma once
// Reading the maps from column id to count or bound of a data_file: Avro arrays of {key, value}
// records, in whatever shape the file's schema has them. Compiled once per file; the usual shape
// has a tight loop.

#include <cstdint>
#include <vector>

#include "moraine/base/status.h"
#include "moraine/iceberg/avro/avro_program.h"
#include "moraine/iceberg/manifest/data_file.h"

namespace moraine::iceberg {

class ColumnMapReader {
 public:
  enum class Values : uint8_t { kCounts, kBounds };
  /// Errors: Corruption naming the field, if the node is no map from int to that kind of value.
  static Result<ColumnMapReader> Make(const AvroSchema& schema, int node, Values values,
                                      std::string_view field_name);

  /// Reads a map that is there, replacing out, whose memory is reused; it comes out sorted by
  /// column, only the wanted columns (sorted; empty: all). Broken bytes make the cursor fail.
  void Read(AvroCursor* cursor, const std::vector<int32_t>& wanted, CountMap* out) const;
  void Read(AvroCursor* cursor, const std::vector<int32_t>& wanted, BoundMap* out) const;

 private:
  template <typename Map>
  void ReadItems(AvroCursor* cursor, const std::vector<int32_t>& wanted, Map* out) const;
  template <typename V>
  bool ReadItem(AvroCursor* cursor, int32_t* key, V* value) const;

  AvroProgram item_;
  size_t item_bytes_ = 1;
  bool is_plain_ = false;  // key, then value, neither in a union, nothing else
};

}  // namespace moraine::iceberg
