#include "moraine/io/file_copy.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>

#include <fmt/format.h>

namespace moraine::io {
namespace {

constexpr int64_t kCopyBytes = int64_t{1} << 20;

Status CopyBytes(Call& call, RandomReader& reader, Writer& writer) {
  std::string buffer(static_cast<size_t>(std::min(kCopyBytes, reader.size())), '\0');
  for (int64_t at = 0; at < reader.size();) {
    MORAINE_TRY(call.Check());
    const auto some = static_cast<size_t>(std::min(kCopyBytes, reader.size() - at));
    MORAINE_TRY(reader.ReadAt(call, at, std::span(buffer).first(some)));
    MORAINE_TRY(writer.Append(call, std::string_view(buffer).substr(0, some)));
    at += static_cast<int64_t>(some);
  }
  return writer.Close(call);
}

Result<bool> HaveSameBytes(Call& call, RandomReader& a, RandomReader& b) {
  if (a.size() != b.size()) return false;
  std::string one(static_cast<size_t>(std::min(kCopyBytes, a.size())), '\0');
  std::string other = one;
  for (int64_t at = 0; at < a.size();) {
    MORAINE_TRY(call.Check());
    const auto some = static_cast<size_t>(std::min(kCopyBytes, a.size() - at));
    MORAINE_TRY(a.ReadAt(call, at, std::span(one).first(some)));
    MORAINE_TRY(b.ReadAt(call, at, std::span(other).first(some)));
    if (std::memcmp(one.data(), other.data(), some) != 0) return false;
    at += static_cast<int64_t>(some);
  }
  return true;
}

}  // namespace

Status CopyInStore(Call& call, FileSystem& files, const std::string& from, const std::string& to) {
  auto* store = dynamic_cast<StoreCopies*>(&files);
  if (store == nullptr) return Unsupported("this store makes no copies by itself");
  return store->Copy(call, from, to);
}

Status CopyFile(Call& call, FileSystem& files, const std::string& from, const std::string& to) {
  if (from == to) return InvalidArgument("a file can't be copied to where it is: " + from);
  Status by_store = CopyInStore(call, files, from, to);
  if (by_store.code() != Code::kUnsupported) return by_store;
  auto reader = files.Open(call, from, std::nullopt);
  MORAINE_TRY(reader.status());
  Status copied;
  {
    auto writer = files.Create(call, to);
    copied = writer.ok() ? CopyBytes(call, **reader, **writer) : writer.status();
  }
  if (copied.code() != Code::kAlreadyExists) return copied;
  auto there = files.Open(call, to, std::nullopt);
  MORAINE_TRY(there.status());
  MORAINE_ASSIGN(const bool same, HaveSameBytes(call, **reader, **there));
  if (same) return {};
  return AlreadyExists(fmt::format("another file is where it should go: {}", to));
}

}  // namespace moraine::io
