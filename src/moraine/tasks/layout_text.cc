#include "moraine/tasks/layout_text.h"

#include <algorithm>
#include <optional>
#include <string>

#include <fmt/format.h>

#include "moraine/base/text.h"

namespace moraine::tasks {
namespace {

using iceberg::NullOrder;
using iceberg::SortDirection;

bool IsNameSign(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '.' || static_cast<unsigned char>(c) >= 0x80;
}

/// A term of a sort, or a column of a curve.
struct Term {
  std::string column;
  std::string transform = "identity";
  SortDirection direction = SortDirection::kAscending;
  std::optional<NullOrder> nulls;
};

struct ParsedLayout {
  Layout::Kind kind = Layout::Kind::kNone;
  std::vector<Term> terms;
};

class LayoutParser {
 public:
  explicit LayoutParser(std::string_view text) : text_(text) {}

  Result<ParsedLayout> Parse() {
    ParsedLayout layout;
    const std::string kind = ToLowerAscii(Word());
    if (kind == "none") return AtEnd(std::move(layout));
    if (kind == "sort") {
      layout.kind = Layout::Kind::kSort;
      if (SkipSpace(), at_ == text_.size()) return layout;
    } else if (kind == "zorder" || kind == "hilbert") {
      layout.kind = kind == "zorder" ? Layout::Kind::kZOrder : Layout::Kind::kHilbert;
    } else {
      at_ = 0;
      return Expected("none, sort, sort(...), zorder(...) or hilbert(...)");
    }
    if (!Take('(')) return Expected("(");
    do {
      Term term;
      MORAINE_TRY(layout.kind == Layout::Kind::kSort ? SortTerm(&term) : Column(&term.column));
      layout.terms.push_back(std::move(term));
    } while (Take(','));
    if (!Take(')')) return Expected(", or )");
    return AtEnd(std::move(layout));
  }

  Result<std::vector<std::string>> ParseColumns() {
    std::vector<std::string> columns;
    do {
      MORAINE_TRY(Column(&columns.emplace_back()));
    } while (Take(','));
    SkipSpace();
    if (at_ < text_.size()) return Expected("a comma, or nothing more");
    return columns;
  }

 private:
  Status Expected(std::string_view what) const {
    const std::string_view rest = text_.substr(std::min(at_, text_.size()));
    return InvalidArgument(fmt::format("expected {}{}", what,
                                       rest.empty()
                                           ? std::string(" at its end")
                                           : fmt::format(" before '{}'", rest.substr(0, 40))));
  }
  Result<ParsedLayout> AtEnd(ParsedLayout layout) {
    SkipSpace();
    if (at_ < text_.size()) return Expected("nothing more");
    return layout;
  }

  void SkipSpace() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n'))
      ++at_;
  }
  bool Take(char sign) {
    SkipSpace();
    if (at_ >= text_.size() || text_[at_] != sign) return false;
    ++at_;
    return true;
  }
  std::string Word() {
    SkipSpace();
    const size_t begin = at_;
    while (at_ < text_.size() && IsNameSign(text_[at_])) ++at_;
    return std::string(text_.substr(begin, at_ - begin));
  }
  /// Takes the word if it comes next.
  bool TakeWord(std::string_view word) {
    const size_t before = at_;
    if (ToLowerAscii(Word()) == word) return true;
    at_ = before;
    return false;
  }

  Status Column(std::string* name) {
    SkipSpace();
    const char quote = at_ < text_.size() ? text_[at_] : '\0';
    if (quote != '`' && quote != '"') {
      *name = Word();
      return name->empty() ? Expected("a column") : Status();
    }
    const size_t end = text_.find(quote, at_ + 1);
    if (end == std::string_view::npos) return Expected("a column with its quote closed");
    *name = text_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    return {};
  }

  /// "bucket(4, b)", "bucket[4](b)", "day(ts)", "days(ts)".
  Status Transformed(const std::string& name, Term* term) {
    std::string transform = ToLowerAscii(name);
    std::string width;
    if (Take('[')) {
      width = Word();
      if (!Take(']')) return Expected("]");
    }
    if (!Take('(')) return Expected("(");
    if (transform == "bucket" || transform == "truncate") {
      if (width.empty()) {
        width = Word();
        if (!Take(',')) return Expected("a width and a column, as in bucket(16, a)");
      }
      transform += "[" + width + "]";
    } else if (!transform.empty() && transform.back() == 's') {
      transform.pop_back();  // years(ts) and the like, as Spark has it
    }
    MORAINE_TRY(Column(&term->column));
    if (!Take(')')) return Expected(")");
    term->transform = transform;
    return {};
  }

