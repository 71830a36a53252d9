#pragma once
// Text that PostgreSQL takes: it refuses bytes that are not UTF-8, and NUL, and with them the whole
// statement. Names are checked before they come here; messages of others (engines, object stores,
// readers of damaged files) may hold anything, or have been cut within a character.

#include <string>
#include <string_view>

namespace moraine::store {

/// UTF-8 without NUL.
bool IsValidText(std::string_view text);
/// The text with U+FFFD in the place of each byte that can't stand there.
std::string MendText(std::string_view text);

}  // namespace moraine::store
