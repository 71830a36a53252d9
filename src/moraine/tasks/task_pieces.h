#pragma once
// The text of a task cut into pieces that are parsed one after the other: as a tree of JSON values,
// a task of 100,000 files would take more memory than rewriting them. Used by rewrite_task.cc and
// maintenance_task.cc.

#include <cstddef>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "moraine/base/json.h"
#include "moraine/base/status.h"

namespace moraine::tasks {

/// Elements of one array, with the commas that part them. All of them together with the rest are
/// the whole text: nothing is left out of a strict parse.
struct ArrayPieces {
  std::vector<std::string_view> pieces;
  size_t elements = 0;  ///< at most
};

struct TaskPieces {
  std::string rest;                                        ///< the document, those arrays empty
  std::map<std::string, ArrayPieces, std::less<>> arrays;  ///< the large ones, by key
};

/// Cuts the arrays under these keys of the outermost object, where they are larger than
/// piece_bytes. nullopt: there are none, or the text is not what it should be.
std::optional<TaskPieces> CutArrays(std::string_view text, std::span<const std::string_view> keys,
                                    size_t piece_bytes);

/// The text of the value under a key of the outermost object; what comes behind it is not looked
/// at, and nothing is checked. nullopt: it is not there, or the text is not what it should be.
std::optional<std::string_view> FindField(std::string_view text, std::string_view key);

/// The elements of a piece. Errors: InvalidArgument.
Result<Json> ParsePiece(std::string_view piece);

}  // namespace moraine::tasks
