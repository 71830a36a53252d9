#pragma once
// What PostgreSQL's errors ask of the caller. (Used by its driver only.)

#include <string>
#include <string_view>

#include "moraine/store/server_connection.h"

namespace moraine::store {

struct PostgresError {
  Code code = Code::kInternal;
  Trouble trouble = Trouble::kStatement;
};

/// By SQLSTATE, and by the statement where it matters.
PostgresError ClassifyPostgresError(std::string_view state, std::string_view sql);

/// A failed connection has no SQLSTATE, only libpq's words. Says what to do.
Status CannotConnect(std::string_view message, const std::string& where);

}  // namespace moraine::store
