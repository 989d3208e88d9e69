/* recompute - makes values of the forward part again where the gradient needs them, instead of
 * keeping them until then.
 *
 *   before  %1 = exp %x   %2 = add %1, 1   .. the loss ..   %9 = mul %8, %2
 *   after   %1 = exp %x   %2 = add %1, 1   .. the loss ..   %10 = add %1, 1   %9 = mul %8, %10
 *
 * Of a train entry the operations up to its first result, the loss, are the forward part. What is
 * elementwise or only moves elements can be made again where an operation needs it that can take it
 * into its kernel; what a product reads is kept, since it lies in memory for it anyway. What is
 * kept is the choice of least cost: of keeping bytes until they are needed against making values
 * again (recompute.h).
 *
 * What makes the mask or factor of an attention is made again if it is as large as the scores.
 *
 * checkpoint(x): x is kept, and everything between it and the next checkpoint is made again,
 * products too. What is made from the last checkpoint is needed at once and stays.
 *
 * Copies are the same operations on the same operands, random numbers of the same site among them:
 * results do not change by a bit. Equal operations become one first, so that they are kept once.
 * Copies carry Op.again. Linear but for the cut. */
#include "passes/recompute.h"

#include "ir/attention.h"
#include "passes/cost.h"
#include "passes/cse.h"
#include "passes/rewrite.h"

#include <stdlib.h>

/* Values up to this are kept: copies would be more trouble than they are worth. */
static const double small_bytes = 4096;

/* What the pass knows of an operation of the forward part; Op.mark is its index. */
typedef struct {
  bool from_checkpoint, to_checkpoint;
  bool is_forced; /* between two checkpoints, or as large as attention's scores */
  bool at_hand;   /* kept for other reasons, or costs nothing */
  bool is_needed; /* by the gradient */
  bool is_seen;   /* while copies are collected */
  int in, out;    /* nodes; 0: none */
  Op *copy;
} Forward;

typedef struct {
  PassContext *context;
  Function *function;
  Op **ops;       /* of the block, in order */
  int count, end; /* the forward part is before `end` */
  Forward *forward;
  Cut *cut;
  VEC(int) work;
  int copies;
} Recompute;

static bool is_forward(const Recompute *r, const Value *value) {
  return value->op && value->op->mark < r->end;
}

static Forward *forward_of(const Recompute *r, const Value *value) {
  return &r->forward[value->op->mark];
}

/* Made from nothing, and where it is used. */
static bool is_generated(const Op *op) {
  return op->kind == OP_read || op->kind == OP_constant || op->kind == OP_full ||
         op->kind == OP_iota || op->kind == OP_dim_value;
}

static bool is_copied(const Op *op, bool forced) {
  if (op->region || op->result_count == 0 || op->kind == OP_grad || op->kind == OP_checkpoint)
    return false;
  return forced || op->kind == OP_random || operator_has(op->kind, TRAIT_ELEMENTWISE | TRAIT_VIEW);
}

/* Whether a kernel made of the operation can make the operand itself. */
static bool takes_operand(const Op *op, int operand) {
  if (is_attention(op->kind))
    return operand == attention_mask(op) || operand == attention_factor(op);
  return operator_has(op->kind, TRAIT_ELEMENTWISE | TRAIT_VIEW | TRAIT_REDUCTION) ||
         op->kind == OP_softmax;
}

static double bytes_of(const Op *op) {
  double bytes = 0;
  for (int i = 0; i < op->result_count; i++)
    bytes +=
        type_elements(&op->results[i]->type) * element_infos[op->results[i]->type.element].bytes;
  return bytes;
}

/* ---- what is needed ---- */

static void find_segments(Recompute *r) {
  for (int i = 0; i < r->end; i++)
    for (int k = 0; k < r->ops[i]->operand_count; k++) {
      const Value *x = r->ops[i]->operands[k];
      if (!x->op) continue;
      if (x->op->kind == OP_checkpoint || forward_of(r, x)->from_checkpoint)
        r->forward[i].from_checkpoint = true;
    }
  for (int i = r->end - 1; i >= 0; i--) {
    const Op *op = r->ops[i];
    for (int k = 0; k < op->operand_count; k++)
      if (op->operands[k]->op && (op->kind == OP_checkpoint || r->forward[i].to_checkpoint))
        forward_of(r, op->operands[k])->to_checkpoint = true;
  }
  for (int i = 0; i < r->end; i++) {
    Forward *f = &r->forward[i];
    f->is_forced = f->from_checkpoint && f->to_checkpoint && is_copied(r->ops[i], true);
  }
  /* What a checkpoint keeps is kept. */
  for (int i = 0; i < r->end; i++)
    if (r->ops[i]->kind == OP_checkpoint && r->ops[i]->operands[0]->op)
      forward_of(r, r->ops[i]->operands[0])->is_forced = false;
}

