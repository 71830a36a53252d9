#include "case_runner/match.h"

#include <optional>

#include <fmt/format.h>

namespace moraine::cases {
namespace {

constexpr std::string_view kMore = "<more>";

struct Open {
  size_t begin, end;  // in the text
  std::string name;   // "" for <any>
};

/// The next <any> or <id:name>.
std::optional<Open> FindOpen(std::string_view text, size_t from = 0) {
  for (size_t begin = text.find('<', from); begin != std::string_view::npos;
       begin = text.find('<', begin + 1)) {
    size_t end = text.find('>', begin);
    if (end == std::string_view::npos) return std::nullopt;
    std::string_view inside = text.substr(begin + 1, end - begin - 1);
    if (inside == "any") return Open{begin, end + 1, ""};
    if (inside.starts_with("id:")) return Open{begin, end + 1, std::string(inside.substr(3))};
  }
  return std::nullopt;
}

/// The pattern is one open part and nothing else.
std::optional<Open> WholeOpen(const Json& pattern) {
  if (!pattern.is_string()) return std::nullopt;
  std::optional<Open> open = FindOpen(pattern.as_string());
  if (!open || open->begin != 0 || open->end != pattern.as_string().size()) return std::nullopt;
  return open;
}

std::string TextOf(const Json& value) {
  return value.is_string() ? value.as_string() : value.ToString();
}

std::string Difference(const std::string& path, std::string_view problem) {
  return fmt::format("{}: {}", path.empty() ? "(document)" : path, problem);
}

}  // namespace

std::string Bindings::Fill(std::string_view text) const {
  std::string filled;
  size_t done = 0;
  for (auto open = FindOpen(text); open; open = FindOpen(text, open->end)) {
    auto value = values_.find(open->name);
    if (value == values_.end()) continue;
    bool quoted = open->begin > 0 && text[open->begin - 1] == '"' && open->end < text.size() &&
                  text[open->end] == '"';
    filled += text.substr(done, open->begin - done - (quoted ? 1 : 0));
    filled += quoted ? value->second.ToString() : TextOf(value->second);
    done = open->end + (quoted ? 1 : 0);
  }
  filled += text.substr(done);
  return filled;
}

bool Bindings::MatchRest(std::string_view pattern, std::string_view actual,
                         std::map<std::string, Json>* found) {
  std::optional<Open> open = FindOpen(pattern);
  if (!open) return pattern == actual;
  if (actual.substr(0, open->begin) != pattern.substr(0, open->begin)) return false;
  std::string_view rest = pattern.substr(open->end);
  actual.remove_prefix(open->begin);
  if (auto known = found->find(open->name); !open->name.empty() && known != found->end()) {
    std::string text = TextOf(known->second);
    return actual.starts_with(text) && MatchRest(rest, actual.substr(text.size()), found);
  }
  for (size_t length = 0; length <= actual.size(); ++length) {
    std::map<std::string, Json> attempt = *found;
    if (!open->name.empty()) attempt[open->name] = actual.substr(0, length);
    if (MatchRest(rest, actual.substr(length), &attempt)) {
      *found = std::move(attempt);
      return true;
    }
  }
  return false;
}

bool Bindings::MatchText(std::string_view pattern, std::string_view actual) {
  std::map<std::string, Json> found = values_;
  if (!MatchRest(pattern, actual, &found)) return false;
  values_ = std::move(found);
  return true;
}

std::string Bindings::MatchJson(const Json& pattern, const Json& actual, const std::string& path) {
  if (std::optional<Open> open = WholeOpen(pattern)) {
    if (open->name.empty()) return "";
    auto [value, added] = values_.emplace(open->name, actual);
    return value->second == actual
               ? ""
               : Difference(path, fmt::format("expected {} again, got {}", value->second.ToString(),
                                              actual.ToString()));
  }
  if (pattern.is_object() && actual.is_object()) {
    for (const auto& [key, value] : pattern.as_object()) {
      if (key == kMore) continue;
      const Json* member = actual.Find(key);
      std::string place = path.empty() ? key : path + "." + key;
      if (member == nullptr) return Difference(place, "missing");
      if (std::string problem = MatchJson(value, *member, place); !problem.empty()) return problem;
    }
    if (pattern.Find(kMore) != nullptr) return "";
    for (const auto& [key, value] : actual.as_object()) {
      if (pattern.Find(key) == nullptr)
        return Difference(path.empty() ? key : path + "." + key, "not expected");
    }
    return "";
  }
  if (pattern.is_array() && actual.is_array()) {
    const Json::Array &expected = pattern.as_array(), &got = actual.as_array();
    if (expected.size() != got.size()) {
      return Difference(path,
                        fmt::format("expected {} elements, got {}", expected.size(), got.size()));
    }
    for (size_t i = 0; i < expected.size(); ++i) {
      if (std::string problem = MatchJson(expected[i], got[i], fmt::format("{}[{}]", path, i));
          !problem.empty())
        return problem;
    }
    return "";
  }
  bool same = pattern.is_string() && actual.is_string()
                  ? MatchText(pattern.as_string(), actual.as_string())
                  : pattern == actual;
  return same ? ""
              : Difference(path, fmt::format("expected {}, got {}", pattern.ToString(),
                                             actual.ToString()));
}

Json UpdatedJson(const Json& pattern, const Json& actual) {
  Bindings fresh;
  if (fresh.MatchJson(pattern, actual).empty()) return pattern;
  if (pattern.is_object() && actual.is_object()) {
    bool more = pattern.Find(kMore) != nullptr;
    Json updated = Json::MakeObject();
    for (const auto& [key, old] : pattern.as_object()) {
      const Json* value = actual.Find(key);
      if (value != nullptr) updated.Set(key, UpdatedJson(old, *value));
    }
    for (const auto& [key, value] : actual.as_object()) {
      if (!more && pattern.Find(key) == nullptr) updated.Set(key, value);
    }
    if (more) updated.Set(std::string(kMore), "<any>");
    return updated;
  }
  if (pattern.is_array() && actual.is_array()) {
    Json updated = Json::MakeArray();
    for (size_t i = 0; i < actual.as_array().size(); ++i) {
      const Json& value = actual.as_array()[i];
      updated.Push(i < pattern.as_array().size() ? UpdatedJson(pattern.as_array()[i], value)
                                                 : value);
    }
    return updated;
  }
  return actual;
}

}  // namespace moraine::cases
