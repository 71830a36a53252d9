#pragma once
// The driver of "rewrite-manifests" (action.h; rules: upkeep/manifest_rewrite.h).

#include <memory>

#include "moraine/maintenance/action.h"

namespace moraine::maintenance {

std::unique_ptr<Action> MakeRewriteManifests();

}  // namespace moraine::maintenance
