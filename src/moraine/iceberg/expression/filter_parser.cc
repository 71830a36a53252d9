#include <cctype>
#include <optional>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/iceberg/expression/expression.h"

namespace moraine::iceberg {

namespace {

using Op = Expression::Op;

constexpr size_t kMaxFilterBytes = 64 << 10;
constexpr int kMaxDepth = 100;

struct Token {
  enum class Kind { kEnd, kWord, kName, kText, kNumber, kSymbol };
  Kind kind = Kind::kEnd;
  std::string text;  ///< words in lower case; names and texts without their quotes
  std::string raw;   ///< words as written
  size_t column = 1;
};

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  Result<std::vector<Token>> All() {
    std::vector<Token> tokens;
    while (true) {
      MORAINE_ASSIGN(Token token, Next());
      bool end = token.kind == Token::Kind::kEnd;
      tokens.push_back(std::move(token));
      if (end) return tokens;
    }
  }

 private:
  static bool IsWordStart(char c) {
    return std::isalpha(static_cast<unsigned char>(c)) || c == '_' || (c & 0x80);
  }
  static bool IsDigit(char c) { return c >= '0' && c <= '9'; }
  char Peek(size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }

  Result<Token> Next() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
    Token token;
    token.column = at_ + 1;
    if (at_ == text_.size()) return token;
    char c = Peek();
    if (c == '\'') return Quoted(std::move(token), Token::Kind::kText);
    if (c == '"' || c == '`') return Quoted(std::move(token), Token::Kind::kName);
    if (IsWordStart(c)) return Word(std::move(token));
    bool sign = (c == '-' || c == '+') && (IsDigit(Peek(1)) || Peek(1) == '.');
    if (IsDigit(c) || sign || (c == '.' && IsDigit(Peek(1)))) return Number(std::move(token));
    for (std::string_view symbol :
         {"<=", ">=", "<>", "!=", "==", "<", ">", "=", "(", ")", ",", "."}) {
      if (text_.substr(at_).starts_with(symbol)) {
        at_ += symbol.size();
        token.kind = Token::Kind::kSymbol;
        token.text = symbol;
        return token;
      }
    }
    return InvalidArgument(
        fmt::format("filter, column {}: unexpected character: {}", token.column, c));
  }

  Result<Token> Quoted(Token token, Token::Kind kind) {
    char quote = text_[at_++];
    token.kind = kind;
    while (at_ < text_.size()) {
      char c = text_[at_++];
      if (c == quote) {
        if (Peek() != quote) return token;
        ++at_;
      }
      token.text += c;
    }
    return InvalidArgument(fmt::format("filter, column {}: the quote is not closed", token.column));
  }

  Token Word(Token token) {
    while (IsWordStart(Peek()) || IsDigit(Peek())) token.raw += text_[at_++];
    token.kind = Token::Kind::kWord;
    token.text = ToLowerAscii(token.raw);
    return token;
  }

  Result<Token> Number(Token token) {
    if (Peek() == '+') ++at_;
    size_t begin = at_;
    if (Peek() == '-') ++at_;
    while (IsDigit(Peek()) || Peek() == '.') ++at_;
    if (Peek() == 'e' || Peek() == 'E') {
      ++at_;
      if (Peek() == '-' || Peek() == '+') ++at_;
      while (IsDigit(Peek())) ++at_;
    }
    token.kind = Token::Kind::kNumber;
    token.text = text_.substr(begin, at_ - begin);
    if (token.text[0] == '.') token.text.insert(0, "0");
    if (token.text.starts_with("-.")) token.text.insert(1, "0");
    if (token.text.back() == '.') token.text += '0';
    if (!Json::Parse(token.text).ok()) {
      return InvalidArgument(
          fmt::format("filter, column {}: not a number: {}", token.column, token.text));
    }
    return token;
  }

  std::string_view text_;
  size_t at_ = 0;
};

Op Flip(Op op) {
  switch (op) {
    case Op::kLess:
      return Op::kGreater;
    case Op::kLessEqual:
      return Op::kGreaterEqual;
    case Op::kGreater:
      return Op::kLess;
    case Op::kGreaterEqual:
      return Op::kLessEqual;
    default:
      return op;
  }
}

