#include "moraine/cli/console.h"

#include <array>
#include <cstdint>
#include <cstdio>

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace moraine::cli {
namespace {

constexpr char32_t kBroken = 0xFFFD;

struct Range {
  char32_t first;
  char32_t last;
};

// Unicode 15, East Asian Width W and F, in blocks.
constexpr std::array kWide = {
    Range{0x1100, 0x115F},   Range{0x231A, 0x231B},   Range{0x23E9, 0x23EC},
    Range{0x2614, 0x2615},   Range{0x2648, 0x2653},   Range{0x26AA, 0x26AB},
    Range{0x26BD, 0x26BE},   Range{0x2705, 0x2705},   Range{0x270A, 0x270B},
    Range{0x2728, 0x2728},   Range{0x274C, 0x274C},   Range{0x2753, 0x2755},
    Range{0x2795, 0x2797},   Range{0x2B1B, 0x2B1C},   Range{0x2E80, 0x303E},
    Range{0x3041, 0x33FF},   Range{0x3400, 0x4DBF},   Range{0x4E00, 0x9FFF},
    Range{0xA000, 0xA4CF},   Range{0xA960, 0xA97C},   Range{0xAC00, 0xD7A3},
    Range{0xF900, 0xFAFF},   Range{0xFE30, 0xFE6F},   Range{0xFF00, 0xFF60},
    Range{0xFFE0, 0xFFE6},   Range{0x1F004, 0x1F004}, Range{0x1F18E, 0x1F19A},
    Range{0x1F200, 0x1F320}, Range{0x1F32D, 0x1F64F}, Range{0x1F680, 0x1F6FF},
    Range{0x1F7E0, 0x1F7EB}, Range{0x1F900, 0x1F9FF}, Range{0x1FA70, 0x1FAFF},
    Range{0x20000, 0x3FFFD},
};
// Combining marks of the common scripts, joiners and variation selectors.
constexpr std::array kNarrow = {
    Range{0x0300, 0x036F}, Range{0x0483, 0x0489},   Range{0x0591, 0x05BD}, Range{0x0610, 0x061A},
    Range{0x064B, 0x065F}, Range{0x06D6, 0x06DC},   Range{0x093C, 0x093C}, Range{0x0941, 0x0948},
    Range{0x094D, 0x094D}, Range{0x0E31, 0x0E31},   Range{0x0E34, 0x0E3A}, Range{0x0E47, 0x0E4E},
    Range{0x1AB0, 0x1AFF}, Range{0x1DC0, 0x1DFF},   Range{0x200B, 0x200F}, Range{0x20D0, 0x20FF},
    Range{0x302A, 0x302D}, Range{0x3099, 0x309A},   Range{0xFE00, 0xFE0F}, Range{0xFE20, 0xFE2F},
    Range{0xFEFF, 0xFEFF}, Range{0xE0100, 0xE01EF},
};

template <size_t N>
bool IsIn(const std::array<Range, N>& ranges, char32_t c) {
  for (const auto& range : ranges) {
    if (c >= range.first && c <= range.last) return true;
  }
  return false;
}

/// Takes one character off the front; kBroken for a byte that begins none.
char32_t TakeCharacter(std::string_view* text) {
  auto byte = [&](size_t i) { return static_cast<unsigned char>((*text)[i]); };
  size_t length = byte(0) < 0x80   ? 1
                  : byte(0) < 0xC2 ? 0
                  : byte(0) < 0xE0 ? 2
                  : byte(0) < 0xF0 ? 3
                  : byte(0) < 0xF5 ? 4
                                   : 0;
  char32_t c = length == 1 ? byte(0) : byte(0) & (0x7F >> length);
  bool good = length > 0 && length <= text->size();
  for (size_t i = 1; good && i < length; ++i) {
    good = (byte(i) & 0xC0) == 0x80;
    c = (c << 6) | (byte(i) & 0x3F);
  }
  static constexpr char32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  good = good && c >= kLeast[length] && c <= 0x10FFFF && (c < 0xD800 || c > 0xDFFF);
  text->remove_prefix(good ? length : 1);
  return good ? c : kBroken;
}

bool IsUnprintable(char32_t c) {
  return c < 0x20 || (c >= 0x7F && c < 0xA0) || (c >= 0x200E && c <= 0x200F) ||
         (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069) || c == kBroken;
}

int WidthOf(char32_t c) { return IsIn(kNarrow, c) ? 0 : IsIn(kWide, c) ? 2 : 1; }

void WriteTo(std::FILE* file, std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), file);
  std::fflush(file);
}

}  // namespace

Console Console::Standard() {
  Console console;
  console.out = [](std::string_view text) { WriteTo(stdout, text); };
  console.err = [](std::string_view text) { WriteTo(stderr, text); };
  console.terminal = isatty(STDOUT_FILENO) != 0;
  console.colours = console.terminal;
  winsize size{};
  if (console.terminal && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
    console.columns = size.ws_col;
  }
  return console;
}

std::string Console::Paint(Colour colour, std::string_view text) const {
  static constexpr std::string_view kCodes[] = {"", "1", "2", "31", "32", "33", "36"};
  if (!colours || colour == Colour::kNone) return std::string(text);
  return fmt::format("\x1b[{}m{}\x1b[0m", kCodes[static_cast<size_t>(colour)], text);
}

std::string Printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    std::string_view before = text;
    char32_t c = TakeCharacter(&text);
    if (IsUnprintable(c)) {
      out += c == '\n' || c == '\t' ? " " : "\xEF\xBF\xBD";
    } else {
      out += before.substr(0, before.size() - text.size());
    }
  }
  return out;
}

int DisplayWidth(std::string_view text) {
  int cells = 0;
  while (!text.empty()) cells += WidthOf(TakeCharacter(&text));
  return cells;
}

std::string CutToWidth(std::string_view text, int cells) {
  if (DisplayWidth(text) <= cells) return std::string(text);
  if (cells < 1) return "";
  std::string_view rest = text;
  size_t end = 0;
  int used = 0;
  while (!rest.empty()) {
    used += WidthOf(TakeCharacter(&rest));
    if (used > cells - 1) break;
    end = text.size() - rest.size();
  }
  return std::string(text.substr(0, end)) + "…";
}

}  // namespace moraine::cli
