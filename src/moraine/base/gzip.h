#pragma once
// gzip in memory, for HTTP bodies and *.gz.metadata.json files. The only door to zlib but Avro's
// deflate.

#include <span>
#include <string>
#include <string_view>

#include "moraine/base/status.h"

namespace moraine {

/// Compresses the pieces, one after the other, into one gzip member. level: 1 (fast) to 9 (small).
std::string GzipCompress(std::span<const std::string_view> pieces, int level);

/// Takes one or more gzip members apart. Errors: Corruption (not gzip, damaged, cut short, followed
/// by something else), Exhausted when the text is larger than limit_bytes.
Result<std::string> GzipDecompress(std::string_view bytes, size_t limit_bytes);

}  // namespace moraine
