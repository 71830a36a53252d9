#pragma once
// Tables and lists of facts as aligned text, and numbers, sizes and times in the form for people.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "moraine/cli/console.h"

namespace moraine::cli {

/// Columns are as wide as their widest cell. Where a terminal is too narrow, columns without any
/// text are left out, ids get shorter as far as they stay apart, those that may be cut give way,
/// and the text of the last one goes on in further lines.
class TextTable {
 public:
  enum class Align { kLeft, kRight };
  enum class Cut { kNo, kYes, kId };
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
  /// no column gets narrower than it was. Each row stays one line.
  std::string TakeText(const Console& console);

 private:
  enum class Heading { kNo, kYes };
  enum class LastColumn { kCut, kWrapped };
  std::vector<int> Widths() const;
  bool IsTooWide(const Console& console) const;
  void LeaveOutEmptyColumns();
  void ShortenIds();
  void FitTo(int columns, int last_wants, std::vector<int>* widths) const;
  std::string LineOf(const Console& console, const std::vector<Cell>& cells,
                     const std::vector<int>& widths) const;
  std::string RowOf(const Console& console, const std::vector<Cell>& row,
                    const std::vector<int>& widths) const;
  std::string Lines(const Console& console, const std::vector<int>& widths, Heading heading,
                    LastColumn last) const;

  std::vector<Column> columns_;
  std::vector<std::vector<Cell>> rows_;
  std::vector<int> taken_widths_;  ///< empty: nothing was taken
};

/// The text's words in lines of at most so many cells; longer words are broken.
std::vector<std::string> WrapToWidth(std::string_view text, int cells);
/// "heading" and the text after it; on a terminal in lines that fit it.
std::string Paragraph(const Console& console, std::string_view heading, std::string_view text);

/// "name  value" lines, the values under each other; on a terminal long ones take several lines.
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
/// Of what is to come: "in 2 h", "now"; "-" for a time that is not set.
std::string FormatIn(int64_t then_ms, int64_t now_ms);

}  // namespace moraine::cli
