#pragma once
// Tables and lists of facts as aligned text, and numbers, sizes and times in the form for people.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "moraine/cli/console.h"

namespace moraine::cli {

/// Columns are as wide as their widest cell; on a terminal those that may be cut give way, then the
/// last one is cut at the edge.
class TextTable {
 public:
  enum class Align { kLeft, kRight };
  enum class Cut { kNo, kYes };
  struct Column {
    std::string title;
    Align align = Align::kLeft;
    Cut cut = Cut::kNo;  ///< gives way where the terminal is too narrow
  };
  struct Cell {
    Cell(std::string text_in, Colour colour_in = Colour::kNone)  // NOLINT: implicit
        : text(std::move(text_in)), colour(colour_in) {}
    Cell(const char* text_in, Colour colour_in = Colour::kNone)  // NOLINT: implicit
        : Cell(std::string(text_in), colour_in) {}
    std::string text;
    Colour colour;
  };

  explicit TextTable(std::vector<Column> columns) : columns_(std::move(columns)) {}
  /// As many cells as columns.
  void Add(std::vector<Cell> row);
  bool empty() const { return rows_.empty(); }
  std::string Text(const Console& console) const;
  /// Text of the rows added since the last TakeText; the heading stands above the first only, and
  /// no column gets narrower than it was.
  std::string TakeText(const Console& console);

 private:
  enum class Heading { kNo, kYes };
  std::vector<int> Widths() const;
  void FitTo(int columns, std::vector<int>* widths) const;
  std::string Lines(const Console& console, const std::vector<int>& widths, Heading heading) const;

  std::vector<Column> columns_;
  std::vector<std::vector<Cell>> rows_;
  std::vector<int> taken_widths_;  ///< empty: nothing was taken
};

/// "name  value" lines, the values under each other.
class FactList {
 public:
  void Add(std::string name, TextTable::Cell value) {
    facts_.push_back({std::move(name), std::move(value)});
  }
  std::string Text(const Console& console) const;

 private:
  struct Fact {
    std::string name;
    TextTable::Cell value;
  };
  std::vector<Fact> facts_;
};

std::string FormatCount(int64_t count);  ///< "1,234,567"
std::string FormatMebibytes(
    int64_t bytes);  ///< "1,234.5 MiB", one unit for all so that columns compare
std::string FormatFiles(int64_t count);  ///< "1 file", "1,234 files"
/// "now", "12 s", "5 min", "3 h", "2 d"; "-" for a time that is not set (0 or less).
std::string FormatAge(int64_t then_ms, int64_t now_ms);
/// FormatAge with " ago"; "never" for a time that is not set.
std::string FormatAgo(int64_t then_ms, int64_t now_ms);

}  // namespace moraine::cli
