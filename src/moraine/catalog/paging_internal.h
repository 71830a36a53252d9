#pragma once
// Pages of names, in order, after the name that a token holds.

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "moraine/catalog/rows_internal.h"

namespace moraine::catalog {

inline constexpr size_t kMaxPage = 10'000;

/// One page of what select(after, limit) gives, asked for with one more to know whether there is a
/// next.
template <typename Select>
Result<Page<std::string>> PageOfNames(std::string_view listing, const PageRequest& request,
                                      Select&& select) {
  MORAINE_ASSIGN(auto after, ReadToken(listing, request.token));
  size_t size = std::clamp<size_t>(request.size, 1, kMaxPage);
  MORAINE_ASSIGN(auto rows, select(after, static_cast<int64_t>(size + 1)));
  Page<std::string> page;
  for (const auto& row : rows) {
    if (page.items.size() == size) {
      page.next_token = MakeToken(listing, page.items.back());
      break;
    }
    MORAINE_ASSIGN(auto name, row.Text(0));
    page.items.push_back(std::move(name));
  }
  return page;
}

}  // namespace moraine::catalog
