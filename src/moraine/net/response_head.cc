#include "moraine/net/response_head.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <iterator>
#include <vector>

#include <fmt/format.h>

#include "moraine/base/gzip.h"
#include "moraine/base/text.h"

namespace moraine::net {
namespace {

constexpr std::array<std::string_view, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

/// Level 1: the network is seldom slower than a higher one.
constexpr int kGzipLevel = 1;

/// Whether one item of Accept-Encoding, such as "gzip;q=0.5", names the coding with a weight above
/// zero.
std::optional<bool> Allows(std::string_view item, std::string_view coding) {
  size_t semicolon = item.find(';');
  if (ToLowerAscii(Trim(item.substr(0, semicolon))) != coding) return std::nullopt;
  if (semicolon == item.npos) return true;
  std::string weight = ToLowerAscii(Trim(item.substr(semicolon + 1)));
  return !(weight.starts_with("q=0") && weight.find_first_of("123456789", 3) == weight.npos);
}

bool IsCompressible(const Response& response) {
  if (response.compression == Response::Compression::kNever) return false;
  if (response.headers.Get("Content-Encoding")) return false;
  std::string_view type = response.headers.Get("Content-Type").value_or("");
  return type.starts_with("application/json") || type.starts_with("text/") ||
         type.starts_with("application/yaml");
}

bool IsOurs(std::string_view name) {
  if (name.size() < 4 || name.size() > 17) return false;
  constexpr std::array<std::string_view, 6> kOurs = {
      "content-length", "transfer-encoding", "connection", "date", "x-request-id", "keep-alive"};
  return std::find(kOurs.begin(), kOurs.end(), ToLowerAscii(name)) != kOurs.end();
}

bool IsBreak(char c) { return c == '\r' || c == '\n' || c == '\0'; }

void AppendField(std::string_view name, std::string_view value, std::string* out) {
  size_t from = out->size();
  out->append(name).append(": ").append(value);
  std::replace_if(out->begin() + static_cast<std::ptrdiff_t>(from), out->end(), IsBreak, ' ');
  out->append("\r\n");
}

}  // namespace

std::string HttpDate(WallTime time) {
  auto days = std::chrono::floor<std::chrono::days>(time);
  std::chrono::year_month_day date(days);
  std::chrono::hh_mm_ss clock(std::chrono::floor<std::chrono::seconds>(time - days));
  return fmt::format(
      "{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT", kDays[std::chrono::weekday(days).c_encoding()],
      static_cast<unsigned>(date.day()), kMonths[static_cast<unsigned>(date.month()) - 1],
      static_cast<int>(date.year()), clock.hours().count(), clock.minutes().count(),
      clock.seconds().count());
}

bool AcceptsGzip(const Headers& request_headers) {
  std::optional<bool> any;
  for (const auto& [name, value] : request_headers.all()) {
    if (name.size() != 15 || ToLowerAscii(name) != "accept-encoding") continue;
    for (std::string_view item : Split(value, ',')) {
      if (auto allowed = Allows(item, "gzip")) return *allowed;
      if (auto allowed = Allows(item, "*")) any = allowed;
    }
  }
  return any.value_or(false);
}

void CompressResponse(const Request& request, size_t threshold_bytes, Response* response) {
  if (!HasBody(response->status) || !IsCompressible(*response)) return;
  if (response->next || response->BodySize() <= threshold_bytes) return;
  response->headers.Add("Vary", "Accept-Encoding");
  if (request.method == Method::kHead || !AcceptsGzip(request.headers)) return;
  std::vector<std::string_view> pieces;
  for (const SharedBytes& piece : response->body) pieces.push_back(*piece);
  response->body = {std::make_shared<const std::string>(GzipCompress(pieces, kGzipLevel))};
  response->headers.Add("Content-Encoding", "gzip");
}

bool HasBody(int status) { return status >= 200 && status != 204 && status != 304; }

std::string MakeResponseHead(const Response& response, const HeadFacts& facts) {
  bool is_known = response.status >= 200 && response.status <= 599;
  int status = is_known ? response.status : 500;
  std::string head;
  head.reserve(512);
  fmt::format_to(std::back_inserter(head), "HTTP/1.1 {} {}\r\n", status, StatusReason(status));
  for (const auto& [name, value] : response.headers.all()) {
    if (!IsOurs(name)) AppendField(name, value, &head);
  }
  AppendField("Date", facts.date, &head);
  if (!facts.trace_id.empty()) AppendField("X-Request-ID", facts.trace_id, &head);
  head += "X-Content-Type-Options: nosniff\r\n";
  if (facts.body_end == BodyEnd::kChunks) head += "Transfer-Encoding: chunked\r\n";
  if (HasBody(status) && facts.body_end == BodyEnd::kLength) {
    fmt::format_to(std::back_inserter(head), "Content-Length: {}\r\n", response.BodySize());
  }
  if (facts.use == ConnectionUse::kKeepOld) head += "Connection: keep-alive\r\n";
  if (facts.use == ConnectionUse::kClose) head += "Connection: close\r\n";
  head += "\r\n";
  return head;
}

}  // namespace moraine::net
