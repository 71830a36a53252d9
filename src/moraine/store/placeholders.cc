#include "moraine/store/placeholders.h"

#include "moraine/base/text.h"

namespace moraine::store {
namespace {

/// Where what begins at this place ends: a quoted text, a quoted name, a comment; or the place
/// itself, if none does.
size_t EndOfQuoted(std::string_view sql, size_t at) {
  std::string_view end;
  size_t open = 1;
  if (sql[at] == '\'') {
    end = "'";
  } else if (sql[at] == '"') {
    end = "\"";
  } else if (sql.substr(at).starts_with("--")) {
    end = "\n";
  } else if (sql.substr(at).starts_with("/*")) {
    end = "*/";
    open = 2;
  } else {
    return at;
  }
  size_t found = sql.find(end, at + open);
  return found == sql.npos ? sql.size() : found + end.size();
}

}  // namespace

std::string NumberPlaceholders(std::string_view sql, size_t* count) {
  std::string out;
  out.reserve(sql.size() + 16);
  *count = 0;
  for (size_t at = 0; at < sql.size();) {
    size_t end = EndOfQuoted(sql, at);
    if (end > at) {
      out += sql.substr(at, end - at);
      at = end;
    } else if (sql[at] == '?') {
      out += '$';
      out += std::to_string(++*count);
      ++at;
    } else {
      out += sql[at++];
    }
  }
  return out;
}

bool IsQuery(std::string_view sql) {
  std::string word = ToLowerAscii(Trim(sql).substr(0, 6));
  return word == "select" || word.starts_with("with ");
}

std::string_view Shown(std::string_view sql) { return Trim(sql.substr(0, 200)); }

}  // namespace moraine::store
