#pragma once
// Runs the .case files of a folder of tests/cases as tests of a module's test binary:
//
//   const bool kCases = cases::RegisterCases("rest", [] { return std::make_unique<RestWorld>(); });
//
// A world is made for each file; it says what each family of steps does. MORAINE_UPDATE=1 in the
// environment rewrites expectations that do not hold in place, and the diff is the review.

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "case_runner/case_file.h"

#include "moraine/base/json.h"
#include "moraine/base/status.h"

namespace moraine::cases {

/// What a step gave: lines of text, then perhaps a JSON document. ok tells whether a step without
/// an expectation may go on.
struct Outcome {
  bool ok = true;
  std::string text;  ///< compared line by line; without the last line end
  std::optional<Json> json;
};

class World {
 public:
  /// The step's input and words have the bound values in them already. An error is an outcome, too:
  /// "error Conflict".
  using Family = std::function<Result<Outcome>(const Step&)>;

  virtual ~World() = default;
  void Add(std::string name, Family family) { families_[std::move(name)] = std::move(family); }
  /// Whether the header's "require:" is met here; the test is skipped otherwise.
  virtual bool Meets(std::string_view requirement) const { return requirement.empty(); }

  /// Runs one step. Errors: InvalidArgument for an unknown family; those of the family.
  Result<Outcome> Run(const Step& step) const;

 private:
  std::map<std::string, Family> families_;
};

using MakeWorld = std::function<std::unique_ptr<World>()>;

/// Registers every file below tests/cases/folder. Call it while static variables are made.
bool RegisterCases(std::string folder, MakeWorld make_world);

/// The differences of one run, one a line, or "". updated is the file's text with what was given.
std::string RunCase(const CaseFile& file, const World& world, std::string* updated);

}  // namespace moraine::cases
