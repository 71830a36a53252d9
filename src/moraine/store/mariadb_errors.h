#pragma once
// What MariaDB's errors ask of the caller, and which options its URLs may have. (Used by its driver
// only.)

#include <string>
#include <string_view>

#include "moraine/store/server_connection.h"

struct st_mysql;

namespace moraine::store {

struct MariaError {
  Code code = Code::kInternal;
  Trouble trouble = Trouble::kStatement;
};

/// By the error number of the server or the library.
MariaError ClassifyMariaError(unsigned number);

/// Whether a COMMIT that failed so left nothing of its transaction.
bool RefusesCommit(unsigned number);

/// Says what to do.
Status CannotConnectToMaria(unsigned number, std::string_view message, const std::string& where);

/// sslmode (disable, require, verify-full), sslrootcert, sslcert, sslkey, socket. Before the
/// connection is made. Errors: InvalidArgument for others.
Status ApplyMariaOptions(st_mysql* handle, const StoreUrl& url, std::string* socket);

}  // namespace moraine::store
