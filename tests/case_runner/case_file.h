#pragma once
// The text of a .case file: blocks parted by blank lines. The first block is the header ("holds:
// what must be true", "require: what the run needs"), every other block is one step:
//
//   # a comment, if any
//   http POST /v1/namespaces          family, then its words
//   {"namespace": ["a"]}              input, up to the four dashes
//   ----
//   200                               what is expected; without dashes the step must just succeed
//   {"namespace": ["a"], "properties": "<any>"}

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "moraine/base/status.h"

namespace moraine::cases {

struct Step {
  int line = 0;        ///< of its first line in the file, from 1
  std::string family;  ///< "http"
  std::string words;   ///< the rest of that line: "POST /v1/namespaces"
  std::string input;   ///< without the last line end
  bool has_expected = false;
  std::string expected;  ///< without the last line end
};

struct CaseFile {
  std::map<std::string, std::string> header;
  std::vector<Step> steps;
  std::vector<std::string> blocks;  ///< as they stand in the file, for WithExpectations
  std::vector<size_t> step_blocks;  ///< the block of each step
};

/// Errors: InvalidArgument with the line.
Result<CaseFile> ParseCase(std::string_view text);

/// The file's text with new expectations, by step; everything else stays as it is.
std::string WithExpectations(const CaseFile& file, const std::map<size_t, std::string>& expected);

}  // namespace moraine::cases
