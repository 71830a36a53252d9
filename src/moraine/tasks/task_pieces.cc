#include "moraine/tasks/task_pieces.h"

#include <algorithm>
#include <utility>

namespace moraine::tasks {
namespace {

constexpr std::string_view kBlank = " \t\r\n";

/// Goes over a text as far as brackets, strings and commas tell: it does not check it.
class Scan {
 public:
  explicit Scan(std::string_view text) : text_(text) {}

  size_t at() const { return at_; }
  bool IsEnd() const { return at_ >= text_.size(); }
  char Peek() const { return IsEnd() ? '\0' : text_[at_]; }

  void SkipBlank() { at_ = std::min(text_.find_first_not_of(kBlank, at_), text_.size()); }

  bool Take(char wanted) {
    SkipBlank();
    if (Peek() != wanted) return false;
    ++at_;
    return true;
  }

  /// What stands between the quotes.
  std::optional<std::string_view> TakeString() {
    if (!Take('"')) return std::nullopt;
    const size_t begin = at_;
    for (; !IsEnd() && Peek() != '"'; ++at_) {
      if (Peek() == '\\') ++at_;
    }
    if (IsEnd()) return std::nullopt;
    return text_.substr(begin, at_++ - begin);
  }

  /// Up to a comma or bracket that ends the value.
  bool SkipValue() {
    int depth = 0;
    for (SkipBlank(); !IsEnd(); ++at_) {
      const char c = Peek();
      if (c == '"') {
        if (!TakeString()) return false;
        --at_;
      } else if (c == '{' || c == '[') {
        ++depth;
      } else if (c == '}' || c == ']') {
        if (depth-- == 0) return true;
      } else if (c == ',' && depth == 0) {
        return true;
      }
    }
    return depth == 0;
  }

 private:
  const std::string_view text_;
  size_t at_ = 0;
};

/// Behind the opening bracket of an array; stands at the closing one afterwards.
std::optional<ArrayPieces> CutElements(std::string_view text, Scan* scan, size_t piece_bytes) {
  ArrayPieces array;
  size_t begin = scan->at();
  while (true) {
    if (!scan->SkipValue()) return std::nullopt;
    ++array.elements;
    if (scan->Peek() == ']') break;
    if (scan->Peek() != ',') return std::nullopt;
    if (scan->at() - begin >= piece_bytes) {
      array.pieces.push_back(text.substr(begin, scan->at() - begin));
      begin = scan->at() + 1;
    }
    scan->Take(',');
  }
  array.pieces.push_back(text.substr(begin, scan->at() - begin));
  return array;
}

}  // namespace

std::optional<TaskPieces> CutArrays(std::string_view text, std::span<const std::string_view> keys,
                                    size_t piece_bytes) {
  TaskPieces cut;
  Scan scan(text);
  size_t kept = 0;  // of the text
  if (!scan.Take('{')) return std::nullopt;
  do {
    const std::optional<std::string_view> key = scan.TakeString();
    if (!key || !scan.Take(':')) return std::nullopt;
    scan.SkipBlank();
    const bool is_wanted = std::find(keys.begin(), keys.end(), *key) != keys.end();
    if (!is_wanted || scan.Peek() != '[' || cut.arrays.contains(*key)) {
      if (!scan.SkipValue()) return std::nullopt;
      continue;
    }
    scan.Take('[');
    const size_t begin = scan.at();
    std::optional<ArrayPieces> array = CutElements(text, &scan, piece_bytes);
    if (!array) return std::nullopt;
    const size_t end = scan.at();
    scan.Take(']');
    if (end - begin <= piece_bytes) continue;
    cut.rest.append(text.substr(kept, begin - kept));
    kept = end;
    cut.arrays.emplace(*key, std::move(*array));
  } while (scan.Take(','));
  if (cut.arrays.empty()) return std::nullopt;
  cut.rest.append(text.substr(kept));
  return cut;
}

std::optional<std::string_view> FindField(std::string_view text, std::string_view key) {
  Scan scan(text);
  if (!scan.Take('{')) return std::nullopt;
  do {
    const std::optional<std::string_view> name = scan.TakeString();
    if (!name || !scan.Take(':')) return std::nullopt;
    scan.SkipBlank();
    const size_t begin = scan.at();
    if (!scan.SkipValue()) return std::nullopt;
    if (*name == key) return text.substr(begin, scan.at() - begin);
  } while (scan.Take(','));
  return std::nullopt;
}

Result<Json> ParsePiece(std::string_view piece) {
  std::string text;
  text.reserve(piece.size() + 2);
  text.append("[").append(piece).append("]");
  MORAINE_ASSIGN(Json elements, Json::Parse(text));
  if (elements.as_array().empty()) return InvalidArgument("an array has an empty element");
  return elements;
}

}  // namespace moraine::tasks