  Status SortTerm(Term* term) {
    MORAINE_TRY(Column(&term->column));
    SkipSpace();
    if (at_ < text_.size() && (text_[at_] == '(' || text_[at_] == '[')) {
      const std::string transform = std::exchange(term->column, "");
      MORAINE_TRY(Transformed(transform, term));
    }
    if (TakeWord("desc")) {
      term->direction = SortDirection::kDescending;
    } else {
      TakeWord("asc");
    }
    if (!TakeWord("nulls")) return {};
    if (TakeWord("first")) {
      term->nulls = NullOrder::kNullsFirst;
    } else if (TakeWord("last")) {
      term->nulls = NullOrder::kNullsLast;
    } else {
      return Expected("first or last");
    }
    return {};
  }

  const std::string_view text_;
  size_t at_ = 0;
};

Result<int32_t> IdOf(const std::string& column, const iceberg::Schema& schema) {
  const iceberg::Field* field = schema.FindField(column);
  if (field == nullptr) field = schema.FindFieldIgnoreCase(column);
  if (field != nullptr) return field->id;
  std::vector<std::string> names;
  for (const iceberg::Field& top : schema.fields()) names.push_back(top.name);
  const std::string nearest = Nearest(column, names);
  return InvalidArgument(fmt::format("the table has no column {}{}", column,
                                     nearest.empty() ? "" : "; did you mean " + nearest + "?"));
}

Result<iceberg::SortField> ToField(const Term& term, const iceberg::Schema& schema) {
  iceberg::SortField field;
  MORAINE_ASSIGN(const int32_t id, IdOf(term.column, schema));
  field.source_ids = {id};
  MORAINE_ASSIGN(field.transform, iceberg::Transform::FromString(term.transform));
  field.direction = term.direction;
  field.null_order = term.nulls.value_or(
      term.direction == SortDirection::kAscending ? NullOrder::kNullsFirst : NullOrder::kNullsLast);
  return field;
}

}  // namespace

Result<Dedup> ParseDedup(std::string_view key, std::string_view by, const iceberg::Schema& schema) {
  Dedup dedup;
  if (Trim(key) == "*") {
    dedup.keys = schema.identifier_field_ids();
    if (dedup.keys.empty())
      return InvalidArgument("the table has no identifier fields: name the columns of the key");
  } else {
    MORAINE_ASSIGN(const auto columns, LayoutParser(key).ParseColumns());
    for (const std::string& column : columns) {
      MORAINE_ASSIGN(const int32_t id, IdOf(column, schema));
      dedup.keys.push_back(id);
    }
  }
  if (!by.empty()) {
    MORAINE_ASSIGN(const auto columns, LayoutParser(by).ParseColumns());
    if (columns.size() != 1) return InvalidArgument("expected one column to keep the last row by");
    MORAINE_ASSIGN(dedup.order_by, IdOf(columns[0], schema));
  }
  MORAINE_TRY(ValidateDedup(dedup, schema));
  return dedup;
}

Status CheckLayoutText(std::string_view text) { return LayoutParser(text).Parse().status(); }

Result<Layout> ParseLayout(std::string_view text, const iceberg::Schema& schema,
                           const std::vector<iceberg::SortOrder>& orders,
                           int32_t default_order_id) {
  MORAINE_ASSIGN(const ParsedLayout parsed, LayoutParser(text).Parse());
  Layout layout;
  layout.kind = parsed.kind;
  if (layout.kind == Layout::Kind::kZOrder || layout.kind == Layout::Kind::kHilbert) {
    for (const Term& term : parsed.terms) {
      MORAINE_ASSIGN(const int32_t id, IdOf(term.column, schema));
      layout.columns.push_back(id);
    }
  }
  if (layout.kind == Layout::Kind::kSort) {
    for (const Term& term : parsed.terms) {
      MORAINE_ASSIGN(iceberg::SortField field, ToField(term, schema));
      layout.order.fields.push_back(std::move(field));
    }
    for (const iceberg::SortOrder& order : orders) {
      const bool is_it =
          parsed.terms.empty() ? order.order_id == default_order_id : order.SameAs(layout.order);
      if (!is_it) continue;
      layout.order = order;
      break;
    }
    if (layout.order.fields.empty()) {
      return InvalidArgument(
          "the table has no sort order: name the columns, as in sort(a, b desc)");
    }
  }
  MORAINE_TRY(ValidateLayout(layout, schema));
  return layout;
}

}  // namespace moraine::tasks
