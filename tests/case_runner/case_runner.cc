#include "case_runner/case_runner.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>
#include <vector>

#include "case_runner/match.h"
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "moraine/base/text.h"

namespace moraine::cases {
namespace {

namespace fs = std::filesystem;

/// "{"a": [1, 2]}": as people write it.
void AppendOnOneLine(const Json& json, std::string* out) {
  if (!json.is_object() && !json.is_array()) return json.AppendTo(out);
  size_t begin = out->size();
  auto next = [&] { *out += out->size() == begin + 1 ? "" : ", "; };
  *out += json.is_object() ? '{' : '[';
  if (json.is_object()) {
    for (const auto& [key, value] : json.as_object()) {
      next();
      AppendJsonString(key, out);
      *out += ": ";
      AppendOnOneLine(value, out);
    }
  } else {
    for (const Json& value : json.as_array()) {
      next();
      AppendOnOneLine(value, out);
    }
  }
  *out += json.is_object() ? '}' : ']';
}

std::string FormatJson(const Json& json) {
  std::string line;
  AppendOnOneLine(json, &line);
  return line.size() <= 100 ? line : json.ToPrettyString();
}

/// The expectation's text lines and its JSON document, which begins at the first line that opens
/// one.
std::pair<std::string, std::optional<Json>> SplitExpected(const std::string& expected) {
  size_t begin = 0;
  while (begin < expected.size() && expected[begin] != '{' && expected[begin] != '[') {
    size_t end = expected.find('\n', begin);
    begin = end == std::string::npos ? expected.size() : end + 1;
  }
  if (begin == expected.size()) return {expected, std::nullopt};
  Result<Json> json = Json::Parse(std::string_view(expected).substr(begin));
  if (!json.ok()) return {expected, std::nullopt};
  return {expected.substr(0, begin == 0 ? 0 : begin - 1), *std::move(json)};
}

/// "" or what is not as expected.
std::string Compare(const Step& step, const Outcome& outcome, Bindings* bindings) {
  auto [text, json] = SplitExpected(step.expected);
  if (!bindings->MatchText(text, outcome.text))
    return fmt::format("expected\n{}\ngot\n{}", text, outcome.text);
  if (json.has_value() != outcome.json.has_value()) {
    return fmt::format("expected {} document, got {}", json ? "a" : "no",
                       outcome.json ? outcome.json->ToString() : "none");
  }
  return json ? bindings->MatchJson(*json, *outcome.json) : "";
}

std::string Updated(const Step& step, const Outcome& outcome) {
  auto [text, json] = SplitExpected(step.expected);
  std::string updated = Bindings().MatchText(text, outcome.text) ? text : outcome.text;
  if (outcome.json) {
    if (!updated.empty()) updated += '\n';
    updated += FormatJson(json ? UpdatedJson(*json, *outcome.json) : *outcome.json);
  }
  return updated;
}

std::string ReadFile(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return std::move(text).str();
}

class CaseTest : public testing::Test {
 public:
  CaseTest(fs::path path, MakeWorld make_world)
      : path_(std::move(path)), make_world_(std::move(make_world)) {}

  void TestBody() override {
    Result<CaseFile> file = ParseCase(ReadFile(path_));
    ASSERT_TRUE(file.ok()) << path_ << ": " << file.status().ToString();
    std::unique_ptr<World> world = make_world_();
    const std::string& requirement = file->header["require"];
    if (!world->Meets(requirement)) GTEST_SKIP() << "needs " << requirement;
    std::string updated;
    std::string problems = RunCase(*file, *world, &updated);
    const char* update = std::getenv("MORAINE_UPDATE");
    if (!problems.empty() && update != nullptr && std::string_view(update) == "1") {
      std::ofstream(path_, std::ios::binary) << updated;
      problems.clear();
    }
    EXPECT_TRUE(problems.empty()) << path_.string() << ": " << file->header["holds"] << "\n"
                                  << problems;
  }

 private:
  fs::path path_;
  MakeWorld make_world_;
};

}  // namespace

Result<Outcome> World::Run(const Step& step) const {
  auto family = families_.find(step.family);
  if (family == families_.end()) {
    return InvalidArgument(
        fmt::format("line {}: unknown kind of step: {}", step.line, step.family));
  }
  return family->second(step);
}

std::string RunCase(const CaseFile& file, const World& world, std::string* updated) {
  Bindings bindings;
  std::string problems;
  std::map<size_t, std::string> new_expected;
  for (size_t i = 0; i < file.steps.size(); ++i) {
    Step step = file.steps[i];
    step.words = bindings.Fill(step.words);
    step.input = bindings.Fill(step.input);
    Result<Outcome> run = world.Run(step);
    Outcome outcome =
        run.ok()
            ? *run
            : Outcome{false, fmt::format("error {}", CodeName(run.status().code())), std::nullopt};
    std::string detail = run.ok() ? "" : std::string(run.status().message());
    std::string problem;
    if (step.has_expected) {
      problem = Compare(step, outcome, &bindings);
    } else if (!outcome.ok) {
      problem = "expected the step to succeed, got " + Updated(step, outcome);
    }
    if (problem.empty()) continue;
    if (!detail.empty()) problem += fmt::format(" ({})", detail);
    problems += fmt::format("line {}: {} {}: {}\n", step.line, step.family, step.words, problem);
    new_expected[i] = step.expected = Updated(step, outcome);
    Compare(step, outcome, &bindings);  // binds what later steps use
  }
  *updated = WithExpectations(file, new_expected);
  return problems;
}

bool RegisterCases(std::string folder, MakeWorld make_world) {
  fs::path root = fs::path(MORAINE_CASES_DIR) / folder;
  std::vector<fs::path> files;
  if (fs::exists(root)) {
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(root)) {
      if (entry.path().extension() == ".case") files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  for (const fs::path& file : files) {
    std::string name = fs::relative(file, root).replace_extension().string();
    testing::RegisterTest(
        ("Case." + folder).c_str(), name.c_str(), nullptr, nullptr, file.c_str(), 1,
        [file, make_world]() -> CaseTest* { return new CaseTest(file, make_world); });
  }
  return !files.empty();
}

}  // namespace moraine::cases
