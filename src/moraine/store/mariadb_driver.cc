// From a URL to connections to MariaDB.

#include "moraine/store/mariadb_connection.h"

namespace moraine::store {

Result<Driver> MakeMariaDriver(const StoreUrl& url, const StoreOptions& options) {
  MariaTarget target{url, options};
  // The library takes a socket for "localhost", which names no port that a person gave.
  if (target.url.host == "localhost" && url.port != 0) target.url.host = "127.0.0.1";
  Driver driver;
  driver.dialect = "mysql";
  driver.apart = true;
  driver.connect = [target](Call& call,
                            Access access) -> Result<std::unique_ptr<ServerConnection>> {
    MORAINE_ASSIGN(auto connection, MariaConnection::Open(call, target, access));
    return std::unique_ptr<ServerConnection>(std::move(connection));
  };
  return driver;
}

}  // namespace moraine::store
