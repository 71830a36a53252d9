#pragma once
// Every setting of `moraine server`, declared once: the sample file, the guide and the flags come
// from here.

#include <vector>

#include "moraine/base/config.h"

namespace moraine::server {

std::vector<Setting> Settings();

}  // namespace moraine::server
