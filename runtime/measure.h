/* measure.h - calls with made-up inputs, for bench and profile. */
#ifndef DLRT_MEASURE_H
#define DLRT_MEASURE_H

#include "runtime/program.h"

typedef struct {
  dlrt_context *context;
  dlrt_binding binding;
  int64_t *entry_dims, *model_dims;
  void **inputs, **outputs;
} dlrt_measure;

/* 0, or an exit code. Dims are at their bounds unless options say otherwise. */
int dlrt_measure_begin(dlrt_program *program, dlrt_measure *measure);
void dlrt_measure_end(dlrt_measure *measure);
/* "N=256 T=8" */
void dlrt_measure_dims(const dlrt_measure *measure, char *text, size_t size);

#endif
