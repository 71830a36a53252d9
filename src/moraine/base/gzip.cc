#include "moraine/base/gzip.h"

#include <algorithm>
#include <limits>

#include <fmt/format.h>
#include <zlib.h>

namespace moraine {
namespace {

constexpr int kGzipWindow = 15 + 16;

/// zlib counts input in 32 bits: hands it over in parts.
void Refill(z_stream* stream, std::string_view* rest) {
  if (stream->avail_in > 0 || rest->empty()) return;
  size_t part = std::min<size_t>(rest->size(), std::numeric_limits<int>::max());
  stream->next_in = reinterpret_cast<Bytef*>(const_cast<char*>(rest->data()));
  stream->avail_in = static_cast<uInt>(part);
  rest->remove_prefix(part);
}

/// Gives zlib room at the end of out, growing it by half, at most to limit bytes.
void MakeRoom(z_stream* stream, std::string* out, size_t limit) {
  size_t used = out->size();
  size_t room = std::clamp<size_t>(used / 2, 16 << 10, 64 << 20);
  room = std::min(room, limit - used);
  out->resize(used + room);
  stream->next_out = reinterpret_cast<Bytef*>(out->data() + used);
  stream->avail_out = static_cast<uInt>(room);
}

}  // namespace

std::string GzipCompress(std::span<const std::string_view> pieces, int level) {
  z_stream stream{};
  int made = deflateInit2(&stream, level, Z_DEFLATED, kGzipWindow, 8, Z_DEFAULT_STRATEGY);
  MORAINE_CHECK(made == Z_OK, "deflateInit2");
  std::string out;
  auto run = [&](int flush) {
    int outcome = Z_OK;
    do {
      MakeRoom(&stream, &out, std::numeric_limits<size_t>::max());
      outcome = deflate(&stream, flush);
      out.resize(out.size() - stream.avail_out);
    } while (stream.avail_out == 0);
    return outcome;
  };
  for (std::string_view rest : pieces) {
    while (!rest.empty()) {
      Refill(&stream, &rest);
      run(Z_NO_FLUSH);
    }
  }
  while (run(Z_FINISH) != Z_STREAM_END) {
  }
  deflateEnd(&stream);
  return out;
}

Result<std::string> GzipDecompress(std::string_view bytes, size_t limit_bytes) {
  z_stream stream{};
  MORAINE_CHECK(inflateInit2(&stream, kGzipWindow) == Z_OK, "inflateInit2");
  std::string out;
  std::string_view rest = bytes;
  Status status;
  bool done = false;
  while (status.ok() && !done) {
    Refill(&stream, &rest);
    // One byte over the limit, so that a text of exactly the limit can end.
    MakeRoom(&stream, &out, limit_bytes + 1);
    int outcome = inflate(&stream, Z_NO_FLUSH);
    out.resize(out.size() - stream.avail_out);
    bool at_end = stream.avail_in == 0 && rest.empty();
    if (out.size() > limit_bytes) {
      status =
          Exhausted(fmt::format("gzip text is larger than the limit of {} bytes", limit_bytes));
    } else if (outcome == Z_STREAM_END) {
      done = at_end;
      if (!done) inflateReset(&stream);
    } else if (outcome != Z_OK && outcome != Z_BUF_ERROR) {
      status = Corruption(fmt::format("damaged gzip at output byte {}", out.size()));
    } else if (at_end && stream.avail_out > 0) {
      status = Corruption(fmt::format("gzip is cut short at output byte {}", out.size()));
    }
  }
  inflateEnd(&stream);
  if (!status.ok()) return status;
  return out;
}

}  // namespace moraine
