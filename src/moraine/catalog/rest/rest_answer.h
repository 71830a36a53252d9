#pragma once
// Answers of an Iceberg REST catalog that say no, as our codes with the server's words
// (rest-catalog spec, "ErrorModel"; OAuth errors as RFC 6749 has them). Pure.

#include <string>
#include <string_view>
#include <vector>

#include "moraine/base/status.h"
#include "moraine/net/http.h"

namespace moraine::catalog {

/// What was asked, where that decides what an answer means.
enum class RestAsk { kOther, kConfig, kCreate, kCommit, kToken };

/// The error of an answer outside 2xx. what: "GET http://c/v1/config", for people. 404 is NotFound,
/// 409 AlreadyExists or Conflict by what was asked and the error's type; 5xx Unavailable.
Status ErrorOfAnswer(RestAsk ask, std::string_view what, const net::Response& answer);

/// The text without these secrets: each is replaced by "***". Ones shorter than 4 bytes stay.
std::string WithoutSecrets(std::string_view text, const std::vector<std::string>& secrets);

}  // namespace moraine::catalog
