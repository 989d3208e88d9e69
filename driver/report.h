/* report.h - the table of --time-passes. */
#ifndef DRIVER_REPORT_H
#define DRIVER_REPORT_H

#include "passes/pass.h"

typedef struct {
  struct {
    const char *name;
    double ms;
    char effect[32];
  } passes[PASSES];
  int pass_count, kernels;
  double elaborate_ms, lower_ms, llvm_ms, object_ms, link_ms;
} StageTimes;

void stage_add(StageTimes *times, const char *pass, const PassEffect *effect);
void stage_print(const StageTimes *times, FILE *to, double total_ms);

#endif
