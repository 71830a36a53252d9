#include "moraine/io/arrow_status.h"

#include <memory>
#include <string>
#include <utility>

namespace moraine {
namespace {

constexpr const char* kDetailType = "moraine::Status";

class StatusRider final : public arrow::StatusDetail {
 public:
  explicit StatusRider(Status status) : status_(std::move(status)) {}
  const char* type_id() const override { return kDetailType; }
  std::string ToString() const override { return status_.ToString(); }
  const Status& status() const { return status_; }

 private:
  Status status_;
};

Code CodeOf(const arrow::Status& status) {
  switch (status.code()) {
    case arrow::StatusCode::OK:
      return Code::kOk;
    case arrow::StatusCode::OutOfMemory:
    case arrow::StatusCode::CapacityError:
      return Code::kExhausted;
    case arrow::StatusCode::NotImplemented:
      return Code::kUnsupported;
    case arrow::StatusCode::Cancelled:
      return Code::kCancelled;
    case arrow::StatusCode::AlreadyExists:
      return Code::kAlreadyExists;
    case arrow::StatusCode::KeyError:
      return Code::kNotFound;
    case arrow::StatusCode::Invalid:
    case arrow::StatusCode::IOError:
    case arrow::StatusCode::TypeError:
    case arrow::StatusCode::IndexError:
    case arrow::StatusCode::SerializationError:
      return Code::kCorruption;
    default:
      return Code::kInternal;
  }
}

arrow::StatusCode ArrowCodeOf(Code code) {
  switch (code) {
    case Code::kInvalidArgument:
      return arrow::StatusCode::Invalid;
    case Code::kUnsupported:
      return arrow::StatusCode::NotImplemented;
    case Code::kCancelled:
      return arrow::StatusCode::Cancelled;
    case Code::kAlreadyExists:
      return arrow::StatusCode::AlreadyExists;
    default:
      return arrow::StatusCode::IOError;
  }
}

}  // namespace

Status ToStatus(const arrow::Status& status) {
  if (status.ok()) return {};
  const auto& detail = status.detail();
  if (detail != nullptr && detail->type_id() == std::string_view(kDetailType)) {
    return static_cast<const StatusRider&>(*detail).status();
  }
  return Status(CodeOf(status), status.ToStringWithoutContextLines());
}

namespace io {

arrow::Status ToArrow(const Status& status) {
  if (status.ok()) return arrow::Status::OK();
  return arrow::Status(ArrowCodeOf(status.code()), std::string(status.message()),
                       std::make_shared<StatusRider>(status));
}

}  // namespace io
}  // namespace moraine
