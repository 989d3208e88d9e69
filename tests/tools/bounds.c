#include "tests/tools/bounds.h"

#include "ir/attention.h"
#include "ir/cost.h"
#include "support/bug.h"
#include "tests/tools/bounds_winograd.h"
#include "tests/tools/numbers.h"

#include <math.h>
#include <string.h>

enum { ROUNDINGS = 4, FOLDED = 8, DEAR = 16 }; /* DEAR: exp, the division and what is beside it */
static const double tiny = 1e-37;              /* below f32's normal numbers */

typedef struct {
  const Function *function;
  InterpretOptions wide;
  const InterpretOptions *given;
  Arena *arena;
  bool winograd;   /* convolutions may be by Winograd's algorithm */
  Bounded *values; /* by Value.mark */
  const char **message;
} Bounds;

static double gamma_of(double n) {
  return n * 0x1p-24 / (1 - n * 0x1p-24);
}

static Bounded *bounded(const Bounds *b, const Value *value) {
  return &b->values[value->mark];
}

static bool is_float(const RunTensor *x) {
  return element_is_float(x->element);
}

/* A float tensor of f32 and its like in double. */
static RunTensor widened(const Bounds *b, const RunTensor *x) {
  RunTensor wide = *x;
  if (!is_float(x)) return wide;
  double *to = arena_array(b->arena, (size_t)x->count + 1, sizeof *to);
  for (int64_t i = 0; i < x->count; i++) to[i] = element_load(x->element, x->bytes, i);
  wide.bytes = to;
  return wide;
}

/* What interpret_op asks for is asked of the caller's function, and widened. */
static bool give_wide(void *user, const Tensor *tensor, RunTensor *value) {
  const Bounds *b = user;
  if (!b->given->tensor(b->given->user, tensor, value)) return false;
  *value = widened(b, value);
  return true;
}

static bool run(const Bounds *b, const Op *op, const RunTensor *operands, RunTensor *results) {
  return interpret_op(op, &b->wide, operands, results, b->message);
}

/* ---- operands with their errors ---- */

typedef enum { AS_IT_IS, MAGNITUDE, MAGNITUDE_AND_ERROR, UP, DOWN } Form;

static RunTensor formed(const Bounds *b, const Bounded *x, Form form) {
  RunTensor made = x->value;
  if (form == AS_IT_IS || !is_float(&made)) return made;
  double *to = arena_array(b->arena, (size_t)made.count + 1, sizeof *to);
  const double *from = made.bytes, *error = x->error;
  for (int64_t i = 0; i < made.count; i++) {
    double magnitude = isfinite(from[i]) ? fabs(from[i]) : 0;
    to[i] = form == MAGNITUDE             ? magnitude
            : form == MAGNITUDE_AND_ERROR ? magnitude + error[i]
            : form == UP                  ? from[i] + error[i]
                                          : from[i] - error[i];
  }
  made.bytes = to;
  return made;
}

static double largest(const double *x, int64_t count) {
  double most = 0;
  for (int64_t i = 0; i < count; i++)
    if (isfinite(x[i]) && fabs(x[i]) > most) most = fabs(x[i]);
  return most;
}

/* Adds how far the result moves from x, up or down, whichever is further. */
static void add_change(double *error, const double *x, const double *up, const double *down,
                       int64_t count) {
  for (int64_t i = 0; i < count; i++) {
    if (isnan(x[i]) || (up[i] == x[i] && down[i] == x[i])) continue;
    double change = fmax(fabs(up[i] - x[i]), fabs(down[i] - x[i]));
    error[i] += isnan(up[i]) || isnan(down[i]) ? INFINITY : change;
  }
}

/* ---- products and sums: linear in each operand, so that magnitudes tell all ---- */

static double length_of(const Bounds *b, const Op *op, const RunTensor *y) {
  int64_t count = 0;
  if (operator_has(op->kind, TRAIT_PRODUCT)) {
    const Dim *flops = op_product_flops(b->function->module->dims, op);
    if (!flops || !dim_evaluate(flops, b->wide.dims, &count)) return 0;
    return y->count ? (double)count / 2 / (double)y->count : 0;
  }
  if (op->kind == OP_sum) { /* of operand 0's elements, as many go into one */
    int64_t all = bounded(b, op->operands[0])->value.count;
    return y->count ? (double)all / (double)y->count : 0;
  }
  double all = 1; /* scatter_add, overlap_add: at worst all meet */
  for (int i = 0; i < op->operand_count; i++) {
    double size = (double)bounded(b, op->operands[i])->value.count;
    if (size > all) all = size;
  }
  return all / (y->count ? (double)y->count : 1) + 64;
}

