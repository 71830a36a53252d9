#pragma once
// What fuzz entries share: the entry point's name, and a check that prints what differs before it
// aborts.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#define MORAINE_FUZZ(bytes)                                                 \
  static void RunOne(std::string_view bytes);                               \
  extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) { \
    RunOne(std::string_view(reinterpret_cast<const char*>(data), size));    \
    return 0;                                                               \
  }                                                                         \
  static void RunOne(std::string_view bytes)

/// What was read must be written and read again as it was.
inline void ExpectSame(bool same, std::string_view what, std::string_view first,
                       std::string_view second) {
  if (same) return;
  std::fprintf(stderr, "%s does not survive its round trip:\n%.*s\n%.*s\n",
               std::string(what).c_str(), static_cast<int>(first.size()), first.data(),
               static_cast<int>(second.size()), second.data());
  std::abort();
}
