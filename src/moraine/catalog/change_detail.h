#pragma once
// What a row of the change feed says beside its columns: whom it is about, under the name that it
// has after the change, since the rows of tables are renamed and dropped later. Kept as JSON.
//
// Who calls: whoever writes such a row, in the transaction of the change; Catalog::Changes.

#include <cstdint>
#include <optional>
#include <string>

#include "moraine/base/status.h"
#include "moraine/catalog/catalog.h"

namespace moraine::catalog {

/// Empty parts are left out of the text.
std::string ToText(const ChangeDetail& detail);
/// What an older server wrote reads as far as it goes. Errors: InvalidArgument (not JSON).
Result<ChangeDetail> ChangeDetailFromText(const std::string& text);

}  // namespace moraine::catalog
