// Writes and reads files of an S3 store as tables do, and prints one line of JSON with the seconds
// of each case. bench/bench_s3.py starts the store and measures what the store itself gives.
//   s3_speed s3://bucket/prefix/ MIB SMALL_FILES SMALL_KIB      (the store in MORAINE_S3_*
//   variables)
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "moraine/base/check.h"
#include "moraine/base/executor.h"
#include "moraine/io/range_cache.h"
#include "moraine/io/s3_file_system.h"
#include "moraine/server/s3_settings.h"

namespace moraine {
namespace {

constexpr size_t kAppendBytes = 1 << 20;
constexpr size_t kThreads = 4;

void Must(const Status& status) { MORAINE_CHECK(status.ok(), status.ToString()); }

/// Bytes that no store can make smaller.
std::string Noise(size_t size) {
  std::string bytes(size, '\0');
  uint64_t state = 88172645463325252ULL;
  for (size_t i = 0; i + 8 <= size; i += 8) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    std::memcpy(bytes.data() + i, &state, 8);
  }
  return bytes;
}

class Speed {
 public:
  Speed(const Env& env, io::FileSystem& files, std::string root)
      : env_(env), files_(files), root_(std::move(root)) {}

  double Time(const std::function<void()>& work) {
    MonoTime begin = env_.clock.Mono();
    work();
    return std::chrono::duration<double>(env_.clock.Mono() - begin).count();
  }

  void WriteLarge(const std::string& bytes) {
    auto writer = files_.Create(call_, root_ + "large");
    Must(writer.status());
    for (size_t at = 0; at < bytes.size(); at += kAppendBytes) {
      Must((*writer)->Append(call_, std::string_view(bytes).substr(at, kAppendBytes)));
    }
    Must((*writer)->Close(call_));
  }

  /// All of it in one call, as a splicer reads.
  void ReadLarge(std::string* got) {
    auto reader = files_.Open(call_, root_ + "large", static_cast<int64_t>(got->size()));
    Must(reader.status());
    Must((*reader)->ReadAt(call_, 0, *got));
  }

  /// Pieces of 256 KiB one after the other, announced before, as a reader of columns does.
  void ReadAhead(size_t size) {
    auto reader = files_.Open(call_, root_ + "large", static_cast<int64_t>(size));
    Must(reader.status());
    std::vector<io::ByteRange> all = {{0, static_cast<int64_t>(size)}};
    io::WillRead(call_, **reader, all);
    std::string piece(256 << 10, '\0');
    for (size_t at = 0; at < size; at += piece.size()) {
      Must((*reader)->ReadAt(call_, static_cast<int64_t>(at), piece));
    }
  }

  void EachSmall(size_t count, const std::function<Status(Call&, const std::string&)>& work) {
    ThreadPool pool({.name = "bench", .threads = kThreads - 1});
    Must(ForEach(pool, count, kThreads - 1, [&](size_t i) {
      Call own(call_);
      return work(own, fmt::format("{}small/{:05}", root_, i));
    }));
  }

  Call& call() { return call_; }
  io::FileSystem& files() { return files_; }

 private:
  Env env_;
  io::FileSystem& files_;
  const std::string root_;
  Call call_{env_, std::chrono::minutes(10)};
};

int Run(int count, char** arguments) {
  Config config(server::S3Settings());
  Must(config.LoadEnvironment());
  auto options = server::S3OptionsOf(config);
  Must(options.status());
  MORAINE_CHECK(count == 5, "s3_speed s3://bucket/prefix/ MIB SMALL_FILES SMALL_KIB");
  auto log = OpenLogger({});
  Env env = SystemEnv(**log);
  auto files = io::MakeS3FileSystem(*options);
  Speed speed(env, *files, arguments[1]);
  std::string large = Noise(std::strtoull(arguments[2], nullptr, 10) << 20);
  size_t small_count = std::strtoull(arguments[3], nullptr, 10);
  std::string small = Noise(std::strtoull(arguments[4], nullptr, 10) << 10);

  double write = speed.Time([&] { speed.WriteLarge(large); });
  std::string got(large.size(), '\0');
  double read = speed.Time([&] { speed.ReadLarge(&got); });
  MORAINE_CHECK(got == large, "other bytes");
  double ahead = speed.Time([&] { speed.ReadAhead(large.size()); });
  double small_write = speed.Time([&] {
    speed.EachSmall(small_count, [&](Call& call, const std::string& location) {
      return io::WriteFile(call, speed.files(), location, small);
    });
  });
  double small_read = speed.Time([&] {
    speed.EachSmall(small_count, [&](Call& call, const std::string& location) {
      auto bytes = io::ReadFile(call, speed.files(), location, 1 << 30);
      return bytes.status();
    });
  });
  std::printf(
      "{\"write\": %f, \"read\": %f, \"read_ahead\": %f, \"small_write\": %f, \"small_read\": "
      "%f}\n",
      write, read, ahead, small_write, small_read);
  return 0;
}

}  // namespace
}  // namespace moraine

int main(int count, char** arguments) { return moraine::Run(count, arguments); }
