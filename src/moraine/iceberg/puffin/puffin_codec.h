#pragma once
// Compression of Puffin blobs and footers (Puffin spec, "Compression codecs"): one frame each.
// Called by puffin_reader.h and puffin_writer.h.

#include <cstdint>
#include <string>
#include <string_view>

#include "moraine/base/status.h"
#include "moraine/iceberg/puffin/puffin_metadata.h"

namespace moraine::iceberg {

/// Memory grows with what really comes out. Errors: Corruption for anything but one whole frame,
/// Exhausted beyond max_bytes.
Result<std::string> PuffinDecompress(PuffinCodec codec, std::string_view bytes, int64_t max_bytes);

/// One frame with its content size. Errors: Unsupported for lz4, which no one else writes either.
Result<std::string> PuffinCompress(PuffinCodec codec, std::string_view bytes);

}  // namespace moraine::iceberg
