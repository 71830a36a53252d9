#include "moraine/net/error_body.h"

#include "moraine/base/json.h"
#include "moraine/base/text.h"

namespace moraine::net {

std::string ErrorBody(int status, std::string_view type, std::string_view text,
                      size_t max_message_bytes) {
  std::string_view message = text.substr(0, max_message_bytes);
  while (!message.empty() && !IsValidUtf8(message)) message.remove_suffix(1);
  std::string body;
  JsonWriter(&body)
      .BeginObject()
      .Key("error")
      .BeginObject()
      .Field("message", message)
      .Field("type", type)
      .Field("code", int64_t{status})
      .EndObject()
      .EndObject();
  return body;
}

}  // namespace moraine::net
