#pragma once
// UUIDs as the table spec stores them: 16 bytes, most significant first.

#include <string>
#include <string_view>

#include "moraine/base/status.h"

namespace moraine::iceberg {

/// "f79c3e09-677c-4bbd-a479-3f349cb785e7"; bytes of another length are printed as plain
/// hexadecimal.
std::string UuidToText(std::string_view bytes);
/// The 16 bytes. Errors: InvalidArgument when it is not 8-4-4-4-12 hexadecimal digits.
Result<std::string> UuidFromText(std::string_view text);

}  // namespace moraine::iceberg
