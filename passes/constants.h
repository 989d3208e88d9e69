/* constants.h - which values are known while compiling, and computing with them.
 *
 * Known are constants, and reads of parameters that were given data (--weights) and that no entry
 * writes. Data whose bytes are elided counts as unknown. */
#ifndef PASSES_CONSTANTS_H
#define PASSES_CONSTANTS_H

#include "passes/pass.h"

typedef struct {
  Module *module;
  int64_t most_bytes; /* of a result that is larger than what it is made of */
  VEC(const char *) written;
} Constants;

Constants constants_of(PassContext *context);
/* The value's data, or NULL. Its shape is the type's. */
const Data *constant_data(const Constants *constants, const Value *value);
/* Inserts a constant before `op`. */
Value *constant_before(Op *op, Type type, const Data *data);
/* The operation's result if its operands are known and it is worth to hold it: a `constant` or
 * `full` in front of it. NULL otherwise. The operation stays. */
Value *constant_fold(const Constants *constants, Op *op);

/* Folds what can be, then drops what is dead: for passes that make computations with weights. */
void fold_function(const Constants *constants, Function *function);

/* add, sub, mul and div of f32 tensors that broadcast, fast; NULL for others. */
const void *compute_binary(Arena *arena, Operator kind, const Type *x, const void *x_bytes,
                           const Type *y, const void *y_bytes, const Type *result);

#endif
