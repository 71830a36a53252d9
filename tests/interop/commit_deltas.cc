// Commits row deltas to a table of a REST catalog: how tests of other languages have equality and
// position deletes written by our own writer. `commit_deltas http://127.0.0.1:PORT/iceberg` reads a
// delta a line and answers each with a line:
//
//   {"namespace": "db", "table": "t", "parts": [{"spec": 0, "partition": [], "rows": [[1, "a"]],
//    "dropped": [0], "key-columns": ["id"], "keys": [[7]], "positions": {"file:/x": [3]}}]}
//   {"snapshot": 42, "attempts": 1} or {"error": "Conflict", "message": "..."}

#include <cstdio>
#include <iostream>
#include <string>

#include <fmt/format.h>

#include "moraine/iceberg/commit/commit_loop.h"
#include "moraine/iceberg/testing/row_delta.h"
#include "moraine/io/file_system.h"
#include "moraine/net/http_client.h"

namespace moraine::iceberg {
namespace {

Code CodeOf(int status) {
  switch (status) {
    case 400:
      return Code::kInvalidArgument;
    case 404:
      return Code::kNotFound;
    case 409:
      return Code::kConflict;
    case 429:
    case 503:
      return Code::kUnavailable;
    default:
      return status >= 500 ? Code::kCommitUnknown : Code::kInternal;
  }
}

class Catalog {
 public:
  explicit Catalog(std::string url) : url_(std::move(url)), http_(net::MakeHttpClient({})) {}

  CommitDoor DoorTo(const std::string& ns, const std::string& table) {
    const std::string path = fmt::format("/v1/default/namespaces/{}/tables/{}", ns, table);
    return {.load = [this, path](Call& call) { return Ask(call, net::Method::kGet, path, ""); },
            .commit =
                [this, path](Call& call, const CommitRequest& request) {
                  return Ask(call, net::Method::kPost, path, BodyOf(request));
                }};
  }

 private:
  static std::string BodyOf(const CommitRequest& request) {
    std::string body;
    JsonWriter out(&body);
    out.BeginObject().Key("requirements").BeginArray();
    for (const auto& requirement : request.requirements) WriteTableRequirement(requirement, &out);
    out.EndArray().Key("updates").BeginArray();
    for (const auto& update : request.updates) WriteTableUpdate(update, &out);
    out.EndArray().EndObject();
    return body;
  }

  Result<TablePtr> Ask(Call& call, net::Method method, const std::string& path, std::string body) {
    net::Request request;
    request.method = method;
    request.path = path;
    request.body = std::move(body);
    if (method == net::Method::kPost) request.headers.Set("Content-Type", "application/json");
    MORAINE_ASSIGN(const net::Response response, http_->Send(call, url_, request));
    const std::string text = response.BodyText();
    if (response.status != 200) {
      return Status(CodeOf(response.status), fmt::format("{}: {}", response.status, text));
    }
    MORAINE_ASSIGN(const Json json, Json::Parse(text));
    const JsonCursor answer(json);
    MORAINE_ASSIGN(const JsonCursor metadata, answer.Get("metadata"));
    MORAINE_ASSIGN(TableMetadata table, TableMetadataFromJson(metadata));
    return std::make_shared<const TableMetadata>(std::move(table));
  }

