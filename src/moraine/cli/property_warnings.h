#pragma once
// What a person is told when they set a property that will not do what it says: a name in our
// groups that nobody reads, or one that is nearly ours, or a value that can't be read. It is set
// all the same: clients of other systems set what they like. What is known is what the code reads
// (maintenance/policy.h, planning/config.h).

#include <string>
#include <vector>

#include "moraine/cli/console.h"
#include "moraine/iceberg/types/snapshot.h"

namespace moraine::cli {

/// A sentence for each.
std::vector<std::string> PropertyWarnings(const iceberg::StringMap& properties);
/// Of NAME=VALUE as typed.
std::vector<std::string> PropertyWarnings(const std::vector<std::string>& pairs);
/// Prints them, each on a line of the error output.
void WarnOfProperties(const Console& console, const std::vector<std::string>& pairs);

}  // namespace moraine::cli
