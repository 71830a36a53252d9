#include "moraine/io/spool_file.h"

#include <utility>

#include <arrow/io/interfaces.h>
#include <arrow/memory_pool.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <fmt/format.h>

#include "moraine/io/scratch_file.h"

namespace moraine::io {

struct SpoolFile::State {
  explicit State(ScratchFile made) : file(std::move(made)) {}

  ScratchFile file;
  std::shared_ptr<arrow::io::OutputStream> writer;
  std::shared_ptr<arrow::io::RandomAccessFile> reader;
  int64_t size = 0;
};

SpoolFile::SpoolFile(std::unique_ptr<State> state) : state_(std::move(state)) {}
SpoolFile::SpoolFile(SpoolFile&&) noexcept = default;
SpoolFile& SpoolFile::operator=(SpoolFile&&) noexcept = default;
SpoolFile::~SpoolFile() = default;

Result<SpoolFile> SpoolFile::Make(const std::string& folder) {
  MORAINE_ASSIGN(auto file, ScratchFile::Make(folder));
  auto state = std::make_unique<State>(std::move(file));
  MORAINE_ASSIGN(state->writer, state->file.OpenWriter());
  return SpoolFile(std::move(state));
}

Status SpoolFile::Append(std::string_view bytes) {
  if (state_->writer == nullptr) return Internal("a temporary file is written after its end");
  MORAINE_TRY(
      ScratchStatus(state_->writer->Write(bytes.data(), static_cast<int64_t>(bytes.size()))));
  state_->size += static_cast<int64_t>(bytes.size());
  return {};
}

Status SpoolFile::Finish() {
  if (state_->writer == nullptr) return {};
  MORAINE_TRY(ScratchStatus(state_->writer->Close()));
  state_->writer.reset();
  MORAINE_ASSIGN(state_->reader, state_->file.OpenReader(arrow::default_memory_pool()));
  return {};
}

Status SpoolFile::ReadAt(int64_t offset, std::span<char> buffer) const {
  if (state_->reader == nullptr) return Internal("a temporary file is read before its end");
  auto got = state_->reader->ReadAt(offset, static_cast<int64_t>(buffer.size()), buffer.data());
  if (!got.ok()) return ScratchStatus(got.status());
  if (*got == static_cast<int64_t>(buffer.size())) return {};
  return Corruption(fmt::format("a temporary file ends too early: {} bytes of {} at {}", *got,
                                buffer.size(), offset));
}

int64_t SpoolFile::size() const { return state_->size; }

}  // namespace moraine::io
