/* profile: the time of each operation, with its line, and how near it is to what the machine can
 * do. */
#include "runtime/context.h"
#include "runtime/json.h"
#include "runtime/measure.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_ROUNDS = 200, FEWEST_ROUNDS = 3, SHOWN = 16, NAME = 64 };
static const double longest = 1.5; /* seconds */

/* The steps of a line by an algorithm, or with --all a step. */
typedef struct {
  char name[NAME]; /* of several steps: what their layers' names have in common */
  const dlrt_step *step;
  int count;
  double time, flop, bytes, ideal; /* of one call, all of its steps */
  double least;                    /* the sum of each step's least time in any call */
} row;

/* Two layers' names as one: parts that differ become '*', and so does all from where one has more
 * parts. */
static void merge_names(char *name, const char *other) {
  char merged[NAME];
  size_t used = 0;
  const char *a = name, *b = other;
  while (*a && *b) {
    size_t m = strcspn(a, "."), n = strcspn(b, ".");
    bool same = m == n && memcmp(a, b, m) == 0;
    if (used + (same ? m : 1) + 2 > sizeof merged) break;
    memcpy(merged + used, same ? a : "*", same ? m : 1);
    used += same ? m : 1;
    a += m;
    b += n;
    if (*a != *b) break;
    if (*a) {
      merged[used++] = '.';
      a++, b++;
    }
  }
  if (*a != *b && used + 2 <= sizeof merged) {
    if (used && merged[used - 1] != '*' && merged[used - 1] != '.') merged[used++] = '.';
    if (!used || merged[used - 1] == '.') merged[used++] = '*';
  }
  merged[used] = 0;
  memcpy(name, merged, used + 1);
}

static const char *step_name(const dlrt_step *step) {
  return *step->layer ? step->layer : step->name;
}

static const char *row_name(const row *r) {
  return r->count == 1 ? step_name(r->step) : r->name;
}

/* "conv_relu" of "k12_conv_relu". */
static const char *kind_of(const dlrt_step *step) {
  const char *kind = step->name + strcspn(step->name, "_");
  return *kind ? kind + 1 : step->name;
}

/* A line of a step makes kernels of several kinds: forward, for what is given, for the weight. */
static bool same_row(const row *r, const dlrt_step *step) {
  return strcmp(r->step->place, step->place) == 0 &&
         strcmp(r->step->algorithm, step->algorithm) == 0 &&
         strcmp(kind_of(r->step), kind_of(step)) == 0;
}

static int by_time(const void *a, const void *b) {
  double x = ((const row *)a)->time, y = ((const row *)b)->time;
  return x > y ? -1 : x < y;
}

/* Bytes come from caches if all that the step moves fits the second level. */
static double ideal_time(const dlrt_roof *roof, double flop, double bytes, int threads) {
  enum { SECOND_LEVEL = 1 << 20 };
  double speed = bytes < (double)SECOND_LEVEL * threads ? roof->cache : roof->memory;
  double compute = roof->flops > 0 ? flop / roof->flops : 0, move = speed > 0 ? bytes / speed : 0;
  return compute > move ? compute : move;
}

static int64_t make_rows(const dlrt_entry *entry, const dlrt_measure *m, const dlrt_roof *roof,
                         const double *times, const double *least, bool all, row *rows) {
  int64_t count = 0;
  for (int64_t i = 0; i < entry->step_count; i++) {
    const dlrt_step *step = &entry->steps[i];
    double bytes, flop = dlrt_step_work(step, m->model_dims, &bytes);
    int64_t r = all ? count : 0;
    while (r < count && !same_row(&rows[r], step)) r++;
    if (r == count) {
      rows[count++] = (row){.step = step};
      snprintf(rows[r].name, NAME, "%s", step_name(step));
    } else {
      merge_names(rows[r].name, step_name(step));
    }
    rows[r].count++;
    rows[r].time += times[i];
    rows[r].least += least[i];
    rows[r].flop += flop;
    rows[r].bytes += bytes;
    rows[r].ideal += ideal_time(roof, flop, bytes, dlrt_threads(m->context));
  }
  qsort(rows, (size_t)count, sizeof *rows, by_time);
  return count;
}

