#include "moraine/maintenance/quarantines.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "moraine/base/json.h"
#include "moraine/io/location.h"
#include "moraine/upkeep/orphan_task.h"
#include "moraine/upkeep/quarantine_task.h"

namespace moraine::maintenance {
namespace {

constexpr size_t kMaxQuarantines = 200;
constexpr int64_t kMaxRootsBytes = 1 << 20;

}  // namespace

int64_t TimeOfId(const std::string& uuid) {
  if (uuid.size() != 36 || uuid[8] != '-' || uuid[14] != '7') return 0;
  const std::string digits = uuid.substr(0, 8) + uuid.substr(9, 4);
  int64_t ms = 0;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), ms, 16);
  return error == std::errc() && end == digits.data() + digits.size() ? ms : 0;
}

Result<std::vector<Quarantine>> FindQuarantines(Call& call, io::FileSystem& files,
                                                const std::string& table_location) {
  const std::string all = io::JoinLocation(table_location, upkeep::kQuarantineFolder) + "/";
  std::vector<Quarantine> found;
  std::string after;
  while (found.size() < kMaxQuarantines) {
    MORAINE_ASSIGN(auto listing, files.List(call, all, after, 1));
    if (listing.files.empty()) break;
    const io::FileInfo& first = listing.files.front();
    std::string_view rest = std::string_view(first.location).substr(all.size());
    const size_t slash = rest.find('/');
    if (slash == rest.npos) {
      after = first.location;
      continue;
    }
    Quarantine one;
    one.run_id = rest.substr(0, slash);
    one.folder = all + one.run_id;
    one.begun_ms = std::max(TimeOfId(one.run_id), first.modified_ms);
    after = one.folder + "0";  // behind all of "folder/..."
    found.push_back(std::move(one));
  }
  std::sort(found.begin(), found.end(), [](const Quarantine& a, const Quarantine& b) {
    return a.begun_ms != b.begun_ms ? a.begun_ms < b.begun_ms : a.run_id < b.run_id;
  });
  return found;
}

Status NoteRoots(Call& call, io::FileSystem& files, const std::string& folder,
                 const std::vector<std::string>& roots) {
  Json list = Json::MakeArray();
  for (const std::string& root : roots) list.Push(root);
  Status written = io::WriteFile(
      call, files, fmt::format("{}/{}", folder, upkeep::kQuarantineRoots), list.ToString());
  if (written.code() != Code::kAlreadyExists) return written;
  MORAINE_ASSIGN(const auto noted, NotedRoots(call, files, folder));
  if (noted == roots) return {};
  return Conflict("the quarantine has files of other folders: " + folder);
}

Result<std::vector<std::string>> NotedRoots(Call& call, io::FileSystem& files,
                                            const std::string& folder) {
  MORAINE_ASSIGN(const std::string text,
                 io::ReadFile(call, files, fmt::format("{}/{}", folder, upkeep::kQuarantineRoots),
                              kMaxRootsBytes));
  MORAINE_ASSIGN(const Json document, Json::Parse(text));
  const JsonCursor json(document);
  MORAINE_TRY(json.ExpectArray());
  std::vector<std::string> roots;
  for (size_t i = 0; i < json.size(); ++i) {
    const JsonCursor item = json.At(i);
    MORAINE_ASSIGN(std::string root, item.String());
    roots.push_back(std::move(root));
  }
  return roots;
}

}  // namespace moraine::maintenance
