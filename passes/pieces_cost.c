/* How a chain is cut: a table of what its first c operations take at least. Times are of one
 * thread, in seconds; they count what a piece's size changes, so they are no forecast of a call's.
 */
#include "passes/pieces.h"

#include "ir/cost.h"
#include "ir/winograd.h"
#include "passes/cost.h"

#include <float.h>
#include <math.h>

enum { MOST_SIZES = 16, MOST_SIZE = 1 << 16 }; /* of a piece, that are tried */

typedef struct {
  const PassContext *context;
  const Chain *chain;
  double batch;              /* at its bound */
  int64_t sizes[MOST_SIZES]; /* of a piece, the whole batch last */
  int size_count;
  double *maps[MOST_SIZES]; /* of the first c operations: all but weights */
  double *weights;          /* likewise, bytes */
  int *products;            /* and how many are products */
  bool *starts;             /* a piece may begin with operation c */
} Costs;

/* What bytes take to come where so many are in use, a part of them in each cache. */
static double seconds(const Costs *c, double bytes, double in_use) {
  double l2 = (double)c->context->options->cache_bytes;
  double near = fmin(1, l2 / 2 / (in_use + 1));
  double cached = fmax(near, fmin(1, l2 * costs[COST_cached] / (in_use + 1)));
  const PassOptions *options = c->context->options;
  double far = near / costs[COST_near_speed] + (1 - cached);
  return bytes * (far / options->memory_rate + (cached - near) / options->cache_rate);
}

static double bytes_of(const Value *value) {
  return type_elements(&value->type) * element_infos[value->type.element].bytes;
}

/* Its result is a map in memory, as far as can be said before kernels are made. */
static bool is_made(const Op *op) {
  return operator_has(op->kind, TRAIT_PRODUCT | TRAIT_REDUCTION) || op->kind == OP_pad ||
         op->kind == OP_transpose || op->kind == OP_softmax;
}

/* Elementwise operations, and what a pooling makes of its windows, are part of a kernel before. */
static bool can_start(const Op *op) {
  if (operator_has(op->kind, TRAIT_ELEMENTWISE) || op->kind == OP_reshape) return false;
  const Op *from = op->operands[0]->op;
  return !(from && from->kind == OP_windows);
}

/* Bytes of maps that the operation moves for a picture. */
static double moved(const Costs *c, const Op *op) {
  double bytes = 0;
  if (is_made(op)) {
    const Op *from = op->operands[0]->op;
    const Value *x = from && from->kind == OP_windows ? from->operands[0] : op->operands[0];
    bytes = bytes_of(x) + bytes_of(op_result(op));
  } else if (operator_has(op->kind, TRAIT_ELEMENTWISE)) { /* beside what it follows */
    for (int i = 1; i < op->operand_count; i++)
      if (piece_is_each(op, i, c->chain->batch)) bytes += bytes_of(op->operands[i]);
  }
  return bytes / c->batch;
}

/* Rows of x in a product, for a picture. */
static double rows_of(const Op *op) {
  const Type *type = &op_result(op)->type;
  double rows = 1;
  for (int i = 1; i + 1 < type->rank; i++) rows *= (double)dim_max(type->dims[i]);
  if (op->kind != OP_conv_winograd) return rows;
  for (int i = 0; i < op_list_count(op, ATTRIBUTE_tile); i++)
    rows /= (double)op_list_integer(op, ATTRIBUTE_tile, i);
  return rows;
}

/* Of a product for the whole batch, a piece of so many pictures after the other. */
static double arithmetic(const Costs *c, const Op *op, double size) {
  if (!operator_has(op->kind, TRAIT_PRODUCT)) return 0;
  const Dim *flops = op_product_flops(c->context->module->dims, op);
  double result = flops ? (double)dim_max(flops) / c->context->options->flop_rate : 0;
  if (op->kind == OP_conv) return result / costs[COST_near_depthwise];
  for (int i = 0; op->kind == OP_conv_winograd && i < op_list_count(op, ATTRIBUTE_tile); i++) {
    int64_t tile = op_list_integer(op, ATTRIBUTE_tile, i);
    int64_t kernel = op_list_integer(op, ATTRIBUTE_kernel, i);
    Winograd axis;
    if (winograd_find(tile, kernel, op_list_integer(op, ATTRIBUTE_stride, i), &axis))
      result *= (double)axis.points / (double)(tile * kernel);
  }
  return result * (1 + costs[COST_edge_rows] / (rows_of(op) * size));
}

/* While a product is computed its maps come and go. */
static double map_seconds(const Costs *c, const Op *op, double size) {
  double bytes = moved(c, op) * size, trips = c->batch / size;
  double result = fmax(arithmetic(c, op, size), trips * seconds(c, bytes, bytes));
  return is_made(op) ? result + trips * costs[COST_trip_seconds] : result;
}

static double weight_bytes(const Costs *c, const Op *op) {
  double bytes = 0;
  for (int i = 0; i < op->operand_count; i++)
    if (!piece_is_each(op, i, c->chain->batch)) bytes += bytes_of(op->operands[i]);
  return bytes;
}

