#pragma once
// The bytes of a connection that were received and not yet understood. Starts small, since
// thousands of connections may be parked, and grows to a limit while it is being filled.

#include <algorithm>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>

namespace moraine::net {

class ReadBuffer {
 public:
  explicit ReadBuffer(size_t limit_bytes) : limit_(limit_bytes) {}

  std::string_view view() const { return {data_.get() + begin_, end_ - begin_}; }
  bool empty() const { return begin_ == end_; }
  bool full() const { return end_ - begin_ == limit_; }

  /// Room for more bytes, at least one unless full. Moves what is there: not while a read into the
  /// room of an earlier call goes on.
  std::span<char> Prepare() {
    size_t used = end_ - begin_;
    if (begin_ > 0) {
      std::memmove(data_.get(), data_.get() + begin_, used);
      begin_ = 0;
      end_ = used;
    }
    if (capacity_ == 0 || was_filled_ || used == capacity_) Grow();
    return {data_.get() + end_, capacity_ - end_};
  }
  /// bytes were read into the room.
  void Commit(size_t bytes) {
    end_ += bytes;
    was_filled_ = end_ == capacity_;
  }
  void Consume(size_t bytes) { begin_ += bytes; }

 private:
  static constexpr size_t kFirstBytes = 4096;

  void Grow() {
    was_filled_ = false;
    size_t larger = std::min(limit_, std::max(kFirstBytes, capacity_ * 2));
    if (larger == capacity_) return;
    auto data = std::make_unique_for_overwrite<char[]>(larger);
    if (end_ > 0) std::memcpy(data.get(), data_.get(), end_);
    data_ = std::move(data);
    capacity_ = larger;
  }

  const size_t limit_;
  std::unique_ptr<char[]> data_;
  size_t capacity_ = 0;
  size_t begin_ = 0;
  size_t end_ = 0;
  bool was_filled_ = false;
};

}  // namespace moraine::net