static bool bound_sum(const Bounds *b, const Op *op, Bounded *y) {
  RunTensor plain[8], more[8], low, high;
  for (int i = 0; i < op->operand_count; i++) {
    const Bounded *x = bounded(b, op->operands[i]);
    plain[i] = formed(b, x, MAGNITUDE), more[i] = formed(b, x, MAGNITUDE_AND_ERROR);
  }
  if (!run(b, op, plain, &low) || !run(b, op, more, &high)) return false;
  const double *from = low.bytes, *to = high.bytes;
  double gamma = gamma_of(length_of(b, op, &y->value) + FOLDED);
  for (int64_t i = 0; i < y->value.count; i++) y->error[i] = to[i] - from[i] + gamma * to[i];
  double *most = arena_array(b->arena, (size_t)y->value.count + 1, sizeof *most), n;
  bool weight = op->kind == OP_conv_weight && (b->winograd || conv_weight_is_winograd(op));
  if ((weight && conv_weight_magnitude(b->arena, op, &more[0], &more[1], most, &n)) ||
      (b->winograd && conv_magnitude(b->arena, op, &more[0], &more[1], &y->value, most, &n)))
    for (int64_t i = 0; i < y->value.count; i++)
      y->error[i] = fmax(y->error[i], to[i] - from[i] + gamma_of(n + FOLDED) * most[i]);
  return true;
}

/* ---- Winograd's algorithm, where the function itself has it ---- */

static void bound_winograd(const Bounds *b, const Op *op, Bounded *y) {
  const Bounded *x = bounded(b, op->operands[0]);
  RunTensor plain[2], more[2];
  for (int i = 0; i < op->operand_count; i++) {
    const Bounded *operand = bounded(b, op->operands[i]);
    plain[i] = formed(b, operand, MAGNITUDE);
    more[i] = formed(b, operand, MAGNITUDE_AND_ERROR);
  }
  double *low = arena_array(b->arena, (size_t)y->value.count + 1, sizeof *low);
  double *high = arena_array(b->arena, (size_t)y->value.count + 1, sizeof *high), n;
  Winograd axes[2];
  for (int i = 0; i < 2; i++) {
    int64_t kernel = op->kind == OP_conv_winograd ? op_list_integer(op, ATTRIBUTE_kernel, i)
                                                  : x->value.shape[i + 1];
    if (!winograd_find(op_list_integer(op, ATTRIBUTE_tile, i), kernel,
                       op_list_integer(op, ATTRIBUTE_stride, i), &axes[i]))
      bug("no tile of Winograd's algorithm");
  }
  if (op->kind == OP_conv_winograd) {
    conv_winograd_magnitude(b->arena, op, &plain[0], &plain[1], low);
    conv_winograd_magnitude(b->arena, op, &more[0], &more[1], high);
    n = winograd_roundings(axes, x->value.shape[3]);
  } else {
    winograd_weight_magnitude(axes, &plain[0], low);
    winograd_weight_magnitude(axes, &more[0], high);
    n = axes[0].points + axes[1].points;
  }
  for (int64_t i = 0; i < y->value.count; i++)
    y->error[i] = high[i] - low[i] + gamma_of(n + FOLDED) * high[i];
}

/* ---- softmax and attention: each weight changes by at most twice the scores' error, relatively
 * ----
 */

static void bound_softmax(const Bounds *b, const Op *op, Bounded *y) {
  const Bounded *x = bounded(b, op->operands[0]);
  double moved = 2 * largest(x->error, x->value.count);
  double length = (double)x->value.shape[op_integer(op, ATTRIBUTE_axis)];
  const double *p = y->value.bytes;
  double stored =
      op->results[0]->type.element == ELEMENT_f32 ? 0 : numbers_unit(op->results[0]->type.element);
  for (int64_t i = 0; i < y->value.count; i++)
    y->error[i] = fabs(p[i]) * (expm1(moved) + gamma_of(length + 2 * DEAR) + stored);
}

/* An operand's largest number and largest error; of what is not there 1 and 0. */
typedef struct {
  double most, error;
} Most;

