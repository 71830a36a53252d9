#pragma once
// Status and Result: how every function of Moraine that can fail says so.
//
// A code names what the caller should do, never what went wrong inside; the message says what went
// wrong, static words first and values last. Nothing here throws. MORAINE_TRY and MORAINE_ASSIGN
// return early; they also take arrow::Status and arrow::Result where io/arrow_status.h is included.

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "moraine/base/check.h"

namespace moraine {

enum class Code : unsigned char {
  kOk = 0,
  kInvalidArgument,   ///< fix the request
  kUnauthenticated,   ///< log in
  kPermissionDenied,  ///< stop
  kNotFound,          ///< decide by the name's meaning
  kAlreadyExists,     ///< decide by the name's meaning
  kConflict,          ///< refresh, decide again, retry within a bound
  kCommitUnknown,     ///< read the table again before anything; delete nothing
  kUnsupported,       ///< choose another feature or version
  kExhausted,         ///< back off: a quota, a queue or memory is full
  kUnavailable,       ///< back off: something we need is down
  kDeadline,          ///< give up cleanly: out of time
  kCancelled,         ///< give up cleanly: nobody wants the answer
  kCorruption,        ///< stop work on this table; the message names file and offset
  kInternal,          ///< a bug
};

/// Returns the code's name without the k, as logs and tests print it: "CommitUnknown".
std::string_view CodeName(Code code);

/// Returns the code with this name, or nothing.
std::optional<Code> CodeFromName(std::string_view name);

/// The outcome of an operation: OK (one null pointer), or a code and a message.
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Code code, std::string message);
  Status(const Status& other);
  Status& operator=(const Status& other);
  Status(Status&&) noexcept = default;
  Status& operator=(Status&&) noexcept = default;

  static Status Ok() { return {}; }

  bool ok() const { return state_ == nullptr; }
  Code code() const { return state_ ? state_->code : Code::kOk; }
  std::string_view message() const { return state_ ? std::string_view(state_->message) : ""; }

  /// Adds one breadcrumb: "while committing db.t: <message>". No effect on OK.
  Status Annotate(std::string_view breadcrumb) &&;
  /// Returns the same message under another code. No effect on OK.
  Status WithCode(Code code) &&;
  /// "NotFound: no such table: db.t", or "OK".
  std::string ToString() const;

  bool operator==(const Status& other) const;

 private:
  struct State {
    Code code;
    std::string message;
  };
  std::unique_ptr<State> state_;
};

Status InvalidArgument(std::string message);
Status Unauthenticated(std::string message);
Status PermissionDenied(std::string message);
Status NotFound(std::string message);
Status AlreadyExists(std::string message);
Status Conflict(std::string message);
Status CommitUnknown(std::string message);
Status Unsupported(std::string message);
Status Exhausted(std::string message);
Status Unavailable(std::string message);
Status DeadlineExceeded(std::string message);
Status Cancelled(std::string message);
Status Corruption(std::string message);
Status Internal(std::string message);

/// A value, or the Status that says why there is none. Never holds an OK status.
template <typename T>
class [[nodiscard]] Result {
 public:
  using value_type = T;

  Result(Status status) : state_(std::in_place_index<0>, std::move(status)) {  // NOLINT: implicit
    MORAINE_CHECK(!std::get<0>(state_).ok(), "a Result was made from an OK status");
  }
  template <typename U = T>
  requires(std::is_constructible_v<T, U&&> && !std::is_same_v<std::remove_cvref_t<U>, Status> &&
           !std::is_same_v<std::remove_cvref_t<U>, Result<T>>) Result(U&& value)
      : state_(std::in_place_index<1>, std::forward<U>(value)) {}  // NOLINT: implicit

  bool ok() const { return state_.index() == 1; }
  /// OK when there is a value.
  Status status() const& { return ok() ? Status() : std::get<0>(state_); }
  Status status() && { return ok() ? Status() : std::move(std::get<0>(state_)); }

  T& value() & {
    MORAINE_CHECK(ok(), status().ToString());
    return std::get<1>(state_);
  }
  const T& value() const& {
    MORAINE_CHECK(ok(), status().ToString());
    return std::get<1>(state_);
  }
  T value() && {
    MORAINE_CHECK(ok(), status().ToString());
    return std::move(std::get<1>(state_));
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  std::variant<Status, T> state_;
};

inline Status ToStatus(const Status& status) { return status; }
inline Status ToStatus(Status&& status) { return std::move(status); }
template <typename T>
Status ToStatus(Result<T>&& result) {
  return std::move(result).status();
}
template <typename T>
T TakeValue(Result<T>&& result) {
  return std::move(result).value();
}

#define MORAINE_CONCAT_INNER(a, b) a##b
#define MORAINE_CONCAT(a, b) MORAINE_CONCAT_INNER(a, b)

/// Evaluates expr (a Status or a Result) and returns its error from the enclosing function.
#define MORAINE_TRY(...)                                      \
  do {                                                        \
    auto&& moraine_outcome = (__VA_ARGS__);                   \
    if (!moraine_outcome.ok()) [[unlikely]] {                 \
      return ::moraine::ToStatus(std::move(moraine_outcome)); \
    }                                                         \
  } while (false)

/// MORAINE_ASSIGN(auto x, Load()): declares or assigns x, or returns the error.
#define MORAINE_ASSIGN(lhs, ...) \
  MORAINE_ASSIGN_INNER(MORAINE_CONCAT(moraine_result_, __COUNTER__), lhs, __VA_ARGS__)
#define MORAINE_ASSIGN_INNER(result, lhs, ...)     \
  auto result = (__VA_ARGS__);                     \
  if (!result.ok()) [[unlikely]] {                 \
    return ::moraine::ToStatus(std::move(result)); \
  }                                                \
  lhs = ::moraine::TakeValue(std::move(result))

}  // namespace moraine