/// Recursive descent; "negated" is pushed down to the predicates, since in SQL the negation of a
/// comparison does not match nulls either.
class Parser {
 public:
  explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  Result<ExpressionPtr> All() {
    MORAINE_ASSIGN(ExpressionPtr expression, ParseOr(false));
    if (Peek().kind != Token::Kind::kEnd) return Error("and, or, or the end");
    return expression;
  }

 private:
  const Token& Peek(size_t ahead = 0) const {
    return tokens_[std::min(at_ + ahead, tokens_.size() - 1)];
  }
  bool IsWord(std::string_view word, size_t ahead = 0) const {
    return Peek(ahead).kind == Token::Kind::kWord && Peek(ahead).text == word;
  }
  bool IsSymbol(std::string_view symbol) const {
    return Peek().kind == Token::Kind::kSymbol && Peek().text == symbol;
  }
  bool TakeWord(std::string_view word) {
    if (!IsWord(word)) return false;
    ++at_;
    return true;
  }
  bool TakeSymbol(std::string_view symbol) {
    if (!IsSymbol(symbol)) return false;
    ++at_;
    return true;
  }
  Status Error(std::string_view expected) const {
    const Token& token = Peek();
    std::string got = token.kind == Token::Kind::kEnd ? "the end"
                      : token.raw.empty()             ? token.text
                                                      : token.raw;
    return InvalidArgument(
        fmt::format("filter, column {}: expected {}, got {}", token.column, expected, got));
  }

  Result<ExpressionPtr> ParseOr(bool negated) {
    MORAINE_ASSIGN(ExpressionPtr left, ParseAnd(negated));
    while (TakeWord("or")) {
      MORAINE_ASSIGN(ExpressionPtr right, ParseAnd(negated));
      left = negated ? Expression::And(left, right) : Expression::Or(left, right);
    }
    return left;
  }

  Result<ExpressionPtr> ParseAnd(bool negated) {
    MORAINE_ASSIGN(ExpressionPtr left, ParseNot(negated));
    while (TakeWord("and")) {
      MORAINE_ASSIGN(ExpressionPtr right, ParseNot(negated));
      left = negated ? Expression::Or(left, right) : Expression::And(left, right);
    }
    return left;
  }

  Result<ExpressionPtr> ParseNot(bool negated) {
    while (TakeWord("not")) negated = !negated;
    if (IsSymbol("(")) {
      if (++depth_ > kMaxDepth) return Error("fewer parentheses");
      ++at_;
      MORAINE_ASSIGN(ExpressionPtr inner, ParseOr(negated));
      if (!TakeSymbol(")")) return Error(")");
      --depth_;
      return inner;
    }
    return ParsePredicate(negated);
  }

  bool AtLiteral() const {
    const Token& token = Peek();
    if (token.kind == Token::Kind::kText || token.kind == Token::Kind::kNumber) return true;
    if (token.kind != Token::Kind::kWord) return false;
    if (token.text == "true" || token.text == "false") return true;
    return (token.text == "date" || token.text == "timestamp" || token.text == "time" ||
            token.text == "decimal") &&
           Peek(1).kind == Token::Kind::kText;
  }

  Result<Json> Literal() {
    if (!AtLiteral()) return Error("a literal");
    const Token& token = tokens_[at_++];
    if (token.kind == Token::Kind::kText) return Json(token.text);
    if (token.kind == Token::Kind::kNumber) return Json::Parse(token.text);
    if (token.text == "true" || token.text == "false") return Json(token.text == "true");
    return Json(tokens_[at_++].text);
  }

  Result<std::string> Column() {
    std::string name;
    do {
      const Token& token = Peek();
      if (token.kind == Token::Kind::kName) {
        name += token.text;
      } else if (token.kind == Token::Kind::kWord) {
        name += token.raw;
      } else {
        return Error("a column");
      }
      ++at_;
      if (!IsSymbol(".")) return name;
      name += '.';
      ++at_;
    } while (true);
  }

  std::optional<Op> TakeComparison() {
    static constexpr std::pair<std::string_view, Op> kSymbols[] = {
        {"=", Op::kEqual},     {"==", Op::kEqual},       {"!=", Op::kNotEqual},
        {"<>", Op::kNotEqual}, {"<", Op::kLess},         {"<=", Op::kLessEqual},
        {">", Op::kGreater},   {">=", Op::kGreaterEqual}};
    for (const auto& [symbol, op] : kSymbols) {
      if (TakeSymbol(symbol)) return op;
    }
    return std::nullopt;
  }

