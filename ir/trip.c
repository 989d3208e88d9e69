#include "ir/trip.h"

bool op_is_apart(const Op *op) {
  return op && op->kind == OP_scan && op_flag(op, ATTRIBUTE_apart);
}

int64_t trip_bytes(const Op *scan) {
  int64_t most = 0;
  for (const Op *op = scan->region->first; op; op = op->next)
    for (int i = 0; i < op->result_count; i++) {
      const Value *value = op->results[i];
      if (value->place.kind != PLACE_ARENA) continue;
      int64_t end = value->place.offset + type_bytes_at_bound(&value->type);
      if (end > most) most = end;
    }
  return most;
}
