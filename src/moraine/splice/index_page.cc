#include "moraine/splice/index_page.h"

#include <algorithm>
#include <utility>

#include "moraine/splice/footer.h"
#include "moraine/splice/hybrid.h"
#include "moraine/splice/page_sections.h"

namespace moraine::splice {

IndexMapping::IndexMapping(std::vector<uint32_t> numbers) : numbers_(std::move(numbers)) {
  uint32_t most = 0;
  size_t at = 0;
  for (int width = 0; width <= 32; ++width) {
    const size_t end = std::min<uint64_t>(numbers_.size(), uint64_t{1} << width);
    for (; at < end; ++at) most = std::max(most, numbers_[at]);
    widths_[static_cast<size_t>(width)] = static_cast<uint8_t>(std::max(BitsFor(most), width));
  }
}

int IndexMapping::WidthFor(int bit_width) const {
  return bit_width < 0 || bit_width > 32 ? 32 : widths_[static_cast<size_t>(bit_width)];
}

namespace {

Status AppendTranslated(std::string_view values, size_t count, const IndexMapping& mapping,
                        std::string* out) {
  if (count == 0) {
    out->push_back(0);
    return {};
  }
  if (values.empty()) return Corruption("a page has no indices");
  const int bit_width = static_cast<uint8_t>(values[0]);
  const int to_width = mapping.WidthFor(bit_width);
  out->push_back(static_cast<char>(to_width));
  return TranslateHybrid(values.substr(1), bit_width, count, mapping.numbers(), to_width, out);
}

}  // namespace

Result<OutPage> TranslatePage(const ColumnType& type, const PageHeader& header, int32_t codec,
                              std::string_view body, const IndexMapping& mapping,
                              PageCodecs* codecs) {
  PageSections sections;
  MORAINE_TRY(SplitPage(type, header, codec, body, codecs, &sections));
  MORAINE_ASSIGN(const size_t count, CountValues(type, header, sections));
  // What stands before the values within what is compressed, and before that.
  const std::string_view storage = sections.storage;
  std::string raw(storage.substr(0, storage.size() - sections.values.size()));
  raw.reserve(storage.size() + storage.size() / 4);
  MORAINE_TRY(AppendTranslated(sections.values, count, mapping, &raw));
  OutPage page;
  PageHeader out;
  out.type = header.type;
  out.encoding = Encoding::kRleDictionary;
  out.num_values = header.num_values;
  if (header.type == PageType::kDataV2) {
    out.num_nulls = header.num_values - static_cast<int32_t>(count);
    out.num_rows = header.num_rows;
    out.definition_bytes = header.definition_bytes;
    out.repetition_bytes = header.repetition_bytes;
    out.is_compressed = codecs->codec() != kUncompressed;
    page.body.append(sections.repetition).append(sections.definition);
  }
  const size_t size = page.body.size() + raw.size();
  // Where the old indices did not pack, the new ones will not.
  const bool packs = codec != codecs->codec() || header.compressed_size < header.uncompressed_size;
  MORAINE_TRY(packs ? codecs->Compress(raw, &page.body) : codecs->Store(raw, &page.body));
  if (size > INT32_MAX || page.body.size() > INT32_MAX) return Unsupported("a page over 2 GiB");
  out.uncompressed_size = static_cast<int32_t>(size);
  out.compressed_size = static_cast<int32_t>(page.body.size());
  page.header = PageHeaderBytes(out);
  page.type = out.type;
  page.encoding = out.encoding;
  page.uncompressed_size = static_cast<int64_t>(size + page.header.size());
  page.num_values = header.num_values;
  page.stats.null_count = header.num_values - static_cast<int64_t>(count);
  return page;
}

}  // namespace moraine::splice
