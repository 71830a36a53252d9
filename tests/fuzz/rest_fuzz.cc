// Requests of the REST protocol: "POST namespaces/ns/tables" on the first line, the body below.
// Whatever they hold, the answer is no 5xx, errors have the protocol's form, and no file is made
// outside the warehouse.

#include "fuzz/fuzz.h"

#include "moraine/base/log.h"
#include "moraine/catalog/catalog.h"
#include "moraine/io/location.h"
#include "moraine/io/testing/memory_file_system.h"
#include "moraine/net/uri.h"
#include "moraine/rest/errors.h"
#include "moraine/rest/service.h"
#include "moraine/scanning/scans.h"

namespace {

using namespace moraine;  // NOLINT: a fuzz entry

void Expect(bool held, std::string_view what, std::string_view seen) {
  if (!held) ExpectSame(false, what, seen, "");
}

void Prepare(Call& call, catalog::Catalog& catalog) {
  catalog::Warehouse warehouse;
  warehouse.name = "default";
  warehouse.root = "file:///wh";
  catalog::CreateTable create;
  create.name = {{"ns"}, "t"};
  create.schema = iceberg::Schema(
      0, {{.id = 1, .name = "id", .type = iceberg::Type::Primitive(iceberg::TypeKind::kLong)}});
  bool made = catalog.Open(call).ok() && catalog.PutWarehouse(call, warehouse).ok() &&
              catalog.CreateNamespace(call, "default", {"ns"}, {}).ok() &&
              catalog.Create(call, "default", create).ok();
  Expect(made, "the world", "");
}

}  // namespace

MORAINE_FUZZ(bytes) {
  size_t line = bytes.find('\n');
  size_t space = bytes.substr(0, line).find(' ');
  if (space == bytes.npos) return;
  auto method = net::MethodFromName(bytes.substr(0, space));
  std::string_view path = bytes.substr(space + 1, line == bytes.npos ? line : line - space - 1);
  auto target = net::ParseTarget("/iceberg/v1/" + std::string(path));
  if (!method || !target.ok()) return;

  Call call(SystemEnv(NullLogger()), std::chrono::minutes(1));
  auto database = store::OpenDatabase(call, "sqlite://:memory:", {});
  io::MemoryFileSystem files;
  catalog::Catalog catalog(**database, files, {});
  Prepare(call, catalog);
  scanning::Scans scans(files, **database, {});
  Expect(scans.Open(call).ok(), "the tables of plans", "");
  rest::Service service(catalog, {.scans = &scans});
  net::Router router(rest::RefusalOf);
  service.Register(router);

  net::Request request{.method = *method, .path = target->path, .query = target->query};
  if (line != bytes.npos) request.body = bytes.substr(line + 1);
  net::Response response = net::AnswerNow(call, router.Serve(call, request));
  std::string body = response.BodyText();
  Expect(response.status < 500, "an answer without 5xx", body);
  auto json = Json::Parse(body, 1'000);
  Expect(body.empty() || json.ok(), "an answer in JSON", body);
  if (response.status >= 400 && !body.empty()) {
    Expect(json->Find("error") != nullptr, "an error in the protocol's form", body);
  }
  for (const auto& location : files.Locations()) {
    Expect(io::IsInside(location, "file:///wh"), "a file inside the warehouse", location);
  }
}
