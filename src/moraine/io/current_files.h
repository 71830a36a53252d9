#pragma once
// A file system that may be replaced by another while it is in use, as when keys are renewed. Files
// that are open stay with the one that opened them; it goes when the last of them is closed. Used
// by cli/lent_files and cli/optimizer_fence.

#include <functional>
#include <memory>

#include "moraine/io/file_system.h"

namespace moraine::io {

/// What to use now, asked at every call; may block to get fresh keys. Errors: become those of the
/// call.
using CurrentFiles =
    std::function<Result<std::shared_ptr<FileSystem>>(Call& call, const std::string& location)>;

std::unique_ptr<FileSystem> MakeCurrentFileSystem(CurrentFiles current);

}  // namespace moraine::io
