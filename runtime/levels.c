/* Which of a program's CPU levels runs. */
#include "runtime/context.h"

#include <stdlib.h>
#include <string.h>

/* The most that `cpu` allows: the level of a model of that name, or N of x86-64-vN; 0: no such. */
static int64_t cap_of(const dlrt_model *model, const char *cpu) {
  for (; model; model = model->lower)
    if (strcmp(model->cpu, cpu) == 0) return model->cpu_level;
  static const char prefix[] = "x86-64-v";
  const char *digit = cpu + sizeof prefix - 1;
  int is_level = strncmp(cpu, prefix, sizeof prefix - 1) == 0;
  return is_level && *digit >= '2' && *digit <= '4' && !digit[1] ? *digit - '0' : 0;
}

const dlrt_model *dlrt_level(const dlrt_model *model, const char *cpu) {
  int64_t cap = cpu && *cpu ? cap_of(model, cpu) : INT64_MAX;
  while (model && (model->cpu_level > cap || !dlrt_machine_has_level(model->cpu_level)))
    model = model->lower;
  return model;
}

int dlrt_is_on(const char *variable) {
  return variable && *variable && strcmp(variable, "0") != 0;
}

dlrt_status dlrt_open(const dlrt_model *model, dlrt_context **context, void *memory, int threads) {
  *context = NULL;
  if (model->abi != DLRT_ABI) return DLRT_BAD_ARGUMENT;
  model = dlrt_level(model, getenv("DLC_CPU"));
  if (!model) return DLRT_BAD_CPU;
  dlrt_pinning pinning = dlrt_is_on(getenv("DLC_PIN")) ? DLRT_PIN_POOL : DLRT_UNPINNED;
  return dlrt_open_level(model, context, memory, threads, pinning);
}
