/* rewrite.h - what passes share that replace operations while they walk a block in order.
 *
 *   for (Op *op = block->first, *next; op; op = next) {
 *     next = op->next;
 *     op_follow(op);                              operands are now what replaced them
 *     Builder b = builder_before(op);
 *     op_replace(op, build_binary(&b, OP_mul, x, y));
 *   }
 *   graph_resolve(function);
 */
#ifndef PASSES_REWRITE_H
#define PASSES_REWRITE_H

#include "ir/build.h"
#include "passes/pass.h"

/* What a value has been replaced by, followed to its end. */
Value *value_follow(Value *value);
void op_follow(Op *op);

/* Inserts before `op`, with its place and layer. */
Builder builder_before(Op *op);

/* Everything that uses op's result uses `by` instead; op leaves its block. If `is_new`, `by` was
 * made for this and takes over the result's number and name, since it means the same. */
void op_replace(Op *op, Value *by, bool is_new);

/* A new operation of the same kind with other operands and the same attributes; NULL if it cannot
 * be. */
Value *build_like(Builder *builder, const Op *op, Value *const *operands);

/* Attribute lists. */
AttributeValue attribute_sizes(Module *module, const Dim *const *dims, int count);
/* Axes of a reduction as a bit mask. */
unsigned op_axes(const Op *op);
void op_permutation(const Op *op, int *perm);
bool permutation_is_identity(const int *perm, int rank);
/* The one axis that a slice turns round, taking all of it and of the others; -1: it does not. */
int slice_turned_axis(const Op *op);
/* x with an axis turned round. */
Value *build_turned(Builder *builder, Value *x, int axis);
/* Whether a transpose moves axes of size 1 alone, so that no element moves. */
bool transpose_is_reshape(const Type *type, const int *perm);

/* Calls `visit` for the function's block and the blocks of all regions in it, outer ones first. */
void function_blocks(Function *function, void (*visit)(Block *block, void *user), void *user);
/* Rewrites every function, by `visit` for each of its blocks, with uses counted in values' marks:
 * it adds to *changed what it changed. What nothing uses then goes. How much was changed in all. */
int module_rewrite(Module *module, void (*visit)(Block *block, void *changed));

/* A rank-0 constant, full or a broadcast of one: its number. */
bool value_number(const Value *value, double *number);

#endif
