#include "moraine/net/router.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "moraine/base/check.h"
#include "moraine/base/text.h"
#include "moraine/net/uri.h"

namespace moraine::net {
namespace {

constexpr std::string_view kRestMark = "...";

/// Whether a path's rest, decoded, would climb out of where it is joined to.
bool HasDotSegment(std::string_view path) {
  for (std::string_view part : Split(path, '/')) {
    if (part == "." || part == "..") return true;
  }
  return false;
}

Answer Label(Answer answer, const std::string& pattern) {
  if (auto* response = std::get_if<Response>(&answer)) {
    response->route = pattern;
    return answer;
  }
  auto& later = std::get<std::shared_ptr<Later>>(answer);
  later->resume = [resume = std::move(later->resume), pattern](Call& call, Later::Reason reason) {
    return Label(resume(call, reason), pattern);
  };
  return answer;
}

}  // namespace

const PathParams::Param& PathParams::Find(std::string_view name) const {
  auto found = std::find_if(params_.begin(), params_.end(),
                            [&](const Param& param) { return param.name == name; });
  MORAINE_CHECK(found != params_.end(), name);
  return *found;
}

const std::string& PathParams::Get(std::string_view name) const { return Find(name).value; }
const std::string& PathParams::Raw(std::string_view name) const { return Find(name).raw; }

void Router::Add(Method method, std::string pattern, RouteHandler handler) {
  MORAINE_CHECK(pattern.starts_with('/'), pattern);
  auto leaf = std::make_unique<Leaf>();
  Node* node = &root_;
  bool takes_rest = false;
  for (std::string_view part : Split(std::string_view(pattern).substr(1), '/')) {
    MORAINE_CHECK(!takes_rest, pattern);
    bool named = part.size() > 2 && part.front() == '{' && part.back() == '}';
    if (!named) {
      MORAINE_CHECK(part.find_first_of("{}") == part.npos, pattern);
      auto& next = node->literals[std::string(part)];
      if (!next) next = std::make_unique<Node>();
      node = next.get();
      continue;
    }
    std::string_view name = part.substr(1, part.size() - 2);
    takes_rest = name.ends_with(kRestMark);
    if (takes_rest) name.remove_suffix(kRestMark.size());
    leaf->names.emplace_back(name);
    if (takes_rest) continue;
    if (!node->named) node->named = std::make_unique<Node>();
    node = node->named.get();
  }
  auto& slot = (takes_rest ? node->rest_leaves : node->leaves)[static_cast<size_t>(method)];
  MORAINE_CHECK(slot == nullptr, pattern);
  routes_.push_back({method, pattern});
  leaf->pattern = std::move(pattern);
  leaf->handler = std::move(handler);
  slot = std::move(leaf);
}

void Router::Take(const Leaves& leaves, Method method, const std::vector<std::string_view>& raw,
                  Match* match) {
  for (size_t i = 0; i < leaves.size(); ++i) match->allowed[i] |= leaves[i] != nullptr;
  const Leaf* leaf = leaves[static_cast<size_t>(method)].get();
  if (leaf == nullptr && method == Method::kHead) {
    leaf = leaves[static_cast<size_t>(Method::kGet)].get();
  }
  if (leaf == nullptr || match->leaf != nullptr) return;
  match->leaf = leaf;
  match->raw = raw;
}

/// rest begins with the '/' of the next segment, or is empty at the end of the path.
void Router::Walk(const Node& node, std::string_view rest, Method method,
                  std::vector<std::string_view>* raw, Match* match) {
  if (rest.empty()) {
    Take(node.leaves, method, *raw, match);
    return;
  }
  std::string_view part = rest.substr(1, rest.find('/', 1) - 1);
  std::string_view after = rest.substr(1 + part.size());
  if (auto literal = node.literals.find(part); literal != node.literals.end()) {
    Walk(*literal->second, after, method, raw, match);
    if (match->leaf != nullptr) return;
  }
  if (node.named) {
    raw->push_back(part);
    Walk(*node.named, after, method, raw, match);
    raw->pop_back();
    if (match->leaf != nullptr) return;
  }
  raw->push_back(rest.substr(1));
  Take(node.rest_leaves, method, *raw, match);
  raw->pop_back();
}

Answer Router::Refuse(int status, std::string message, const Request& request) const {
  return refuse_({status, std::move(message), {}}, request.path);
}

Answer Router::RefuseMethod(const Match& match, const Request& request) const {
  std::string allow;
  for (size_t i = 0; i < match.allowed.size(); ++i) {
    bool implied =
        static_cast<Method>(i) == Method::kHead && match.allowed[static_cast<size_t>(Method::kGet)];
    if (!match.allowed[i] && !implied) continue;
    allow += fmt::format("{}{}", allow.empty() ? "" : ", ", MethodName(static_cast<Method>(i)));
  }
  if (request.method == Method::kOptions) {
    Response response = Response::Empty(204);
    response.headers.Add("Allow", allow + ", OPTIONS");
    return response;
  }
  Refusal refusal{405,
                  fmt::format("{} is not allowed here, only {}: {}", MethodName(request.method),
                              allow, request.path),
                  {}};
  refusal.headers.Add("Allow", allow);
  return refuse_(refusal, request.path);
}

Answer Router::Serve(Call& call, const Request& request) const {
  Match match;
  std::vector<std::string_view> raw;
  if (request.path.starts_with('/')) Walk(root_, request.path, request.method, &raw, &match);
  if (match.leaf == nullptr) {
    bool known = std::find(match.allowed.begin(), match.allowed.end(), true) != match.allowed.end();
    if (known) return RefuseMethod(match, request);
    return Refuse(404, fmt::format("no such route: {}", request.path), request);
  }
  PathParams params;
  for (size_t i = 0; i < match.raw.size(); ++i) {
    const std::string& name = match.leaf->names[i];
    bool is_rest = match.leaf->pattern.ends_with(fmt::format("{{{}{}}}", name, kRestMark));
    Result<std::string> value = DecodePart(match.raw[i]);
    if (!value.ok()) return Refuse(400, std::string(value.status().message()), request);
    if (is_rest && HasDotSegment(*value)) {
      return Refuse(400, fmt::format("a dot segment in the path: {}", request.path), request);
    }
    if (!is_rest && value->empty()) {
      return Refuse(400, fmt::format("an empty {} in the path: {}", name, request.path), request);
    }
    params.params_.push_back({name, std::string(match.raw[i]), std::move(*value)});
  }
  return Label(match.leaf->handler(call, request, params), match.leaf->pattern);
}

Handler Router::AsHandler() const {
  return [this](Call& call, const Request& request) { return Serve(call, request); };
}

}  // namespace moraine::net
