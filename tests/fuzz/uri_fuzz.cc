// Targets, queries, URLs and hosts from any bytes: no crash, and what was accepted survives being
// written and read again.

#include <string_view>

#include "fuzz/fuzz.h"

#include "moraine/base/check.h"
#include "moraine/base/text.h"
#include "moraine/net/uri.h"

MORAINE_FUZZ(bytes) {
  using namespace moraine;
  using namespace moraine::net;
  std::string_view text = bytes;

  if (auto target = ParseTarget(text); target.ok()) {
    MORAINE_CHECK(target->path == "*" || target->path.starts_with('/'), text);
    MORAINE_CHECK(DecodePart(target->path).ok(), text);
    auto query = ParseQuery(EncodeQuery(target->query));
    MORAINE_CHECK(query.ok(), text);
    // "=" alone is a parameter without name and value, which stays one.
    MORAINE_CHECK(*query == target->query, text);
  }
  if (auto part = DecodePart(text); part.ok()) {
    MORAINE_CHECK(IsValidUtf8(*part), text);
    auto again = DecodePart(EncodePart(*part));
    MORAINE_CHECK(again.ok() && *again == *part, text);
  }
  if (auto url = ParseUrl(text); url.ok()) {
    MORAINE_CHECK(!url->host.empty() && url->port != 0, text);
  }
  if (auto host = ParseHostPort(text); host.ok()) MORAINE_CHECK(!host->host.empty(), text);
  (void)IsLoopback(text);
}
