/* How a product in panels is cut (ir/blocking.h): the ways with their estimates. Beside the
 * arithmetic a way costs what it reads and writes again, more where that is far, and what each tile
 * and each strip takes to start. */
#include "ir/conv_rows.h"
#include "ir/winograd_blocks.h"
#include "passes/cost.h"
#include "passes/select.h"

#include <math.h>

typedef struct {
  BlockingMachine machine;
  BlockingProduct product;
  double all; /* of x in bytes */
} Work;

static double ceil_of(double a, double by) {
  return ceil(a / by);
}

/* Multiply-adds of a vector that a step of all tiles takes, for one panel. */
static double step_slots(const Work *w, int64_t tile) {
  const BlockingProduct *p = &w->product;
  double vectors = (double)(p->columns / w->machine.lanes), slots = 0;
  int64_t parts[] = {tile, p->rows % tile};
  double counts[] = {(double)(p->rows / tile), 1};
  for (int i = 0; i < 2; i++) {
    double rows = (double)parts[i], step = rows * vectors;
    double load = costs[COST_load_slots] * (rows + vectors);
    if (step < costs[COST_slots_chain]) step = costs[COST_slots_chain];
    if (step < load) step = load;
    if (parts[i]) slots += counts[i] * (step + costs[COST_block_step]);
  }
  return slots * (double)p->lines;
}

/* What bytes take that come from beyond L2, if `all` of them are gone through again and again. */
static double reading(const Select *s, double bytes, double all) {
  const PassOptions *options = s->context->options;
  bool far = all > costs[COST_cached] * (double)options->cache_bytes;
  return bytes / (far ? options->memory_rate : options->cache_rate);
}

/* Bytes of x that a strip's piece of the sum reads: windows overlap. */
static double part_of_x(const Work *w, const Blocking *b) {
  const BlockingProduct *p = &w->product;
  double strip = (double)b->strip, depth = (double)b->depth;
  if (p->apart) return depth * strip * (double)sizeof(float);
  double each = w->all / (double)(p->lines * p->rows * p->groups);
  return strip * each * (depth < (double)p->run ? depth / (double)p->run : 1);
}

static double seconds_of(const Select *s, const Work *w, const Blocking *b) {
  const BlockingProduct *p = &w->product;
  double columns = (double)p->columns, vectors = columns / (double)w->machine.lanes;
  double panels = (double)p->groups * ceil_of((double)p->size, columns);
  double rows = (double)p->rows, lines = (double)p->lines, sum = (double)(p->segments * p->run);
  double tiles = lines * ceil_of(rows, (double)b->tile);
  double pieces =
      ceil_of((double)p->segments, (double)b->segments) * ceil_of((double)p->run, (double)b->depth);
  double groups = ceil_of(panels * columns, (double)b->columns);
  double strips = lines * ceil_of(rows, (double)b->strip);
  double slots = panels * sum * step_slots(w, b->tile);
  slots += panels * tiles * pieces * select_tile_start((double)b->tile * vectors);
  slots += (pieces - 1) * panels * lines * rows * vectors * costs[COST_block_sum];
  slots += groups * strips * costs[COST_block_trip];
  /* Lines of a row, and of what an epilogue reads for it, come fast if they follow each other soon.
   */
  if (4 * lines * rows * (double)(p->size * p->groups) > (double)w->machine.l2)
    slots += groups * lines * rows * costs[COST_block_row];
  double seconds = slots * 2 * w->machine.lanes / s->context->options->flop_rate;
  /* x comes to L2 once for each group, or once if a strip goes through all groups; for each panel,
   * if the strip's part of it does not fit. */
  double part = part_of_x(w, b), l2 = (double)w->machine.l2, times = groups;
  bool fits = p->apart > 0 && part <= l2 / 2 && /* windows overlap: their lines come anew */
              b->strip - b->tile <= blocking_room(&w->machine, p, b->depth);
  if (!fits)
    times = panels;
  else if (b->split == SPLIT_ROWS && pieces == 1)
    times = 1;
  times /= (double)p->groups;
  if (times < 1) times = 1;
  if (w->all > l2 / 2) seconds += costs[COST_block_reading] * reading(s, times * w->all, w->all);
  /* Panels come for each strip, unless all strips go by those of a group. */
  double weight = sum * panels * (double)p->step_bytes, group = weight / groups;
  bool stays = b->split == SPLIT_COLUMNS && pieces == 1 && group + part <= l2 * 3 / 4;
  if (weight > l2 / 2)
    seconds += costs[COST_block_ahead] * reading(s, (stays ? 1 : strips) * weight, weight);
  /* A thread reads all panels, or all of x, half of which another core has made. */
  if (b->split == SPLIT_ROWS) seconds += costs[COST_block_split] * reading(s, weight, weight);
  if (b->split == SPLIT_COLUMNS) seconds += costs[COST_block_split] * reading(s, w->all, w->all);
  return seconds;
}

