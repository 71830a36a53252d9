#include "moraine/tasks/task_packing.h"

#include <zstd.h>

#include "moraine/base/text.h"
#include "moraine/tasks/rewrite_task.h"

namespace moraine::tasks {
namespace {

// JSON of data files shrinks about tenfold; what claims more than this was not made by us.
constexpr uint64_t kMaxUnpackedBytes = uint64_t{512} << 20;

}  // namespace

Result<std::string> PackText(std::string_view text, int64_t max_bytes) {
  std::string packed(ZSTD_compressBound(text.size()), '\0');
  const size_t size =
      ZSTD_compress(packed.data(), packed.size(), text.data(), text.size(), /*level=*/3);
  if (ZSTD_isError(size)) return Internal(std::string("zstd: ") + ZSTD_getErrorName(size));
  packed.resize(size);
  std::string encoded = Base64Encode(packed);
  if (static_cast<int64_t>(encoded.size()) > max_bytes) {
    return Exhausted("a packed task is larger than its limit of " + FormatByteSize(max_bytes) +
                     ": " + FormatByteSize(static_cast<int64_t>(encoded.size())));
  }
  return encoded;
}

Result<std::string> UnpackText(std::string_view packed) {
  MORAINE_ASSIGN(const std::string bytes, Base64Decode(packed));
  const unsigned long long size = ZSTD_getFrameContentSize(bytes.data(), bytes.size());
  if (size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN ||
      size > kMaxUnpackedBytes) {
    return InvalidArgument("a packed task: expected one zstd frame with its size");
  }
  std::string text(size, '\0');
  const size_t got = ZSTD_decompress(text.data(), text.size(), bytes.data(), bytes.size());
  if (ZSTD_isError(got) || got != text.size()) {
    return InvalidArgument("a packed task: the zstd frame is broken");
  }
  return text;
}

Result<std::string> PackTask(const RewriteTask& task, int64_t max_bytes) {
  return PackText(RewriteTaskToJson(task), max_bytes);
}

Result<RewriteTask> UnpackTask(std::string_view packed) {
  MORAINE_ASSIGN(const std::string text, UnpackText(packed));
  return RewriteTaskFromJson(text);
}

}  // namespace moraine::tasks
