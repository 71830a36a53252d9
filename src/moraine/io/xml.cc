#include "moraine/io/xml.h"

#include <algorithm>

#include <fmt/format.h>

namespace moraine::io {
namespace {

constexpr size_t kMaxDepth = 16;
constexpr size_t kMaxElements = 100'000;
constexpr size_t kMaxReference = 10;  // "#x10FFFF" and then some

bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

bool IsNameByte(char c) {
  auto byte = static_cast<unsigned char>(c);
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-' || c == '.' || c == ':' || byte >= 0x80;
}

void AppendUtf8(uint32_t c, std::string* out) {
  auto put = [&](uint32_t byte) { out->push_back(static_cast<char>(byte)); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xc0 | c >> 6), put(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    put(0xe0 | c >> 12), put(0x80 | (c >> 6 & 0x3f)), put(0x80 | (c & 0x3f));
  } else {
    put(0xf0 | c >> 18), put(0x80 | (c >> 12 & 0x3f));
    put(0x80 | (c >> 6 & 0x3f)), put(0x80 | (c & 0x3f));
  }
}

/// "#38" or "#x26"; nothing for a number that is no character.
bool AppendNumbered(std::string_view digits, std::string* out) {
  uint32_t base = 10;
  digits.remove_prefix(1);
  if (digits.starts_with('x')) {
    base = 16;
    digits.remove_prefix(1);
  }
  uint32_t value = 0;
  for (char c : digits) {
    uint32_t digit = c >= '0' && c <= '9'   ? static_cast<uint32_t>(c - '0')
                     : c >= 'a' && c <= 'f' ? static_cast<uint32_t>(c - 'a' + 10)
                     : c >= 'A' && c <= 'F' ? static_cast<uint32_t>(c - 'A' + 10)
                                            : 99;
    if (digit >= base || value > 0x10ffff) return false;
    value = value * base + digit;
  }
  if (digits.empty() || value == 0 || value > 0x10ffff || (value >= 0xd800 && value < 0xe000)) {
    return false;
  }
  AppendUtf8(value, out);
  return true;
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<XmlElement> Document() {
    if (text_.starts_with("\xef\xbb\xbf")) at_ = 3;
    MORAINE_TRY(SkipBetween());
    if (!Takes('<')) return Broken("expected an element");
    XmlElement root;
    MORAINE_TRY(Element(&root, 1));
    MORAINE_TRY(SkipBetween());
    if (at_ != text_.size()) return Broken("text after the root element");
    return root;
  }

 private:
  Status Broken(std::string_view what) const {
    return Corruption(fmt::format("XML: {} at byte {} of {}", what, at_, text_.size()));
  }

  bool StartsWith(std::string_view what) const { return text_.substr(at_).starts_with(what); }
  bool Takes(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void SkipBlanks() {
    while (at_ < text_.size() && IsBlank(text_[at_])) ++at_;
  }

  /// From behind an opening mark to behind the closing one; the text between.
  Result<std::string_view> Until(std::string_view opening, std::string_view closing) {
    size_t begin = at_ + opening.size();
    size_t end = text_.find(closing, begin);
    if (end == text_.npos) return Broken(fmt::format("no {} follows", closing));
    at_ = end + closing.size();
    return text_.substr(begin, end - begin);
  }

  /// Blanks, comments and instructions.
  Status SkipBetween() {
    for (;;) {
      SkipBlanks();
      if (StartsWith("<?")) {
        MORAINE_TRY(Until("<?", "?>"));
      } else if (StartsWith("<!--")) {
        MORAINE_TRY(Until("<!--", "-->"));
      } else if (StartsWith("<!")) {
        return Broken("a document type is not read");
      } else {
        return {};
      }
    }
  }

  Result<std::string_view> Name() {
    size_t begin = at_;
    while (at_ < text_.size() && IsNameByte(text_[at_])) ++at_;
    if (at_ == begin) return Broken("expected a name");
    return text_.substr(begin, at_ - begin);
  }

  Status Attributes() {
    for (;;) {
      SkipBlanks();
      if (at_ >= text_.size()) return Broken("a tag does not end");
      if (text_[at_] == '>' || text_[at_] == '/') return {};
      MORAINE_TRY(Name());
      SkipBlanks();
      if (!Takes('=')) return Broken("expected '=' after an attribute's name");
      SkipBlanks();
      char quote = at_ < text_.size() ? text_[at_] : '\0';
      if (quote != '"' && quote != '\'') return Broken("expected an attribute's value in quotes");
      MORAINE_TRY(Until(std::string_view(&quote, 1), std::string_view(&quote, 1)));
    }
  }

  /// From behind '<' of the start tag to behind the end tag.
  Status Element(XmlElement* element, size_t depth) {
    if (depth > kMaxDepth) return Broken("nested too deep");
    if (++elements_ > kMaxElements) return Broken("too many elements");
    MORAINE_ASSIGN(std::string_view name, Name());
    element->name = name.substr(name.rfind(':') + 1);
    MORAINE_TRY(Attributes());
    bool is_empty = Takes('/');
    if (!Takes('>')) return Broken("expected '>'");
    if (is_empty) return {};
    MORAINE_TRY(Content(element, depth));
    MORAINE_ASSIGN(std::string_view end, Name());
    if (end != name) return Broken(fmt::format("expected the end of {}", name));
    SkipBlanks();
    return Takes('>') ? Status() : Broken("expected '>'");
  }

  /// To behind "</".
  Status Content(XmlElement* element, size_t depth) {
    while (at_ < text_.size()) {
      if (StartsWith("</")) {
        at_ += 2;
        return {};
      }
      if (StartsWith("<![CDATA[")) {
        MORAINE_ASSIGN(std::string_view data, Until("<![CDATA[", "]]>"));
        element->text += data;
      } else if (StartsWith("<?") || StartsWith("<!")) {
        MORAINE_TRY(SkipBetween());
      } else if (Takes('<')) {
        MORAINE_TRY(Element(&element->children.emplace_back(), depth + 1));
      } else if (Takes('&')) {
        MORAINE_TRY(Reference(&element->text));
      } else {
        element->text.push_back(text_[at_++]);
      }
    }
    return Broken(fmt::format("no end of {}", element->name));
  }

  /// From behind '&' to behind ';'.
  Status Reference(std::string* out) {
    size_t end = text_.substr(at_, kMaxReference).find(';');
    if (end == text_.npos) return Broken("a reference does not end");
    std::string_view name = text_.substr(at_, end);
    static constexpr std::pair<std::string_view, char> kNamed[] = {
        {"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"quot", '"'}, {"apos", '\''}};
    auto named = std::find_if(std::begin(kNamed), std::end(kNamed),
                              [&](const auto& entry) { return entry.first == name; });
    if (named != std::end(kNamed)) {
      out->push_back(named->second);
    } else if (!name.starts_with('#') || !AppendNumbered(name, out)) {
      return Broken("an unknown reference");
    }
    at_ += end + 1;
    return {};
  }

  const std::string_view text_;
  size_t at_ = 0;
  size_t elements_ = 0;
};

}  // namespace

const XmlElement* XmlElement::Child(std::string_view wanted) const {
  for (const XmlElement& child : children) {
    if (child.name == wanted) return &child;
  }
  return nullptr;
}

std::string_view XmlElement::TextOf(std::string_view wanted) const {
  const XmlElement* child = Child(wanted);
  return child == nullptr ? std::string_view() : child->text;
}

Result<XmlElement> ParseXml(std::string_view text) { return Parser(text).Document(); }

std::string EscapeXml(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (char c : text) {
    auto byte = static_cast<unsigned char>(c);
    if (c == '&' || c == '<' || c == '>' || c == '"' || c == '\'' || byte < 0x20 || byte == 0x7f) {
      out += fmt::format("&#{};", byte);
    } else {
      out.push_back(c);
    }
  }
  return out;
}

}  // namespace moraine::io