static bool is_cut(const Select *s) {
  const PassOptions *options = s->context->options;
  return options->level >= 2 && !options->several_cpus;
}

static BlockingMachine machine_of(const PassOptions *options) {
  return (BlockingMachine){(int)options->vector_lanes, (int)options->vector_registers,
                           options->near_bytes, options->cache_bytes};
}

/* The number of the way that is taken, with what threads take; 0 is the usual one, whose threads
 * take `usual`, or SPLIT_ANY. -1: there is no choice. */
static int choose_way(Select *s, const Work *w, int usual, Blocking *taken) {
  const PassOptions *options = s->context->options;
  const BlockingProduct *p = &w->product;
  Blocking ways[MOST_BLOCKINGS];
  int count = blocking_ways(&w->machine, p, ways);
  if (count < 2) return -1;
  double rows_seconds = 0, columns_seconds = 0;
  Candidates list = {0};
  for (int i = 0; i < count; i++) {
    for (int split = SPLIT_ROWS; split <= SPLIT_COLUMNS; split++) {
      ways[i].split = split;
      double seconds = seconds_of(s, w, &ways[i]);
      (split == SPLIT_ROWS ? &rows_seconds : &columns_seconds)[0] = seconds;
    }
    ways[i].split = rows_seconds < columns_seconds ? SPLIT_ROWS : SPLIT_COLUMNS;
    if (i == 0 && usual) ways[i].split = usual;
    double seconds = seconds_of(s, w, &ways[i]) * (i ? 1 : costs[COST_block_usual]);
    candidates_add(&list, (Candidate){.name = "loops", .seconds = seconds, .blocking = ways[i]}, 0);
  }
  if (options->threads != 1) { /* the usual way, split the other way */
    ways[0].split = SPLIT_ROWS + SPLIT_COLUMNS - ways[0].split;
    double seconds = seconds_of(s, w, &ways[0]);
    candidates_add(&list, (Candidate){.name = "loops", .seconds = seconds, .blocking = ways[0]}, 0);
  }
  const char *sizes =
      arena_format(s->context->scratch, "%lldx%lldx%lld", (long long)(p->lines * p->rows),
                   (long long)(p->segments * p->run), (long long)p->size);
  int best = select_choose_loops(s, sizes, &list);
  *taken = list.items[best].blocking;
  return best;
}

static AttributeValue numbers_of(const Select *s, const Blocking *b) {
  int64_t numbers[BLOCKING_NUMBERS] = {b->tile, b->segments * b->depth, b->strip, b->columns,
                                       b->split};
  return attribute_integers(s->module, numbers, BLOCKING_NUMBERS);
}

