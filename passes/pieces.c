/* pieces - takes a batch through a network a few pictures at a time.
 *
 *   before  %1 = conv_panel %x, %w   %2 = maximum %1, %0   %3 = conv_panel %2, %v : f32[8,..]
 *   after   %4 = reshape %x : f32[4,2,..]
 *           %5 = scan (each %6 = %4, %w = %w, %v = %v) {apart=true} {
 *             %1 = conv_panel %6, %w   %2 = maximum %1, %0   %3 = conv_panel %2, %v : f32[2,..]
 *             yield   emit %3
 *           } : f32[4,2,..]
 *           %3 = reshape %5 : f32[8,..]
 *
 * A map of the whole batch leaves the cache before the next kernel reads it; one of a few pictures
 * is still there, and takes as little of the arena. What treats every picture by itself
 * (pieces_apart.c) is cut where that costs least (pieces_cost.c): where weights are larger than
 * maps, they are better read once for all. A batch that only a call knows is taken a picture at a
 * time. Trips need nothing of each other, so threads take whole trips where there are enough. In
 * models alone: training keeps maps for the gradient. Quadratic in a chain's operations. */
#include "passes/pieces.h"

#include "passes/rewrite.h"
#include "support/bug.h"

#include <limits.h>
#include <string.h>

typedef struct {
  PassContext *context;
  Function *function;
  const Dim *batch;
  bool *varies; /* by Value.mark: it depends on the entry's inputs */
  int *last;    /* the place of the last operation that uses the value */
  /* Of the piece that is being made: what the value, or a picture's part of it, is there. */
  Value **inside[2];
  int values, pieces;
} Pieces;

static const Dim *find_batch(const Function *function) {
  for (const Op *op = function->body->first; op; op = op->next) switch (op->kind) {
    case OP_conv:
    case OP_conv_panel:
    case OP_conv_winograd: {
      const Dim *batch = op_result(op)->type.dims[0];
      return dim_is(batch, 1) ? NULL : batch;
    }
    default:
      break;
    }
  return NULL;
}

static void find_uses(Pieces *p) {
  Arena *scratch = p->context->scratch;
  Block *body = p->function->body;
  int place = 0;
  p->values = graph_number_values(p->function);
  p->varies = ARENA_ARRAY(scratch, (size_t)p->values + 1, bool);
  p->last = ARENA_ARRAY(scratch, (size_t)p->values + 1, int);
  for (int each = 0; each < 2; each++)
    p->inside[each] = ARENA_ARRAY(scratch, (size_t)p->values + 1, Value *);
  for (int i = 0; i < body->argument_count; i++) p->varies[body->arguments[i]->mark] = true;
  for (Op *op = body->first; op; op = op->next) {
    op->mark = place++;
    bool varies = op->region || operator_has(op->kind, TRAIT_ORDERED);
    for (int i = 0; i < op->operand_count; i++) {
      varies = varies || p->varies[op->operands[i]->mark];
      p->last[op->operands[i]->mark] = (int)op->mark;
    }
    for (int i = 0; i < op->result_count; i++) p->varies[op->results[i]->mark] = varies;
  }
  for (int i = 0; i < body->yield_count; i++) p->last[body->yields[i]->mark] = INT_MAX;
}

static bool varies(const Pieces *p, const Op *op) {
  return op->result_count == 0 || p->varies[op_result(op)->mark];
}

/* ---- one piece ---- */

typedef struct {
  Pieces *p;
  const Dim *pictures, *trips;
  Op *const *ops;
  int count;
  Block *region;
  VEC(Value *) operands;
  Builder outer, inner;
} Making;

static Value *bind(Making *m, Value *from, const Type *type, BindKind kind) {
  vec_push(m->p->context->scratch, &m->operands, from);
  return block_add_argument(m->region, NULL, *type, kind);
}

static Value *bind_all(Making *m, Value *value) {
  Value *from = value_follow(value);
  return bind(m, from, &from->type, BIND_PLAIN);
}

/* [N, ..] is read as [trips, pictures, ..]. */
static Value *bind_each(Making *m, Value *value) {
  Type type = value->type;
  const Dim *dims[MOST_AXES] = {m->trips, m->pictures};
  for (int i = 1; i < type.rank; i++) dims[i + 1] = type.dims[i];
  m->outer.at = m->ops[0]->at;
  m->outer.layer = m->ops[0]->layer;
  Value *from = build_reshape(&m->outer, value_follow(value), dims, type.rank + 1);
  type.dims[0] = m->pictures;
  return bind(m, from, &type, BIND_EACH);
}

