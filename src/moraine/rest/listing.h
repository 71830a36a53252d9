#pragma once
// Lists of tables and views (REST spec, "ListTablesResponse"): one page, or all of them where the
// client asks without a pageToken.

#include <string>

#include "moraine/base/json.h"
#include "moraine/catalog/catalog.h"
#include "moraine/net/http.h"
#include "moraine/rest/request_parts.h"

namespace moraine::rest {

/// {"identifiers", "next-page-token"} of what read_page(PageRequest) gives.
template <typename ReadPage>
Result<net::Response> ListingOf(const net::Request& request, ReadPage read_page) {
  MORAINE_ASSIGN(auto wish, PageFromQuery(request));
  std::string body;
  JsonWriter out(&body);
  out.BeginObject().Key("identifiers").BeginArray();
  do {
    MORAINE_ASSIGN(auto page, read_page(wish.page));
    for (const catalog::TableName& item : page.items) {
      out.BeginObject().Key("namespace").BeginArray();
      for (const auto& level : item.ns) out.String(level);
      out.EndArray().Field("name", item.name).EndObject();
    }
    MORAINE_TRY(CheckListing(body));
    wish.page.token = std::move(page.next_token);
  } while (wish.everything && !wish.page.token.empty());
  out.EndArray().Key("next-page-token");
  wish.page.token.empty() ? out.Null() : out.String(wish.page.token);
  out.EndObject();
  return net::Response::Json(200, std::move(body));
}

}  // namespace moraine::rest