/* What is as large as an attention's scores, and is made to be its mask or factor. */
static void force_extra(Recompute *r, const Value *value, double scores) {
  if (!is_forward(r, value) || !is_copied(value->op, false) || type_elements(&value->type) < scores)
    return;
  forward_of(r, value)->is_forced = true;
  for (int i = 0; i < value->op->operand_count; i++) force_extra(r, value->op->operands[i], scores);
}

/* Nothing of the size of scores is kept for the gradient of attention. */
static void force_extras(Recompute *r) {
  for (int i = r->end; i < r->count; i++) {
    const Op *op = r->ops[i];
    if (op->kind != OP_attention_gradient || !attention_streams(op)) continue;
    const Type *k = &op->operands[1]->type;
    double scores = type_elements(&op->operands[4]->type) * (double)dim_max(k->dims[k->rank - 2]);
    int mask = attention_mask(op), factor = attention_factor(op);
    if (mask >= 0) force_extra(r, op->operands[mask], scores);
    if (factor >= 0) force_extra(r, op->operands[factor], scores);
  }
}

/* A value that lies in memory until the gradient reads it: with it what it is a view of. */
static void keep(Recompute *r, const Value *value) {
  while (is_forward(r, value)) {
    Forward *f = forward_of(r, value);
    if (f->is_forced) return;
    f->at_hand = true;
    if (!operator_has(value->op->kind, TRAIT_VIEW)) return;
    value = value->op->operands[0];
  }
}

static void find_needs(Recompute *r) {
  const Block *body = r->function->body;
  for (int i = 0; i < r->end; i++) {
    Op *op = r->ops[i];
    bool small = !r->forward[i].is_forced && bytes_of(op) <= small_bytes;
    r->forward[i].at_hand = is_generated(op) || small;
    if (op->kind != OP_checkpoint) continue;
    r->forward[i].at_hand = true;
    keep(r, op->operands[0]);
  }
  for (int i = 0; i < body->yield_count; i++) keep(r, body->yields[i]);
  for (int i = r->end; i < r->count; i++)
    for (int k = 0; k < r->ops[i]->operand_count; k++) {
      const Value *x = r->ops[i]->operands[k];
      if (!is_forward(r, x)) continue;
      if (r->ops[i]->kind != OP_write) forward_of(r, x)->is_needed = true;
      if (!takes_operand(r->ops[i], k)) keep(r, x);
    }
}

/* ---- the cut ---- */

static int64_t keeping_cost(const Op *op) {
  return cut_cost(bytes_of(op) * worth_of_byte);
}

static void add_node(Recompute *r, int op) {
  Forward *f = &r->forward[op];
  if (f->in) return;
  f->in = cut_node(r->cut);
  f->out = cut_node(r->cut);
  vec_push(r->context->scratch, &r->work, op);
}

static void build_cut(Recompute *r) {
  r->cut = cut_new(r->context->scratch);
  for (int i = 0; i < r->end; i++)
    if (r->forward[i].is_needed && !r->forward[i].at_hand) add_node(r, i);
  while (r->work.count > 0) {
    int i = r->work.items[--r->work.count];
    const Op *op = r->ops[i];
    Forward *f = &r->forward[i];
    bool copied = is_copied(op, f->is_forced);
    cut_edge(r->cut, CUT_SOURCE, f->in,
             !copied        ? CUT_NEVER
             : f->is_forced ? 1
                            : cut_cost(op_work(op)));
    cut_edge(r->cut, f->in, f->out, f->is_forced ? CUT_NEVER : keeping_cost(op));
    if (f->is_needed) cut_edge(r->cut, f->out, CUT_SINK, CUT_NEVER);
    if (!copied) continue;
    for (int k = 0; k < op->operand_count; k++) {
      const Value *x = op->operands[k];
      if (!x->op || forward_of(r, x)->at_hand) continue;
      add_node(r, (int)x->op->mark);
      cut_edge(r->cut, forward_of(r, x)->out, f->in, CUT_NEVER);
    }
  }
  cut_solve(r->cut);
}

