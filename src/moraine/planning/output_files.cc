#include "moraine/planning/output_files.h"

#include <algorithm>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "moraine/planning/fan_out.h"
#include "moraine/planning/passing_files.h"

namespace moraine::planning {
namespace {

using iceberg::DataFile;

struct Reported {
  size_t work = 0;
  const DataFile* file = nullptr;
};

/// Each file once: deletion vectors share theirs, and say its size each.
std::vector<Reported> FilesOf(const std::vector<FinishedWork>& finished) {
  std::vector<Reported> reported;
  std::set<std::pair<std::string_view, int64_t>> seen;
  for (size_t i = 0; i < finished.size(); ++i) {
    for (const auto* list : {&finished[i].output->data_files, &finished[i].output->delete_files}) {
      for (const DataFile& file : *list) {
        if (seen.emplace(file.file_path, file.file_size_in_bytes).second)
          reported.push_back({i, &file});
      }
    }
  }
  return reported;
}

/// Where a store won't tell of a file, its last byte is read: who commits must be able to read it.
/// Errors: as Look.
Status ReadEnd(Call& call, io::FileSystem& files, const DataFile& file) {
  const auto read = [&]() -> Status {
    MORAINE_ASSIGN(auto opened, files.Open(call, file.file_path, file.file_size_in_bytes));
    char last = 0;
    return opened->ReadAt(call, std::max<int64_t>(0, file.file_size_in_bytes - 1), {&last, 1});
  };
  const Status status = read();
  switch (status.code()) {
    case Code::kOk:
    case Code::kUnavailable:
    case Code::kDeadline:
    case Code::kCancelled:
      return status;
    default:
      return Corruption(fmt::format("a file of the report is not there, or can't be read: {}: {}",
                                    file.file_path, status.ToString()));
  }
}

/// Errors: Corruption for a file that is not as reported; as io, where a later try may heal it.
Status Look(Call& call, io::FileSystem& files, const DataFile& file) {
  const Result<io::FileInfo> found = files.Stat(call, file.file_path);
  switch (found.status().code()) {
    case Code::kOk:
      break;
    case Code::kNotFound:
      return Corruption("a file of the report is not there: " + file.file_path);
    case Code::kUnavailable:
    case Code::kDeadline:
    case Code::kCancelled:
      return found.status();
    default:  // S3 answers so for a missing file as well, to who may not list
      return ReadEnd(call, files, file);
  }
  if (found->size_bytes == file.file_size_in_bytes) return {};
  return Corruption(fmt::format("a file of the report has {} bytes, not {}: {}", found->size_bytes,
                                file.file_size_in_bytes, file.file_path));
}

}  // namespace

Result<std::map<size_t, std::string>> CheckOutputFiles(Call& call, io::FileSystem& files,
                                                       const std::vector<FinishedWork>& finished) {
  PassingFiles passing(files);
  const std::vector<Reported> reported = FilesOf(finished);
  std::vector<Status> looked(reported.size());
  MORAINE_TRY(FanOut(call, reported.size(), [&](Call& own, size_t i) -> Status {
    looked[i] = Look(own, passing, *reported[i].file);
    return looked[i].code() == Code::kCorruption ? Status() : looked[i];
  }));
  std::map<size_t, std::string> refused;
  for (size_t i = 0; i < reported.size(); ++i) {
    if (!looked[i].ok()) refused.emplace(reported[i].work, looked[i].message());
  }
  return refused;
}

}  // namespace moraine::planning
