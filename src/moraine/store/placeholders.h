#pragma once
// What the drivers of servers need of a statement's text. (Used by them only.)

#include <string>
#include <string_view>

namespace moraine::store {

/// With "$1", "$2" ... for each "?" outside of quotes and comments; *count is how many.
std::string NumberPlaceholders(std::string_view sql, size_t* count);

/// Whether it only reads: its first word is SELECT or WITH, and it takes no locks.
bool IsQuery(std::string_view sql);

/// The beginning, for error texts.
std::string_view Shown(std::string_view sql);

}  // namespace moraine::store
