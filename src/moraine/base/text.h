#pragma once
// Text forms of bytes, names, sizes and times, shared by protocols, files and people.

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "moraine/base/clock.h"
#include "moraine/base/status.h"

namespace moraine {

std::string HexEncode(std::string_view bytes);  ///< lower case
Result<std::string> HexDecode(std::string_view text);
std::string Base64Encode(std::string_view bytes);  ///< RFC 4648 with padding
Result<std::string> Base64Decode(std::string_view text);
/// Percent-encodes everything but RFC 3986 unreserved characters and those in keep.
std::string PercentEncode(std::string_view text, std::string_view keep = "");
/// Errors: InvalidArgument for a broken escape. '+' stays '+'.
Result<std::string> PercentDecode(std::string_view text);
bool IsValidUtf8(std::string_view text);
/// Parts between separators; an empty text gives one empty part.
std::vector<std::string_view> Split(std::string_view text, char separator);
std::string_view Trim(std::string_view text);
std::string ToLowerAscii(std::string_view text);
/// The known name nearest to a mistyped one (at most a third of it wrong), or "".
std::string Nearest(std::string_view name, const std::vector<std::string>& known);
/// Whole decimal number that fits; InvalidArgument else.
Result<int64_t> ParseInt64(std::string_view text);
Result<double> ParseDouble(std::string_view text);
/// "512MiB", "1.5 GB", "4096": bytes. Units: B, kB/KB, MB, GB, TB (1000), KiB.. and K, M, G, T
/// (1024).
Result<int64_t> ParseByteSize(std::string_view text);
/// "250ms", "30s", "5m", "2h", "1d", or a plain number of milliseconds.
Result<Millis> ParseDuration(std::string_view text);
/// "1.5 GiB": for people.
std::string FormatByteSize(int64_t bytes);
/// "3.2 s", "5 min", "2 h 10 min": for people.
std::string FormatDuration(std::chrono::nanoseconds duration);
/// "2026-11-22T19:31:00.123Z".
std::string FormatTime(WallTime time);

}  // namespace moraine
