// Moraine's HTTP server with nothing behind it, for bench_catalog.py: what requests cost before a
// catalog is asked. "/quick" is answered on the I/O thread, everything else by a handler on the
// pool; both with the same body of so many bytes. Ends with its standard input.
//   net_server PORT BYTES

#include <cstdlib>
#include <iostream>
#include <iterator>
#include <memory>
#include <string>

#include "moraine/base/call.h"
#include "moraine/base/log.h"
#include "moraine/net/http_server.h"

int main(int argc, char** argv) {
  using namespace moraine;
  if (argc != 3) return 2;
  const Env env = SystemEnv(NullLogger());
  auto body = std::make_shared<const std::string>(static_cast<size_t>(std::atoll(argv[2])), 'x');
  auto answer = [body] {
    net::Response response = net::Response::Json(200, "");
    response.body = {body};
    return response;
  };
  net::ServerOptions options;
  options.port = static_cast<uint16_t>(std::atoi(argv[1]));
  options.quick = [answer](const net::Request& request) -> std::optional<net::Response> {
    if (request.path != "/quick") return std::nullopt;
    return answer();
  };
  auto server = net::HttpServer::Start(
      env, options, [answer](Call&, const net::Request&) -> net::Answer { return answer(); });
  if (!server.ok()) return 1;
  std::string all((std::istreambuf_iterator<char>(std::cin)), {});
  return 0;
}
