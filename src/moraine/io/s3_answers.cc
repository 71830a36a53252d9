#include "moraine/io/s3_answers.h"

#include <array>
#include <chrono>
#include <optional>

#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/io/xml.h"

namespace moraine::io {
namespace {

constexpr size_t kShownBytes = 200;

Result<XmlElement> ParseRoot(std::string_view body, std::string_view name) {
  MORAINE_ASSIGN(XmlElement root, ParseXml(body));
  if (root.name != name) {
    return Corruption(fmt::format("the store's answer is no {} but {}", name,
                                  PercentEncode(root.name.substr(0, kShownBytes))));
  }
  return root;
}

Result<int64_t> ParseSize(std::string_view text) {
  Result<int64_t> size = ParseInt64(text);
  if (size.ok() && *size >= 0) return size;
  return Corruption(fmt::format("the store's answer has no size but '{}'",
                                PercentEncode(text.substr(0, kShownBytes))));
}

/// Cut between characters.
std::string Shorten(std::string_view text) {
  text = text.substr(0, kShownBytes);
  while (!text.empty() && !IsValidUtf8(text)) text.remove_suffix(1);
  return std::string(text);
}

S3Error ErrorOf(const XmlElement& element) {
  return {.code = Shorten(element.TextOf("Code")), .message = Shorten(element.TextOf("Message"))};
}

/// A number of exactly these digits.
std::optional<int> Digits(std::string_view text, size_t at, size_t count) {
  if (at + count > text.size()) return std::nullopt;
  int value = 0;
  for (char c : text.substr(at, count)) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  return value;
}

std::optional<int> MonthOf(std::string_view name) {
  static constexpr std::array<std::string_view, 12> kNames = {
      "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  for (size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<int>(i) + 1;
  }
  return std::nullopt;
}

/// Hours, minutes and seconds from "17:50:30" at this place.
std::optional<std::chrono::seconds> TimeOfDay(std::string_view text, size_t at) {
  auto hour = Digits(text, at, 2), minute = Digits(text, at + 3, 2),
       second = Digits(text, at + 6, 2);
  if (!hour || !minute || !second || *hour > 23 || *minute > 59 || *second > 60) {
    return std::nullopt;
  }
  return std::chrono::hours(*hour) + std::chrono::minutes(*minute) + std::chrono::seconds(*second);
}

std::optional<int64_t> ToMillis(std::optional<int> year, std::optional<int> month,
                                std::optional<int> day, std::optional<std::chrono::seconds> time,
                                int millis) {
  if (!year || !month || !day || !time) return std::nullopt;
  std::chrono::year_month_day date(std::chrono::year(*year),
                                   std::chrono::month(static_cast<unsigned>(*month)),
                                   std::chrono::day(static_cast<unsigned>(*day)));
  if (!date.ok()) return std::nullopt;
  auto since = std::chrono::sys_days(date).time_since_epoch() + *time;
  return std::chrono::duration_cast<std::chrono::milliseconds>(since).count() + millis;
}

std::optional<int64_t> ParseTime(std::string_view text) {
  if (text.size() == 29 && text.ends_with(" GMT")) {
    return ToMillis(Digits(text, 12, 4), MonthOf(text.substr(8, 3)), Digits(text, 5, 2),
                    TimeOfDay(text, 17), 0);
  }
  if (text.size() < 20 || text[10] != 'T' || !text.ends_with('Z')) return std::nullopt;
  int millis = text[19] == '.' ? Digits(text, 20, 3).value_or(0) : 0;
  return ToMillis(Digits(text, 0, 4), Digits(text, 5, 2), Digits(text, 8, 2), TimeOfDay(text, 11),
                  millis);
}

}  // namespace

Result<int64_t> ParseS3Time(std::string_view text) {
  if (auto time = ParseTime(text)) return *time;
  return Corruption(fmt::format("the store's answer has no time but '{}'",
                                PercentEncode(text.substr(0, kShownBytes), ":, ")));
}

Result<int64_t> ParseContentRangeSize(std::string_view text) {
  size_t slash = text.rfind('/');
  if (!text.starts_with("bytes ") || slash == text.npos) {
    return Corruption(fmt::format("the store's answer has no range but '{}'",
                                  PercentEncode(text.substr(0, kShownBytes), "/ -")));
  }
  return ParseSize(text.substr(slash + 1));
}

Result<ContentRange> ParseContentRange(std::string_view text) {
  ContentRange range;
  MORAINE_ASSIGN(range.size, ParseContentRangeSize(text));
  std::string_view span = text.substr(6, text.rfind('/') - 6);
  size_t dash = span.find('-');
  auto first = ParseInt64(span.substr(0, dash));
  auto last = ParseInt64(dash == span.npos ? "" : span.substr(dash + 1));
  bool is_range = first.ok() && last.ok() && *first >= 0 && *first <= *last && *last < range.size;
  if (!is_range) {
    return Corruption(fmt::format("the store's answer has no range but '{}'",
                                  PercentEncode(text.substr(0, kShownBytes), "/ -")));
  }
  range.first = *first;
  range.last = *last;
  return range;
}

Result<S3ListPage> ParseS3ListPage(std::string_view body) {
  MORAINE_ASSIGN(XmlElement root, ParseRoot(body, "ListBucketResult"));
  S3ListPage page;
  page.truncated = root.TextOf("IsTruncated") == "true";
  page.next_token = root.TextOf("NextContinuationToken");
  for (const XmlElement& child : root.children) {
    if (child.name != "Contents") continue;
    S3Listed& object = page.objects.emplace_back();
    object.key = child.TextOf("Key");
    if (object.key.empty()) return Corruption("the store lists an object without a key");
    MORAINE_ASSIGN(object.size_bytes, ParseSize(child.TextOf("Size")));
    MORAINE_ASSIGN(object.modified_ms, ParseS3Time(child.TextOf("LastModified")));
  }
  if (page.truncated && page.next_token.empty()) {
    return Corruption("the store's listing goes on, and has no token to go on with");
  }
  return page;
}

S3Error ParseS3Error(std::string_view body) {
  Result<XmlElement> root = ParseXml(body);
  if (!root.ok()) return {};
  const XmlElement* error = &*root;
  if (root->name == "ErrorResponse" && root->Child("Error") != nullptr)
    error = root->Child("Error");
  return error->name == "Error" ? ErrorOf(*error) : S3Error{};
}

Result<std::vector<S3Deleted>> ParseS3Deleted(std::string_view body) {
  MORAINE_ASSIGN(XmlElement root, ParseRoot(body, "DeleteResult"));
  std::vector<S3Deleted> deleted;
  for (const XmlElement& child : root.children) {
    if (child.name != "Deleted" && child.name != "Error") continue;
    S3Deleted& entry = deleted.emplace_back();
    entry.key = child.TextOf("Key");
    if (child.name == "Error") {
      entry.error = ErrorOf(child);
      if (entry.error.code.empty()) entry.error.code = "Unknown";
    }
  }
  return deleted;
}

std::string S3DeleteBody(const std::vector<std::string>& keys) {
  std::string body = R"(<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/">)";
  for (const std::string& key : keys) {
    body += fmt::format("<Object><Key>{}</Key></Object>", EscapeXml(key));
  }
  return body + "</Delete>";
}

std::string S3CompleteBody(const std::vector<std::string>& etags) {
  std::string body = R"(<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">)";
  for (size_t i = 0; i < etags.size(); ++i) {
    body += fmt::format("<Part><PartNumber>{}</PartNumber><ETag>{}</ETag></Part>", i + 1,
                        EscapeXml(etags[i]));
  }
  return body + "</CompleteMultipartUpload>";
}

Result<std::string> ParseS3Field(std::string_view body, std::string_view root,
                                 std::string_view field) {
  MORAINE_ASSIGN(XmlElement element, ParseRoot(body, root));
  std::string_view text = element.TextOf(field);
  if (text.empty()) return Corruption(fmt::format("the store's {} has no {}", root, field));
  return std::string(text);
}

}  // namespace moraine::io
