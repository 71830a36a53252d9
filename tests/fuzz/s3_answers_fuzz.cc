// Answers of an S3 store, and locations in it, from any bytes: no crash, and what was escaped is
// read as it was.

#include <string>
#include <string_view>

#include "fuzz/fuzz.h"

#include "moraine/base/check.h"
#include "moraine/base/text.h"
#include "moraine/io/s3_answers.h"
#include "moraine/io/s3_location.h"
#include "moraine/io/xml.h"

MORAINE_FUZZ(bytes) {
  using namespace moraine;
  using namespace moraine::io;

  if (auto page = ParseS3ListPage(bytes); page.ok()) {
    for (const S3Listed& object : page->objects) {
      MORAINE_CHECK(!object.key.empty() && object.size_bytes >= 0, object.key);
    }
    MORAINE_CHECK(!page->truncated || !page->next_token.empty(), page->next_token);
  }
  (void)ParseS3Deleted(bytes);
  (void)ParseS3Field(bytes, "InitiateMultipartUploadResult", "UploadId");
  MORAINE_CHECK(ParseS3Error(bytes).message.size() <= 200, "a long message");
  (void)ParseS3Time(bytes);
  if (auto size = ParseContentRangeSize(bytes); size.ok()) MORAINE_CHECK(*size >= 0, bytes);

  if (bytes.find('\0') == bytes.npos) {
    auto again = ParseXml("<a>" + EscapeXml(bytes) + "</a>");
    MORAINE_CHECK(again.ok(), again.status().ToString());
    ExpectSame(again->text == bytes, "escaped XML", bytes, again->text);
  }
  if (auto at = ParseS3Location(bytes); at.ok()) {
    MORAINE_CHECK(at->before_key + at->key == bytes || at->key.empty(), at->key);
    MORAINE_CHECK(IsS3Location(bytes), at->bucket);
  }
}
