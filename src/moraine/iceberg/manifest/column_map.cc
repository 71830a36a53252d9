#include "moraine/iceberg/manifest/column_map.h"

#include <algorithm>

#include <fmt/format.h>

namespace moraine::iceberg {
namespace {

enum Slot : int { kKey, kValue };
constexpr size_t kFewColumns = 8;
constexpr uint64_t kMaxItems = 1 << 20;  // no table has as many columns; bounds hostile files

bool IsInteger(AvroKind kind) { return kind == AvroKind::kInt || kind == AvroKind::kLong; }
bool IsBytes(AvroKind kind) { return kind == AvroKind::kBytes || kind == AvroKind::kString; }

bool Contains(const std::vector<int32_t>& sorted, int32_t column) {
  if (sorted.size() > kFewColumns) return std::binary_search(sorted.begin(), sorted.end(), column);
  return std::find(sorted.begin(), sorted.end(), column) != sorted.end();
}

void ReadValue(AvroCursor* cursor, int64_t* value) { *value = cursor->ReadLong(); }
void ReadValue(AvroCursor* cursor, std::string_view* value) { *value = cursor->ReadBytes(); }

template <typename Map, typename V>
void Put(int32_t key, V value, size_t at, Map* out) {
  if (at < out->size()) {
    (*out)[at].first = key;
    (*out)[at].second = value;
  } else {
    out->emplace_back(key, value);
  }
}

/// Sorts by column; of several values for a column the last counts.
template <typename Map>
void SortColumns(Map* map) {
  const auto less = [](const auto& a, const auto& b) { return a.first < b.first; };
  std::stable_sort(map->begin(), map->end(), less);
  auto keep = map->begin();
  for (auto it = map->begin(); it != map->end(); ++it) {
    if (std::next(it) != map->end() && std::next(it)->first == it->first) continue;
    if (keep != it) *keep = std::move(*it);
    ++keep;
  }
  map->erase(keep, map->end());
}

}  // namespace

Result<ColumnMapReader> ColumnMapReader::Make(const AvroSchema& schema, int node, Values values,
                                              std::string_view field_name) {
  const auto wrong = [&](std::string_view what) {
    return Corruption(fmt::format("manifest field {}: expected {}", field_name, what));
  };
  const AvroNode& array = schema.node(node);
  if (array.kind != AvroKind::kArray) return wrong("an Avro array of key and value");
  const int item = array.children[0];
  if (schema.node(item).kind != AvroKind::kRecord) return wrong("an Avro array of records");
  ColumnMapReader reader;
  reader.item_bytes_ = std::max<size_t>(schema.node(item).min_bytes, 1);
  MORAINE_ASSIGN(reader.item_,
                 AvroProgram::Compile(schema, item, [](const auto&, const AvroField& f) {
                   if (f.name == "key") return AvroWant::Read(kKey);
                   if (f.name == "value") return AvroWant::Read(kValue);
                   return AvroWant::Skip();
                 }));
  bool has[2] = {false, false};
  reader.is_plain_ = reader.item_.steps().size() == 2;
  for (size_t i = 0; i < reader.item_.steps().size(); ++i) {
    const AvroStep& step = reader.item_.steps()[i];
    if (step.slot != static_cast<int>(i) || step.type.is_union) reader.is_plain_ = false;
    if (step.is_skip()) continue;
    has[step.slot] = true;
    const AvroKind kind = schema.node(step.type.node).kind;
    if (step.slot == kKey && !IsInteger(kind)) return wrong("int keys");
    if (step.slot == kValue && values == Values::kCounts && !IsInteger(kind)) {
      return wrong("long values");
    }
    if (step.slot == kValue && values == Values::kBounds && !IsBytes(kind)) {
      return wrong("bytes as values");
    }
  }
  if (!has[kKey] || !has[kValue]) return wrong("a key and a value");
  return reader;
}

template <typename V>
bool ColumnMapReader::ReadItem(AvroCursor* cursor, int32_t* key, V* value) const {
  bool present = true;
  for (const AvroStep& step : item_.steps()) {
    if (step.is_skip()) {
      item_.Skip(step, cursor);
    } else if (!ReadPresence(step.type, cursor)) {
      present = false;
    } else if (step.slot == kKey) {
      *key = cursor->ReadInt();
    } else {
      ReadValue(cursor, value);
    }
  }
  return present;
}

template <typename Map>
void ColumnMapReader::ReadItems(AvroCursor* cursor, const std::vector<int32_t>& wanted,
                                Map* out) const {
  using V = std::conditional_t<std::is_same_v<Map, CountMap>, int64_t, std::string_view>;
  size_t used = 0;
  int32_t last = INT32_MIN;
  bool sorted = true;
  while (const uint64_t count = cursor->ReadBlockCount(item_bytes_)) {
    if (used + count > kMaxItems) return cursor->Fail();
    for (uint64_t i = 0; i < count; ++i) {
      int32_t key = 0;
      V value{};
      if (is_plain_) [[likely]] {
        key = cursor->ReadInt();
        ReadValue(cursor, &value);
      } else if (!ReadItem(cursor, &key, &value)) {
        continue;
      }
      if (!wanted.empty() && !Contains(wanted, key)) continue;
      if (!cursor->ok()) [[unlikely]]
        return;
      if (key <= last) sorted = false;
      last = key;
      Put(key, value, used++, out);
    }
  }
  out->resize(used);
  if (!sorted) SortColumns(out);
}

void ColumnMapReader::Read(AvroCursor* cursor, const std::vector<int32_t>& wanted,
                           CountMap* out) const {
  ReadItems(cursor, wanted, out);
}
void ColumnMapReader::Read(AvroCursor* cursor, const std::vector<int32_t>& wanted,
                           BoundMap* out) const {
  ReadItems(cursor, wanted, out);
}

}  // namespace moraine::iceberg
