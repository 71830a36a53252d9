#include "moraine/cli/text_table.h"

#include <algorithm>

#include <fmt/format.h>

namespace moraine::cli {
namespace {

constexpr int kGap = 2;
constexpr int kNarrowest = 12;  // the last column keeps this much whatever the terminal's width

std::string Grouped(std::string digits) {
  for (int at = static_cast<int>(digits.size()) - 3; at > 0; at -= 3) digits.insert(at, ",");
  return digits;
}

}  // namespace

void TextTable::Add(std::vector<Cell> row) {
  for (auto& cell : row) cell.text = Printable(cell.text);
  row.resize(columns_.size(), Cell(""));
  rows_.push_back(std::move(row));
}

std::vector<int> TextTable::Widths() const {
  std::vector<int> widths;
  for (size_t i = 0; i < columns_.size(); ++i) {
    int width = DisplayWidth(columns_[i].title);
    for (const auto& row : rows_) width = std::max(width, DisplayWidth(row[i].text));
    widths.push_back(width);
  }
  return widths;
}

std::string TextTable::Text(const Console& console) const {
  return Lines(console, Widths(), Heading::kYes);
}

std::string TextTable::TakeText(const Console& console) {
  std::vector<int> widths = Widths();
  Heading heading = taken_widths_.empty() ? Heading::kYes : Heading::kNo;
  for (size_t i = 0; i < taken_widths_.size(); ++i) {
    widths[i] = std::max(widths[i], taken_widths_[i]);
  }
  std::string text = Lines(console, widths, heading);
  taken_widths_ = std::move(widths);
  rows_.clear();
  return text;
}

void TextTable::FitTo(int columns, std::vector<int>* widths) const {
  int before = 0;
  for (size_t i = 0; i + 1 < widths->size(); ++i) before += (*widths)[i] + kGap;
  int over = before + std::min(widths->back(), kNarrowest) - columns;
  while (over > 0) {
    // The widest gives way down to the next one, so that many long names share what there is.
    size_t widest = columns_.size();
    int next = kNarrowest;
    for (size_t i = 0; i + 1 < widths->size(); ++i) {
      int width = (*widths)[i];
      if (columns_[i].cut == Cut::kNo || width <= kNarrowest) continue;
      if (widest == columns_.size() || width > (*widths)[widest]) {
        if (widest != columns_.size()) next = std::max(next, (*widths)[widest]);
        widest = i;
      } else {
        next = std::max(next, width);
      }
    }
    if (widest == columns_.size()) break;
    int& width = (*widths)[widest];
    int less = std::clamp(width - next, 1, over);
    width -= less;
    before -= less;
    over -= less;
  }
  widths->back() = std::min(widths->back(), std::max(kNarrowest, columns - before));
}

std::string TextTable::Lines(const Console& console, const std::vector<int>& all_widths,
                             Heading heading) const {
  std::vector<int> widths = all_widths;
  if (console.terminal && !widths.empty()) {
    FitTo(console.columns, &widths);
  }
  std::string text;
  auto line = [&](auto&& cell_at) {
    std::string out;
    for (size_t i = 0; i < columns_.size(); ++i) {
      Cell cell = cell_at(i);
      std::string shown = CutToWidth(cell.text, widths[i]);
      std::string pad(static_cast<size_t>(widths[i] - DisplayWidth(shown)), ' ');
      bool right = columns_[i].align == Align::kRight;
      bool last = i + 1 == columns_.size();
      if (right) out += pad;
      out += console.Paint(cell.colour, shown);
      if (!right && !last) out += pad;
      if (!last) out.append(kGap, ' ');
    }
    while (!out.empty() && out.back() == ' ') out.pop_back();
    text += out + "\n";
  };
  if (heading == Heading::kYes) {
    line([&](size_t i) { return Cell(columns_[i].title, Colour::kBold); });
  }
  for (const auto& row : rows_) line([&](size_t i) { return row[i]; });
  return text;
}

std::string FactList::Text(const Console& console) const {
  int width = 0;
  for (const auto& fact : facts_) width = std::max(width, DisplayWidth(fact.name));
  std::string text;
  for (const auto& fact : facts_) {
    std::string pad(static_cast<size_t>(width - DisplayWidth(fact.name) + kGap), ' ');
    text += console.Paint(Colour::kDim, fact.name) + pad +
            console.Paint(fact.value.colour, Printable(fact.value.text)) + "\n";
  }
  return text;
}

std::string FormatCount(int64_t count) {
  if (count < 0) return "-" + Grouped(std::to_string(-static_cast<uint64_t>(count)));
  return Grouped(std::to_string(count));
}

std::string FormatMebibytes(int64_t bytes) {
  constexpr double kMebibyte = 1 << 20;
  double value = static_cast<double>(bytes) / kMebibyte;
  if (bytes > 0 && value < 0.05) return "<0.1 MiB";
  std::string text = fmt::format("{:.1f}", value);
  return Grouped(text.substr(0, text.size() - 2)) + text.substr(text.size() - 2) + " MiB";
}

std::string FormatFiles(int64_t count) {
  return FormatCount(count) + (count == 1 ? " file" : " files");
}

std::string FormatAge(int64_t then_ms, int64_t now_ms) {
  if (then_ms <= 0) return "-";
  int64_t seconds = std::max<int64_t>(0, now_ms - then_ms) / 1000;
  if (seconds < 1) return "now";
  if (seconds < 120) return fmt::format("{} s", seconds);
  if (seconds < 120 * 60) return fmt::format("{} min", seconds / 60);
  if (seconds < 48 * 3600) return fmt::format("{} h", seconds / 3600);
  return fmt::format("{} d", seconds / 86400);
}

std::string FormatAgo(int64_t then_ms, int64_t now_ms) {
  if (then_ms <= 0) return "never";
  std::string age = FormatAge(then_ms, now_ms);
  return age == "now" ? "just now" : age + " ago";
}

}  // namespace moraine::cli
