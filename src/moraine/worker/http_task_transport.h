#pragma once
// The optimizer protocol over HTTP: /api/v1/optimizers (api/openapi/moraine.yaml).

#include <memory>
#include <string>

#include "moraine/net/http_client.h"
#include "moraine/tasks/task_transport.h"

namespace moraine::worker {

/// server: "http://127.0.0.1:1630". token: the bearer token, or empty.
std::unique_ptr<tasks::TaskTransport> MakeHttpTaskTransport(net::HttpTransport& http,
                                                            std::string server,
                                                            std::string bearer_token);

}  // namespace moraine::worker
