// Runs the rewrite task in a JSON file and prints its output as JSON: how tests of other languages
// reach the readers and writers of data files.
//   run_rewrite TASK.json [--way auto|decode|splice] [--threads N] [--memory-mib N]

#include <cstdio>
#include <string>
#include <string_view>

#include "moraine/base/text.h"
#include "moraine/io/file_system.h"
#include "moraine/rewrite/rewrite.h"

namespace moraine {
namespace {

constexpr int64_t kMaxTaskBytes = int64_t{256} << 20;

Result<rewrite::RewriteWay> ParseWay(std::string_view name) {
  if (name == "auto") return rewrite::RewriteWay::kAuto;
  if (name == "decode") return rewrite::RewriteWay::kDecode;
  if (name == "splice") return rewrite::RewriteWay::kSplice;
  return InvalidArgument("unknown way " + std::string(name));
}

Result<rewrite::RewriteOptions> ParseFlags(int count, char** values) {
  rewrite::RewriteOptions options;
  for (int i = 2; i < count; i += 2) {
    const std::string_view name = values[i];
    const std::string value = i + 1 < count ? values[i + 1] : "";
    if (name == "--way") {
      MORAINE_ASSIGN(options.way, ParseWay(value));
      continue;
    }
    if (name != "--threads" && name != "--memory-mib") {
      return InvalidArgument("unknown flag " + std::string(name));
    }
    MORAINE_ASSIGN(const int64_t number, ParseInt64(value));
    if (name == "--threads") options.threads = static_cast<int>(number);
    if (name == "--memory-mib") options.memory_bytes = number << 20;
  }
  return options;
}

Result<tasks::RewriteTask> ReadTask(Call& call, io::FileSystem& files, const std::string& path) {
  MORAINE_ASSIGN(const std::string text, io::ReadFile(call, files, path, kMaxTaskBytes));
  return tasks::RewriteTaskFromJson(text);
}

Result<std::string> Run(int count, char** values) {
  MORAINE_ASSIGN(const rewrite::RewriteOptions options, ParseFlags(count, values));
  Call call(SystemEnv(NullLogger()), std::chrono::minutes(20));
  const auto files = io::MakeLocalFileSystem();
  MORAINE_ASSIGN(const tasks::RewriteTask task, ReadTask(call, *files, values[1]));
  MORAINE_ASSIGN(const tasks::RewriteOutput output,
                 rewrite::RunRewrite(call, *files, task, options, nullptr));
  return tasks::RewriteOutputToJson(output, task);
}

}  // namespace
}  // namespace moraine

int main(int count, char** values) {
  if (count < 2) {
    std::fprintf(stderr, "which task?\n");
    return 2;
  }
  const moraine::Result<std::string> output = moraine::Run(count, values);
  if (!output.ok()) {
    std::fprintf(stderr, "%s\n", output.status().ToString().c_str());
    return 1;
  }
  std::printf("%s\n", output->c_str());
  return 0;
}
