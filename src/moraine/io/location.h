#pragma once
// Locations as text: comparing, joining, and whether one lies inside another. Paths in table
// metadata come from clients, so these decide what a server that runs as root may touch (decision
// "locations").

#include <string>
#include <string_view>

#include "moraine/base/status.h"

namespace moraine::io {

/// The comparable form: scheme aliases folded ("file:/a", "file:///a", "/a" -> "file:///a"; s3a,
/// s3n -> s3), host in lower case, no empty, "." or ".." segments, percent escapes of unreserved
/// characters decoded, no trailing slash. Errors: InvalidArgument for a relative path, a ".." that
/// leaves the root, control bytes.
Result<std::string> NormalizeLocation(std::string_view location);

/// Whether location is root or lies below it; both normalised first. Any error means no.
bool IsInside(std::string_view location, std::string_view root);

/// "a/" + "/b" -> "a/b".
std::string JoinLocation(std::string_view base, std::string_view relative);

/// The part after the last slash.
std::string_view BaseName(std::string_view location);

}  // namespace moraine::io