/* "24:69" of "resnet.dl:24:69" if that is the program's own file. */
static const char *line_of(const dlrt_model *model, const char *place) {
  size_t length = strlen(model->source);
  const char *slash = strrchr(place, '/');
  if (slash) place = slash + 1;
  return strncmp(place, model->source, length) == 0 && place[length] == ':' ? place + length + 1
                                                                            : place;
}

static void print_name(const char *name, int width) {
  int length = (int)strlen(name);
  if (length <= width)
    printf(" %-*s", width, name);
  else
    printf(" %.*s..%s", (width - 2) / 2, name, name + length - (width - 2 - (width - 2) / 2));
}

static void print_speed(const dlrt_roof *roof, const row *r) {
  char text[32] = "";
  bool moves = roof->memory > 0 && r->bytes / roof->memory > r->flop / roof->flops;
  if (r->time > 0 && (moves || r->flop > 0))
    snprintf(text, sizeof text, "%.3g %s", (moves ? r->bytes : r->flop) / r->time / 1e9,
             moves ? "GB/s" : "GFLOP/s");
  printf("%15s", text);
  if (r->time > 0 && r->ideal > 0) printf("%7.0f %%", fmin(100 * r->ideal / r->time, 100));
}

static void print_table(const dlrt_program *program, const dlrt_measure *m, const dlrt_roof *roof,
                        const row *rows, int64_t count) {
  const dlrt_entry *entry = program->entry;
  double total = 0, flop = 0, rest = 0;
  int64_t rest_count = 0, shown = program->all || count <= SHOWN + 1 ? count : SHOWN;
  char dims[100];
  for (int64_t i = 0; i < count; i++) {
    total += rows[i].time;
    flop += rows[i].flop;
  }
  int width = 24; /* with --all as wide as names are */
  for (int64_t i = 0; program->all && i < shown; i++)
    if (width < (int)strlen(row_name(&rows[i]))) width = (int)strlen(row_name(&rows[i]));
  dlrt_measure_dims(m, dims, sizeof dims);
  printf(" %-*s %5s  %-10s %-16s %-12s %9s %6s %14s %9s\n", width, "operation", "x", "line",
         "kernel", "algorithm", "ms", "%", "speed", "of roof");
  for (int64_t i = 0; i < shown; i++) {
    const row *r = &rows[i];
    print_name(row_name(r), width);
    printf(" %5d  %-10s", r->count, line_of(program->model, r->step->place));
    print_name(kind_of(r->step), 16);
    printf(" %-12s %9.3f %6.1f", r->step->algorithm, r->time * 1e3,
           total > 0 ? 100 * r->time / total : 0);
    print_speed(roof, r);
    putchar('\n');
  }
  for (int64_t i = shown; i < count; i++) {
    rest += rows[i].time;
    rest_count += rows[i].count;
  }
  if (shown < count) {
    char text[40];
    snprintf(text, sizeof text, "%lld more (--all)", (long long)(count - shown));
    printf(" %-*s %5lld  %-10s %-16s %-12s %9.3f %6.1f\n", width, text, (long long)rest_count, "",
           "", "", rest * 1e3, total > 0 ? 100 * rest / total : 0);
  }
  printf(" %-*s %5lld  %-10s %-16s %-12s %9.3f %6.1f", width, "total", (long long)entry->step_count,
         "", "", "", total * 1e3, 100.0);
  if (flop > 0 && total > 0) printf("%7.3g GFLOP/s", flop / total / 1e9);
  printf("\n %s   %s%s%d thread%s   %s\n", entry->name, dims, *dims ? "   " : "",
         dlrt_threads(m->context), dlrt_threads(m->context) == 1 ? "" : "s", program->model->cpu);
  printf(
      " speed: the operation's own FLOPs, or bytes where those bind. of roof: the least time for\n"
      " them (%.0f GFLOP/s, memory %.0f GB/s, caches %.0f GB/s, measured now), by the time taken\n",
      roof->flops / 1e9, roof->memory / 1e9, roof->cache / 1e9);
  if (program->model->trip_bytes && dlrt_threads(m->context) > 1)
    puts(" trips of a batch ran one by one here, in calls at a time");
}

