#pragma once
// The small part of XML that object stores answer with: elements, text, the five entities,
// character references, CDATA. Attributes and namespace prefixes are read over. Bytes come from
// outside, so everything is bounded and nothing is fetched: a document type is refused.
//
// Who calls: the S3 file system.

#include <string>
#include <string_view>
#include <vector>

#include "moraine/base/status.h"

namespace moraine::io {

struct XmlElement {
  std::string name;  ///< without its namespace prefix
  std::string text;  ///< its own text, that of its children left out
  std::vector<XmlElement> children;

  /// The first child of this name, or null.
  const XmlElement* Child(std::string_view name) const;
  /// The text of the first child of this name, or "".
  std::string_view TextOf(std::string_view name) const;
};

/// Reads a document; its root element. Errors: Corruption that names the offset, for malformed
/// text, for one nested more than 16 deep and for one of more than 100,000 elements.
Result<XmlElement> ParseXml(std::string_view text);

/// Text as it stands between two tags; carriage returns and the like as references, so that they
/// arrive.
std::string EscapeXml(std::string_view text);

}  // namespace moraine::io
