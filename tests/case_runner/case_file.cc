#include "case_runner/case_file.h"

#include <optional>
#include <utility>

#include <fmt/format.h>

#include "moraine/base/text.h"

namespace moraine::cases {
namespace {

constexpr std::string_view kDashes = "----";

std::string Join(const std::vector<std::string_view>& lines, size_t begin, size_t end) {
  std::string text;
  for (size_t i = begin; i < end; ++i) {
    if (i > begin) text += '\n';
    text += lines[i];
  }
  return text;
}

/// The first line that is no comment, or lines.size().
size_t SkipComments(const std::vector<std::string_view>& lines) {
  size_t i = 0;
  while (i < lines.size() && lines[i].starts_with('#')) ++i;
  return i;
}

Status ReadHeader(const std::vector<std::string_view>& lines, int first_line, CaseFile* file) {
  for (size_t i = SkipComments(lines); i < lines.size(); ++i) {
    size_t colon = lines[i].find(':');
    if (colon == std::string_view::npos) {
      return InvalidArgument(fmt::format("line {}: expected 'key: value' in the header, got '{}'",
                                         first_line + static_cast<int>(i), lines[i]));
    }
    file->header[std::string(Trim(lines[i].substr(0, colon)))] = Trim(lines[i].substr(colon + 1));
  }
  return Status::Ok();
}

std::optional<Step> ReadStep(const std::vector<std::string_view>& lines, int first_line) {
  size_t begin = SkipComments(lines);
  if (begin == lines.size()) return std::nullopt;
  size_t dashes = begin;
  while (dashes < lines.size() && lines[dashes] != kDashes) ++dashes;
  Step step;
  step.line = first_line + static_cast<int>(begin);
  size_t blank = lines[begin].find(' ');
  step.family = lines[begin].substr(0, blank);
  if (blank != std::string_view::npos) step.words = Trim(lines[begin].substr(blank));
  step.input = Join(lines, begin + 1, dashes);
  step.has_expected = dashes < lines.size();
  if (step.has_expected) step.expected = Join(lines, dashes + 1, lines.size());
  return step;
}

}  // namespace

Result<CaseFile> ParseCase(std::string_view text) {
  CaseFile file;
  std::vector<std::string_view> lines = Split(text, '\n');
  bool has_header = false;
  for (size_t begin = 0; begin < lines.size();) {
    size_t end = begin;
    while (end < lines.size() && !Trim(lines[end]).empty()) ++end;
    std::vector<std::string_view> block(lines.begin() + begin, lines.begin() + end);
    int first_line = static_cast<int>(begin) + 1;
    begin = end + 1;
    if (block.empty()) continue;
    file.blocks.push_back(Join(block, 0, block.size()));
    if (SkipComments(block) == block.size()) continue;
    if (!has_header) {
      MORAINE_TRY(ReadHeader(block, first_line, &file));
      has_header = true;
    } else if (std::optional<Step> step = ReadStep(block, first_line)) {
      file.steps.push_back(*std::move(step));
      file.step_blocks.push_back(file.blocks.size() - 1);
    }
  }
  if (!file.header.contains("holds")) return InvalidArgument("line 1: no 'holds:' in the header");
  if (file.steps.empty()) return InvalidArgument("no step");
  return file;
}

std::string WithExpectations(const CaseFile& file, const std::map<size_t, std::string>& expected) {
  std::vector<std::string> blocks = file.blocks;
  for (const auto& [step, text] : expected) {
    std::string& block = blocks[file.step_blocks[step]];
    size_t dashes = block.find("\n----");
    block = fmt::format("{}\n{}\n{}", block.substr(0, dashes), kDashes, text);
  }
  std::string text;
  for (const std::string& block : blocks) {
    if (!text.empty()) text += '\n';
    text += std::string(Trim(block)) + '\n';
  }
  return text;
}

}  // namespace moraine::cases
