#include "moraine/store/postgres_errors.h"

#include <algorithm>

#include <fmt/format.h>

#include "moraine/base/text.h"

namespace moraine::store {
namespace {

struct StateError {
  std::string_view begins;  ///< of the SQLSTATE; the first that fits counts
  PostgresError error;
};

constexpr StateError kStates[] = {
    {"40001", {Code::kConflict, Trouble::kSerial}},  // serialization_failure
    {"40P01", {Code::kConflict, Trouble::kSerial}},  // deadlock_detected
    {"40", {Code::kUnavailable, Trouble::kSerial}},  // rolled back otherwise
    {"23505", {Code::kAlreadyExists, Trouble::kDuplicate}},
    {"42P07", {Code::kAlreadyExists, Trouble::kStatement}},  // duplicate_table
    {"42701", {Code::kAlreadyExists, Trouble::kStatement}},  // duplicate_column
    {"42710", {Code::kAlreadyExists, Trouble::kStatement}},  // duplicate_object
    {"23503", {Code::kConflict, Trouble::kStatement}},       // foreign_key_violation
    {"55P03", {Code::kUnavailable, Trouble::kStatement}},    // lock_not_available
    {"57014", {Code::kDeadline, Trouble::kStatement}},       // query_canceled: statement_timeout
    {"57", {Code::kUnavailable, Trouble::kLost}},            // shutdown, crash, cannot connect now
    {"08", {Code::kUnavailable, Trouble::kLost}},
    {"25P03", {Code::kUnavailable, Trouble::kLost}},       // idle_in_transaction_session_timeout
    {"25006", {Code::kUnavailable, Trouble::kStatement}},  // read only: a standby
    {"26000", {Code::kUnavailable, Trouble::kLost}},       // no such prepared statement
    {"0A000", {Code::kUnavailable, Trouble::kLost}},       // a cached plan of an older schema
    {"53300", {Code::kUnavailable, Trouble::kLost}},       // too_many_connections
    {"53", {Code::kExhausted, Trouble::kStatement}},
    {"54", {Code::kInvalidArgument, Trouble::kStatement}},  // too long for an index, too complex
    {"28", {Code::kPermissionDenied, Trouble::kStatement}},
    {"42501", {Code::kPermissionDenied, Trouble::kStatement}},
    {"XX001", {Code::kCorruption, Trouble::kStatement}},
    {"XX002", {Code::kCorruption, Trouble::kStatement}},
    {"XX", {Code::kInternal, Trouble::kStatement}},
    {"58", {Code::kUnavailable, Trouble::kStatement}},  // of the server's disk
    {"", {Code::kInvalidArgument, Trouble::kStatement}},
};

struct ConnectError {
  std::string_view words;
  Code code;
  std::string_view advice;
};

constexpr ConnectError kConnectErrors[] = {
    {"password authentication failed", Code::kPermissionDenied, "check the user and the password"},
    {"no password supplied", Code::kPermissionDenied,
     "put the password into the URL, PGPASSWORD or ~/.pgpass"},
    {"no pg_hba.conf entry", Code::kPermissionDenied,
     "the server lets in nobody from here by that name: see its pg_hba.conf"},
    {"role \"", Code::kPermissionDenied, "make it by CREATE ROLE ... LOGIN PASSWORD ..."},
    {"database \"", Code::kInvalidArgument, "make it by CREATE DATABASE ... OWNER ..."},
    {"invalid connection option", Code::kInvalidArgument, "check the options of the URL"},
    {"invalid ", Code::kInvalidArgument, "check the options of the URL"},
    {"certificate", Code::kPermissionDenied, "check sslmode, sslrootcert, sslcert and sslkey"},
    {"Connection refused", Code::kUnavailable, "is it running, and does it listen there?"},
    {"too many clients", Code::kUnavailable,
     "raise max_connections there, or lower store.connections here"},
    {"", Code::kUnavailable, ""},
};

}  // namespace

PostgresError ClassifyPostgresError(std::string_view state, std::string_view sql) {
  // Two that make a table at once: the name (23505 of a system table), the table or its type shows.
  if ((state == "42P07" || state == "42710") && sql.starts_with("CREATE TABLE IF NOT EXISTS")) {
    return {Code::kAlreadyExists, Trouble::kDuplicate};
  }
  for (const auto& known : kStates) {
    if (state.starts_with(known.begins)) return known.error;
  }
  return {};
}

Status CannotConnect(std::string_view message, const std::string& where) {
  std::string text(Trim(message));
  std::replace(text.begin(), text.end(), '\n', ' ');
  for (const auto& known : kConnectErrors) {
    if (text.find(known.words) == text.npos) continue;
    return Status(known.code, fmt::format("cannot connect to postgresql {}: {}{}{}", where, text,
                                          known.advice.empty() ? "" : "; ", known.advice));
  }
  return Unavailable(text);
}

}  // namespace moraine::store
