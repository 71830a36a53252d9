#pragma once
// Tasks that share inputs, because each writes a range of their rows, are committed together or not
// at all: an input is gone only when each of its rows is in some output. Pure. Asked by
// DecideCommit.

#include <string>
#include <vector>

#include "moraine/planning/commit_decision.h"

namespace moraine::planning {

/// objections: by finished work, empty where there is none. Gives one to each task of a group that
/// is not whole: a task of it has an objection or no result, or together they do not have each row
/// of their inputs once.
void ObjectToBrokenGroups(const std::vector<FinishedWork>& finished,
                          std::vector<std::string>* objections);

}  // namespace moraine::planning
