#pragma once
// The body of an answer that tells of an error, one form in both of our protocols:
// {"error": {"message": ..., "type": ..., "code": ...}} (Iceberg REST specification, ErrorModel).

#include <cstddef>
#include <string>
#include <string_view>

namespace moraine::net {

/// JSON whatever the text holds: of one that is longer, or was cut within a character, what comes
/// before stands.
std::string ErrorBody(int status, std::string_view type, std::string_view text,
                      size_t max_message_bytes);

}  // namespace moraine::net
