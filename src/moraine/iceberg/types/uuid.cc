#include "moraine/iceberg/types/uuid.h"

#include <fmt/format.h>

#include "moraine/base/text.h"

namespace moraine::iceberg {

std::string UuidToText(std::string_view bytes) {
  std::string hex = HexEncode(bytes);
  if (bytes.size() != 16) return hex;
  for (size_t dash : {20, 16, 12, 8}) hex.insert(dash, "-");
  return hex;
}

Result<std::string> UuidFromText(std::string_view text) {
  Status wrong = InvalidArgument(fmt::format("expected a uuid, got '{}'", text.substr(0, 60)));
  if (text.size() != 36) return wrong;
  std::string hex;
  for (size_t i = 0; i < text.size(); ++i) {
    bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash != (text[i] == '-')) return wrong;
    if (!dash) hex.push_back(text[i]);
  }
  auto bytes = HexDecode(hex);
  if (!bytes.ok()) return wrong;
  return bytes;
}

}  // namespace moraine::iceberg
