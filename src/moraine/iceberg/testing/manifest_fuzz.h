#pragma once
// Feeds any bytes to the manifest decoders and checks what must hold whatever they are: an error is
// one of the three that foreign bytes may give, reading less finds no more wrong, and what is
// decoded can be written. Called by the tests of hostile bytes; tests/fuzz/manifest_fuzz.cc is the
// open-ended sibling.

#include <string_view>

#include "moraine/base/status.h"

namespace moraine::iceberg {

/// Returns the decoder's status; aborts if anything else is wrong.
Status FuzzManifest(std::string_view bytes);
Status FuzzManifestList(std::string_view bytes);

}  // namespace moraine::iceberg