static Value *inside(Making *m, Value *value, bool each) {
  Pieces *p = m->p;
  Value **known = &p->inside[each][value->mark];
  if (*known) return *known;
  Op *op = value->op;
  if (op && !p->varies[value->mark] && piece_is_made_again(op, each, p->batch)) {
    Value *operand = op->operand_count ? inside(m, op->operands[0], false) : NULL;
    return *known = op_result(piece_copy(&m->inner, op, &operand, each ? m->pictures : NULL));
  }
  return *known = each ? bind_each(m, value) : bind_all(m, value);
}

static void copy_ops(Making *m) {
  const Pieces *p = m->p;
  for (int n = 0; n < m->count; n++) {
    const Op *op = m->ops[n];
    Value **operands = ARENA_ARRAY(p->context->scratch, (size_t)op->operand_count, Value *);
    for (int i = 0; i < op->operand_count; i++)
      operands[i] = inside(m, op->operands[i], piece_is_each(op, i, p->batch));
    const Op *copy = piece_copy(&m->inner, op, operands, m->pictures);
    for (int i = 0; i < op->result_count; i++)
      p->inside[true][op->results[i]->mark] = copy->results[i];
  }
}

/* What is the same for all pictures comes before the loop. */
static void move_before(const Pieces *p, Op *first, const Op *last) {
  for (Op *op = first, *next; op != last; op = next) {
    next = op->next;
    if (varies(p, op)) continue;
    op_remove(op);
    op_insert_before(first, op);
  }
}

static bool is_used_after(const Making *m, const Value *value) {
  return m->p->last[value->mark] > m->ops[m->count - 1]->mark;
}

static Value *emitted(Making *m, const Op *scan, int result, Value *old) {
  m->outer.at = old->op->at;
  m->outer.layer = old->op->layer;
  Value *value = build_reshape(&m->outer, scan->results[result], old->type.dims, old->type.rank);
  int number = value->number;
  value->number = old->number;
  value->name = old->name;
  old->number = number;
  return value;
}

static void make_piece(Pieces *p, Op *const *ops, const Piece *piece) {
  Module *module = p->context->module;
  Function *function = p->function;
  Making m = {.p = p, .ops = ops, .count = piece->to - piece->from};
  m.pictures = dim_constant(module->dims, piece->pictures);
  m.trips = dim_is_constant(p->batch)
                ? dim_constant(module->dims, dim_value(p->batch) / piece->pictures)
                : p->batch;
  Op *first = ops[0], *last = ops[m.count - 1];
  move_before(p, first, last);
  for (int each = 0; each < 2; each++)
    memset(p->inside[each], 0, (size_t)p->values * sizeof *p->inside[each]);
  m.region = block_new(function, NULL);
  m.outer = builder_before(first);
  m.inner = (Builder){.function = function, .block = m.region};
  copy_ops(&m);
  VEC(Value *) old = {0};
  VEC(Type) types = {0};
  for (int n = 0; n < m.count; n++)
    for (int i = 0; i < ops[n]->result_count; i++) {
      Value *value = ops[n]->results[i];
      if (!is_used_after(&m, value)) continue;
      Value *made = p->inside[true][value->mark];
      Type type = made->type;
      for (int a = type.rank++; a > 0; a--) type.dims[a] = type.dims[a - 1];
      type.dims[0] = m.trips;
      vec_push(module->arena, &old, value);
      vec_push(module->arena, &types, type);
      m.region->emits = arena_grow(module->arena, m.region->emits, (size_t)m.region->emit_count,
                                   (size_t)m.region->emit_count + 1, sizeof *m.region->emits);
      m.region->emits[m.region->emit_count++] = made;
    }
  Attribute attributes[] = {{ATTRIBUTE_axis, attribute_integer(module, 0)},
                            {ATTRIBUTE_backward, attribute_flag(false)},
                            {ATTRIBUTE_apart, attribute_flag(true)}};
  Op *scan = op_new(function, OP_scan, m.operands.items, (int)m.operands.count, attributes,
                    types.items, (int)types.count);
  scan->at = first->at;
  scan->layer = first->layer;
  scan->why = piece->why;
  scan->region = m.region;
  m.region->op = scan;
  op_insert_before(first, scan);
  for (size_t i = 0; i < old.count; i++)
    old.items[i]->forward = emitted(&m, scan, (int)i, old.items[i]);
  for (int n = 0; n < m.count; n++) op_remove(ops[n]);
  p->pieces++;
}

