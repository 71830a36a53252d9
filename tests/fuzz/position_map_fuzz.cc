// Position maps that workers send: their bytes, against the shape that the first of them make.

#include "fuzz/fuzz.h"

#include "moraine/tasks/position_map.h"
#include "moraine/tasks/position_map_format.h"

MORAINE_FUZZ(bytes) {
  using namespace moraine::tasks;  // NOLINT: a fuzz entry
  if (bytes.size() < 4) return;
  MapShape shape;
  for (char rows : bytes.substr(0, 2)) shape.input_rows.push_back(static_cast<uint8_t>(rows));
  for (char rows : bytes.substr(2, 2)) shape.output_rows.push_back(static_cast<uint8_t>(rows));
  (void)position_map::CheckInstructions(bytes.substr(4), shape);
  (void)CheckPositionMap({std::string(bytes.substr(4)), "", 0}, shape);
}
