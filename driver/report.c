#include "driver/report.h"

#include <string.h>
#include <sys/resource.h>

void stage_add(StageTimes *times, const char *pass, const PassEffect *effect) {
  if (times->pass_count == PASSES) return;
  int i = times->pass_count++;
  times->passes[i].name = pass;
  times->passes[i].ms = effect->milliseconds;
  char *text = times->passes[i].effect;
  size_t room = sizeof times->passes[i].effect;
  if (effect->effect)
    snprintf(text, room, "%s", effect->effect);
  else if (effect->before == effect->after)
    snprintf(text, room, "(unchanged)");
  else
    snprintf(text, room, "%d -> %d", effect->before, effect->after);
}

static void row(FILE *to, const char *stage, double ms, const char *effect) {
  fprintf(to, " %-12s %8.1f  %s\n", stage, ms, effect);
}

void stage_print(const StageTimes *times, FILE *to, double total_ms) {
  struct rusage usage;
  char text[64];
  getrusage(RUSAGE_SELF, &usage);
  fprintf(to, " stage              ms  effect\n");
  row(to, "elaborate", times->elaborate_ms, "");
  for (int i = 0; i < times->pass_count; i++)
    row(to, times->passes[i].name, times->passes[i].ms, times->passes[i].effect);
  snprintf(text, sizeof text, "%d kernels", times->kernels);
  row(to, "lower", times->lower_ms, text);
  row(to, "llvm", times->llvm_ms, "");
  row(to, "object", times->object_ms, "");
  row(to, "link", times->link_ms, "");
  snprintf(text, sizeof text, "peak %ld MiB", usage.ru_maxrss / 1024);
  row(to, "total", total_ms, text);
}
