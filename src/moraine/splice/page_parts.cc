#include "moraine/splice/page_parts.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "moraine/splice/hybrid.h"
#include "moraine/splice/page_sections.h"

namespace moraine::splice {
namespace {

// Smaller pages are taken apart as a whole.
constexpr int64_t kSmallBytes = int64_t{4} << 20;
constexpr int32_t kSmallValues = 1 << 18;

bool IsInParts(const ColumnType& type, const PageHeader& header) {
  if (type.max_repetition > 0) return false;
  if (header.num_values < kSmallValues && header.uncompressed_size < kSmallBytes) return false;
  if (IsDictionary(header.encoding)) return true;
  return header.encoding == Encoding::kPlain && type.value.physical != Physical::kBoolean;
}

class PageParts {
 public:
  PageParts(const ColumnType& type, const PageHeader& header)
      : type_(type), left_(header.num_values), is_dictionary_(IsDictionary(header.encoding)) {}
  // Some members are parts of others.
  PageParts(const PageParts&) = delete;
  PageParts& operator=(const PageParts&) = delete;

  Status Open(const PageHeader& header, int32_t codec, std::string_view body, PageCodecs* codecs) {
    MORAINE_TRY(SplitPage(type_, header, codec, body, codecs, &sections_));
    rest_ = sections_.values;
    const auto most = static_cast<uint32_t>(type_.max_definition);
    const bool has_levels =
        most > 0 && !IsOneRun(sections_.definition, BitsFor(most), header.num_values, most);
    if (has_levels) {
      definition_.emplace(sections_.definition, BitsFor(most),
                          static_cast<size_t>(header.num_values));
    }
    if (!is_dictionary_) return {};
    MORAINE_ASSIGN(const size_t count, CountValues(type_, header, sections_));
    if (count == 0) return {};
    if (rest_.empty()) return Corruption("a page has no indices");
    indices_.emplace(rest_.substr(1), static_cast<uint8_t>(rest_[0]), count);
    return {};
  }

  int64_t left() const { return left_; }
  int64_t value_bytes() const { return static_cast<int64_t>(rest_.size()); }

  Result<PageValues> Next(int64_t rows) {
    PageValues part;
    part.num_rows = std::min(rows, left_);
    part.num_levels = part.num_rows;
    left_ -= part.num_rows;
    MORAINE_TRY(ReadLevels(&part));
    if (!is_dictionary_) {
      MORAINE_TRY(ReadPlain(&part));
      return part;
    }
    part.is_dictionary = true;
    part.indices.resize(part.num_values);
    if (indices_) MORAINE_TRY(indices_->Read(part.indices));
    return part;
  }

 private:
  Status ReadLevels(PageValues* part) {
    const auto count = static_cast<size_t>(part->num_levels);
    part->num_values = count;
    if (!definition_) return {};
    part->definition.resize(count);
    MORAINE_TRY(definition_->Read(part->definition));
    const auto most = static_cast<uint32_t>(type_.max_definition);
    part->num_values = 0;
    for (uint32_t level : part->definition) {
      if (level > most) return Corruption("a level is out of range");
      if (level == most) ++part->num_values;
    }
    if (part->num_values == count) part->definition.clear();
    return {};
  }

  Status ReadPlain(PageValues* part) {
    const size_t width = type_.value.width();
    size_t size = 0;
    if (width > 0) {
      if (part->num_values > rest_.size() / width) return Corruption("a page has too few values");
      size = part->num_values * width;
    }
    for (size_t i = 0; width == 0 && i < part->num_values; ++i) {
      uint32_t length = 0;
      if (rest_.size() - size < sizeof(length)) return Corruption("a page has too few values");
      std::memcpy(&length, rest_.data() + size, sizeof(length));
      size += sizeof(length);
      if (length > rest_.size() - size) return Corruption("a value is longer than its page");
      size += length;
    }
    part->plain.assign(rest_.substr(0, size));
    rest_.remove_prefix(size);
    return {};
  }

  const ColumnType type_;
  int64_t left_;  // rows
  const bool is_dictionary_;
  PageSections sections_;
  std::string_view rest_;  // of the values
  std::optional<HybridDecoder> definition_;
  std::optional<HybridDecoder> indices_;
};

}  // namespace

Status VisitPage(const ColumnType& type, const PageHeader& header, int32_t codec,
                 std::string_view body, PageCodecs* codecs, const PartLimits& limits,
                 const std::function<Status(PageValues)>& visit) {
  if (!IsInParts(type, header)) {
    MORAINE_ASSIGN(PageValues page, DecodePage(type, header, codec, body, codecs));
    return visit(std::move(page));
  }
  PageParts parts(type, header);
  MORAINE_TRY(parts.Open(header, codec, body, codecs));
  const int64_t fitting =
      limits.bytes * header.num_values / std::max<int64_t>(parts.value_bytes(), 1);
  const int64_t rows = std::clamp<int64_t>(fitting, 1, std::max<int64_t>(limits.rows, 1));
  while (parts.left() > 0) {
    MORAINE_ASSIGN(PageValues part, parts.Next(rows));
    MORAINE_TRY(visit(std::move(part)));
  }
  return {};
}

}  // namespace moraine::splice
