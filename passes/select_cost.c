/* What the ways to compute a product may take, by the target's peak and memory, and the choice
 * among them. Rough: an algorithm's share of the peak was measured on one machine, and neighbours
 * (a transpose that falls away, a kernel that fuses) are not seen. */
#include "passes/cost.h"
#include "passes/select.h"

/* Arithmetic that takes as long as moving one element of a weight into a panel; and, of a product
 * by a weight as it lies, as copying one near by, in its order or turned around. A few rows of x
 * read it where it is. */
static const double packing = 80, copying = 5, turning = 12;
enum { FEW_ROWS = 12 };

/* Operands that fit into this many times L2 come from the caches, faster than memory. */
static const double cached = 8, cache_speed = 4;

double select_traffic(const Select *s, double bytes) {
  const PassOptions *options = s->context->options;
  double rate = options->memory_rate;
  return bytes / (bytes > cached * (double)options->cache_bytes ? rate : rate * cache_speed);
}

double select_time(const Select *s, double flops, double share, double bytes) {
  double arithmetic = flops / (share * s->context->options->flop_rate);
  double traffic = select_traffic(s, bytes);
  return arithmetic > traffic ? arithmetic : traffic;
}

double select_packing(const Select *s, double elements) {
  return select_time(s, packing * elements, 1, 2 * 4 * elements);
}

double select_rows_time(const Select *s, double flops, double elements, double rows, bool turned) {
  double each = turned ? turning : rows > FEW_ROWS ? copying : 0;
  return select_time(s, flops / 0.9 + each * elements, 1, 4 * elements);
}

static void text_seconds(Text *text, double seconds) {
  if (seconds >= 1e-3)
    text_format(text, "%.2f ms", seconds * 1e3);
  else
    text_format(text, "%.2f us", seconds * 1e6);
}

int select_choose(Select *s, const Candidate *candidates, int count) {
  int best = 0;
  for (int i = 1; i < count; i++)
    if (candidates[i].seconds < candidates[best].seconds) best = i;
  Text text = text_new(s->module->arena);
  for (int i = 0; i < count; i++) {
    text_format(&text, "%s%s ", i ? ", " : "", candidates[i].name);
    text_seconds(&text, candidates[i].seconds);
    if (i == best) text_string(&text, " (chosen)");
  }
  s->why = text_get(&text);
  return best;
}
