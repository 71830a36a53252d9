#pragma once
// One line that follows something: redrawn in place on a terminal, printed anew whenever it has
// changed elsewhere.

#include <string>
#include <string_view>

#include "moraine/cli/console.h"

namespace moraine::cli {

/// Used by one thread.
class LiveLine {
 public:
  explicit LiveLine(Console& console) : console_(console) {}
  ~LiveLine() { End(); }
  LiveLine(const LiveLine&) = delete;
  LiveLine& operator=(const LiveLine&) = delete;

  void Show(const std::string& line);
  /// What is printed next stands below the line.
  void End();

 private:
  Console& console_;
  std::string last_;
  bool open_ = false;
};

/// "[#####-----]" of so many cells between the brackets; percent from 0 to 100.
std::string ProgressBar(int percent, int cells);

}  // namespace moraine::cli