static bool is_made_again(const Recompute *r, const Value *value) {
  if (!is_forward(r, value)) return false;
  const Forward *f = forward_of(r, value);
  return f->in && cut_is_sink_side(r->cut, f->in);
}

/* ---- copies ---- */

static Value *copy_of(const Recompute *r, Value *value) {
  return is_made_again(r, value) ? forward_of(r, value)->copy->results[value->index] : value;
}

static void copy_op(Recompute *r, Op *op, Op *before) {
  Value **operands = ARENA_ARRAY(r->context->scratch, (size_t)op->operand_count + 1, Value *);
  Type *types = ARENA_ARRAY(r->context->scratch, (size_t)op->result_count, Type);
  for (int i = 0; i < op->operand_count; i++) operands[i] = copy_of(r, op->operands[i]);
  for (int i = 0; i < op->result_count; i++) types[i] = op->results[i]->type;
  Op *copy = op_new(r->function, op->kind, operands, op->operand_count, op->attributes, types,
                    op->result_count);
  copy->at = op->at;
  copy->layer = op->layer;
  copy->again = true;
  op_insert_before(before, copy);
  r->forward[op->mark].copy = copy;
  r->copies++;
}

static int by_number(const void *a, const void *b) {
  return *(const int *)a - *(const int *)b;
}

/* Copies what the operand needs and has no copy yet, in order, in front of the operation. */
static void copy_before(Recompute *r, const Value *operand, Op *before) {
  VEC(int) needed = {0};
  r->work.count = 0;
  vec_push(r->context->scratch, &r->work, (int)operand->op->mark);
  while (r->work.count > 0) {
    int i = r->work.items[--r->work.count];
    if (r->forward[i].is_seen) continue;
    r->forward[i].is_seen = true;
    vec_push(r->context->scratch, &needed, i);
    for (int k = 0; k < r->ops[i]->operand_count; k++)
      if (is_made_again(r, r->ops[i]->operands[k]))
        vec_push(r->context->scratch, &r->work, (int)r->ops[i]->operands[k]->op->mark);
  }
  if (needed.count > 0) qsort(needed.items, needed.count, sizeof(int), by_number);
  for (size_t i = 0; i < needed.count; i++) copy_op(r, r->ops[needed.items[i]], before);
}

static void use_copies(Recompute *r) {
  for (int i = r->end; i < r->count; i++) {
    Op *op = r->ops[i];
    for (int k = 0; k < op->operand_count && op->kind != OP_write; k++) {
      if (!is_made_again(r, op->operands[k])) continue;
      copy_before(r, op->operands[k], op);
      op->operands[k] = copy_of(r, op->operands[k]);
    }
  }
}

/* ---- the pass ---- */

static int recompute_function(PassContext *context, Function *function) {
  const Block *body = function->body;
  const Op *loss = body->yield_count > 0 ? body->yields[0]->op : NULL;
  if (function->kind != FUNCTION_TRAIN || !loss) return 0;
  cse_function(function, context->scratch);
  loss = body->yields[0]->op;
  Recompute r = {.context = context, .function = function};
  for (const Op *op = body->first; op; op = op->next) r.count++;
  r.ops = ARENA_ARRAY(context->scratch, (size_t)r.count + 1, Op *);
  int next = 0;
  for (Op *op = body->first; op; op = op->next) {
    op->mark = next;
    r.ops[next++] = op;
    if (op == loss) r.end = next;
  }
  r.forward = ARENA_ARRAY(context->scratch, (size_t)r.end + 1, Forward);
  find_segments(&r);
  force_extras(&r);
  find_needs(&r);
  build_cut(&r);
  use_copies(&r);
  return r.copies;
}

bool pass_recompute(PassContext *context) {
  int copies = 0;
  for (size_t i = 0; i < context->module->functions.count; i++)
    copies += recompute_function(context, context->module->functions.items[i]);
  if (copies > 0) context->effect = arena_format(context->module->arena, "%d made again", copies);
  return true;
}
