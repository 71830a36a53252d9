#pragma once
// Texts of tasks as columns of the store: zstd, base64 (decision "tasks").

#include <cstdint>
#include <string>
#include <string_view>

#include "moraine/base/status.h"

namespace moraine::tasks {

inline constexpr int64_t kMaxPackedBytes = int64_t{16} << 20;

/// Errors: Exhausted over max_bytes.
Result<std::string> PackText(std::string_view text, int64_t max_bytes = kMaxPackedBytes);
/// Errors: InvalidArgument for what PackText did not make.
Result<std::string> UnpackText(std::string_view packed);

}  // namespace moraine::tasks