  const std::string url_;
  const std::unique_ptr<net::HttpTransport> http_;
};

/// A member as JSON text, or "".
Result<std::string> TextOf(const JsonCursor& json, std::string_view key) {
  MORAINE_ASSIGN(const auto found, json.Find(key));
  return found ? found->json().ToString() : std::string();
}

Result<std::vector<int64_t>> Int64s(const JsonCursor& array) {
  std::vector<int64_t> values;
  for (size_t i = 0; i < array.size(); ++i) {
    MORAINE_ASSIGN(int64_t value, array.At(i).Int64());
    values.push_back(value);
  }
  return values;
}

Result<RowDeltaPart> PartFromJson(const JsonCursor& json, const TableMetadata& table) {
  RowDeltaPart part;
  MORAINE_ASSIGN(part.spec_id, json.Int32("spec"));
  const PartitionSpecPtr spec = table.FindSpec(part.spec_id);
  if (spec == nullptr) return json.Error("no such spec");
  MORAINE_ASSIGN(const JsonCursor partition, json.Get("partition"));
  const auto types = PartitionTypes(*spec, table.CurrentSchema());
  if (partition.size() != types.size()) return partition.Expected("a value for each field");
  for (size_t i = 0; i < types.size(); ++i) {
    const JsonCursor value = partition.At(i);
    part.partition.emplace_back();
    if (value.json().is_null()) continue;
    MORAINE_ASSIGN(part.partition.back(), ValueFromJson(*types[i], value));
  }
  MORAINE_ASSIGN(part.rows, TextOf(json, "rows"));
  MORAINE_ASSIGN(part.keys, TextOf(json, "keys"));
  MORAINE_ASSIGN(const auto dropped, json.Find("dropped"));
  if (dropped) {
    MORAINE_ASSIGN(part.dropped, Int64s(*dropped));
  }
  MORAINE_ASSIGN(const auto columns, json.Find("key-columns"));
  for (size_t i = 0; columns && i < columns->size(); ++i) {
    MORAINE_ASSIGN(std::string column, columns->At(i).String());
    part.key_columns.push_back(std::move(column));
  }
  MORAINE_ASSIGN(const auto positions, json.Find("positions"));
  for (size_t i = 0; positions && i < positions->member_count(); ++i) {
    MORAINE_ASSIGN(part.positions[positions->member_key(i)], Int64s(positions->Member(i)));
  }
  return part;
}

Result<std::string> CommitDelta(Call& call, io::FileSystem& files, Catalog& catalog,
                                const std::string& line) {
  MORAINE_ASSIGN(const Json json, Json::Parse(line));
  const JsonCursor delta(json);
  MORAINE_ASSIGN(const std::string ns, delta.String("namespace"));
  MORAINE_ASSIGN(const std::string name, delta.String("table"));
  const CommitDoor door = catalog.DoorTo(ns, name);
  MORAINE_ASSIGN(const TablePtr table, door.load(call));
  MORAINE_ASSIGN(const JsonCursor list, delta.Get("parts"));
  std::vector<RowDeltaPart> parts;
  for (size_t i = 0; i < list.size(); ++i) {
    MORAINE_ASSIGN(RowDeltaPart part, PartFromJson(list.At(i), *table));
    parts.push_back(std::move(part));
  }
  MORAINE_ASSIGN(const auto starting, delta.OptInt64("starting"));
  MORAINE_ASSIGN(SnapshotChanges changes, WriteRowDelta(call, files, *table, parts, starting));
  SnapshotProducer producer(files, std::move(changes));
  MORAINE_ASSIGN(const CommitOutcome outcome, CommitWithRetry(call, files, producer, door));
  return fmt::format(R"({{"snapshot": {}, "attempts": {}}})", outcome.snapshot.snapshot_id,
                     outcome.attempts);
}

}  // namespace
}  // namespace moraine::iceberg

int main(int count, char** values) {
  using namespace moraine;  // NOLINT: a program, not a library
  if (count != 2) {
    std::fprintf(stderr, "which catalog?\n");
    return 2;
  }
  iceberg::Catalog catalog(values[1]);
  const auto files = io::MakeLocalFileSystem();
  std::string line;
  while (std::getline(std::cin, line)) {
    Call call(SystemEnv(NullLogger()), std::chrono::minutes(1));
    const Result<std::string> answer = iceberg::CommitDelta(call, *files, catalog, line);
    std::string text;
    if (!answer.ok()) {
      JsonWriter(&text)
          .BeginObject()
          .Field("error", CodeName(answer.status().code()))
          .Field("message", answer.status().message())
          .EndObject();
    }
    std::cout << (answer.ok() ? *answer : text) << std::endl;
  }
  return 0;
}
