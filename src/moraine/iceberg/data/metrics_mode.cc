#include "moraine/iceberg/data/metrics_mode.h"

#include <algorithm>
#include <deque>
#include <utility>

#include "moraine/base/text.h"

namespace moraine::iceberg {
namespace {

constexpr char kDefaultKey[] = "write.metadata.metrics.default";
constexpr char kColumnPrefix[] = "write.metadata.metrics.column.";
constexpr char kMaxInferredKey[] = "write.metadata.metrics.max-inferred-column-defaults";
constexpr int64_t kMaxInferred = 100;
constexpr uint32_t kMaxCodePoint = 0x10FFFF;

bool IsLeaf(const Type& type) { return !type.is_nested(); }

// Ids of leaves, those of outer structs first.
std::vector<int32_t> LeavesBreadthFirst(const Schema& schema) {
  std::vector<int32_t> leaves;
  std::deque<TypePtr> queue = {schema.root()};
  while (!queue.empty()) {
    const TypePtr type = queue.front();
    queue.pop_front();
    for (const Field& field : type->fields()) {
      if (IsLeaf(*field.type)) {
        leaves.push_back(field.id);
      } else {
        queue.push_back(field.type);
      }
    }
  }
  return leaves;
}

int64_t MaxInferred(const std::map<std::string, std::string>& properties) {
  const auto it = properties.find(kMaxInferredKey);
  if (it == properties.end()) return kMaxInferred;
  Result<int64_t> value = ParseInt64(it->second);
  return value.ok() && *value >= 0 ? *value : kMaxInferred;
}

// The bytes of the first `count` code points; all when there are fewer.
size_t PrefixOfCodePoints(std::string_view text, int32_t count) {
  size_t at = 0;
  for (int32_t seen = 0; at < text.size(); ++at) {
    if ((static_cast<unsigned char>(text[at]) & 0xC0) != 0x80 && seen++ == count) break;
  }
  return at;
}

uint32_t DecodeCodePoint(std::string_view bytes) {
  const auto lead = static_cast<unsigned char>(bytes[0]);
  if (bytes.size() == 1) return lead;
  uint32_t value = lead & (0xFF >> (bytes.size() + 1));
  for (size_t i = 1; i < bytes.size(); ++i) {
    value = (value << 6) | (static_cast<unsigned char>(bytes[i]) & 0x3F);
  }
  return value;
}

void AppendCodePoint(uint32_t value, std::string* out) {
  if (value < 0x80) {
    out->push_back(static_cast<char>(value));
    return;
  }
  const int extra = value < 0x800 ? 1 : value < 0x10000 ? 2 : 3;
  constexpr int kLeads[] = {0, 0xC0, 0xE0, 0xF0};
  out->push_back(static_cast<char>(kLeads[extra] | static_cast<int>(value >> (6 * extra))));
  for (int i = extra - 1; i >= 0; --i) {
    out->push_back(static_cast<char>(0x80 | ((value >> (6 * i)) & 0x3F)));
  }
}

// The least string of at most as many code points that is above every one with this prefix.
std::optional<std::string> IncrementString(std::string prefix) {
  while (!prefix.empty()) {
    size_t start = prefix.size() - 1;
    while (start > 0 && (static_cast<unsigned char>(prefix[start]) & 0xC0) == 0x80) --start;
    uint32_t next = DecodeCodePoint(std::string_view(prefix).substr(start)) + 1;
    prefix.resize(start);
    if (next >= 0xD800 && next <= 0xDFFF) next = 0xE000;
    if (next > kMaxCodePoint) continue;  // the one before it then
    AppendCodePoint(next, &prefix);
    return prefix;
  }
  return std::nullopt;
}

std::optional<std::string> IncrementBytes(std::string prefix) {
  while (!prefix.empty()) {
    auto last = static_cast<unsigned char>(prefix.back());
    prefix.pop_back();
    if (last == 0xFF) continue;
    prefix.push_back(static_cast<char>(last + 1));
    return prefix;
  }
  return std::nullopt;
}

// How much of a bound is kept: its size when it is not to be cut.
size_t KeptBytes(const Type& type, const std::string& bytes, const MetricsMode& mode) {
  if (mode.kind != MetricsMode::Kind::kTruncate) return bytes.size();
  if (type.kind() == TypeKind::kString) return PrefixOfCodePoints(bytes, mode.length);
  if (type.kind() == TypeKind::kBinary) {
    return std::min(bytes.size(), static_cast<size_t>(mode.length));
  }
  return bytes.size();
}

}  // namespace

std::optional<MetricsMode> MetricsModeFromString(std::string_view text) {
  const std::string mode = ToLowerAscii(Trim(text));
  if (mode == "none") return MetricsMode::None();
  if (mode == "counts") return MetricsMode{MetricsMode::Kind::kCounts, 0};
  if (mode == "full") return MetricsMode::Full();
  constexpr std::string_view kPrefix = "truncate(";
  if (!mode.starts_with(kPrefix) || !mode.ends_with(")")) return std::nullopt;
  Result<int64_t> length =
      ParseInt64(std::string_view(mode).substr(kPrefix.size(), mode.size() - kPrefix.size() - 1));
  if (!length.ok() || *length < 1 || *length > INT32_MAX) return std::nullopt;
  return MetricsMode{MetricsMode::Kind::kTruncate, static_cast<int32_t>(*length)};
}

std::unordered_map<int32_t, MetricsMode> MetricsModes(
    const Schema& schema, const std::map<std::string, std::string>& properties,
    const std::vector<int32_t>& sorted_ids) {
  std::unordered_map<int32_t, MetricsMode> modes;
  const auto default_text = properties.find(kDefaultKey);
  const bool is_inferred = default_text == properties.end();
  const MetricsMode fallback =
      is_inferred ? MetricsMode()
                  : MetricsModeFromString(default_text->second).value_or(MetricsMode());
  const int64_t limit = is_inferred ? MaxInferred(properties) : INT64_MAX;
  int64_t seen = 0;
  for (int32_t id : LeavesBreadthFirst(schema)) {
    modes[id] = seen++ < limit ? fallback : MetricsMode::None();
  }
  for (int32_t id : sorted_ids) {
    const auto it = modes.find(id);
    if (it != modes.end() && !it->second.has_bounds()) it->second = MetricsMode();
  }
  for (auto& [id, mode] : modes) {
    const auto it = properties.find(kColumnPrefix + schema.FullName(id));
    if (it != properties.end()) mode = MetricsModeFromString(it->second).value_or(fallback);
  }
  return modes;
}

std::string TruncateLowerBound(const Type& type, std::string bytes, const MetricsMode& mode) {
  bytes.resize(KeptBytes(type, bytes, mode));
  return bytes;
}

std::optional<std::string> TruncateUpperBound(const Type& type, std::string bytes,
                                              const MetricsMode& mode) {
  const size_t kept = KeptBytes(type, bytes, mode);
  if (kept == bytes.size()) return bytes;
  bytes.resize(kept);
  if (type.kind() != TypeKind::kString) return IncrementBytes(std::move(bytes));
  if (!IsValidUtf8(bytes)) return std::nullopt;
  return IncrementString(std::move(bytes));
}

}  // namespace moraine::iceberg
