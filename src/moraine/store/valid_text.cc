#include "moraine/store/valid_text.h"

#include <algorithm>

#include "moraine/base/text.h"

namespace moraine::store {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

/// Bytes of the character that begins here, by its first byte; 0 where none can begin.
size_t SizeOf(char first) {
  auto byte = static_cast<unsigned char>(first);
  if (byte == 0) return 0;
  if (byte < 0x80) return 1;
  if (byte >= 0xC2 && byte < 0xE0) return 2;
  if (byte >= 0xE0 && byte < 0xF0) return 3;
  return byte >= 0xF0 && byte < 0xF5 ? 4 : 0;
}

}  // namespace

bool IsValidText(std::string_view text) {
  return text.find('\0') == text.npos && IsValidUtf8(text);
}

std::string MendText(std::string_view text) {
  std::string out;
  out.reserve(text.size() + kReplacement.size());
  while (!text.empty()) {
    size_t size = std::min(SizeOf(text.front()), text.size());
    if (size > 0 && IsValidUtf8(text.substr(0, size))) {
      out += text.substr(0, size);
      text.remove_prefix(size);
    } else {
      out += kReplacement;
      text.remove_prefix(1);
    }
  }
  return out;
}

}  // namespace moraine::store
