#include "moraine/net/digest.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "moraine/base/check.h"

namespace moraine::net {
namespace {

std::optional<std::string> Digest(const EVP_MD* algorithm, std::string_view bytes) {
  std::string out(EVP_MAX_MD_SIZE, '\0');
  unsigned size = 0;
  int ok = EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char*>(out.data()),
                      &size, algorithm, nullptr);
  if (ok != 1) return std::nullopt;
  out.resize(size);
  return out;
}

}  // namespace

std::string Sha256(std::string_view bytes) {
  std::optional<std::string> digest = Digest(EVP_sha256(), bytes);
  MORAINE_CHECK(digest.has_value(), "OpenSSL has no SHA-256");
  return *std::move(digest);
}

std::optional<std::string> Md5(std::string_view bytes) { return Digest(EVP_md5(), bytes); }

std::string HmacSha256(std::string_view key, std::string_view bytes) {
  std::string out(EVP_MAX_MD_SIZE, '\0');
  unsigned size = 0;
  const unsigned char* made =
      HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
           reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
           reinterpret_cast<unsigned char*>(out.data()), &size);
  MORAINE_CHECK(made != nullptr, "OpenSSL has no SHA-256");
  out.resize(size);
  return out;
}

}  // namespace moraine::net
