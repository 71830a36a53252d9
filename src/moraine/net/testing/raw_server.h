#pragma once
// A server that misbehaves by script, one step a request, over plain sockets: for tests of what the
// client makes of lost answers. Kept connections stay open from one step to the next where the step
// allows it.

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "moraine/base/executor.h"

namespace moraine::net {

class RawServer {
 public:
  enum class Step {
    kAnswer,             ///< 200 with a small body; the connection is kept
    kCloseAfterRequest,  ///< reads the request, answers nothing, closes
    kHalfAnswer,         ///< closes within the body
    kGone,               ///< reads the request and is gone: whoever comes again is refused
  };
  explicit RawServer(std::vector<Step> steps);
  ~RawServer();

  std::string base_url() const;
  /// How many requests were read whole.
  int requests() const { return requests_; }

 private:
  void Serve();
  bool ReadRequest(int socket);

  const std::vector<Step> steps_;
  int listener_ = -1;
  uint16_t port_ = 0;
  std::atomic<int> requests_{0};
  Thread thread_;
};

}  // namespace moraine::net