static Most most_of(const Bounds *b, const Op *op, int operand) {
  const Bounded *x = operand < 0 ? NULL : bounded(b, op->operands[operand]);
  if (!x || !x->error) return (Most){1, 0};
  return (Most){largest(x->value.bytes, x->value.count), largest(x->error, x->value.count)};
}

typedef struct {
  double queries, keys, width, out, scale;
  double error; /* of a score */
  double most;  /* score, so that a difference of two is within 2 u of it */
} Scores;

static Scores scores_of(const Bounds *b, const Op *op) {
  const RunTensor *q = &bounded(b, op->operands[0])->value,
                  *v = &bounded(b, op->operands[2])->value;
  Scores s = {.queries = (double)q->shape[q->rank - 2],
              .keys = (double)v->shape[v->rank - 2],
              .width = (double)q->shape[q->rank - 1],
              .out = (double)v->shape[v->rank - 1],
              .scale = fabs(attention_scale(op))};
  if (s.scale == 0) s.scale = 1 / sqrt(s.width > 0 ? s.width : 1);
  Most x = most_of(b, op, 0), y = most_of(b, op, 1), bias = {0, 0};
  int mask = attention_mask(op);
  if (mask >= 0 && bounded(b, op->operands[mask])->error) bias = most_of(b, op, mask);
  s.most = s.scale * s.width * x.most * y.most + bias.most;
  s.error = s.scale * s.width *
                (x.most * y.error + x.error * y.most + x.error * y.error +
                 gamma_of(s.width + DEAR) * x.most * y.most) +
            bias.error + gamma_of(2) * s.most;
  return s;
}

/* y is the mean of values, by weights that are right up to `moved`; the logarithm of the sum of
 * exponentials moves no more than a score does, and what the sum is wrong by. */
static void bound_attention(const Bounds *b, const Op *op, Bounded *const *results) {
  Scores s = scores_of(b, op);
  Most v = most_of(b, op, 2), f = most_of(b, op, attention_factor(op));
  double moved = expm1(2 * s.error) + gamma_of(2 * s.keys + 2 * DEAR);
  double error = f.most * (v.error + moved * v.most) + f.error * v.most;
  for (int64_t i = 0; i < results[0]->value.count; i++) results[0]->error[i] = error;
  const double *logs = results[1]->value.bytes;
  for (int64_t i = 0; i < results[1]->value.count; i++)
    results[1]->error[i] = s.error + gamma_of(s.keys + 2 * DEAR) +
                           gamma_of(DEAR) * (s.most + (isfinite(logs[i]) ? fabs(logs[i]) : 0));
}

/* With the logarithms of the same scores a row's probabilities sum to 1 at most, each right up to
 * `moved`; a slope of a score is p * (dp * f - delta) * scale. */
static void bound_attention_gradient(const Bounds *b, const Op *op, Bounded *const *results) {
  Scores s = scores_of(b, op);
  Most q = most_of(b, op, 0), k = most_of(b, op, 1), v = most_of(b, op, 2), d = most_of(b, op, 3);
  Most logs = most_of(b, op, 4), delta = most_of(b, op, 5),
       f = most_of(b, op, attention_factor(op));
  double moved = expm1(s.error + logs.error + gamma_of(2) * (s.most + logs.most)) + gamma_of(DEAR);
  double dp = s.out * d.most * v.most;
  double dp_error = s.out * (d.error * v.most + d.most * v.error + d.error * v.error) +
                    gamma_of(s.out + DEAR) * dp;
  double slope = dp * f.most + delta.most;
  double more = dp_error * f.most + dp * f.error + delta.error;
  double by_keys = slope * (moved + gamma_of(s.keys + 2 * DEAR)) + more;
  double by_queries = slope * (moved + gamma_of(s.queries + 2 * DEAR)) + more;
  double errors[3] = {s.scale * (k.most * by_keys + k.error * slope),
                      s.scale * s.queries * (q.most * by_queries + q.error * slope),
                      s.queries * (f.most * d.most * (moved + gamma_of(s.queries + DEAR)) +
                                   f.most * d.error + f.error * d.most)};
  for (int r = 0; r < 3; r++)
    for (int64_t i = 0; i < results[r]->value.count; i++) results[r]->error[i] = errors[r];
}

/* ---- loops: as many roundings, one after the other, as the longest chain has ---- */

