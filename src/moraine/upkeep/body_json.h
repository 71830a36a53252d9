#pragma once
// Reading the bodies and results of worker tasks: what all their codecs need.

#include <string>
#include <string_view>
#include <vector>

#include "moraine/base/json.h"
#include "moraine/base/status.h"

namespace moraine::upkeep {

void WriteStrings(std::string_view key, const std::vector<std::string>& values, JsonWriter* out);
/// Absent: none. Errors: InvalidArgument.
Result<std::vector<std::string>> StringsOf(const JsonCursor& json, std::string_view key);
/// Absent: 0. Errors: InvalidArgument, also for a negative one.
Result<int64_t> CountOf(const JsonCursor& json, std::string_view key);
/// Absent: "" or false.
Result<std::string> TextOf(const JsonCursor& json, std::string_view key);
Result<bool> SwitchOf(const JsonCursor& json, std::string_view key);

}  // namespace moraine::upkeep