bool select_blocking(Select *s, const Type *x, const Type *panels, bool pairs, int64_t size,
                     Attribute *attribute) {
  double rows = type_elements(x) / fmax(1, (double)dim_max(x->dims[x->rank - 1]));
  Work w = {.machine = machine_of(s->context->options), .all = 4 * type_elements(x)};
  int lanes = w.machine.lanes, registers = w.machine.registers;
  int64_t width = dim_value(panels->dims[2]);
  if (!is_cut(s) || width % lanes || rows < 2 || rows > INT32_MAX ||
      !dim_is_constant(panels->dims[1]))
    return false;
  BlockingProduct *p = &w.product;
  *p = (BlockingProduct){.lines = 1,
                         .rows = (int64_t)rows,
                         .groups = 1,
                         .size = size,
                         .segments = 1,
                         .run = dim_value(panels->dims[1]) / (pairs ? 2 : 1),
                         .columns = blocking_tile_columns(lanes, registers, width, (int64_t)rows)};
  p->apart = p->run;
  p->step_bytes = p->columns * element_infos[panels->element].bytes * (pairs ? 2 : 1);
  int most = blocking_tile_rows(lanes, registers, p->columns);
  p->tile = p->rows < most ? p->rows : blocking_even_rows(most, p->rows);
  Blocking taken;
  if (choose_way(s, &w, SPLIT_ANY, &taken) < 0) return false;
  *attribute = (Attribute){ATTRIBUTE_blocking, numbers_of(s, &taken)};
  return true;
}

void select_conv_blocking(Select *s, Op *conv) {
  const Type *x = &conv->operands[0]->type, *panels = &conv->operands[1]->type;
  Work w = {.machine = machine_of(s->context->options), .all = 4 * type_elements(x)};
  Blocking taken;
  if (!is_cut(s) || !s->chosen || !conv_rows_product(conv, &w.machine, &w.product)) return;
  int usual = blocking_split(type_bytes_at_bound(x), type_bytes_at_bound(panels));
  if (choose_way(s, &w, usual, &taken) <= 0)
    return; /* the back end finds the usual way, also for
               parts of a batch */
  op_set_attribute(conv, ATTRIBUTE_blocking, numbers_of(s, &taken));
}

/* ---- Winograd's algorithm ---- */

static WinogradMachine winograd_machine(const PassOptions *options) {
  return (WinogradMachine){.lanes = (int)options->vector_lanes,
                           .registers = (int)options->vector_registers,
                           .l2 = options->cache_bytes,
                           .flops = options->flop_rate,
                           .memory = options->memory_rate,
                           .cache = options->cache_rate,
                           .threads = options->threads};
}

void select_winograd_blocks(Select *s, Op *conv) {
  const PassOptions *options = s->context->options;
  WinogradMachine machine = winograd_machine(options);
  WinogradWork work;
  if (options->level < 2 || options->several_cpus || !s->chosen ||
      !winograd_work(conv, &machine, &work))
    return;
  WinogradBlocks ways[WINOGRAD_MOST_WAYS];
  int count = winograd_blocks_ways(&machine, &work, ways);
  if (count < 2) return;
  Candidates list = {0};
  for (int i = 0; i < count; i++) {
    double seconds = ways[i].seconds * (i ? 1 : costs[COST_block_usual]);
    Blocking blocking = {.tile = ways[i].rows, .strip = ways[i].tiles};
    candidates_add(
        &list,
        (Candidate){
            .name = "blocks", .seconds = seconds, .blocking = blocking, .splits = ways[i].splits},
        0);
  }
  const char *sizes = arena_format(
      s->context->scratch, "%lldx%lldx%lldx%lld", (long long)work.points, (long long)work.tiles,
      (long long)(work.lines * work.channels), (long long)op_integer(conv, ATTRIBUTE_size));
  int best = select_choose_loops(s, sizes, &list);
  if (best == 0) return; /* the back end finds the usual way, also for parts of a batch */
  const Candidate *taken = &list.items[best];
  int64_t numbers[] = {taken->blocking.tile, taken->blocking.strip, taken->splits};
  op_set_attribute(conv, ATTRIBUTE_blocking,
                   attribute_integers(s->module, numbers, WINOGRAD_BLOCKS_NUMBERS));
}