/* ---- chains ---- */

static double picture_bytes(const Value *value) {
  const Type *type = &value->type;
  double bytes = element_infos[type->element].bytes;
  for (int i = 1; i < type->rank; i++) bytes *= (double)dim_max(type->dims[i]);
  return bytes;
}

/* From each value's operation on to the last that uses it. */
static double *find_alive(const Pieces *p, Op *const *ops, int count) {
  double *alive = ARENA_ARRAY(p->context->scratch, (size_t)count + 1, double);
  for (int n = 0; n < count; n++)
    for (int i = 0; i < ops[n]->result_count; i++) {
      const Value *value = ops[n]->results[i];
      for (int at = n + 1; at < count && ops[at]->mark <= p->last[value->mark]; at++)
        alive[at] += picture_bytes(value);
    }
  return alive;
}

static void cut_chain(Pieces *p, Op *const *ops, int count) {
  if (count == 0) return;
  Chain chain = {ops, count, p->batch, find_alive(p, ops, count)};
  Piece *pieces = ARENA_ARRAY(p->context->scratch, (size_t)count, Piece);
  int made = pieces_choose(p->context, &chain, pieces);
  for (int i = 0; i < made; i++)
    if (pieces[i].pictures > 0) make_piece(p, ops + pieces[i].from, &pieces[i]);
}

/* What all pictures need must be there before the first: it is none of the chain's own. */
static bool can_hold(const Pieces *p, const Op *op) {
  if (!piece_can_hold(op, p->batch)) return false;
  for (int i = 0; i < op->operand_count; i++) {
    const Value *x = op->operands[i];
    if (x->op && p->varies[x->mark] && !piece_is_each(op, i, p->batch)) return false;
  }
  return true;
}

/* A number that was asked for and fits no batch: as many of them are pieces of one size. */
static void warn_of_number(PassContext *context, const Function *function, const Dim *batch) {
  int64_t asked = context->options->pictures, all = dim_max(batch);
  if (asked <= 1 || (dim_is_constant(batch) && (asked >= all || all % asked == 0))) return;
  Span span = SPAN_NONE;
  for (const Op *op = function->body->first; op && span.file == 0; op = op->next)
    if (op->at) span = op->at->span;
  Text size = text_new(context->scratch);
  dim_print(&size, batch);
  bool known = dim_is_constant(batch);
  Diagnostic *d = diag_report(context->diagnostics, W0614, span,
                              "batches of '%s' stay whole: --pictures is %lld, and the batch %s%s",
                              function->name, (long long)asked, text_get(&size),
                              known ? "" : ", which calls give");
  diag_help(d, "%s",
            known ? "a number that divides the batch" : "--pictures 1, or --dim to fix it");
}

static void cut_function(PassContext *context, Function *function, int *pieces) {
  Pieces p = {.context = context, .function = function, .batch = find_batch(function)};
  if (!p.batch) return;
  warn_of_number(context, function, p.batch);
  find_uses(&p);
  VEC(Op *) ops = {0};
  for (Op *op = function->body->first, *next; op; op = next) {
    next = op->next;
    if (!varies(&p, op)) continue;
    if (can_hold(&p, op)) {
      vec_push(context->scratch, &ops, op);
      if (next) continue;
    }
    cut_chain(&p, ops.items, (int)ops.count);
    ops.count = 0;
  }
  cut_chain(&p, ops.items, (int)ops.count);
  if (p.pieces) graph_resolve(function);
  *pieces += p.pieces;
}

bool pass_pieces(PassContext *context) {
  Module *module = context->module;
  int pieces = 0;
  for (size_t i = 0; i < module->functions.count; i++) {
    Function *function = module->functions.items[i];
    if (function->kind == FUNCTION_MODEL && !function->scan)
      cut_function(context, function, &pieces);
  }
  context->effect = arena_format(module->arena, "%d loop%s", pieces, pieces == 1 ? "" : "s");
  return true;
}
