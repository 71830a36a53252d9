#pragma once
// A table of routes: method and pattern to handler. rest and api add theirs; the server serves the
// whole.
//
// A pattern is a path of literal segments and {name} segments; a last {name...} takes the rest of
// the path (possibly empty). Literals win over names, and a dead end is backed out of, so that
// /v1/namespaces/{namespace} and /v1/{prefix}/namespaces stand side by side. HEAD falls back to
// GET, OPTIONS is answered with Allow. Paths are matched encoded, segment by segment, so %2F splits
// nothing.

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "moraine/net/http.h"

namespace moraine::net {

/// The named segments of a path.
class PathParams {
 public:
  /// The decoded value ('+' is a space). The name must stand in the pattern.
  const std::string& Get(std::string_view name) const;
  /// As it was sent: for values that are split before decoding, such as namespaces.
  const std::string& Raw(std::string_view name) const;

 private:
  friend class Router;
  struct Param {
    std::string name;
    std::string raw;
    std::string value;
  };
  const Param& Find(std::string_view name) const;
  std::vector<Param> params_;
};

/// As Handler, with the path's parameters, which live only until it returns.
using RouteHandler = std::function<Answer(Call&, const Request&, const PathParams&)>;

/// Built by one thread, then only read: thread-safe.
class Router {
 public:
  explicit Router(RefusalFormatter refuse) : refuse_(std::move(refuse)) {}

  /// A malformed pattern and a second route of the same method and shape are bugs (MORAINE_CHECK).
  void Add(Method method, std::string pattern, RouteHandler handler);

  /// Runs the route's handler. Refuses with 404 (no such path), 405 with Allow, 400 (a part that is
  /// empty or can't be decoded).
  Answer Serve(Call& call, const Request& request) const;
  /// Serve as a function; borrows the router.
  Handler AsHandler() const;

  struct RouteName {
    Method method;
    std::string pattern;
    bool operator==(const RouteName&) const = default;
  };
  /// In the order in which they were added.
  const std::vector<RouteName>& routes() const { return routes_; }

 private:
  struct Leaf {
    std::string pattern;
    std::vector<std::string> names;
    RouteHandler handler;
  };
  using Leaves = std::array<std::unique_ptr<Leaf>, 7>;
  struct Node {
    std::map<std::string, std::unique_ptr<Node>, std::less<>> literals;
    std::unique_ptr<Node> named;
    Leaves leaves;
    Leaves rest_leaves;
  };
  struct Match {
    const Leaf* leaf = nullptr;
    std::vector<std::string_view> raw;
    std::array<bool, 7> allowed{};  ///< methods that the path has
  };

  static void Walk(const Node& node, std::string_view rest, Method method,
                   std::vector<std::string_view>* raw, Match* match);
  static void Take(const Leaves& leaves, Method method, const std::vector<std::string_view>& raw,
                   Match* match);
  Answer Refuse(int status, std::string message, const Request& request) const;
  Answer RefuseMethod(const Match& match, const Request& request) const;

  RefusalFormatter refuse_;
  Node root_;
  std::vector<RouteName> routes_;
};

}  // namespace moraine::net
