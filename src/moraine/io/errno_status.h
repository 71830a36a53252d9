#pragma once
// From errno to the code that says what the caller should do. Used by the parts of io that call
// POSIX.

#include <string>
#include <string_view>

#include "moraine/base/status.h"

namespace moraine::io {

/// "cannot open /a/b: No such file or directory" under the code that fits the error number.
Status ErrnoStatus(int error, std::string_view doing, std::string_view path);

}  // namespace moraine::io
