// Bytes of an HTTP connection, as one piece and in small ones: a request that is whole is read
// alike. (When an incomplete one is found to be malformed may differ.)

#include <vector>

#include "fuzz/fuzz.h"

#include "moraine/net/request_parser.h"
#include "moraine/net/uri.h"

namespace {

using moraine::net::RequestParser;

constexpr std::string_view kDone = "done ";

std::string Describe(const RequestParser& parser) {
  if (parser.stage() == RequestParser::Stage::kFailed) return "failed " + parser.refusal().message;
  if (parser.stage() != RequestParser::Stage::kDone) return "incomplete";
  std::string text(kDone);
  text +=
      std::string(moraine::net::MethodName(parser.request().method)) + " " + parser.request().path;
  for (const auto& [name, value] : parser.request().headers.all())
    text += "\n" + name + ":" + value;
  return text + "\n" + parser.request().body;
}

/// Reads one message; the bytes arrive in pieces of at most this size.
std::string Read(std::string_view bytes, size_t piece) {
  RequestParser parser(RequestParser::Limits{.header_bytes = 1024, .body_bytes = 4096});
  size_t given = 0;  // bytes that have arrived
  size_t used = 0;
  while (true) {
    RequestParser::Stage before = parser.stage();
    size_t consumed = parser.Feed(bytes.substr(used, given - used));
    if (consumed > given - used) std::abort();
    used += consumed;
    if (parser.stage() == RequestParser::Stage::kDone ||
        parser.stage() == RequestParser::Stage::kFailed)
      break;
    if (consumed > 0 || parser.stage() != before) continue;
    if (given == bytes.size()) break;
    given = std::min(bytes.size(), given + piece);
  }
  return Describe(parser);
}

}  // namespace

MORAINE_FUZZ(bytes) {
  std::string whole = Read(bytes, bytes.size() + 1);
  std::string cut = Read(bytes, 7);
  bool is_done = whole.starts_with(kDone) || cut.starts_with(kDone);
  ExpectSame(!is_done || whole == cut, "a request in pieces", whole, cut);
  (void)moraine::net::ParseUrl(bytes);
  (void)moraine::net::ParseQuery(bytes);
}
