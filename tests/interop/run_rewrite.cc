// Runs the rewrite task in a JSON file and prints its output as JSON: how tests of other languages
// reach the readers and writers of data files.

#include <cstdio>
#include <string>

#include "moraine/io/file_system.h"
#include "moraine/rewrite/rewrite.h"

int main(int count, char** values) {
  using namespace moraine;  // NOLINT: a program, not a library
  if (count != 2) {
    std::fprintf(stderr, "which task?\n");
    return 2;
  }
  Call call(SystemEnv(NullLogger()), std::chrono::minutes(5));
  const auto files = io::MakeLocalFileSystem();
  const auto run = [&]() -> Result<std::string> {
    MORAINE_ASSIGN(const std::string text, io::ReadFile(call, *files, values[1], 64 << 20));
    MORAINE_ASSIGN(const tasks::RewriteTask task, tasks::RewriteTaskFromJson(text));
    MORAINE_ASSIGN(const tasks::RewriteOutput output,
                   rewrite::RunRewrite(call, *files, task, rewrite::RewriteOptions(), nullptr));
    return tasks::RewriteOutputToJson(output, task);
  };
  const Result<std::string> output = run();
  if (!output.ok()) {
    std::fprintf(stderr, "%s\n", output.status().ToString().c_str());
    return 1;
  }
  std::printf("%s\n", output->c_str());
  return 0;
}
