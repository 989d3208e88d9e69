/* bench: how long a call takes. */
#include "runtime/measure.h"

#include <math.h>
#include <stdlib.h>

enum { MOST_CALLS = 4000, FEWEST_CALLS = 5 };
static const double warm_up = 0.2, longest = 2.0; /* seconds */

static int by_size(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

static const char *duration(double seconds, char *text, size_t size) {
  if (seconds < 1e-3)
    snprintf(text, size, "%.1f us", seconds * 1e6);
  else if (seconds < 1)
    snprintf(text, size, "%.2f ms", seconds * 1e3);
  else
    snprintf(text, size, "%.3f s", seconds);
  return text;
}

static void print(const dlrt_program *program, const dlrt_measure *m, const double *times,
                  int calls) {
  const dlrt_entry *entry = program->entry;
  char dims[100], middle[32], spread[32], least[32], most[32];
  double median = times[calls / 2], flop = 0, bytes;
  for (int64_t i = 0; i < entry->step_count; i++)
    flop += dlrt_step_work(&entry->steps[i], m->model_dims, &bytes);
  double rows = (double)m->binding.rows;
  int threads = dlrt_threads(m->context);
  dlrt_measure_dims(m, dims, sizeof dims);
  if (program->json) {
    printf("{\"entry\":\"%s\",\"dims\":{", entry->name);
    for (int64_t i = 0; i < entry->dim_count; i++)
      printf("%s\"%s\":%lld", i ? "," : "", m->binding.model->dims[entry->dims[i]].name,
             (long long)m->entry_dims[i]);
    printf("},\"threads\":%d,\"calls\":%d,\"seconds\":{\"median\":%.9g,\"least\":%.9g,"
           "\"most\":%.9g},\"rows_per_second\":%.6g,\"flop\":%.0f}\n",
           threads, calls, median, times[0], times[calls - 1], rows / median, flop);
    return;
  }
  /* Half of the calls lie within this of the median. */
  double half = (times[calls * 3 / 4] - times[calls / 4]) / 2;
  printf("%s   %s%s%d thread%s   %s +- %s   %s .. %s   %s/s", entry->name, dims, *dims ? "   " : "",
         threads, threads == 1 ? "" : "s", duration(median, middle, sizeof middle),
         duration(half, spread, sizeof spread), duration(times[0], least, sizeof least),
         duration(times[calls - 1], most, sizeof most), dlrt_thousands((int64_t)(rows / median)));
  if (flop > 0) printf("   %.3g GFLOP/s", flop / median / 1e9);
  printf("   %d calls\n", calls);
}

int dlrt_bench(dlrt_program *program) {
  dlrt_measure m;
  int code = dlrt_measure_begin(program, &m);
  if (code) return code;
  double times[MOST_CALLS], started = dlrt_seconds(), last = started;
  int calls = 0;
  bool warm = false;
  while (!code && calls < MOST_CALLS && !dlrt_interrupted()) {
    dlrt_status status = dlrt_call(m.context, program->entry_index, m.entry_dims,
                                   (const void *const *)m.inputs, m.outputs);
    double now = dlrt_seconds();
    if (status) code = dlrt_complain(program, EXIT_INPUT, "%s", dlrt_detail(m.context));
    if (warm) {
      times[calls++] = now - last;
      if (now - started > longest && calls >= FEWEST_CALLS) break;
    } else if (now - started > warm_up) {
      warm = true;
      started = dlrt_seconds();
    }
    last = dlrt_seconds();
  }
  if (!code && dlrt_interrupted()) code = EXIT_INTERRUPT;
  if (!code) {
    qsort(times, (size_t)calls, sizeof *times, by_size);
    print(program, &m, times, calls);
  }
  dlrt_measure_end(&m);
  return code;
}