static double chain_length(const Bounds *b, const Block *block) {
  double length = 0;
  for (const Op *op = block->first; op; op = op->next) {
    int64_t count = 0, made = 1;
    const Dim *flops = op_product_flops(b->function->module->dims, op);
    if (op->result_count) {
      const Dim *size = type_count(b->function->module->dims, &op->results[0]->type);
      if (!size || !dim_evaluate(size, b->wide.dims, &made) || made < 1) made = 1;
    }
    if (flops && dim_evaluate(flops, b->wide.dims, &count))
      length += (double)count / 2 / (double)made;
    if (op->kind == OP_sum) length += 64;
    length += operator_has(op->kind, TRAIT_VIEW) ? 0 : ROUNDINGS;
  }
  return length;
}

static void bound_scan(const Bounds *b, const Op *op, Bounded *y) {
  int64_t trips = 1;
  for (int i = 0; i < op->operand_count; i++) {
    const RunTensor *x = &bounded(b, op->operands[i])->value;
    for (int axis = 0; axis < x->rank; axis++)
      if (x->shape[axis] > trips) trips = x->shape[axis];
  }
  double length = gamma_of((double)trips * chain_length(b, op->region) + FOLDED);
  double scale = largest(y->value.bytes, y->value.count);
  for (int64_t i = 0; i < y->value.count; i++) y->error[i] += length * (scale > 1 ? scale : 1);
}

/* ---- all else ---- */

static bool has_error(const Bounded *x) {
  if (!x->error) return false;
  for (int64_t i = 0; i < x->value.count; i++)
    if (x->error[i] > 0) return true;
  return false;
}

/* Moves each operand by its error, up and down. */
static bool bound_by_moving(const Bounds *b, const Op *op, Bounded *const *results) {
  RunTensor *operands = ARENA_ARRAY(b->arena, (size_t)op->operand_count + 1, RunTensor);
  RunTensor *up = ARENA_ARRAY(b->arena, (size_t)op->result_count + 1, RunTensor);
  RunTensor *down = ARENA_ARRAY(b->arena, (size_t)op->result_count + 1, RunTensor);
  for (int i = 0; i < op->operand_count; i++) operands[i] = bounded(b, op->operands[i])->value;
  for (int i = 0; i < op->operand_count; i++) {
    const Bounded *x = bounded(b, op->operands[i]);
    if (!has_error(x)) continue;
    operands[i] = formed(b, x, UP);
    if (!run(b, op, operands, up)) return false;
    operands[i] = formed(b, x, DOWN);
    if (!run(b, op, operands, down)) return false;
    for (int r = 0; r < op->result_count; r++)
      if (results[r]->error)
        add_change(results[r]->error, results[r]->value.bytes, up[r].bytes, down[r].bytes,
                   results[r]->value.count);
    operands[i] = x->value;
  }
  return true;
}

static void add_roundings(const Op *op, Bounded *y) {
  if (!operator_has(op->kind, TRAIT_ELEMENTWISE) && op->kind != OP_random) return;
  double u = ROUNDINGS * 0x1p-24;
  if (y->value.element != ELEMENT_f32) u += numbers_unit(y->value.element);
  const double *value = y->value.bytes;
  for (int64_t i = 0; i < y->value.count; i++)
    if (isfinite(value[i])) y->error[i] += u * fabs(value[i]) + tiny;
}

static bool is_sum(const Op *op) {
  return (operator_has(op->kind, TRAIT_PRODUCT) && !is_attention(op->kind)) || op->kind == OP_sum ||
         op->kind == OP_scatter_add || op->kind == OP_overlap_add;
}

static bool bound_op(const Bounds *b, const Op *op, Bounded *const *results) {
  Bounded *y = results[0];
  if (!y->error && op->result_count == 1) return true;
  if (op->kind == OP_conv_winograd || op->kind == OP_winograd_weight) {
    bound_winograd(b, op, y);
    return true;
  }
  if (is_sum(op)) return bound_sum(b, op, y);
  if (op->kind == OP_softmax) {
    bound_softmax(b, op, y);
    return true;
  }
  if (is_attention(op->kind)) {
    (op->kind == OP_attention ? bound_attention : bound_attention_gradient)(b, op, results);
    return true;
  }
  if (!bound_by_moving(b, op, results)) return false;
  for (int i = 0; i < op->result_count; i++) {
    if (!results[i]->error) continue;
    if (op->kind == OP_scan) bound_scan(b, op, results[i]);
    add_roundings(op, results[i]);
  }
  return true;
}

