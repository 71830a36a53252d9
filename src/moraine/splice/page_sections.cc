#include "moraine/splice/page_sections.h"

#include <cstring>

namespace moraine::splice {
namespace {

Status SplitV1(const ColumnType& type, const PageHeader& header, int32_t codec,
               std::string_view body, PageCodecs* codecs, PageSections* out) {
  const bool has_old_levels =
      (type.max_repetition > 0 && header.repetition_encoding != Encoding::kRle) ||
      (type.max_definition > 0 && header.definition_encoding != Encoding::kRle);
  if (has_old_levels) return Unsupported("levels that are not run-length encoded");
  MORAINE_TRY(codecs->Decompress(codec, body, static_cast<size_t>(header.uncompressed_size),
                                 &out->storage));
  std::string_view rest = out->storage;
  if (type.max_repetition > 0) {
    MORAINE_ASSIGN(out->repetition, TakeLevels(&rest));
  }
  if (type.max_definition > 0) {
    MORAINE_ASSIGN(out->definition, TakeLevels(&rest));
  }
  out->values = rest;
  return {};
}

Status SplitV2(const PageHeader& header, int32_t codec, std::string_view body, PageCodecs* codecs,
               PageSections* out) {
  const auto repetition = static_cast<size_t>(header.repetition_bytes);
  const auto definition = static_cast<size_t>(header.definition_bytes);
  if (repetition + definition > body.size()) return Corruption("a page's levels are longer");
  out->repetition = body.substr(0, repetition);
  out->definition = body.substr(repetition, definition);
  const std::string_view values = body.substr(repetition + definition);
  const size_t size = static_cast<size_t>(header.uncompressed_size) - repetition - definition;
  MORAINE_TRY(codecs->Decompress(header.is_compressed ? codec : kUncompressed, values, size,
                                 &out->storage));
  out->values = out->storage;
  return {};
}

}  // namespace

Result<std::string_view> TakeLevels(std::string_view* bytes) {
  uint32_t size = 0;
  if (bytes->size() < sizeof(size)) return Corruption("a page has no levels");
  std::memcpy(&size, bytes->data(), sizeof(size));
  bytes->remove_prefix(sizeof(size));
  if (size > bytes->size()) return Corruption("a page's levels are longer than it");
  const std::string_view levels = bytes->substr(0, size);
  bytes->remove_prefix(size);
  return levels;
}

Status SplitPage(const ColumnType& type, const PageHeader& header, int32_t codec,
                 std::string_view body, PageCodecs* codecs, PageSections* out) {
  if (header.type == PageType::kData) return SplitV1(type, header, codec, body, codecs, out);
  if (header.type == PageType::kDataV2) return SplitV2(header, codec, body, codecs, out);
  return Corruption("a page of another kind among data pages");
}

}  // namespace moraine::splice
