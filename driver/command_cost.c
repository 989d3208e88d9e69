/* dlc cost FILE: where the time of a call goes, estimated for a CPU that need not be at hand: of
 * each kernel the arithmetic at the CPU's peak, or the bytes from memory, whichever take longer. */
#include "driver/native.h"
#include "driver/output.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
  const ProgramStep *step;
  int64_t flop, bytes;
  double seconds;
  bool by_memory;
} Row;

typedef struct {
  const PassOptions *rates;
  int64_t *dims;
  Row *rows;
  size_t count;
  Row total;
} Cost;

static int64_t value_of(const Cost *c, const Dim *dim) {
  int64_t value;
  return dim && dim_evaluate(dim, c->dims, &value) ? value : 0;
}

static void add(Cost *c, const ProgramStep *step) {
  Row row = {step, value_of(c, step->flop), value_of(c, step->bytes), 0, false};
  double arithmetic = (double)row.flop / c->rates->flop_rate;
  double traffic = (double)row.bytes / c->rates->memory_rate;
  row.by_memory = traffic > arithmetic;
  row.seconds = row.by_memory ? traffic : arithmetic;
  c->rows[c->count++] = row;
  c->total.flop += row.flop;
  c->total.bytes += row.bytes;
  c->total.seconds += row.seconds;
}

static int by_time(const void *a, const void *b) {
  const Row *x = a, *y = b;
  if (x->seconds != y->seconds) return x->seconds < y->seconds ? 1 : -1;
  return (x->step > y->step) - (x->step < y->step); /* as in the program */
}

static void print_row(Text *out, const Cost *c, const Row *row) {
  const char *kernel = row->step ? row->step->kernel->name : "total";
  const char *layer = row->step ? row->step->layer : "";
  const char *place = row->step ? row->step->place : "";
  const char *line = strchr(place, ':');
  text_format(out, " %-7s %-22.22s %-22.22s %10.3f %10.2f %9.1f %5.1f%s\n", line ? line + 1 : "",
              layer, kernel, (double)row->flop / 1e6, (double)row->bytes / 0x1p20,
              row->seconds * 1e6, c->total.seconds > 0 ? 100 * row->seconds / c->total.seconds : 0,
              !row->step       ? ""
              : row->by_memory ? "  memory"
                               : "  arithmetic");
}

static void print_entry(Text *out, Cost *c, const ProgramEntry *entry, bool all) {
  enum { SHOWN = 15 };
  for (size_t i = 0; i < entry->steps.count; i++) add(c, &entry->steps.items[i]);
  qsort(c->rows, c->count, sizeof *c->rows, by_time);
  text_format(out, "%s, one thread, each dim at its least\n", entry->function->name);
  text_string(out, " line    layer                  kernel                      MFLOP        MiB"
                   "   est. us     %  bound by\n");
  size_t shown = all || c->count < SHOWN ? c->count : SHOWN;
  for (size_t i = 0; i < shown; i++) print_row(out, c, &c->rows[i]);
  Row rest = {0};
  for (size_t i = shown; i < c->count; i++) {
    rest.flop += c->rows[i].flop;
    rest.bytes += c->rows[i].bytes;
    rest.seconds += c->rows[i].seconds;
  }
  if (shown < c->count)
    text_format(out, " %zu more (--all)%39s %10.3f %10.2f %9.1f %5.1f\n", c->count - shown, "",
                (double)rest.flop / 1e6, (double)rest.bytes / 0x1p20, rest.seconds * 1e6,
                100 * rest.seconds / c->total.seconds);
  print_row(out, c, &c->total);
}

int command_cost(Session *session) {
  Compilation compilation;
  int code;
  if (!compile_open(session, &compilation, &code)) return code;
  if (!compile_passes(&compilation, NULL, NULL)) return EXIT_INPUT;
  Native native = native_new(&compilation);
  const NativeProgram *program = native.program;
  const DimTable *table = compilation.module->dims;
  int count = dim_symbol_count(table);
  int64_t *dims = ARENA_ARRAY(session->arena, (size_t)count + 1, int64_t);
  for (int i = 0; i < count; i++) dims[i] = dim_symbol_at(table, i)->min;
  Text out = text_new(session->arena);
  text_format(&out, "estimated for %s: %.0f GFLOP/s a core, memory %.0f GB/s\n",
              compilation.target.cpu, compilation.passes.flop_rate / 1e9,
              compilation.passes.memory_rate / 1e9);
  for (size_t i = 0; i < program->entries.count; i++) {
    const ProgramEntry *entry = &program->entries.items[i];
    Cost cost = {.rates = &compilation.passes,
                 .dims = dims,
                 .rows = ARENA_ARRAY(session->arena, entry->steps.count + 1, Row)};
    if (entry->function->kind != FUNCTION_INIT)
      print_entry(&out, &cost, entry, option_given(session->options, OPTION_all));
  }
  return output_text(session, &out) ? EXIT_DONE : EXIT_INPUT;
}
