#include <exception>
#include <new>

#include <arrow/status.h>
#include <parquet/exception.h>

#include "moraine/iceberg/data/foreign_errors_internal.h"
#include "moraine/io/arrow_status.h"

namespace moraine::iceberg {

Status FileError(const arrow::Status& status, const std::string& location) {
  return ToStatus(status).Annotate(location);
}

Status CurrentFileError(const std::string& location) {
  try {
    throw;
  } catch (const parquet::ParquetStatusException& error) {
    return FileError(error.status(), location);
  } catch (const std::bad_alloc&) {
    return Exhausted(location + ": out of memory");
  } catch (const std::exception& error) {
    return Corruption(location + ": " + error.what());
  } catch (...) {
    return Corruption(location + ": an unknown error");
  }
}

}  // namespace moraine::iceberg
