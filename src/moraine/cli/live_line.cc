#include "moraine/cli/live_line.h"

namespace moraine::cli {

void LiveLine::Show(const std::string& line) {
  if (line == last_) return;
  last_ = line;
  if (console_.terminal) {
    console_.out("\r\x1b[K" + CutToWidth(line, console_.columns - 1));
    open_ = true;
  } else {
    console_.out(line + "\n");
  }
}

void LiveLine::End() {
  if (open_) console_.out("\n");
  open_ = false;
}

std::string ProgressBar(int percent, int cells) {
  int full = percent * cells / 100;
  return "[" + std::string(static_cast<size_t>(full), '#') +
         std::string(static_cast<size_t>(cells - full), '-') + "]";
}

}  // namespace moraine::cli
