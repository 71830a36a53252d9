#include "moraine/cli/names.h"

#include <fmt/format.h>

namespace moraine::cli {
namespace {

/// One part, from text[*at] on; *at then stands behind it.
Result<std::string> TakePart(std::string_view text, size_t* at) {
  std::string part;
  if (*at < text.size() && text[*at] == '"') {
    for (++*at; *at < text.size(); ++*at) {
      if (text[*at] != '"') {
        part += text[*at];
      } else if (*at + 1 < text.size() && text[*at + 1] == '"') {
        part += text[(*at)++];
      } else {
        ++*at;
        return part;
      }
    }
    return InvalidArgument(fmt::format("name {}: the quote is not closed", text));
  }
  while (*at < text.size() && text[*at] != '.') {
    if (text[*at] == '"')
      return InvalidArgument(fmt::format("name {}: a quote inside a part", text));
    part += text[(*at)++];
  }
  return part;
}

std::string ShowPart(const std::string& part) {
  if (!part.empty() && part.find_first_of(". \"") == std::string::npos) return part;
  std::string quoted = "\"";
  for (char c : part) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + "\"";
}

}  // namespace

Result<std::vector<std::string>> ParseLevels(std::string_view text) {
  std::vector<std::string> parts;
  size_t at = 0;
  while (true) {
    MORAINE_ASSIGN(auto part, TakePart(text, &at));
    if (part.empty()) return InvalidArgument(fmt::format("name '{}': a part is empty", text));
    parts.push_back(std::move(part));
    if (at == text.size()) return parts;
    if (text[at] != '.') {
      return InvalidArgument(fmt::format("name {}: expected a dot behind the closing quote", text));
    }
    ++at;
  }
}

Result<TableRef> ParseTableRef(std::string_view text) {
  MORAINE_ASSIGN(auto parts, ParseLevels(text));
  if (parts.size() < 2) {
    return InvalidArgument(
        fmt::format("table '{}': expected NAMESPACE.TABLE, such as db.{}", text, text));
  }
  TableRef table;
  table.name = std::move(parts.back());
  parts.pop_back();
  table.levels = std::move(parts);
  return table;
}

std::string ShowLevels(const std::vector<std::string>& levels) {
  std::string text;
  for (const auto& level : levels) text += (text.empty() ? "" : ".") + ShowPart(level);
  return text;
}

std::string ShowTable(const TableRef& table) {
  return ShowLevels(table.levels) + "." + ShowPart(table.name);
}

}  // namespace moraine::cli
