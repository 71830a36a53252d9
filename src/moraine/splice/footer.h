#pragma once
// Footers, page headers and page indexes as bytes (parquet-format, "File format", "Page index").

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/io/file_system.h"
#include "moraine/splice/format.h"

namespace moraine::splice {

/// Parses the footer's metadata, which lies in a file of this size. Offsets and counts are checked:
/// what they name lies in the file. Errors: Corruption; Unsupported for encrypted columns and
/// columns in other files.
Result<FileMetadata> ParseFileMetadata(std::string_view bytes, int64_t file_size);

/// Reads the end of a file: the metadata's bytes, without length and magic. Errors: Corruption
/// naming the location, Exhausted over max_bytes, as io.
Result<std::string> ReadFooter(Call& call, io::RandomReader& file, const std::string& location,
                               int64_t max_bytes);

/// The footer with both lengths and the magic behind it.
std::string FooterBytes(const FileMetadata& metadata);

/// Errors: Corruption; needs_more: more bytes may help.
struct ParsedHeader {
  PageHeader header;
  size_t size = 0;
};
Result<ParsedHeader> ParsePageHeader(std::string_view bytes, bool* needs_more);
std::string PageHeaderBytes(const PageHeader& header);

Result<std::vector<PageLocation>> ParseOffsetIndex(std::string_view bytes);
std::string OffsetIndexBytes(const std::vector<PageLocation>& pages);
/// All lists of the index have as many items as it has pages. Errors: Corruption.
Result<ColumnIndex> ParseColumnIndex(std::string_view bytes);
std::string ColumnIndexBytes(const ColumnIndex& index);

}  // namespace moraine::splice
