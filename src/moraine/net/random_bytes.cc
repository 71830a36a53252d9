#include "moraine/net/random_bytes.h"

#include <openssl/rand.h>

namespace moraine::net {

Result<std::string> RandomBytes(size_t count) {
  std::string bytes(count, '\0');
  if (RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(count)) != 1) {
    return Unavailable("the system gives no random bytes");
  }
  return bytes;
}

}  // namespace moraine::net
