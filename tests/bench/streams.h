/* streams.h - kernels that read, or copy, as fast as the machine does: limits of all others. */
#ifndef TESTS_BENCH_STREAMS_H
#define TESTS_BENCH_STREAMS_H

#include "backend/emit.h"
#include "backend/loop.h"
#include "runtime/model.h"

enum { STREAM_TRIP = 16384 /* elements of f32 */ };

typedef struct {
  dlrt_kernel *reads, *copies;               /* a trip of x is read, or copied to y */
  dlrt_kernel *reads_around, *copies_around; /* the first few elements again and again */
  dlrt_kernel *walks; /* reads a trip in each of four places; dims[0]: so many trips apart */
} Streams;

void streams_emit(Emission *emission, Arena *arena, const Target *target);
Streams streams_find(Jit *jit);
dlrt_kernel *stream_named(Jit *jit, const char *name);

#endif
