#include "moraine/store/mariadb_errors.h"

#include <errmsg.h>
#include <fmt/format.h>
#include <mysql.h>
#include <mysqld_error.h>

namespace moraine::store {
namespace {

constexpr unsigned kStatementTimeout = 1969;    // ER_STATEMENT_TIMEOUT of MariaDB
constexpr unsigned kQueryTimeout = 3024;        // ER_QUERY_TIMEOUT of MySQL
constexpr unsigned kConnectionKilled = 1927;    // ER_CONNECTION_KILLED
constexpr unsigned kReadOnlyServer = 1290;      // ER_OPTION_PREVENTS_STATEMENT
constexpr unsigned kServerShutdown = 1053;      // ER_SERVER_SHUTDOWN
constexpr unsigned kServerLostExtended = 2055;  // CR_SERVER_LOST_EXTENDED

}  // namespace

MariaError ClassifyMariaError(unsigned number) {
  switch (number) {
    case ER_LOCK_DEADLOCK:
    case ER_CHECKREAD:  // the row was changed since it was read
      return {Code::kConflict, Trouble::kSerial};
    case ER_LOCK_WAIT_TIMEOUT:
      return {Code::kUnavailable, Trouble::kStatement};
    case ER_DUP_ENTRY:
      return {Code::kAlreadyExists, Trouble::kDuplicate};
    case ER_TABLE_EXISTS_ERROR:
    case ER_DUP_FIELDNAME:
    case ER_DUP_KEYNAME:
      return {Code::kAlreadyExists, Trouble::kStatement};
    case ER_NO_REFERENCED_ROW:
    case ER_NO_REFERENCED_ROW_2:
    case ER_ROW_IS_REFERENCED:
    case ER_ROW_IS_REFERENCED_2:
      return {Code::kConflict, Trouble::kStatement};
    case kStatementTimeout:
    case kQueryTimeout:
    case ER_QUERY_INTERRUPTED:
      return {Code::kDeadline, Trouble::kStatement};
    case CR_SERVER_GONE_ERROR:
    case CR_SERVER_LOST:
    case kServerLostExtended:
    case CR_CONNECTION_ERROR:
    case CR_CONN_HOST_ERROR:
    case CR_COMMANDS_OUT_OF_SYNC:
    case CR_MALFORMED_PACKET:
    case kConnectionKilled:
    case kServerShutdown:
    case ER_UNKNOWN_STMT_HANDLER:
      return {Code::kUnavailable, Trouble::kLost};
    case kReadOnlyServer:
      return {Code::kUnavailable, Trouble::kStatement};
    case ER_CON_COUNT_ERROR:
    case ER_TOO_MANY_USER_CONNECTIONS:
      return {Code::kUnavailable, Trouble::kLost};
    case ER_RECORD_FILE_FULL:
    case ER_DISK_FULL:
    case ER_OUTOFMEMORY:
    case ER_OUT_OF_RESOURCES:
    case ER_LOCK_TABLE_FULL:
    case ER_NET_PACKET_TOO_LARGE:
      return {Code::kExhausted, Trouble::kStatement};
    case ER_ACCESS_DENIED_ERROR:
    case ER_DBACCESS_DENIED_ERROR:
    case ER_TABLEACCESS_DENIED_ERROR:
    case ER_SPECIFIC_ACCESS_DENIED_ERROR:
      return {Code::kPermissionDenied, Trouble::kStatement};
    default:
      return {Code::kInvalidArgument, Trouble::kStatement};
  }
}

bool RefusesCommit(unsigned number) {
  return number == ER_LOCK_DEADLOCK || number == ER_LOCK_WAIT_TIMEOUT || number == ER_CHECKREAD;
}

Status CannotConnectToMaria(unsigned number, std::string_view message, const std::string& where) {
  Code code = Code::kUnavailable;
  std::string_view advice = "is it running, and does it listen there?";
  if (number == ER_ACCESS_DENIED_ERROR || number == ER_HOST_NOT_PRIVILEGED) {
    code = Code::kPermissionDenied;
    advice = "check the user and the password, or make it by CREATE USER ... IDENTIFIED BY ...";
  } else if (number == ER_DBACCESS_DENIED_ERROR) {
    code = Code::kPermissionDenied;
    advice = "let it in by GRANT ALL ON database.* TO user";
  } else if (number == ER_BAD_DB_ERROR) {
    code = Code::kInvalidArgument;
    advice = "make it by CREATE DATABASE";
  } else if (number == ER_CON_COUNT_ERROR) {
    advice = "raise max_connections there, or lower store.connections here";
  } else if (number == CR_SSL_CONNECTION_ERROR) {
    code = Code::kPermissionDenied;
    advice = "check sslmode, sslrootcert, sslcert and sslkey";
  }
  return Status(code, fmt::format("cannot connect to mariadb {}: {}; {}", where, message, advice));
}

Status ApplyMariaOptions(st_mysql* handle, const StoreUrl& url, std::string* socket) {
  my_bool yes = 1;
  my_bool no = 0;
  my_bool verify = 0;
  for (const auto& [name, value] : url.options) {
    const char* text = value.c_str();
    if (name == "sslrootcert") {
      mysql_optionsv(handle, MYSQL_OPT_SSL_CA, text);
    } else if (name == "sslcert") {
      mysql_optionsv(handle, MYSQL_OPT_SSL_CERT, text);
    } else if (name == "sslkey") {
      mysql_optionsv(handle, MYSQL_OPT_SSL_KEY, text);
    } else if (name == "socket") {
      *socket = value;
    } else if (name == "sslmode" && (value == "require" || value == "verify-full")) {
      mysql_optionsv(handle, MYSQL_OPT_SSL_ENFORCE, &yes);
      if (value == "verify-full") verify = 1;
    } else if (name == "sslmode" && value == "disable") {
      mysql_optionsv(handle, MYSQL_OPT_SSL_ENFORCE, &no);
    } else if (name == "sslmode") {
      return InvalidArgument("sslmode: expected disable, require or verify-full");
    } else {
      return InvalidArgument(fmt::format(
          "{}: unknown option of the URL: expected sslmode, sslrootcert, sslcert, sslkey or socket",
          name));
    }
  }
  mysql_optionsv(handle, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verify);
  return {};
}

}  // namespace moraine::store
