#pragma once
// Expectations that leave parts open: <any> matches every text, <id:a> matches every text the first
// time and that same text from then on. In JSON a string that is only "<any>" or "<id:a>" stands
// for any value; an object with the member "<more>" may have members that are not named.

#include <map>
#include <string>
#include <string_view>

#include "moraine/base/json.h"

namespace moraine::cases {

class Bindings {
 public:
  /// Puts the bound values in place of their names: "<id:a>" with its quotes becomes the JSON
  /// value, a bare <id:a> its text.
  std::string Fill(std::string_view text) const;

  /// Whether actual is what pattern says; binds what was open.
  bool MatchText(std::string_view pattern, std::string_view actual);
  /// As MatchText. Returns "" or the first difference with its path.
  std::string MatchJson(const Json& pattern, const Json& actual, const std::string& path = "");

 private:
  bool MatchRest(std::string_view pattern, std::string_view actual,
                 std::map<std::string, Json>* found);

  std::map<std::string, Json> values_;
};

/// The actual value with the open parts of the old expectation kept where they still fit.
Json UpdatedJson(const Json& pattern, const Json& actual);

}  // namespace moraine::cases
