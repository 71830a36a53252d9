#include "moraine/splice/page_values.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <span>
#include <utility>

#include "moraine/splice/hybrid.h"
#include "moraine/splice/packed_values.h"
#include "moraine/splice/page_sections.h"

namespace moraine::splice {
namespace {

// A few bytes may stand for any number of equal levels.
constexpr int32_t kMostLevels = 1 << 24;

Status DecodeLevels(std::string_view bytes, int16_t most, std::vector<uint32_t>* levels) {
  MORAINE_TRY(DecodeHybrid(bytes, BitsFor(static_cast<uint32_t>(most)), *levels));
  for (uint32_t level : *levels) {
    if (level > static_cast<uint32_t>(most)) return Corruption("a level is out of range");
  }
  return {};
}

Status ReadLevels(const ColumnType& type, const PageHeader& header, const PageSections& sections,
                  PageValues* out) {
  if (header.num_values > kMostLevels) return Unsupported("a page of too many values");
  out->num_levels = header.num_values;
  out->num_rows = header.num_values;
  out->num_values = static_cast<size_t>(header.num_values);
  const auto count = static_cast<size_t>(header.num_values);
  if (type.max_repetition > 0) {
    out->repetition.resize(count);
    MORAINE_TRY(DecodeLevels(sections.repetition, type.max_repetition, &out->repetition));
    out->num_rows = std::count(out->repetition.begin(), out->repetition.end(), 0U);
  }
  if (type.max_definition == 0) return {};
  const auto most = static_cast<uint32_t>(type.max_definition);
  if (IsOneRun(sections.definition, BitsFor(most), header.num_values, most)) return {};
  out->definition.resize(count);
  MORAINE_TRY(DecodeLevels(sections.definition, type.max_definition, &out->definition));
  out->num_values =
      static_cast<size_t>(std::count(out->definition.begin(), out->definition.end(), most));
  if (out->num_values == count) out->definition.clear();
  return {};
}

Status ReadIndices(std::string_view values, PageValues* out) {
  out->is_dictionary = true;
  if (out->num_values == 0) return {};
  if (values.empty()) return Corruption("a page has no indices");
  const int bit_width = static_cast<uint8_t>(values[0]);
  out->indices.resize(out->num_values);
  return DecodeHybrid(values.substr(1), bit_width, out->indices);
}

void UnpackBooleans(std::string_view bits, PageValues* out) {
  out->plain.resize(out->num_values);
  for (size_t i = 0; i < out->num_values; ++i) {
    out->plain[i] = static_cast<char>(bits[i / 8] >> (i % 8) & 1);
  }
}

Status ReadPlain(const ValueType& type, PageSections* sections, PageValues* out) {
  const std::string_view values = sections->values;
  size_t size = 0;
  if (type.physical == Physical::kBoolean) {
    if (values.size() < (out->num_values + 7) / 8) return Corruption("a page has too few values");
    UnpackBooleans(values, out);
    return {};
  }
  if (type.physical == Physical::kByteArray) {
    MORAINE_ASSIGN(const std::vector<uint32_t> offsets, ValueOffsets(values, out->num_values));
    size = offsets.back();
  } else {
    if (out->num_values > values.size() / type.width()) {
      return Corruption("a page has too few values");
    }
    size = out->num_values * type.width();
  }
  if (values.data() == sections->storage.data()) {
    out->plain = std::move(sections->storage);
    out->plain.resize(size);
  } else {
    out->plain.assign(values.substr(0, size));
  }
  return {};
}

Status ReadRleBooleans(std::string_view values, PageValues* out) {
  std::vector<uint32_t> bits(out->num_values);
  MORAINE_ASSIGN(const std::string_view runs, TakeLevels(&values));
  MORAINE_TRY(DecodeHybrid(runs, 1, bits));
  out->plain.assign(bits.begin(), bits.end());
  return {};
}

}  // namespace

Result<size_t> CountValues(const ColumnType& type, const PageHeader& header,
                           const PageSections& sections) {
  const auto count = static_cast<size_t>(header.num_values);
  const auto most = static_cast<uint32_t>(type.max_definition);
  if (most == 0 || IsOneRun(sections.definition, BitsFor(most), header.num_values, most)) {
    return count;
  }
  HybridDecoder decoder(sections.definition, BitsFor(most), count);
  std::array<uint32_t, 4096> block;
  size_t values = 0;
  for (size_t done = 0; done < count; done += block.size()) {
    const auto levels = std::span(block).first(std::min(block.size(), count - done));
    MORAINE_TRY(decoder.Read(levels));
    for (uint32_t level : levels) {
      if (level > most) return Corruption("a level is out of range");
      if (level == most) ++values;
    }
  }
  return values;
}

Result<PageValues> DecodePage(const ColumnType& type, const PageHeader& header, int32_t codec,
                              std::string_view body, PageCodecs* codecs) {
  PageSections sections;
  MORAINE_TRY(SplitPage(type, header, codec, body, codecs, &sections));
  PageValues page;
  MORAINE_TRY(ReadLevels(type, header, sections, &page));
  if (IsDictionary(header.encoding)) {
    MORAINE_TRY(ReadIndices(sections.values, &page));
  } else if (page.num_values == 0) {
    return page;
  } else if (header.encoding == Encoding::kPlain) {
    MORAINE_TRY(ReadPlain(type.value, &sections, &page));
  } else if (header.encoding == Encoding::kRle && type.value.physical == Physical::kBoolean) {
    MORAINE_TRY(ReadRleBooleans(sections.values, &page));
  } else {
    MORAINE_ASSIGN(page.plain,
                   UnpackValues(type.value, header.encoding, page.num_values, sections.values));
  }
  return page;
}

Result<PageRows> CountRows(const ColumnType& type, const PageHeader& header, int32_t codec,
                           std::string_view body, PageCodecs* codecs) {
  PageRows rows;
  if (type.max_repetition == 0) {
    rows.count = header.num_values;
    return rows;
  }
  if (header.type == PageType::kDataV2) {
    // Begins with a row by the format's rules, which not all have kept.
    std::vector<uint32_t> first(header.num_values > 0 ? 1 : 0);
    MORAINE_TRY(DecodeLevels(body.substr(0, static_cast<size_t>(header.repetition_bytes)),
                             type.max_repetition, &first));
    rows.count = header.num_rows;
    rows.starts_row = first.empty() || first[0] == 0;
    return rows;
  }
  if (header.num_values > kMostLevels) return Unsupported("a page of too many values");
  PageSections sections;
  MORAINE_TRY(SplitPage(type, header, codec, body, codecs, &sections));
  std::vector<uint32_t> levels(static_cast<size_t>(header.num_values));
  MORAINE_TRY(DecodeLevels(sections.repetition, type.max_repetition, &levels));
  rows.count = std::count(levels.begin(), levels.end(), 0U);
  rows.starts_row = levels.empty() || levels[0] == 0;
  return rows;
}

Result<DictionaryValues> DecodeDictionary(const ValueType& type, const PageHeader& header,
                                          int32_t codec, std::string_view body,
                                          PageCodecs* codecs) {
  const bool is_plain =
      header.encoding == Encoding::kPlain || header.encoding == Encoding::kPlainDictionary;
  if (!is_plain || type.physical == Physical::kBoolean) {
    return Unsupported("a dictionary that is not plain");
  }
  std::string plain;
  MORAINE_TRY(
      codecs->Decompress(codec, body, static_cast<size_t>(header.uncompressed_size), &plain));
  return DictionaryValues::Make(type, std::move(plain), static_cast<size_t>(header.num_values));
}

}  // namespace moraine::splice
