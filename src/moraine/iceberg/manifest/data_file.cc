#include "moraine/iceberg/manifest/data_file.h"

#include <algorithm>

namespace moraine::iceberg {
namespace {

/// The value of a column in a map sorted by column id, or nullptr.
template <typename Map>
const typename Map::value_type::second_type* FindColumn(const Map& map, int32_t column_id) {
  const auto found =
      std::lower_bound(map.begin(), map.end(), column_id,
                       [](const auto& entry, int32_t id) { return entry.first < id; });
  return found != map.end() && found->first == column_id ? &found->second : nullptr;
}

}  // namespace

std::string_view FileFormatName(FileFormat format) {
  switch (format) {
    case FileFormat::kAvro:
      return "AVRO";
    case FileFormat::kOrc:
      return "ORC";
    case FileFormat::kPuffin:
      return "PUFFIN";
    case FileFormat::kParquet:
      break;
  }
  return "PARQUET";
}

const int64_t* FindCount(const CountMap& map, int32_t column_id) {
  return FindColumn(map, column_id);
}
const std::string* FindBound(const BoundMap& map, int32_t column_id) {
  return FindColumn(map, column_id);
}

bool DataFile::operator==(const DataFile& other) const {
  return content == other.content && format == other.format && file_path == other.file_path &&
         spec_id == other.spec_id && SameTuple(partition, other.partition) &&
         record_count == other.record_count && file_size_in_bytes == other.file_size_in_bytes &&
         column_sizes == other.column_sizes && value_counts == other.value_counts &&
         null_value_counts == other.null_value_counts &&
         nan_value_counts == other.nan_value_counts && lower_bounds == other.lower_bounds &&
         upper_bounds == other.upper_bounds && key_metadata == other.key_metadata &&
         split_offsets == other.split_offsets && equality_ids == other.equality_ids &&
         sort_order_id == other.sort_order_id && first_row_id == other.first_row_id &&
         referenced_data_file == other.referenced_data_file &&
         content_offset == other.content_offset &&
         content_size_in_bytes == other.content_size_in_bytes;
}

}  // namespace moraine::iceberg
