#pragma once
// The description of this API, api/openapi/moraine.yaml, as it was when this binary was built.

#include <string_view>

namespace moraine::api {

/// The YAML text. The build makes its source.
std::string_view OpenApiYaml();

}  // namespace moraine::api