  /// The predicate, or its SQL negation, neither of which matches null.
  static ExpressionPtr Make(Op op, const std::string& column, std::vector<Json> literals,
                            bool negated) {
    ExpressionPtr predicate = Expression::Predicate(op, column, std::move(literals));
    if (negated) predicate = Expression::Not(predicate);
    bool matches_null = (op == Op::kEqual || op == Op::kIn || op == Op::kStartsWith)
                            ? negated
                            : op == Op::kNotEqual && !negated;
    if (!matches_null) return predicate;
    return Expression::And(Expression::Predicate(Op::kNotNull, column), predicate);
  }
  static ExpressionPtr Make(Op op, const std::string& column, Json literal, bool negated) {
    std::vector<Json> literals;
    literals.push_back(std::move(literal));
    return Make(op, column, std::move(literals), negated);
  }

  Result<ExpressionPtr> ParsePredicate(bool negated) {
    if (AtLiteral()) {
      bool constant = (IsWord("true") || IsWord("false"));
      MORAINE_ASSIGN(Json literal, Literal());
      auto op = TakeComparison();
      if (!op && constant)
        return literal.as_bool() != negated ? Expression::True() : Expression::False();
      if (!op) return Error("a comparison");
      MORAINE_ASSIGN(std::string column, Column());
      return Make(Flip(*op), column, std::move(literal), negated);
    }
    MORAINE_ASSIGN(std::string column, Column());
    if (auto op = TakeComparison()) {
      MORAINE_ASSIGN(Json literal, Literal());
      return Make(*op, column, std::move(literal), negated);
    }
    if (TakeWord("is")) return ParseIs(column, negated);
    if (TakeWord("not")) negated = !negated;
    if (TakeWord("in")) return ParseIn(column, negated);
    if (TakeWord("between")) {
      MORAINE_ASSIGN(Json low, Literal());
      if (!TakeWord("and")) return Error("and");
      MORAINE_ASSIGN(Json high, Literal());
      ExpressionPtr above = Make(Op::kGreaterEqual, column, std::move(low), negated);
      ExpressionPtr below = Make(Op::kLessEqual, column, std::move(high), negated);
      return negated ? Expression::Or(above, below) : Expression::And(above, below);
    }
    if (TakeWord("like")) return ParseLike(column, negated);
    return Error("a comparison, is, in, between or like");
  }

  Result<ExpressionPtr> ParseIs(const std::string& column, bool negated) {
    if (TakeWord("not")) negated = !negated;
    if (TakeWord("null"))
      return Expression::Predicate(negated ? Op::kNotNull : Op::kIsNull, column);
    if (TakeWord("nan")) return Expression::Predicate(negated ? Op::kNotNaN : Op::kIsNaN, column);
    return Error("null or nan");
  }

  Result<ExpressionPtr> ParseIn(const std::string& column, bool negated) {
    if (!TakeSymbol("(")) return Error("(");
    std::vector<Json> literals;
    do {
      MORAINE_ASSIGN(Json literal, Literal());
      literals.push_back(std::move(literal));
    } while (TakeSymbol(","));
    if (!TakeSymbol(")")) return Error(")");
    return Make(Op::kIn, column, std::move(literals), negated);
  }

  Result<ExpressionPtr> ParseLike(const std::string& column, bool negated) {
    if (Peek().kind != Token::Kind::kText) return Error("a quoted pattern");
    std::string pattern = Peek().text;
    bool prefix = pattern.ends_with('%');
    if (prefix) pattern.pop_back();
    if (pattern.find_first_of("%_\\") != std::string::npos)
      return Error("a pattern of the form 'prefix%'");
    ++at_;
    return Make(prefix ? Op::kStartsWith : Op::kEqual, column, Json(std::move(pattern)), negated);
  }

  std::vector<Token> tokens_;
  size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace

Result<ExpressionPtr> ParseFilter(std::string_view text) {
  if (text.size() > kMaxFilterBytes) return InvalidArgument("a filter has at most 64 KiB");
  if (!IsValidUtf8(text)) return InvalidArgument("a filter must be UTF-8 text");
  MORAINE_ASSIGN(std::vector<Token> tokens, Lexer(text).All());
  return Parser(std::move(tokens)).All();
}

}  // namespace moraine::iceberg
