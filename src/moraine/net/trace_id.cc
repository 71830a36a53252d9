#include "moraine/net/trace_id.h"

#include <algorithm>
#include <string_view>

namespace moraine::net {
namespace {

constexpr char kHexDigits[] = "0123456789abcdef";

bool IsPlain(std::string_view id) {
  return !id.empty() && id.size() <= 128 && std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           std::string_view("-_.:/+=").find(c) != std::string_view::npos;
  });
}

bool IsHex(std::string_view text) {
  return text.find_first_not_of(kHexDigits) == std::string_view::npos;
}

/// 00-<32 digits>-<16 digits>-<2 digits>
std::string_view TraceOfParent(std::string_view parent) {
  if (parent.size() < 55 || parent[2] != '-' || parent[35] != '-' || parent[52] != '-') return "";
  std::string_view trace = parent.substr(3, 32);
  bool is_good = IsHex(parent.substr(0, 2)) && IsHex(trace) && IsHex(parent.substr(36, 16)) &&
                 trace.find_first_not_of('0') != trace.npos;
  return is_good ? trace : "";
}

}  // namespace

std::string TraceIdOf(const Headers& headers, Random& random) {
  if (auto id = headers.Get("X-Request-ID"); id && IsPlain(*id)) return std::string(*id);
  if (auto parent = headers.Get("traceparent")) {
    std::string_view trace = TraceOfParent(*parent);
    if (!trace.empty()) return std::string(trace);
  }
  std::string id(32, '0');
  for (size_t i = 0; i < id.size(); i += 16) {
    uint64_t bits = random.Next();
    for (size_t j = 0; j < 16; ++j, bits >>= 4) id[i + j] = kHexDigits[bits & 15];
  }
  return id;
}

}  // namespace moraine::net
