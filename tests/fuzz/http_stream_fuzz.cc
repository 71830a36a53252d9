// A stream of requests, whole and cut at a place that the first byte names: both readings are the
// same.

#include <algorithm>
#include <string>
#include <string_view>

#include "fuzz/fuzz.h"

#include "moraine/base/check.h"
#include "moraine/net/request_parser.h"

namespace {

using moraine::net::RequestParser;
using Stage = RequestParser::Stage;

/// What was read, as text: one line a request, and how it ended.
std::string ReadStream(std::string_view bytes, size_t step) {
  RequestParser parser({.header_bytes = 4096, .body_bytes = 4096});
  std::string seen;
  size_t begin = 0;
  size_t end = 0;
  while (parser.stage() != Stage::kFailed) {
    if (parser.stage() == Stage::kDone) {
      seen += parser.request().path + " " + parser.request().body + "\n";
      parser.Next();
    }
    Stage before = parser.stage();
    size_t used = parser.Feed(bytes.substr(begin, end - begin));
    MORAINE_CHECK(used <= end - begin, "more was used than given");
    MORAINE_CHECK(parser.request().body.size() <= 4096, "a body above the limit");
    begin += used;
    if (used > 0 || parser.stage() != before) continue;
    if (end == bytes.size()) break;
    end = std::min(bytes.size(), end + step);
  }
  return seen;
}

}  // namespace

MORAINE_FUZZ(bytes) {
  if (bytes.empty() || bytes.size() > 20'000) return;
  std::string_view stream = bytes.substr(1);
  std::string whole = ReadStream(stream, stream.size() + 1);
  std::string cut = ReadStream(stream, static_cast<unsigned char>(bytes[0]) + size_t{1});
  MORAINE_CHECK(whole == cut, "a stream read differently when cut");
}
