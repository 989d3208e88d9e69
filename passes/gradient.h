/* gradient.h - what the rules of the pass `gradient` are written with.
 *
 * Every row of operators.def has a rule here, or says why it has none:
 *
 *   GRADIENT(tanh) {                            gradient_elementwise.c
 *     Value *y = op_result(g->op);
 *     gradient_give(g, 0, slope_mul(g, g->of[0], ...));
 *   }
 *   NO_GRADIENT(argmax, "an index jumps, it has no slope")
 *
 * A row without either does not link. A rule gives each operand that is wanted its share of the
 * gradient, made of operators that have rules themselves, so that gradients can be differentiated
 * again. Gradients are held small: the type of one broadcasts to the type of the value that it is
 * of, and is as large only where it must be (slope_full).
 */
#ifndef PASSES_GRADIENT_H
#define PASSES_GRADIENT_H

#include "passes/rewrite.h"

/* What is known of a value between the operands and the loss; Value.mark is its index. */
typedef struct {
  Value *share;
  const Op *slice; /* the share is of this slice of the value alone; NULL: of all of it */
} GradientShare;
typedef struct {
  VEC(GradientShare) shares; /* at most one of all of it; last use first */
  bool is_wanted;            /* depends on what is differentiated by */
} GradientSlot;

typedef struct {
  Builder b; /* in front of the grad operation, with the place and layer of `op` */
  Module *module;
  Arena *scratch;
  const Op *op; /* of the forward part */
  Value **of;   /* the gradient of each of its results; NULL: 0. At least one is not */
  GradientSlot *slots;
} Gradient;

typedef struct {
  void (*run)(Gradient *g);
  const char *none; /* why there is no gradient. NULL as `run` is: it is 0, as the user wants it */
} GradientRule;

#define OPERATOR(name, least, most, results, traits, attributes, shape, meaning)                   \
  extern const GradientRule gradient_##name;
#include "ir/operators.def"
#undef OPERATOR
extern const GradientRule *const gradient_rules[OPERATORS];

#define GRADIENT(name)                                                                             \
  static void run_##name(Gradient *g);                                                             \
  const GradientRule gradient_##name = {run_##name, NULL};                                         \
  static void run_##name(Gradient *g)
#define NO_GRADIENT(name, why) const GradientRule gradient_##name = {NULL, why};

/* Whether a slope can pass from an operand to a result. */
bool gradient_passes(const Op *op, int operand);

bool gradient_wants(const Gradient *g, int operand);
/* A share of the operand's gradient; its type broadcasts to the operand's. NULL: 0. */
void gradient_give(Gradient *g, int operand, Value *share);
/* Takes away what has been given to the whole operand so far, for a rule to add to; NULL: nothing.
 */
Value *gradient_take(Gradient *g, int operand);
/* The same for elementwise operators: the share's type broadcasts to the result's, and is summed
 * over the axes along which the operand is repeated. */
void gradient_give_sum(Gradient *g, int operand, Value *share);
/* `share` is of what the slice g->op takes. */
void gradient_give_slice(Gradient *g, Value *share);

/* Brings a gradient to the type of the value that it is of. */
Value *slope_full(Gradient *g, Value *share, const Type *type);
Value *slope_full_of(Gradient *g, int result); /* of g->of[result] */
/* Sums what broadcasting `from` to `to` has repeated; NULL: 0. */
Value *slope_unbroadcast(Gradient *g, Value *share, const Type *from, const Type *to);

/* ---- going through a block, for the pass itself and for regions ---- */
/* A slot for every value of the block up to `end` (NULL: all); those that depend on `wanted`, and
 * they themselves, are wanted. */
GradientSlot *gradient_slots(Arena *scratch, const Block *block, const Op *end,
                             Value *const *wanted, int wanted_count);
/* Replaces what has no rule but is made of operators that have by them, up to `end`, as far as it
 * is wanted (slots NULL: all); whether there was some: then slots must be made again. */
bool gradient_expand(Block *block, const Op *end, const GradientSlot *slots);
/* Runs the rules from `last` to the block's first operation. */
void gradient_through(Gradient *g, const Op *last);
/* The sum of all shares of a value; NULL: 0. */
Value *gradient_total(Gradient *g, const Value *x);
/* A share of any value of the block. */
void gradient_seed(Gradient *g, const Value *x, Value *share);

/* ---- building: what is known at once is not built ---- */
Value *slope_number(Gradient *g, Element element, double value);
Value *slope_mul(Gradient *g, Value *x, Value *y);
Value *slope_scale(Gradient *g, Value *x, double by);
Value *slope_div(Gradient *g, Value *x, Value *y);
Value *slope_neg(Gradient *g, Value *x);
Value *slope_binary(Gradient *g, Operator kind, Value *x, Value *y);
Value *slope_unary(Gradient *g, Operator kind, Value *x);
Value *slope_where(Gradient *g, Value *c, Value *x, Value *y);
Value *slope_zeros(Gradient *g, const Type *type);
Value *slope_cast(Gradient *g, Value *x, Element to);
Value *slope_reshape(Gradient *g, Value *x, const Type *type);
Value *slope_transpose(Gradient *g, Value *x, const int *perm);
Value *slope_sum(Gradient *g, Value *x, const int64_t *axes, int count, bool keepdims);
Value *slope_iota(Gradient *g, const Type *type, int axis);
/* A dim as a number of the element type. */
Value *slope_dim(Gradient *g, Element element, const Dim *dim);
/* Any other operation; bug() where it cannot be. */
Value *slope_build(Gradient *g, Operator kind, Value *const *operands, int count,
                   const Attribute *attributes, int attribute_count);

/* A rule's operands and result. */
static inline Value *gradient_x(const Gradient *g, int operand) {
  return g->op->operands[operand];
}

/* Reports E0403 where nothing but operators without a slope lie between the loss of `grad` and what
 * it is differentiated by; true if it did. Operations with a mark were made by the pass: what is
 * flat in them is so on purpose. */
bool gradient_refuse(PassContext *context, const Op *grad);

#endif