/* A batch that only a call knows can be taken a picture at a time, whatever it is. */
static void find_sizes(Costs *c) {
  int64_t asked = c->context->options->pictures;
  const Dim *batch = c->chain->batch;
  int64_t all = dim_max(batch), most = dim_is_constant(batch) ? all / 2 : 1;
  if (asked < 0) return;
  int64_t size = asked ? asked : 1, last = asked ? asked : MOST_SIZE;
  for (; size <= most && size <= last && c->size_count + 1 < MOST_SIZES; size++)
    if (all % size == 0 || !dim_is_constant(batch)) c->sizes[c->size_count++] = size;
}

static void sum_up(Costs *c) {
  const Chain *chain = c->chain;
  Arena *scratch = c->context->scratch;
  size_t room = (size_t)chain->count + 1;
  c->batch = (double)dim_max(chain->batch);
  c->weights = ARENA_ARRAY(scratch, room, double);
  c->products = ARENA_ARRAY(scratch, room, int);
  c->starts = ARENA_ARRAY(scratch, room, bool);
  for (int s = 0; s <= c->size_count; s++) c->maps[s] = ARENA_ARRAY(scratch, room, double);
  for (int n = 0; n < chain->count; n++) {
    const Op *op = chain->ops[n];
    c->starts[n] = n == 0 || can_start(op);
    c->products[n + 1] = c->products[n] + operator_has(op->kind, TRAIT_PRODUCT);
    c->weights[n + 1] = c->weights[n] + weight_bytes(c, op);
    for (int s = 0; s <= c->size_count; s++) {
      double size = s == c->size_count ? c->batch : (double)c->sizes[s];
      c->maps[s][n + 1] = c->maps[s][n] + map_seconds(c, op, size);
    }
  }
  c->starts[chain->count] = true;
}

/* Weights come from memory once, and with each trip again, from where there is room for all. */
static double piece_seconds(const Costs *c, int from, int to, int s) {
  double trips = c->batch / (double)c->sizes[s], weights = c->weights[to] - c->weights[from];
  double result = c->maps[s][to] - c->maps[s][from];
  return result + (trips - 1) * seconds(c, weights, 2 * weights);
}

/* Maps that go from a piece to the next, or come from one, are of the whole batch: written, and
 * read, if there are threads, by another core. */
static double cut_seconds(const Costs *c, int at) {
  if (at == 0 || at == c->chain->count) return 0;
  double bytes = c->chain->alive[at] * c->batch;
  return 2 * seconds(c, bytes, bytes);
}

static const char *explain(const Costs *c, const Piece *piece, int s) {
  double all = c->maps[c->size_count][piece->to] - c->maps[c->size_count][piece->from];
  return arena_format(c->context->module->arena,
                      "%lld of %lld at a time: %.0f us for maps and %.1f MiB of weights, all at "
                      "once %.0f us",
                      (long long)piece->pictures, (long long)dim_max(c->chain->batch),
                      piece_seconds(c, piece->from, piece->to, s) * 1e6,
                      (c->weights[piece->to] - c->weights[piece->from]) / (1 << 20), all * 1e6);
}

/* Of the first operations of the chain, as many as its number: the least they take, and how. */
typedef struct {
  double seconds;
  int from, size; /* of the last piece; size_count: an operation for the whole batch */
} Best;

static void try_piece(const Costs *c, Best *best, int from, int to, int s) {
  const double *maps = c->maps[c->size_count];
  bool is_asked = c->context->options->pictures > 0;
  if (c->products[to] == c->products[from]) return;
  double piece = cut_seconds(c, from) + piece_seconds(c, from, to, s) + cut_seconds(c, to);
  double most = (maps[to] - maps[from]) * (1 - costs[COST_piece_gain]);
  if (best[from].seconds + piece >= best[to].seconds || (!is_asked && piece > most)) return;
  best[to] = (Best){best[from].seconds + piece, from, s};
}

int pieces_choose(const PassContext *context, const Chain *chain, Piece *pieces) {
  Costs c = {.context = context, .chain = chain};
  find_sizes(&c);
  if (c.size_count == 0) return 0;
  sum_up(&c);
  const double *maps = c.maps[c.size_count];
  bool is_asked = context->options->pictures > 0;
  Best *best = ARENA_ARRAY(context->scratch, (size_t)chain->count + 1, Best);
  for (int to = 1; to <= chain->count; to++) {
    double whole = best[to - 1].seconds + maps[to] - maps[to - 1];
    best[to] = (Best){is_asked ? DBL_MAX / 4 : whole, to - 1, c.size_count};
    for (int from = 0; c.starts[to] && from + 1 < to; from++)
      for (int s = 0; c.starts[from] && s < c.size_count; s++) try_piece(&c, best, from, to, s);
  }
  int count = 0;
  for (int to = chain->count; to > 0; to = best[to].from) count += best[to].size < c.size_count;
  int next = count;
  for (int to = chain->count; to > 0; to = best[to].from) {
    if (best[to].size == c.size_count) continue;
    Piece *piece = &pieces[--next];
    *piece = (Piece){best[to].from, to, c.sizes[best[to].size], NULL};
    piece->why = explain(&c, piece, best[to].size);
  }
  return count;
}
