#include "moraine/io/testing/faulty_file_system.h"

#include <utility>

namespace moraine::io {

using testing::Effect;
using testing::Fault;
using testing::FaultKind;

class FaultyReader final : public RandomReader {
 public:
  FaultyReader(FaultyFileSystem& files, std::string location, std::unique_ptr<RandomReader> inner)
      : files_(files), location_(std::move(location)), inner_(std::move(inner)) {}

  int64_t size() const override { return inner_->size(); }
  Status ReadAt(Call& call, int64_t offset, std::span<char> buffer) override {
    if (auto fault = files_.Next("read", location_, Effect::kReads)) return fault->ToStatus();
    return inner_->ReadAt(call, offset, buffer);
  }

 private:
  FaultyFileSystem& files_;
  const std::string location_;
  std::unique_ptr<RandomReader> inner_;
};

class FaultyWriter final : public Writer {
 public:
  FaultyWriter(FaultyFileSystem& files, std::string location, std::unique_ptr<Writer> inner)
      : files_(files), location_(std::move(location)), inner_(std::move(inner)) {}

  Status Append(Call& call, std::string_view bytes) override {
    MORAINE_TRY(outcome_);
    auto fault = files_.Next("append", location_, Effect::kChanges);
    if (fault && fault->kind == FaultKind::kBefore) return outcome_ = fault->ToStatus();
    if (fault && fault->kind == FaultKind::kTorn) bytes = bytes.substr(0, bytes.size() / 2);
    copy_ += bytes;
    MORAINE_TRY(inner_->Append(call, bytes));
    if (fault) outcome_ = fault->ToStatus();
    return outcome_;
  }

  Status Close(Call& call) override {
    MORAINE_TRY(outcome_);
    auto fault = files_.Next("close", location_, Effect::kChanges);
    if (fault && fault->kind == FaultKind::kTorn) LeaveHalf(call);
    if (fault && fault->kind != FaultKind::kAfter) return outcome_ = fault->ToStatus();
    MORAINE_TRY(inner_->Close(call));
    if (fault) outcome_ = fault->ToStatus();
    return outcome_;
  }

  int64_t bytes_written() const override { return static_cast<int64_t>(copy_.size()); }

 private:
  void LeaveHalf(Call& call) {
    inner_.reset();
    (void)WriteFile(call, files_.inner_, location_,
                    std::string_view(copy_).substr(0, copy_.size() / 2));
  }

  FaultyFileSystem& files_;
  const std::string location_;
  std::unique_ptr<Writer> inner_;
  std::string copy_;
  Status outcome_;
};

std::optional<Fault> FaultyFileSystem::Next(std::string_view operation, const std::string& subject,
                                            Effect effect) {
  std::optional<Fault> fault = faults_.Next(operation, subject, effect);
  if (fault && fault->kind == FaultKind::kSlow) {
    if (clock_ != nullptr) clock_->Advance(fault->delay);
    return std::nullopt;
  }
  return fault;
}

Result<std::unique_ptr<RandomReader>> FaultyFileSystem::Open(Call& call,
                                                             const std::string& location,
                                                             std::optional<int64_t> known_size) {
  if (auto fault = Next("open", location, Effect::kReads)) return fault->ToStatus();
  MORAINE_ASSIGN(auto reader, inner_.Open(call, location, known_size));
  return std::unique_ptr<RandomReader>(
      std::make_unique<FaultyReader>(*this, location, std::move(reader)));
}

Result<std::unique_ptr<Writer>> FaultyFileSystem::Create(Call& call, const std::string& location) {
  // Whatever an abandoned Create left behind is gone with its writer: to fail after is to fail
  // before.
  if (auto fault = Next("create", location, Effect::kReads)) return fault->ToStatus();
  MORAINE_ASSIGN(auto writer, inner_.Create(call, location));
  return std::unique_ptr<Writer>(
      std::make_unique<FaultyWriter>(*this, location, std::move(writer)));
}

Result<FileInfo> FaultyFileSystem::Stat(Call& call, const std::string& location) {
  if (auto fault = Next("stat", location, Effect::kReads)) return fault->ToStatus();
  return inner_.Stat(call, location);
}

Result<FileListing> FaultyFileSystem::List(Call& call, const std::string& prefix,
                                           const std::string& start_after, size_t limit) {
  if (auto fault = Next("list", prefix, Effect::kReads)) return fault->ToStatus();
  return inner_.List(call, prefix, start_after, limit);
}

Result<FileListing> FaultyFileSystem::ListNames(Call& call, const std::string& prefix,
                                                const std::string& start_after, size_t limit) {
  if (auto fault = Next("list", prefix, Effect::kReads)) return fault->ToStatus();
  return io::ListNames(call, inner_, prefix, start_after, limit);
}

std::vector<Status> FaultyFileSystem::DeleteMany(Call& call,
                                                 std::span<const std::string> locations) {
  auto fault = Next("delete", locations.empty() ? std::string() : locations[0], Effect::kChanges);
  if (!fault) return inner_.DeleteMany(call, locations);
  std::vector<Status> outcomes(locations.size(), fault->ToStatus());
  if (fault->kind == FaultKind::kTorn) locations = locations.first((locations.size() + 1) / 2);
  if (fault->kind != FaultKind::kBefore) (void)inner_.DeleteMany(call, locations);
  return outcomes;
}

}  // namespace moraine::io
