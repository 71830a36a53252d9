#pragma once
// Logs: one line an event, constant message text, values as key=value. Levels mean: error = a
// person must look; warn = healed by itself; info = a table or a process changed its state; debug =
// off by default. The only door to spdlog.

#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "moraine/base/status.h"

namespace moraine {

enum class LogLevel { kDebug, kInfo, kWarn, kError };

struct LogField {
  template <typename T>
  LogField(std::string_view key_in, const T& value_in)
      : key(key_in), value(fmt::format("{}", value_in)) {}
  std::string_view key;
  std::string value;
};

/// Thread-safe.
class Logger {
 public:
  virtual ~Logger() = default;
  virtual void Write(LogLevel level, std::string_view message,
                     std::span<const LogField> fields) = 0;
  virtual bool Enabled(LogLevel level) const = 0;

  using Fields = std::initializer_list<LogField>;
  void Debug(std::string_view m, Fields f = {}) {
    Write(LogLevel::kDebug, m, {f.begin(), f.size()});
  }
  void Info(std::string_view m, Fields f = {}) { Write(LogLevel::kInfo, m, {f.begin(), f.size()}); }
  void Warn(std::string_view m, Fields f = {}) { Write(LogLevel::kWarn, m, {f.begin(), f.size()}); }
  void Error(std::string_view m, Fields f = {}) {
    Write(LogLevel::kError, m, {f.begin(), f.size()});
  }
};

enum class LogFormat { kText, kJson };
struct LogOptions {
  LogLevel level = LogLevel::kInfo;
  LogFormat format = LogFormat::kText;
  std::string file;  ///< empty: standard error
};

/// Errors: InvalidArgument if the file can't be opened.
Result<std::unique_ptr<Logger>> OpenLogger(const LogOptions& options);
/// Drops everything.
Logger& NullLogger();
/// "debug", "info", "warn", "error".
Result<LogLevel> LogLevelFromName(std::string_view name);

}  // namespace moraine
