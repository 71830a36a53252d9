#include "moraine/net/chunk_decoder.h"

#include <algorithm>

namespace moraine::net {
namespace {

constexpr int kMaxSizeDigits = 15;

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

ChunkDecoder::Outcome ChunkDecoder::Decode(std::string_view bytes, std::string* body,
                                           size_t* used) {
  *used = 0;
  while (*used < bytes.size()) {
    if (state_ == State::kData) {
      auto part = static_cast<size_t>(std::min<uint64_t>(left_, bytes.size() - *used));
      body->append(bytes.substr(*used, part));
      *used += part;
      left_ -= part;
      if (left_ == 0) state_ = State::kDataCr;
      continue;
    }
    Outcome outcome = Step(bytes[(*used)++], *body);
    if (outcome != Outcome::kMore) return outcome;
  }
  return Outcome::kMore;
}

ChunkDecoder::Outcome ChunkDecoder::Step(char c, const std::string& body) {
  switch (state_) {
    case State::kSize:
    case State::kExtension:
    case State::kSizeEnd:
      return StepSize(c, body);
    case State::kDataCr:
      if (c != '\r') return Outcome::kMalformed;
      state_ = State::kDataLf;
      return Outcome::kMore;
    case State::kDataLf:
      if (c != '\n') return Outcome::kMalformed;
      state_ = State::kSize;
      return Outcome::kMore;
    default:
      return StepTrailer(c);
  }
}

ChunkDecoder::Outcome ChunkDecoder::StepSize(char c, const std::string& body) {
  if (state_ == State::kSizeEnd) return c == '\n' ? EndSize(body) : Outcome::kMalformed;
  if (state_ == State::kSize) {
    if (int digit = HexDigit(c); digit >= 0) {
      if (++digits_ > kMaxSizeDigits) return Outcome::kMalformed;
      left_ = left_ * 16 + static_cast<uint64_t>(digit);
      return Outcome::kMore;
    }
    if (digits_ == 0) return Outcome::kMalformed;
  }
  if (c == '\r') {
    state_ = State::kSizeEnd;
    return Outcome::kMore;
  }
  bool begins_extension = c == ';' || c == ' ' || c == '\t';
  if (state_ == State::kSize && !begins_extension) return Outcome::kMalformed;
  if (c == '\n' || c == '\0') return Outcome::kMalformed;
  state_ = State::kExtension;
  return ++overhead_ > overhead_limit_ ? Outcome::kOverheadTooLarge : Outcome::kMore;
}

ChunkDecoder::Outcome ChunkDecoder::EndSize(const std::string& body) {
  digits_ = 0;
  state_ = left_ == 0 ? State::kLineStart : State::kData;
  bool fits = body.size() <= body_limit_ && left_ <= body_limit_ - body.size();
  return fits ? Outcome::kMore : Outcome::kBodyTooLarge;
}

ChunkDecoder::Outcome ChunkDecoder::StepTrailer(char c) {
  if (state_ == State::kLastLf) return c == '\n' ? Outcome::kDone : Outcome::kMalformed;
  if (state_ == State::kTrailerEnd) {
    if (c != '\n') return Outcome::kMalformed;
    state_ = State::kLineStart;
    return Outcome::kMore;
  }
  if (c == '\r') {
    state_ = state_ == State::kLineStart ? State::kLastLf : State::kTrailerEnd;
    return Outcome::kMore;
  }
  if (c == '\n' || c == '\0') return Outcome::kMalformed;
  state_ = State::kTrailer;
  return ++overhead_ > overhead_limit_ ? Outcome::kOverheadTooLarge : Outcome::kMore;
}

}  // namespace moraine::net
