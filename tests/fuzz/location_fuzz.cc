// Locations as clients send them: normalising twice is normalising once, and nothing climbs out.

#include <algorithm>

#include "fuzz/fuzz.h"

#include "moraine/io/location.h"

MORAINE_FUZZ(bytes) {
  moraine::Result<std::string> once = moraine::io::NormalizeLocation(bytes);
  if (!once.ok()) return;
  moraine::Result<std::string> twice = moraine::io::NormalizeLocation(*once);
  ExpectSame(twice.ok() && *twice == *once, "a location", *once, twice.ok() ? *twice : "(refused)");
  std::string_view path = std::string_view(*once).substr(once->find("://") + 3);
  path.remove_prefix(std::min(path.find('/'), path.size()));
  ExpectSame(path.find("/../") == path.npos && !path.ends_with("/.."), "a path without ..", bytes,
             *once);
}
