#pragma once
// Holds JSON values against the schemas of the API's document: the subset of JSON Schema that the
// document uses. Stricter than the standard in one point: a member that no schema names is refused,
// unless the schema allows more, so that the document can't fall behind the answers.

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "moraine/base/json.h"

namespace moraine::api {

/// Used by one thread.
class SchemaCheck {
 public:
  /// Borrows the document.
  explicit SchemaCheck(const Json& document) : document_(document) {}

  /// "" or "path: what does not fit".
  std::string Problem(const Json& schema, const Json& value) const;
  /// "Table.uuid" for each described member, of the schemas that answers are made of, which no
  /// value that was held against them had.
  std::vector<std::string> NeverSeen(const std::vector<const Json*>& answers) const;
  /// What "#/a/b" names, or nullptr.
  const Json* Find(std::string_view ref) const;
  /// The value itself, or what its $ref names.
  const Json& Resolve(const Json& value) const;

 private:
  std::string Check(const Json& schema, const Json& value, const std::string& path) const;
  std::string CheckObject(const Json& schema, const Json& value, const std::string& path) const;
  std::string CheckScalar(const Json& schema, const Json& value, const std::string& path) const;
  /// The schema and what it is made of by allOf, resolved.
  void Flatten(const Json& schema, std::vector<const Json*>* parts) const;
  void CollectUnseen(const Json& schema, const std::string& name, std::set<const Json*>* visited,
                     std::vector<std::string>* unseen) const;

  const Json& document_;
  mutable std::set<const Json*> seen_;  ///< schemas of members that a value had
};

}  // namespace moraine::api
