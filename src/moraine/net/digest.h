#pragma once
// Digests over bytes, raw (not hexadecimal): what request signing and S3's checksums need. The door
// to OpenSSL's hashes; MD5 is for checksums that a protocol asks for, never for trust.

#include <optional>
#include <string>
#include <string_view>

namespace moraine::net {

std::string Sha256(std::string_view bytes);
std::string HmacSha256(std::string_view key, std::string_view bytes);
/// Nothing where OpenSSL is told to do without it (FIPS).
std::optional<std::string> Md5(std::string_view bytes);

}  // namespace moraine::net
