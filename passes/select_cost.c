/* What the ways to compute a product may take, by the target's peak and memory, and the choice
 * among them. Rough: an algorithm's share of the peak was measured on one machine, and neighbours
 * (a transpose that falls away, a kernel that fuses) are not seen. */
#include "ir/module_text.h"
#include "passes/cost.h"
#include "passes/select.h"
#include "support/bug.h"

#include <math.h>
#include <string.h>

double select_traffic(const Select *s, double bytes) {
  const PassOptions *options = s->context->options;
  bool far = bytes > costs[COST_cached] * (double)options->cache_bytes;
  return bytes / (far ? options->memory_rate : options->cache_rate);
}

double select_time(const Select *s, double flops, double share, double bytes) {
  double arithmetic = flops / (share * s->context->options->flop_rate);
  double traffic = select_traffic(s, bytes);
  return arithmetic > traffic ? arithmetic : traffic;
}

double select_packing(const Select *s, double elements) {
  return select_time(s, costs[COST_pack_flops] * elements, 1, 2 * 4 * elements);
}

double select_rows_time(const Select *s, double flops, double elements, double rows, bool turned,
                        double bytes) {
  if (rows <= 1)
    return select_time(s, flops / costs[COST_rows_share], 1, bytes / costs[COST_row_share]);
  double each = turned                        ? costs[COST_turn_flops]
                : rows > costs[COST_few_rows] ? costs[COST_copy_flops]
                                              : 0;
  double work = flops / costs[COST_rows_share] + each * elements;
  return select_time(s, work, 1, bytes) + costs[COST_beside_share] * select_time(s, work, 1, 0);
}

/* ---- candidates ---- */

void candidates_add(Candidates *list, Candidate candidate, int form) {
  if (list->count == MOST_CANDIDATES) bug("too many candidates");
  list->items[list->count] = candidate;
  list->forms[list->count++] = form;
}

/* Of `vectors` columns, the rows of a tile and how many tiles there are. */
static double tile_of(const Select *s, double rows, int64_t vectors, double *tiles) {
  enum { MOST_ROWS = 14 };
  int64_t registers = s->context->options->vector_registers;
  int64_t room = (registers - vectors - registers / 8) / vectors;
  room = room > MOST_ROWS ? MOST_ROWS : room < 1 ? 1 : room;
  bool one = rows < (double)room;
  *tiles = one ? 1 : rows / (double)room;
  return one ? rows : (double)room;
}

static double larger(double a, double b) {
  return a > b ? a : b;
}

/* Vectors of a tile's columns: a panel that is wider is done in parts. With few registers there are
 * two, or three by three rows. */
static int64_t most_vectors(const Select *s, const PanelWork *w, int64_t vectors) {
  int64_t most = s->context->options->vector_registers / (w->rows <= 1 ? 2 : 8);
  return most == 2 && vectors == 3 ? 3 : most;
}

/* Panels that go by at once for few rows: as many as have their sums in registers. */
static double streams_of(const Select *s, double rows, int64_t vectors, int64_t panels) {
  int64_t most = s->context->options->vector_registers * 3 / 4;
  double streams = floor((double)most / (rows * (double)vectors));
  streams = streams < costs[COST_most_streams] ? streams : costs[COST_most_streams];
  streams = streams < (double)panels ? streams : (double)panels;
  return streams < 1 ? 1 : streams;
}

/* Of the memory's rate, what so many walks through it reach, `columns` at a step. */
static double stream_rate(double streams, int64_t columns) {
  double one = costs[COST_stream_share], most = costs[COST_streams];
  double rate = streams >= most ? 1 : one + (1 - one) * (streams - 1) / (most - 1);
  return 4 * (double)columns < costs[COST_line_bytes] ? rate * costs[COST_narrow_share] : rate;
}

double select_tile_start(double sums) {
  double more = sums - costs[COST_slots_chain];
  return costs[COST_block_start] + (more > 0 ? more * costs[COST_block_more] : 0);
}

/* In slots of a vector's multiply-add: all of a tile's, unless they wait for each other, for the
 * loads of a row of the panel and an element of x each, two a cycle, or for the panel to come. */
