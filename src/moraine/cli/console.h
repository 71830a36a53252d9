#pragma once
// Where commands write: standard output and error, and whether a person watches. Tests give one
// that keeps the text. Text that came from a server passes Printable() first, so that a name or a
// message can't steer the terminal.

#include <functional>
#include <string>
#include <string_view>

namespace moraine::cli {

enum class Colour { kNone, kBold, kDim, kRed, kGreen, kYellow, kCyan };

struct Console {
  std::function<void(std::string_view)> out;
  std::function<void(std::string_view)> err;
  bool terminal = false;  ///< out is one: lines are redrawn in place
  bool colours = false;
  int columns = 80;

  /// Standard output and error of this process.
  static Console Standard();
  /// The text in this colour, or plain where there are none.
  std::string Paint(Colour colour, std::string_view text) const;
};

/// Replaces control characters, marks that turn the writing direction, and bytes that are not
/// UTF-8.
std::string Printable(std::string_view text);
/// Cells that valid UTF-8 takes on a terminal: 2 for wide characters, 0 for combining ones.
int DisplayWidth(std::string_view text);
/// At most so many cells; a cut text ends in "…".
std::string CutToWidth(std::string_view text, int cells);

}  // namespace moraine::cli
