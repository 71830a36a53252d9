#pragma once
// What is left to be sent of an answer: views of its head and of the shared pieces of its body.
// Used by Connection.

#include <algorithm>
#include <string_view>
#include <vector>

#include <boost/asio/buffer.hpp>

namespace moraine::net {

class SendQueue {
 public:
  /// A view of the pieces that are left, since Asio copies a sequence into its operations.
  struct Range {
    using value_type = boost::asio::const_buffer;
    using const_iterator = const boost::asio::const_buffer*;
    const_iterator first;
    const_iterator last;
    const_iterator begin() const { return first; }
    const_iterator end() const { return last; }
  };

  /// The bytes must live until they are sent or the queue is cleared.
  void Add(std::string_view bytes) { pieces_.push_back(boost::asio::buffer(bytes)); }
  void Clear() {
    pieces_.clear();
    first_ = 0;
  }
  bool empty() const { return first_ == pieces_.size(); }
  Range left() const { return {pieces_.data() + first_, pieces_.data() + pieces_.size()}; }
  /// So many bytes are gone from the front.
  void Sent(size_t bytes) {
    while (!empty()) {
      boost::asio::const_buffer& piece = pieces_[first_];
      size_t part = std::min(bytes, piece.size());
      piece += part;
      bytes -= part;
      if (piece.size() > 0) return;
      ++first_;
    }
  }

 private:
  std::vector<boost::asio::const_buffer> pieces_;
  size_t first_ = 0;
};

}  // namespace moraine::net
