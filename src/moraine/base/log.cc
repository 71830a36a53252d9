#include "moraine/base/log.h"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "moraine/base/json.h"

namespace moraine {
namespace {

spdlog::level::level_enum ToSpdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarn:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

constexpr std::string_view kNames[] = {"debug", "info", "warn", "error"};

bool NeedsQuotes(std::string_view value) {
  return value.empty() || value.find_first_of(" \"=\n\r\t\\") != value.npos;
}

class SpdLogger final : public Logger {
 public:
  SpdLogger(std::shared_ptr<spdlog::logger> inner, LogFormat format)
      : inner_(std::move(inner)), format_(format) {}

  bool Enabled(LogLevel level) const override { return inner_->should_log(ToSpdlog(level)); }

  void Write(LogLevel level, std::string_view message, std::span<const LogField> fields) override {
    if (!Enabled(level)) return;
    std::string line;
    if (format_ == LogFormat::kJson) {
      JsonWriter json(&line);
      json.BeginObject().Field("level", kNames[static_cast<int>(level)]).Field("message", message);
      for (const auto& field : fields) json.Field(field.key, field.value);
      json.EndObject();
    } else {
      line = message;
      for (const auto& field : fields) {
        line += fmt::format(" {}=", field.key);
        if (NeedsQuotes(field.value)) {
          AppendJsonString(field.value, &line);
        } else {
          line += field.value;
        }
      }
    }
    inner_->log(ToSpdlog(level), line);
  }

 private:
  std::shared_ptr<spdlog::logger> inner_;
  LogFormat format_;
};

class SilentLogger final : public Logger {
 public:
  void Write(LogLevel, std::string_view, std::span<const LogField>) override {}
  bool Enabled(LogLevel) const override { return false; }
};

}  // namespace

Result<std::unique_ptr<Logger>> OpenLogger(const LogOptions& options) {
  try {
    spdlog::sink_ptr sink;
    if (options.file.empty()) {
      sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    } else {
      sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(options.file);
    }
    auto logger = std::make_shared<spdlog::logger>("moraine", std::move(sink));
    logger->set_level(ToSpdlog(options.level));
    logger->flush_on(spdlog::level::info);
    logger->set_pattern(options.format == LogFormat::kJson ? "%v" : "%Y-%m-%dT%H:%M:%S.%e %L %v",
                        spdlog::pattern_time_type::utc);
    return std::unique_ptr<Logger>(std::make_unique<SpdLogger>(std::move(logger), options.format));
  } catch (const spdlog::spdlog_ex& error) {
    return InvalidArgument(fmt::format("cannot open the log: {}", error.what()));
  }
}

Logger& NullLogger() {
  static SilentLogger logger;
  return logger;
}

Result<LogLevel> LogLevelFromName(std::string_view name) {
  for (size_t i = 0; i < std::size(kNames); ++i) {
    if (kNames[i] == name) return static_cast<LogLevel>(i);
  }
  return InvalidArgument(
      fmt::format("log level: expected debug, info, warn or error, got {}", name));
}

}  // namespace moraine
