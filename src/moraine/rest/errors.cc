#include "moraine/rest/errors.h"

#include <fmt/format.h>

#include "moraine/catalog/catalog.h"
#include "moraine/net/error_body.h"

namespace moraine::rest {
namespace {

constexpr char kRetryAfterSeconds[] = "1";
constexpr size_t kMaxMessageBytes = 4'000;

struct Shape {
  int status;
  std::string_view type;
};

Shape ShapeOf(Code code) {
  switch (code) {
    case Code::kInvalidArgument:
      return {400, "BadRequestException"};
    case Code::kUnauthenticated:
      return {401, "NotAuthorizedException"};
    case Code::kPermissionDenied:
      return {403, "ForbiddenException"};
    case Code::kNotFound:
      return {404, "NotFoundException"};
    case Code::kUnsupported:
      return {406, "UnsupportedOperationException"};
    case Code::kAlreadyExists:
      return {409, "AlreadyExistsException"};
    case Code::kConflict:
      return {409, "CommitFailedException"};
    case Code::kExhausted:
      return {429, "SlowDownException"};
    case Code::kCancelled:
      return {499, "CancelledException"};
    case Code::kCommitUnknown:
      return {500, "CommitStateUnknownException"};
    case Code::kUnavailable:
      return {503, "ServiceUnavailableException"};
    case Code::kDeadline:
      return {504, "TimeoutException"};
    case Code::kOk:
    case Code::kCorruption:
    case Code::kInternal:
      break;
  }
  return {500, "InternalServerError"};
}

Shape ShapeOf(const Status& status, Effect effect) {
  std::string_view name = catalog::ExceptionName(status);
  if (name == "UnprocessableEntityException") return {422, name};
  if (name == "IllegalArgumentException") return {400, name};
  if (name == "NamespaceNotEmptyException") return {409, name};
  if (status.code() == Code::kNotFound && !name.empty()) return {404, name};
  Shape shape = ShapeOf(status.code());
  if (effect == Effect::kRead || status.code() == Code::kCommitUnknown) return shape;
  switch (status.code()) {
    case Code::kUnavailable:
    case Code::kDeadline:
    case Code::kCancelled:
      return {429, "SlowDownException"};
    case Code::kCorruption:
    case Code::kInternal:
      return {400, "ValidationException"};
    default:
      return shape;
  }
}

}  // namespace

net::Response ErrorResponse(int status, std::string_view type, std::string_view text) {
  return net::Response::Json(status, net::ErrorBody(status, type, text, kMaxMessageBytes));
}

net::Response ErrorOf(const Status& status, Effect effect) {
  Shape shape = ShapeOf(status, effect);
  net::Response response = ErrorResponse(shape.status, shape.type, status.message());
  if (shape.status == 429 || shape.status == 503) {
    response.headers.Add("Retry-After", kRetryAfterSeconds);
  }
  return response;
}

net::Response RefusalOf(const net::Refusal& refusal, std::string_view path) {
  return net::FormatRefusal(refusal, path);
}

}  // namespace moraine::rest
