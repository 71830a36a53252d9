#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include <parquet/metadata.h>
#include <parquet/statistics.h>

#include "moraine/iceberg/data/column_metrics_internal.h"

namespace moraine::iceberg {
namespace {

__extension__ typedef unsigned __int128 UnsignedInt128;

struct Bounds {
  Value lower;
  Value upper;
};

// The metrics of one leaf, summed over row groups.
struct LeafMetrics {
  int64_t size = 0;
  int64_t values = 0;
  std::optional<Bounds> bounds;
  bool has_bounds = true;  // until some row group with values lacks them
};

Int128 BigEndian(std::string_view bytes) {
  UnsignedInt128 value = !bytes.empty() && (bytes[0] & 0x80) != 0 ? ~UnsignedInt128{0} : 0;
  for (char c : bytes) value = (value << 8) | static_cast<unsigned char>(c);
  return static_cast<Int128>(value);
}

template <typename T>
T Load(std::string_view bytes) {
  T value;
  std::memcpy(&value, bytes.data(), sizeof(T));
  return value;
}

// A statistic, plain-encoded, as a value of the column's type.
std::optional<Value> FromStatistic(const Type& type, parquet::Type::type physical,
                                   const std::string& bytes) {
  switch (physical) {
    case parquet::Type::BOOLEAN:
      if (bytes.size() != 1) return std::nullopt;
      return Value(bytes[0] != 0);
    case parquet::Type::INT32: {
      if (bytes.size() != 4) return std::nullopt;
      const auto number = Load<int32_t>(bytes);
      return type.kind() == TypeKind::kDecimal ? Value(Int128{number}) : Value(number);
    }
    case parquet::Type::INT64: {
      if (bytes.size() != 8) return std::nullopt;
      const auto number = Load<int64_t>(bytes);
      return type.kind() == TypeKind::kDecimal ? Value(Int128{number}) : Value(number);
    }
    case parquet::Type::FLOAT:
      if (bytes.size() != 4) return std::nullopt;
      return Value(Load<float>(bytes));
    case parquet::Type::DOUBLE:
      if (bytes.size() != 8) return std::nullopt;
      return Value(Load<double>(bytes));
    default:
      if (type.kind() == TypeKind::kDecimal) return Value(BigEndian(bytes));
      return Value(bytes);
  }
}

bool HasNoBounds(const Type& type) {
  return type.kind() == TypeKind::kGeometry || type.kind() == TypeKind::kGeography;
}

void AddBounds(const Type& type, const parquet::Statistics& stats, LeafMetrics* metrics) {
  std::optional<Value> lower = FromStatistic(type, stats.physical_type(), stats.EncodeMin());
  std::optional<Value> upper = FromStatistic(type, stats.physical_type(), stats.EncodeMax());
  if (!lower || !upper || IsNaN(*lower) || IsNaN(*upper)) {
    metrics->has_bounds = false;
    return;
  }
  if (!metrics->bounds) {
    metrics->bounds = Bounds{std::move(*lower), std::move(*upper)};
    return;
  }
  if (CompareValues(*lower, metrics->bounds->lower) < 0) metrics->bounds->lower = *lower;
  if (CompareValues(*upper, metrics->bounds->upper) > 0) metrics->bounds->upper = *upper;
}

void AddChunk(const LeafColumn& leaf, const parquet::ColumnChunkMetaData& chunk,
              LeafMetrics* metrics) {
  metrics->size += chunk.total_compressed_size();
  metrics->values += chunk.num_values();
  const std::shared_ptr<parquet::Statistics> stats =
      chunk.is_stats_set() ? chunk.statistics() : nullptr;
  if (stats == nullptr || !stats->HasNullCount()) {
    metrics->has_bounds = false;
  } else if (stats->HasMinMax()) {
    AddBounds(*leaf.type, *stats, metrics);
  } else if (stats->null_count() < chunk.num_values()) {
    // All NaN has no bounds and needs none; too long values have none but would.
    const TypeKind kind = leaf.type->kind();
    if (kind != TypeKind::kFloat && kind != TypeKind::kDouble) metrics->has_bounds = false;
  }
}

void StoreBounds(const LeafColumn& leaf, const LeafMetrics& metrics, const MetricsMode& mode,
                 DataFile* file) {
  if (!mode.has_bounds() || !metrics.has_bounds || !metrics.bounds) return;
  file->lower_bounds.emplace_back(
      leaf.id,
      TruncateLowerBound(*leaf.type, ValueToBytes(*leaf.type, metrics.bounds->lower), mode));
  std::optional<std::string> upper =
      TruncateUpperBound(*leaf.type, ValueToBytes(*leaf.type, metrics.bounds->upper), mode);
  if (upper) file->upper_bounds.emplace_back(leaf.id, std::move(*upper));
}

void StoreLeaf(const LeafColumn& leaf, const LeafMetrics& metrics, const LeafCounts& counts,
               const MetricsMode& mode, DataFile* file) {
  if (!mode.has_counts()) return;
  file->column_sizes.emplace_back(leaf.id, metrics.size);
  if (leaf.is_repeated || leaf.is_variant) return;
  file->value_counts.emplace_back(leaf.id, metrics.values);
  file->null_value_counts.emplace_back(leaf.id, counts.nulls);
  const TypeKind kind = leaf.type->kind();
  if (kind == TypeKind::kFloat || kind == TypeKind::kDouble) {
    file->nan_value_counts.emplace_back(leaf.id, counts.nans);
  }
  if (!HasNoBounds(*leaf.type)) StoreBounds(leaf, metrics, mode, file);
}

template <typename Map>
void SortById(Map* map) {
  std::sort(map->begin(), map->end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
}

// The two leaves of a variant share an id.
void SumEqualIds(CountMap* map) {
  CountMap out;
  for (const auto& [id, count] : *map) {
    if (!out.empty() && out.back().first == id) {
      out.back().second += count;
    } else {
      out.emplace_back(id, count);
    }
  }
  *map = std::move(out);
}

}  // namespace

void SetMetrics(const parquet::FileMetaData& metadata, const std::vector<LeafColumn>& leaves,
                const std::vector<LeafCounts>& counts,
                const std::unordered_map<int32_t, MetricsMode>& modes, DataFile* file) {
  file->record_count = metadata.num_rows();
  for (int i = 0; i < metadata.num_row_groups(); ++i) {
    const auto first = metadata.RowGroup(i)->ColumnChunk(0);
    file->split_offsets.push_back(
        first->has_dictionary_page()
            ? std::min(first->dictionary_page_offset(), first->data_page_offset())
            : first->data_page_offset());
  }
  for (size_t leaf = 0; leaf < leaves.size(); ++leaf) {
    LeafMetrics metrics;
    for (int i = 0; i < metadata.num_row_groups(); ++i) {
      AddChunk(leaves[leaf], *metadata.RowGroup(i)->ColumnChunk(static_cast<int>(leaf)), &metrics);
    }
    const auto mode = modes.find(leaves[leaf].id);
    StoreLeaf(leaves[leaf], metrics, counts[leaf],
              mode != modes.end() ? mode->second : MetricsMode(), file);
  }
  SortById(&file->column_sizes);
  SumEqualIds(&file->column_sizes);
  SortById(&file->value_counts);
  SortById(&file->null_value_counts);
  SortById(&file->nan_value_counts);
  SortById(&file->lower_bounds);
  SortById(&file->upper_bounds);
}

}  // namespace moraine::iceberg
