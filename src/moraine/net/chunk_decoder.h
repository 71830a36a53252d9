#pragma once
// Takes a chunked body apart (RFC 9112 7.1), however it is cut. Strict: lines end in CRLF, sizes
// have 1 to 15 hexadecimal digits; extensions and trailers are bounded and dropped. Called by
// RequestParser. (Beast's own decoder asserts on an empty body that arrives in small parts.)

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace moraine::net {

class ChunkDecoder {
 public:
  enum class Outcome { kMore, kDone, kMalformed, kBodyTooLarge, kOverheadTooLarge };

  /// overhead_limit bounds all extensions and trailers of one body together.
  ChunkDecoder(size_t body_limit_bytes, size_t overhead_limit_bytes)
      : body_limit_(body_limit_bytes), overhead_limit_(overhead_limit_bytes) {}

  /// Consumes from bytes, all of it unless the body ends or fails, and appends data to body.
  Outcome Decode(std::string_view bytes, std::string* body, size_t* used);

 private:
  enum class State {
    kSize,
    kExtension,
    kSizeEnd,
    kData,
    kDataCr,
    kDataLf,
    kLineStart,
    kTrailer,
    kTrailerEnd,
    kLastLf
  };

  Outcome Step(char c, const std::string& body);
  Outcome StepSize(char c, const std::string& body);
  Outcome StepTrailer(char c);
  Outcome EndSize(const std::string& body);

  const size_t body_limit_;
  const size_t overhead_limit_;
  State state_ = State::kSize;
  int digits_ = 0;
  uint64_t left_ = 0;  ///< of the chunk at hand
  size_t overhead_ = 0;
};

}  // namespace moraine::net