static double panel_time(const Select *s, const PanelWork *w, int64_t columns) {
  const PassOptions *options = s->context->options;
  int64_t vectors = columns / options->vector_lanes, panels = (w->size + columns - 1) / columns;
  int64_t most = most_vectors(s, w, vectors);
  double parts = vectors > most ? (double)vectors / (double)most : 1;
  if (vectors > most) vectors = most;
  double tiles, rows = tile_of(s, w->rows, vectors, &tiles), v = (double)vectors;
  double streams = tiles <= 1 ? streams_of(s, rows, vectors, panels) : 1;
  double step = larger(rows * v, costs[COST_slots_chain] / streams);
  double panel = 4 * (double)columns * (double)w->depth;
  bool far = panel > (double)options->cache_bytes;
  step = larger(step, costs[COST_load_slots] * (rows / streams + v));
  if (w->rows > 1)
    step = larger(step,
                  4 * v * (double)options->vector_lanes /
                      (far ? costs[COST_panel_cache] * options->cache_rate : options->near_rate) *
                      options->flop_rate / (2 * (double)options->vector_lanes));
  bool starts = tiles > 1 && !w->within;
  double close = costs[COST_slots_chain] / (rows * v) - 0.5;
  if (starts && close > 0) step *= 1 + costs[COST_chain_close] * close;
  double tile = step * (double)w->depth + (starts ? select_tile_start(rows * v) : 0);
  double slots = parts * tiles * tile * (double)(panels * w->groups);
  double flops = slots * 2 * (double)options->vector_lanes;
  double padding = (double)(panels * columns - w->size) * (double)(w->depth * w->groups);
  double bytes = w->bytes + 4 * padding;
  if (tiles <= 1) bytes /= stream_rate(streams, columns);
  double seconds = w->before + select_time(s, flops, w->share, bytes);
  if (tiles > 1) return seconds;
  return seconds + costs[COST_beside_share] * select_time(s, flops, w->share, 0);
}

static Candidate panel_candidate(const Select *s, const char *name, const PanelWork *work,
                                 int64_t columns) {
  return (Candidate){.name = name, .seconds = panel_time(s, work, columns), .columns = columns};
}

/* Panels of one column (backend/product_narrow.c): lanes go along the sum, in runs that a vector's
 * last one may not fill; sums are turned round once. */
static double narrow_time(const Select *s, const PanelWork *w) {
  const PassOptions *options = s->context->options;
  double lanes = options->vector_lanes, size = (double)w->size, run = (double)w->run;
  double pixels = floor(options->vector_registers * 0.75 / size);
  pixels = pixels < 1 ? 1 : pixels < w->rows ? pixels : w->rows;
  double step = larger(pixels * size, costs[COST_load_slots] * (pixels + size));
  step = larger(step, costs[COST_slots_chain]);
  double steps = ceil(run / lanes) * (double)w->depth / run;
  double slots = w->rows / pixels * step * steps + costs[COST_narrow_sum] * w->rows * size;
  return w->before + select_time(s, slots * 2 * lanes, w->share, w->bytes);
}

void candidates_add_panels(const Select *s, Candidates *list, const char *name, int form,
                           const PanelWork *work) {
  int64_t lanes = s->context->options->vector_lanes, most = s->context->options->panel_columns;
  if (work->run > 0 && work->groups == 1 && 2 * work->size <= lanes && work->rows > 1) {
    Candidate narrow = {.name = name, .seconds = narrow_time(s, work), .columns = 1};
    candidates_add(list, narrow, form);
  }
  if (work->rows > 1 && most == 2 * lanes && most_vectors(s, work, 3) == 3)
    candidates_add(list, panel_candidate(s, name, work, 3 * lanes), form);
  for (int64_t columns = lanes; columns <= most; columns += lanes)
    candidates_add(list, panel_candidate(s, name, work, columns), form);
  if (work->rows <= 1 && most < 3 * lanes)
    candidates_add(list, panel_candidate(s, name, work, 3 * lanes), form);
  /* one row is one long walk through memory: wider panels, many sums */
  for (int64_t columns = 2 * most; work->rows <= 1 && columns <= 8 * lanes; columns *= 2)
    candidates_add(list, panel_candidate(s, name, work, columns), form);
}

const char *candidate_text(Arena *arena, const Candidate *c) {
  if (c->tile[0])
    return arena_format(arena, "%s/%lldx%lld", c->name, (long long)c->tile[0],
                        (long long)c->tile[1]);
  const Blocking *b = &c->blocking;
  if (c->splits)
    return arena_format(arena, "t%lld/r%lld/s%lld", (long long)b->strip, (long long)b->tile,
                        (long long)c->splits);
  if (b->tile)
    return arena_format(arena, "k%lld/m%lld/n%lld/r%lld/%s", (long long)(b->segments * b->depth),
                        (long long)b->strip, (long long)b->columns, (long long)b->tile,
                        b->split == SPLIT_ROWS ? "rows" : "columns");
  if (!c->columns) return c->name;
  return arena_format(arena, "%s/%lld", c->name, (long long)c->columns);
}

/* ---- the choice ---- */

static void text_seconds(Text *text, double seconds) {
  if (seconds >= 1e-3)
    text_format(text, "%.2f ms", seconds * 1e3);
  else
    text_format(text, "%.2f us", seconds * 1e6);
}

