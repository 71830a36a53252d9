#pragma once
// What stands between an optimizer process and the rest: its files are those that the server names
// at registration (and --allowed-location, where that is given), reached as the server says with
// each task and by the process's own settings over that, and a server that refuses it ends it. Made
// by service_commands.cc around the transport and the files of worker::RunOptimizer.

#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <vector>

#include "moraine/iceberg/types/snapshot.h"
#include "moraine/io/file_system.h"
#include "moraine/tasks/task_transport.h"

namespace moraine::cli {

/// Thread-safe.
class OptimizerFence {
 public:
  struct Options {
    /// Narrows what the server allows; empty: all of it.
    std::vector<std::string> allowed_locations;
    /// Settings of its own for s3:// locations ("s3.endpoint", ...): they go over the server's.
    iceberg::StringMap s3;
    std::string server;        ///< URL, for messages
    bool sends_token = false;  ///< for messages
  };
  /// Errors: InvalidArgument for a location that is none.
  static Status Check(const Options& options);

  /// stop is requested when the server refuses for good. The transport must outlive the fence.
  OptimizerFence(tasks::TaskTransport& inner, Options options, std::stop_source stop);
  ~OptimizerFence();

  tasks::TaskTransport& transport();
  /// PermissionDenied for every location until the server has said where its tables lie.
  io::FileSystem& files();
  /// Why the server refused; OK when it did not.
  Status outcome() const;

 private:
  class Files;
  class Transport;
  std::unique_ptr<Files> files_;
  std::unique_ptr<Transport> transport_;
};

}  // namespace moraine::cli
