#include "moraine/cli/text_table.h"

#include <algorithm>

#include <fmt/format.h>

#include "moraine/base/text.h"

namespace moraine::cli {
namespace {

constexpr int kGap = 2;
constexpr int kNarrowest = 12;     // the last column keeps this much whatever the terminal's width
constexpr int kWorthAColumn = 24;  // of less room text is put under its row
constexpr int kBelow = 4;
/// The time in an id of a run or a process, to the millisecond; what comes then is drawn.
constexpr size_t kShortestId = 13;

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
  if (!IsTooWide(console)) return Lines(console, Widths(), Heading::kYes, LastColumn::kCut);
  TextTable fitted = *this;
  fitted.LeaveOutEmptyColumns();
  if (fitted.IsTooWide(console)) fitted.ShortenIds();
  return fitted.Lines(console, fitted.Widths(), Heading::kYes, LastColumn::kWrapped);
}

std::string TextTable::TakeText(const Console& console) {
  std::vector<int> widths = Widths();
  Heading heading = taken_widths_.empty() ? Heading::kYes : Heading::kNo;
  for (size_t i = 0; i < taken_widths_.size(); ++i) {
    widths[i] = std::max(widths[i], taken_widths_[i]);
  }
  std::string text = Lines(console, widths, heading, LastColumn::kCut);
  taken_widths_ = std::move(widths);
  rows_.clear();
  return text;
}

bool TextTable::IsTooWide(const Console& console) const {
  int sum = -kGap;
  for (int width : Widths()) sum += width + kGap;
  return console.terminal && sum > console.columns;
}

void TextTable::LeaveOutEmptyColumns() {
  for (size_t i = columns_.size(); i-- > 0;) {
    const bool is_used = std::any_of(rows_.begin(), rows_.end(),
                                     [i](const auto& row) { return !row[i].text.empty(); });
    if (is_used || columns_.size() == 1) continue;
    columns_.erase(columns_.begin() + static_cast<long>(i));
    for (auto& row : rows_) row.erase(row.begin() + static_cast<long>(i));
  }
}

void TextTable::ShortenIds() {
  for (size_t i = 0; i < columns_.size(); ++i) {
    if (columns_[i].cut != Cut::kId) continue;
    std::vector<std::string> ids;
    for (const auto& row : rows_) ids.push_back(row[i].text);
    std::sort(ids.begin(), ids.end());
    ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
    size_t length = kShortestId;
    for (size_t at = 1; at < ids.size(); ++at) {
      const auto [one, other] =
          std::mismatch(ids[at - 1].begin(), ids[at - 1].end(), ids[at].begin(), ids[at].end());
      length = std::max(length, static_cast<size_t>(one - ids[at - 1].begin()) + 1);
    }
    for (auto& row : rows_) row[i].text = row[i].text.substr(0, length);
  }
}

void TextTable::FitTo(int columns, int last_wants, std::vector<int>* widths) const {
  int before = 0;
  for (size_t i = 0; i + 1 < widths->size(); ++i) before += (*widths)[i] + kGap;
  int over = before + std::min(widths->back(), last_wants) - columns;
  while (over > 0) {
    // The widest gives way down to the next one, so that many long names share what there is.
    size_t widest = columns_.size();
    int next = kNarrowest;
    for (size_t i = 0; i + 1 < widths->size(); ++i) {
      int width = (*widths)[i];
      if (columns_[i].cut != Cut::kYes || width <= kNarrowest) continue;
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

std::string TextTable::LineOf(const Console& console, const std::vector<Cell>& cells,
                              const std::vector<int>& widths) const {
  std::string out;
  for (size_t i = 0; i < columns_.size(); ++i) {
    std::string shown = CutToWidth(cells[i].text, widths[i]);
    std::string pad(static_cast<size_t>(widths[i] - DisplayWidth(shown)), ' ');
    bool right = columns_[i].align == Align::kRight;
    bool last = i + 1 == columns_.size();
    if (right) out += pad;
    out += console.Paint(cells[i].colour, shown);
    if (!right && !last) out += pad;
    if (!last) out.append(kGap, ' ');
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out + "\n";
}

/// The last cell's text goes on under its column, or where that has little room under the row.
std::string TextTable::RowOf(const Console& console, const std::vector<Cell>& row,
                             const std::vector<int>& widths) const {
  if (DisplayWidth(row.back().text) <= widths.back()) return LineOf(console, row, widths);
  int before = 0;
  for (size_t i = 0; i + 1 < widths.size(); ++i) before += widths[i] + kGap;
  const bool below = columns_.size() > 1 && widths.back() < kWorthAColumn;
  const int indent = below ? kBelow : before;
  const int room = below ? std::max(console.columns - kBelow, kWorthAColumn) : widths.back();
  std::vector<std::string> lines = WrapToWidth(row.back().text, room);
  std::vector<Cell> first = row;
  first.back().text = below ? "" : lines[0];
  std::string text = LineOf(console, first, widths);
  for (size_t i = below ? 0 : 1; i < lines.size(); ++i) {
    text += std::string(static_cast<size_t>(indent), ' ') +
            console.Paint(row.back().colour, lines[i]) + "\n";
  }
  return text;
}

std::string TextTable::Lines(const Console& console, const std::vector<int>& all_widths,
                             Heading heading, LastColumn last) const {
  std::vector<int> widths = all_widths;
  const bool wraps = last == LastColumn::kWrapped && columns_.back().align == Align::kLeft;
  if (console.terminal && !widths.empty()) {
    FitTo(console.columns, wraps ? kWorthAColumn : kNarrowest, &widths);
  }
  std::string text;
  if (heading == Heading::kYes) {
    std::vector<Cell> titles;
    for (const auto& column : columns_) titles.emplace_back(column.title, Colour::kBold);
    text += LineOf(console, titles, widths);
  }
  for (const auto& row : rows_)
    text += wraps ? RowOf(console, row, widths) : LineOf(console, row, widths);
  return text;
}

std::vector<std::string> WrapToWidth(std::string_view text, int cells) {
  cells = std::max(cells, 2);  // a wide character
  std::vector<std::string> lines = {""};
  for (std::string_view word : Split(text, ' ')) {
    if (!lines.back().empty() && DisplayWidth(lines.back()) + 1 + DisplayWidth(word) > cells)
      lines.emplace_back();
    if (!lines.back().empty()) lines.back() += ' ';
    while (DisplayWidth(word) > cells) {
      // With what comes after it, it is cut in any case.
      const std::string cut = CutToWidth(std::string(word) + " ", cells + 1);
      const size_t end = cut.size() - std::string_view("…").size();
      lines.back() += word.substr(0, end);
      lines.emplace_back();
      word.remove_prefix(end);
    }
    lines.back() += word;
  }
  return lines;
}

std::string Paragraph(const Console& console, std::string_view heading, std::string_view text) {
  const std::string all = fmt::format("{}: {}", heading, Printable(text));
  if (!console.terminal) return all + "\n";
  std::string out;
  for (const auto& line : WrapToWidth(all, console.columns - kGap))
    out += (out.empty() ? line : "  " + line) + "\n";
  return out;
}

std::string FactList::Text(const Console& console) const {
  int width = 0;
  for (const auto& fact : facts_) width = std::max(width, DisplayWidth(fact.name));
  const int indent = width + kGap;
  const bool wraps = console.terminal && console.columns - indent >= kWorthAColumn;
  std::string text;
  for (const auto& fact : facts_) {
    const auto pad = static_cast<size_t>(indent - DisplayWidth(fact.name));
    std::vector<std::string> lines = {Printable(fact.value.text)};
    if (wraps && DisplayWidth(lines[0]) > console.columns - indent)
      lines = WrapToWidth(lines[0], console.columns - indent);
    text += console.Paint(Colour::kDim, fact.name) + std::string(pad, ' ');
    for (size_t i = 0; i < lines.size(); ++i) {
      if (i > 0) text.append(static_cast<size_t>(indent), ' ');
      text += console.Paint(fact.value.colour, lines[i]) + "\n";
    }
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

std::string FormatIn(int64_t then_ms, int64_t now_ms) {
  if (then_ms <= 0) return "-";
  constexpr int64_t kMinuteMs = 60'000, kHourMs = 60 * kMinuteMs;
  const int64_t left_ms = then_ms - now_ms;
  if (left_ms < 1'000) return "now";
  const int64_t unit_ms = left_ms >= 2 * kHourMs ? kHourMs : left_ms >= kHourMs ? kMinuteMs : 1'000;
  return "in " + FormatDuration(Millis(left_ms / unit_ms * unit_ms));
}

std::string FormatAgo(int64_t then_ms, int64_t now_ms) {
  if (then_ms <= 0) return "never";
  std::string age = FormatAge(then_ms, now_ms);
  return age == "now" ? "just now" : age + " ago";
}

}  // namespace moraine::cli