/* "conv f32[<=8,3,32,32] f32[16,3,3,3]* {pad=[[1,1],[1,1]]}": what the time depends on, whatever
 * values, dims and places are called. */
static const char *key_of(Select *s, const Op *op, unsigned constants) {
  Arena *arena = s->context->scratch;
  Text key = text_new(arena), all = text_new(arena);
  if (s->function->kind != FUNCTION_MODEL)
    text_format(&key, "%s ", function_kind_names[s->function->kind]);
  text_string(&key, operator_infos[op->kind].name);
  for (int i = 0; i < op->operand_count; i++) {
    const Type *type = &op->operands[i]->type;
    text_format(&key, " %s[", element_infos[select_element(op->operands[i])].name);
    for (int a = 0; a < type->rank; a++)
      text_format(&key, "%s%s%lld", a ? "," : "",
                  dim_is_constant(type->dims[a]) ? "" : "<=", (long long)dim_max(type->dims[a]));
    text_format(&key, "]%s", constants & 1u << i ? "*" : "");
  }
  op_print(&all, op, (PrintOptions){0});
  const char *attributes = strchr(text_get(&all), '{');
  const char *end = attributes ? strchr(attributes, '}') : NULL;
  if (end) text_format(&key, " %.*s", (int)(end + 1 - attributes), attributes);
  return text_get(&key);
}

/* What the Chooser says; -1: nothing. `choice` says what part is chosen for. */
static int ask(Select *s, Choice choice, const char *sizes, const Candidates *list,
               double *seconds) {
  Arena *arena = s->context->scratch;
  const Chooser *chooser = s->context->options->chooser;
  if (!chooser) return -1;
  const Op *op = choice.op;
  choice.candidates = list->items, choice.count = list->count;
  for (int i = 0; i < op->operand_count; i++)
    if (select_is_constant(s, op->operands[i])) choice.constants |= 1u << i;
  choice.key = key_of(s, op, choice.constants);
  if (choice.given)
    choice.key = arena_format(arena, "%s%s%s%sof %s %sof %s", choice.loops ? "loops " : "",
                              choice.phase ? "phase " : "", choice.phase ? choice.phase : "",
                              choice.phase ? " " : "",
                              choice.of_phase ? choice.of_phase : choice.given, sizes, choice.key);
  int taken = chooser->choose(chooser->user, &choice, seconds);
  return taken < list->count ? taken : -1;
}

/* All, with what was taken, appended to `text`. */
static int choose(Select *s, Choice choice, const char *sizes, const Candidates *list, Text *text) {
  double measured[MOST_CANDIDATES] = {0};
  int best = ask(s, choice, sizes, list, measured);
  bool asked = best >= 0;
  if (!asked) best = 0;
  for (int i = 1; i < list->count && !asked; i++)
    if (list->items[i].seconds <= list->items[best].seconds) best = i;
  for (int i = 0; i < list->count; i++) {
    const Candidate *c = &list->items[i];
    text_format(text, "%s%s ", i ? ", " : "", candidate_text(s->context->scratch, c));
    text_seconds(text, c->seconds);
    if (measured[i] > 0) {
      text_string(text, " (measured ");
      text_seconds(text, measured[i]);
      text_string(text, i == best ? ", chosen)" : ")");
    } else if (i == best)
      text_string(text, " (chosen)");
  }
  return best;
}

int select_choose(Select *s, const Op *op, const Candidates *list) {
  Text text = text_new(s->module->arena);
  int best = choose(s, (Choice){.op = op}, "", list, &text);
  s->why = text_get(&text);
  s->taken = candidate_text(s->module->arena, &list->items[best]);
  s->chosen = op;
  s->columns = list->items[best].columns;
  return best;
}

int select_choose_phase(Select *s, const Candidates *list) {
  Text text = text_new(s->module->arena);
  text_format(&text, "%s; phase %s: ", s->why, s->phase);
  Choice choice = {.op = s->chosen, .given = s->taken, .phase = s->phase};
  int best = choose(s, choice, "", list, &text);
  s->why = text_get(&text);
  s->of_phase = candidate_text(s->module->arena, &list->items[best]);
  return best;
}

int select_choose_loops(Select *s, const char *sizes, const Candidates *list) {
  Text text = text_new(s->module->arena);
  text_format(&text, "%s; loops: ", s->why);
  Choice choice = {.op = s->chosen,
                   .given = s->taken,
                   .phase = s->phase,
                   .of_phase = s->of_phase,
                   .loops = true};
  int best = choose(s, choice, arena_format(s->context->scratch, "%s ", sizes), list, &text);
  s->why = text_get(&text);
  return best;
}