static Bounded exact(const Bounds *b, RunTensor value) {
  Bounded x = {.value = value};
  if (is_float(&value)) {
    x.error = arena_array(b->arena, (size_t)value.count + 1, sizeof *x.error);
    memset(x.error, 0, ((size_t)value.count + 1) * sizeof *x.error);
  }
  return x;
}

static bool evaluate(const Bounds *b, const Op *op) {
  RunTensor *operands = ARENA_ARRAY(b->arena, (size_t)op->operand_count + 1, RunTensor);
  RunTensor *made = ARENA_ARRAY(b->arena, (size_t)op->result_count + 1, RunTensor);
  Bounded **results = ARENA_ARRAY(b->arena, (size_t)op->result_count + 1, Bounded *);
  for (int i = 0; i < op->operand_count; i++) operands[i] = bounded(b, op->operands[i])->value;
  if (!run(b, op, operands, made)) return false;
  for (int i = 0; i < op->result_count; i++) {
    results[i] = bounded(b, op->results[i]);
    *results[i] = exact(b, made[i]);
  }
  return bound_op(b, op, results);
}

bool bounds_winograd(const Block *block) {
  for (const Op *op = block->first; op; op = op->next) {
    if (op->kind == OP_conv_winograd) return true;
    if (op->kind == OP_conv_weight && conv_weight_is_winograd(op)) return true;
    if (op->region && bounds_winograd(op->region)) return true;
  }
  return false;
}

bool bounds_find(const Function *function, const InterpretOptions *options, bool winograd,
                 const RunTensor *inputs, Bounded *results, Bounded *tensors,
                 const char **message) {
  Bounds b = {.function = function, .given = options, .arena = options->arena, .message = message};
  b.winograd = winograd;
  b.wide = *options;
  b.wide.wide = true;
  b.wide.tensor = give_wide, b.wide.user = &b;
  b.wide.written = NULL, b.wide.watch = NULL;
  const Block *body = function->body;
  size_t count = (size_t)body->argument_count;
  for (const Op *op = body->first; op; op = op->next) count += (size_t)op->result_count;
  b.values = ARENA_ARRAY(b.arena, count + 1, Bounded);
  int64_t next = 0;
  for (int i = 0; i < body->argument_count; i++) {
    body->arguments[i]->mark = next++;
    *bounded(&b, body->arguments[i]) = exact(&b, widened(&b, &inputs[i]));
  }
  const Module *module = function->module;
  for (size_t i = 0; i < module->tensors.count; i++) tensors[i] = (Bounded){0};
  for (const Op *op = body->first; op; op = op->next) {
    for (int i = 0; i < op->result_count; i++) op->results[i]->mark = next++;
    size_t tensor = 0;
    bool moves = op->kind == OP_write || op->kind == OP_read;
    while (moves && strcmp(module->tensors.items[tensor]->name, op->symbol) != 0) tensor++;
    if (op->kind == OP_write)
      tensors[tensor] = *bounded(&b, op->operands[0]);
    else if (op->kind == OP_read && tensors[tensor].value.bytes) /* what was written is read */
      *bounded(&b, op_result(op)) = tensors[tensor];
    else if (!evaluate(&b, op))
      return false;
  }
  for (int i = 0; i < body->yield_count; i++) results[i] = *bounded(&b, body->yields[i]);
  return true;
}

double bounds_excess(const Bounded *want, const RunTensor *got, int64_t *where) {
  const RunTensor *w = &want->value;
  double most = 0,
         half = got->element == ELEMENT_bf16 ? 0x1p-9 : 0x1p-12; /* of the last rounding */
  if (got->element == ELEMENT_f32 || got->element == ELEMENT_f64) half = 0x1p-24;
  *where = 0;
  for (int64_t i = 0; i < got->count; i++) {
    double x = want->error ? ((const double *)w->bytes)[i] : element_load(w->element, w->bytes, i);
    double y = element_load(got->element, got->bytes, i);
    if (x == y || (isnan(x) && isnan(y))) continue;
    double allowed = want->error ? want->error[i] + half * fabs(x) + 1e-37 : 0;
    double off = allowed > 0 && isfinite(x - y) ? fabs(x - y) / allowed : INFINITY;
    if (off > most) {
      most = off;
      *where = i;
    }
  }
  return most;
}
