#include "moraine/io/errno_status.h"

#include <cerrno>
#include <system_error>

#include <fmt/format.h>

namespace moraine::io {
namespace {

Code CodeOfErrno(int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return Code::kNotFound;
    case EEXIST:
      return Code::kAlreadyExists;
    case EACCES:
    case EPERM:
    case EROFS:
      return Code::kPermissionDenied;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case EMLINK:
      return Code::kExhausted;
    case ENAMETOOLONG:
    case EINVAL:
    case EISDIR:
    case ELOOP:
      return Code::kInvalidArgument;
    default:
      return Code::kUnavailable;
  }
}

}  // namespace

Status ErrnoStatus(int error, std::string_view doing, std::string_view path) {
  return Status(CodeOfErrno(error), fmt::format("cannot {} {}: {}", doing, path,
                                                std::generic_category().message(error)));
}

}  // namespace moraine::io
