#include "moraine/base/status.h"

#include <array>
#include <cstdio>
#include <cstdlib>

#include <fmt/format.h>

namespace moraine {
namespace {

constexpr std::array<std::string_view, 15> kCodeNames = {
    "Ok",          "InvalidArgument", "Unauthenticated", "PermissionDenied",
    "NotFound",    "AlreadyExists",   "Conflict",        "CommitUnknown",
    "Unsupported", "Exhausted",       "Unavailable",     "Deadline",
    "Cancelled",   "Corruption",      "Internal"};

}  // namespace

void CheckFailed(const char* file, int line, const char* expression, std::string_view detail) {
  std::fprintf(stderr, "%s:%d: check failed: %s: %.*s\n", file, line, expression,
               static_cast<int>(detail.size()), detail.data());
  std::fflush(stderr);
  std::abort();
}

std::string_view CodeName(Code code) { return kCodeNames[static_cast<size_t>(code)]; }

std::optional<Code> CodeFromName(std::string_view name) {
  for (size_t i = 0; i < kCodeNames.size(); ++i) {
    if (kCodeNames[i] == name) return static_cast<Code>(i);
  }
  return std::nullopt;
}

Status::Status(Code code, std::string message) {
  if (code != Code::kOk) state_ = std::make_unique<State>(State{code, std::move(message)});
}

Status::Status(const Status& other)
    : state_(other.state_ ? std::make_unique<State>(*other.state_) : nullptr) {}

Status& Status::operator=(const Status& other) {
  if (this != &other) state_ = other.state_ ? std::make_unique<State>(*other.state_) : nullptr;
  return *this;
}

Status Status::Annotate(std::string_view breadcrumb) && {
  if (state_) state_->message = fmt::format("{}: {}", breadcrumb, state_->message);
  return std::move(*this);
}

Status Status::WithCode(Code code) && {
  if (state_) state_->code = code;
  return std::move(*this);
}

std::string Status::ToString() const {
  if (ok()) return "OK";
  return fmt::format("{}: {}", CodeName(code()), message());
}

bool Status::operator==(const Status& other) const {
  return code() == other.code() && message() == other.message();
}

Status InvalidArgument(std::string message) { return {Code::kInvalidArgument, std::move(message)}; }
Status Unauthenticated(std::string message) { return {Code::kUnauthenticated, std::move(message)}; }
Status PermissionDenied(std::string message) {
  return {Code::kPermissionDenied, std::move(message)};
}
Status NotFound(std::string message) { return {Code::kNotFound, std::move(message)}; }
Status AlreadyExists(std::string message) { return {Code::kAlreadyExists, std::move(message)}; }
Status Conflict(std::string message) { return {Code::kConflict, std::move(message)}; }
Status CommitUnknown(std::string message) { return {Code::kCommitUnknown, std::move(message)}; }
Status Unsupported(std::string message) { return {Code::kUnsupported, std::move(message)}; }
Status Exhausted(std::string message) { return {Code::kExhausted, std::move(message)}; }
Status Unavailable(std::string message) { return {Code::kUnavailable, std::move(message)}; }
Status DeadlineExceeded(std::string message) { return {Code::kDeadline, std::move(message)}; }
Status Cancelled(std::string message) { return {Code::kCancelled, std::move(message)}; }
Status Corruption(std::string message) { return {Code::kCorruption, std::move(message)}; }
Status Internal(std::string message) { return {Code::kInternal, std::move(message)}; }

}  // namespace moraine
