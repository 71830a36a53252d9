#pragma once
// The optimizer protocol over HTTP: /api/v1/optimizers (api/openapi/moraine.yaml).

#include <memory>
#include <string>
#include <vector>

#include "moraine/net/http_client.h"
#include "moraine/tasks/task_transport.h"

namespace moraine::worker {

/// servers: "http://127.0.0.1:1630", one or several of one store: they know of the same tasks, so
/// that the next is asked when one can't be reached or is not ready. token: the bearer token, or
/// empty.
std::unique_ptr<tasks::TaskTransport> MakeHttpTaskTransport(net::HttpTransport& http,
                                                            std::vector<std::string> servers,
                                                            std::string bearer_token);

}  // namespace moraine::worker
