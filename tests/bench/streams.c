#include "tests/bench/streams.h"

enum { AROUND = 2048, WALKS = 4 };

typedef enum { READS, COPIES, WALKING } Kind;

static LoopKernel *stream_kernel(Arena *arena, const Target *target, const char *name, Kind kind,
                                 bool around) {
  LoopKernel *k = loop_kernel(arena, name, (LoopPlace){0});
  LoopBuffer *x = loop_operand(k, "x", LOOP_F32, 1, loop_int(k, INT64_C(1) << 40));
  LoopBuffer *y = loop_operand(k, "y", LOOP_F32, 1, loop_int(k, INT64_C(1) << 40));
  LoopExpr *t = loop_parallel(k, "t", loop_int(k, 1 << 20)), *zero = loop_int(k, 0);
  int walks = kind == WALKING ? WALKS : 1, lanes = 8 / walks * target->lanes;
  LoopExpr *acc = loop_array(k, "acc", LOOP_F32, walks, lanes, loop_number(k, 0));
  LoopExpr *trip = loop_int(k, STREAM_TRIP);
  if (around) loop_for(k, "again", zero, loop_int(k, STREAM_TRIP / AROUND));
  LoopExpr *i = loop_for_step(k, "i", zero, around ? loop_int(k, AROUND) : trip, lanes);
  for (int w = 0; w < walks; w++) {
    LoopExpr *part = w ? loop_add(k, t, loop_mul(k, loop_dim(k, "T", 0), loop_int(k, w))) : t;
    LoopExpr *at = around ? i : loop_add(k, loop_mul(k, part, trip), i);
    LoopExpr *sum = loop_row(k, acc, loop_int(k, w));
    if (kind == COPIES)
      loop_store(k, loop_lanes(k, y, lanes, at), loop_lanes(k, x, lanes, at));
    else
      loop_set(k, sum, loop_add(k, sum, loop_lanes(k, x, lanes, at)));
  }
  loop_end(k);
  if (around) loop_end(k);
  LoopExpr *sum = loop_row(k, acc, zero);
  for (int w = 1; w < walks; w++) sum = loop_add(k, sum, loop_row(k, acc, loop_int(k, w)));
  if (kind != COPIES) loop_store(k, loop_element(k, y, zero), loop_reduce(k, LOOP_ADD, sum));
  loop_end(k);
  return k;
}

void streams_emit(Emission *e, Arena *arena, const Target *target) {
  emit_kernel(e, stream_kernel(arena, target, "read", READS, false));
  emit_kernel(e, stream_kernel(arena, target, "read_around", READS, true));
  emit_kernel(e, stream_kernel(arena, target, "copy", COPIES, false));
  emit_kernel(e, stream_kernel(arena, target, "copy_around", COPIES, true));
  emit_kernel(e, stream_kernel(arena, target, "walks", WALKING, false));
}

dlrt_kernel *stream_named(Jit *jit, const char *name) {
  union {
    void *object;
    dlrt_kernel *kernel;
  } found = {jit_find(jit, name)};
  return found.kernel;
}

Streams streams_find(Jit *jit) {
  return (Streams){stream_named(jit, "read"), stream_named(jit, "copy"),
                   stream_named(jit, "read_around"), stream_named(jit, "copy_around"),
                   stream_named(jit, "walks")};
}