static void print_json(const dlrt_program *program, const dlrt_measure *m, const dlrt_roof *roof,
                       const row *rows, int64_t count) {
  printf("{\"entry\":\"%s\",\"cpu\":\"%s\",\"threads\":%d,\"roof\":{\"flops\":%.6g,\"memory\":%.6g,"
         "\"caches\":%.6g},\"operations\":[",
         program->entry->name, program->model->cpu, dlrt_threads(m->context), roof->flops,
         roof->memory, roof->cache);
  for (int64_t i = 0; i < count; i++) {
    printf("%s{\"name\":\"%s\",\"count\":%d,\"place\":", i ? "," : "", row_name(&rows[i]),
           rows[i].count);
    dlrt_json_put(stdout, rows[i].step->place);
    printf(",\"algorithm\":\"%s\",\"kernel\":\"%s\",\"seconds\":%.9g,\"least\":%.9g,"
           "\"flop\":%.0f,\"bytes\":%.0f}",
           rows[i].step->algorithm, kind_of(rows[i].step), rows[i].time, rows[i].least,
           rows[i].flop, rows[i].bytes);
  }
  puts("]}");
}

/* The steps' mean and least times over some calls, after one that warms up. */
static int measure(dlrt_program *program, const dlrt_measure *m, double *times, double *least) {
  const dlrt_entry *entry = program->entry;
  const void *const *inputs = (const void *const *)m->inputs;
  double started = dlrt_seconds();
  int round = -1;
  for (; round < MOST_ROUNDS && !dlrt_interrupted(); round++) {
    if (round >= FEWEST_ROUNDS && dlrt_seconds() - started > longest) break;
    dlrt_status status =
        dlrt_begin(m->context, program->entry_index, m->entry_dims, inputs, m->outputs);
    double before = dlrt_seconds();
    dlrt_walk walk = dlrt_walk_begin(m->context, entry, inputs, m->outputs);
    for (int64_t i; !status && (i = dlrt_walk_next(&walk)) >= 0;) {
      status = dlrt_step_run(m->context, program->entry_index, i, inputs, m->outputs);
      double now = dlrt_seconds();
      if (round >= 0) times[i] += now - before;
      if (round == 0 || (round > 0 && now - before < least[i])) least[i] = now - before;
      before = now;
    }
    dlrt_end(m->context);
    if (status) return dlrt_complain(program, EXIT_INPUT, "%s", dlrt_detail(m->context));
  }
  for (int64_t i = 0; i < entry->step_count; i++) times[i] /= round > 0 ? round : 1;
  return dlrt_interrupted() ? EXIT_INTERRUPT : 0;
}

int dlrt_profile(dlrt_program *program) {
  dlrt_measure m;
  int code = dlrt_measure_begin(program, &m);
  if (code) return code;
  size_t steps = (size_t)program->entry->step_count + 1;
  double *times = calloc(steps, sizeof *times), *least = calloc(steps, sizeof *least);
  row *rows = calloc(steps, sizeof *rows);
  dlrt_roof roof;
  if (!times || !least || !rows) code = dlrt_complain(program, EXIT_INPUT, "no memory");
  if (!code) code = measure(program, &m, times, least);
  if (!code) {
    dlrt_roof_measure(m.context, &roof);
    int64_t count = make_rows(program->entry, &m, &roof, times, least, program->all, rows);
    if (program->json)
      print_json(program, &m, &roof, rows, count);
    else
      print_table(program, &m, &roof, rows, count);
  }
  free(times);
  free(least);
  free(rows);
  dlrt_measure_end(&m);
  return code;
}
