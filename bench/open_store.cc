// The floor of bench_start.py: a process that opens the store's SQLite file, reads one row and
// ends.

#include <cstdio>

#include <sqlite3.h>

int main(int argc, char** argv) {
  sqlite3* database = nullptr;
  sqlite3_stmt* statement = nullptr;
  bool read = argc == 2 && sqlite3_open(argv[1], &database) == SQLITE_OK &&
              sqlite3_prepare_v2(database, "SELECT COUNT(*) FROM tabular", -1, &statement,
                                 nullptr) == SQLITE_OK &&
              sqlite3_step(statement) == SQLITE_ROW;
  if (read) std::printf("%lld\n", static_cast<long long>(sqlite3_column_int64(statement, 0)));
  sqlite3_finalize(statement);
  sqlite3_close(database);
  return read ? 0 : 1;
}
