// Asks of a real S3 store what Moraine's files promise, and prints what it saw, one line each;
// test_s3.py judges. s3_files s3://bucket/prefix/, with the store in MORAINE_S3_* variables.
#include <atomic>
#include <cstdio>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "moraine/base/executor.h"
#include "moraine/io/file_copy.h"
#include "moraine/io/s3_file_system.h"
#include "moraine/server/s3_settings.h"

using namespace moraine;

namespace {

std::string Pattern(size_t size) {
  std::string bytes(size, '\0');
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 31 + i / 4096);
  return bytes;
}

class Check {
 public:
  Check(const Env& env, io::FileSystem& files, std::string root)
      : env_(env), files_(files), root_(std::move(root)) {}

  void Run() {
    Say("same", RoundTrips());
    Say("names", Names());
    Say("copies", Copies());
    Say("again", CodeName(io::WriteFile(call_, files_, root_ + "names/plain", "x").code()));
    Say("again-large",
        CodeName(io::WriteFile(call_, files_, root_ + "size-9000000", Pattern(20 << 20)).code()));
    Say("race-small", Race("race-small", "x"));
    Say("race-large", Race("race-large", Pattern(9 << 20)));
    Say("missing", CodeName(files_.Stat(call_, root_ + "nothing").status().code()));
    Say("missing-read", CodeName(files_.Open(call_, root_ + "nothing", {}).status().code()));
    Abandon();
    Say("listed", List());
    Say("deleted", DeleteAll());
  }

 private:
  void Say(std::string_view what, std::string_view value) {
    std::printf("%s %s\n", std::string(what).c_str(), std::string(value).c_str());
  }

  std::string RoundTrips() {
    for (size_t size :
         {size_t{0}, size_t{1}, size_t{1 << 20}, size_t{9'000'000}, size_t{30 << 20}}) {
      std::string location = fmt::format("{}size-{}", root_, size);
      std::string bytes = Pattern(size);
      Status written = io::WriteFile(call_, files_, location, bytes);
      if (!written.ok()) return written.ToString();
      auto read = io::ReadFile(call_, files_, location, 1 << 30);
      if (!read.ok()) return read.status().ToString();
      if (*read != bytes) return location + " differs";
      auto info = files_.Stat(call_, location);
      if (!info.ok()) return info.status().ToString();
      if (info->size_bytes != static_cast<int64_t>(size)) return location + " has another size";
      if (std::abs(info->modified_ms - ToMillis(env_.clock.Wall())) > 60'000) return "wrong time";
    }
    return "yes";
  }

  std::string Names() {
    for (const char* name :
         {"plain", "a b", "a+b", "a%41b", "a=b&c;d", "\xc3\xa9\xe1\x88\xb4", "k'\"<>",
          "p=1/q=a%2Fb/x.parquet", "a-b/x", "a/x", "a.b/x", "a/b/x", "a!", "a0"}) {
      std::string location = root_ + "names/" + name;
      Status written = io::WriteFile(call_, files_, location, name);
      if (!written.ok()) return written.ToString();
      auto read = io::ReadFile(call_, files_, location, 1 << 20);
      if (!read.ok()) return read.status().ToString();
      if (*read != name) return location + " differs";
    }
    return "yes";
  }

  /// Those that the store makes, whole and in parts.
  std::string Copies() {
    std::vector<std::string> made;
    for (const char* name : {"size-0", "size-1048576", "size-9000000", "size-31457280", "names/a b",
                             "names/a%41b", "names/a+b", "names/\xc3\xa9\xe1\x88\xb4",
                             "names/k'\"<>", "names/p=1/q=a%2Fb/x.parquet"}) {
      made.push_back(root_ + "copies/" + name);
      Status copied = io::CopyInStore(call_, files_, root_ + name, made.back());
      if (!copied.ok()) return copied.ToString();
      auto source = io::ReadFile(call_, files_, root_ + name, 1 << 30);
      auto copy = io::ReadFile(call_, files_, made.back(), 1 << 30);
      if (!source.ok() || !copy.ok()) return (source.ok() ? copy : source).status().ToString();
      if (*source != *copy) return made.back() + " differs";
      copied = io::CopyFile(call_, files_, root_ + name, made.back());
      if (!copied.ok()) return "again: " + copied.ToString();
    }
    Status other = io::CopyFile(call_, files_, root_ + "size-1048576", made[3]);
    if (other.code() != Code::kAlreadyExists) return "replaced: " + other.ToString();
    for (const Status& outcome : files_.DeleteMany(call_, made)) {
      if (!outcome.ok()) return outcome.ToString();
    }
    return "yes";
  }

  std::string Race(const std::string& name, const std::string& bytes) {
    constexpr size_t kWriters = 6;
    ThreadPool pool({.name = "race", .threads = kWriters});
    std::atomic<int> won = 0, lost = 0;
    Status all = ForEach(pool, kWriters, kWriters, [&](size_t) -> Status {
      Call own(call_);
      Status written = io::WriteFile(own, files_, root_ + name, bytes);
      if (written.ok()) ++won;
      if (written.code() == Code::kAlreadyExists) ++lost;
      return written.code() == Code::kAlreadyExists ? Status() : written;
    });
    return all.ok() ? fmt::format("{} {}", won.load(), lost.load()) : all.ToString();
  }

  void Abandon() {
    auto writer = files_.Create(call_, root_ + "abandoned");
    if (writer.ok()) (void)(*writer)->Append(call_, Pattern(20 << 20));
  }

  std::string List() {
    std::string after;
    locations_.clear();
    for (;;) {
      auto page = files_.List(call_, root_, after, 5);
      if (!page.ok()) return page.status().ToString();
      for (const auto& file : page->files) locations_.push_back(file.location);
      if (page->complete) break;
      after = page->files.back().location;
    }
    auto whole = files_.List(call_, root_, "", 1000);
    if (!whole.ok()) return whole.status().ToString();
    if (whole->files.size() != locations_.size()) return "pages and whole differ";
    return std::to_string(locations_.size());
  }

  std::string DeleteAll() {
    std::vector<std::string> many = locations_;
    for (int i = 0; i < 1100; ++i) many.push_back(fmt::format("{}none/{}", root_, i));
    for (const Status& outcome : files_.DeleteMany(call_, many)) {
      if (!outcome.ok()) return outcome.ToString();
    }
    auto left = files_.List(call_, root_, "", 1000);
    return left.ok() ? std::to_string(left->files.size()) : left.status().ToString();
  }

  Env env_;
  io::FileSystem& files_;
  const std::string root_;
  Call call_{env_, std::chrono::minutes(3)};
  std::vector<std::string> locations_;
};

}  // namespace

int main(int count, char** arguments) {
  Config config(server::S3Settings());
  Status loaded = config.LoadEnvironment();
  auto options = loaded.ok() ? server::S3OptionsOf(config) : Result<io::S3Options>(loaded);
  if (count != 2 || !options.ok()) {
    std::fprintf(stderr, "s3_files s3://bucket/prefix/: %s\n", options.status().ToString().c_str());
    return 2;
  }
  auto log = OpenLogger({});
  Env env = SystemEnv(**log);
  options->copy_limit_bytes = options->copy_part_bytes = 5 << 20;
  auto files = io::MakeS3FileSystem(*options);
  Check(env, *files, arguments[1]).Run();
  return 0;
}
