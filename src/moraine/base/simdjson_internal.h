#pragma once
// simdjson under a name of its own: Arrow's libraries export another version of it, and of two
// symbols of one name the loader takes the first for both. cmake/deps.cmake compiles it with the
// same name. Included by json.cc and text.cc before anything that could include simdjson itself.

#define simdjson moraine_simdjson
#include <simdjson.h>
