// JSON documents of any kind: what is read is written and read again as it was.

#include "fuzz/fuzz.h"

#include "moraine/base/json.h"

MORAINE_FUZZ(bytes) {
  moraine::Result<moraine::Json> json = moraine::Json::Parse(bytes);
  if (!json.ok()) return;
  for (const std::string& text : {json->ToString(), json->ToPrettyString()}) {
    moraine::Result<moraine::Json> again = moraine::Json::Parse(text);
    ExpectSame(again.ok() && *again == *json, "a document", bytes, text);
  }
}
