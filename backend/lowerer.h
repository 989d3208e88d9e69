/* lowerer.h - the state of a program while lower.c makes it, shared by
 *
 *   lower.c          steps: the kernel of each operation, equal ones made once
 *   lower_operand.c  where values lie: constants and tensors laid out, operands of steps
 *   lower_scan.c     loops over steps
 */
#ifndef BACKEND_LOWERER_H
#define BACKEND_LOWERER_H

#include "backend/families.h"
#include "backend/lower.h"
#include "support/vec.h"

/* A scan whose body is being lowered. */
typedef struct OpenLoop {
  const struct OpenLoop *outer;
  const Op *scan;
  const Dim *trips;
  int first_cursor, cursors;
} OpenLoop;

typedef struct {
  Arena *arena;
  NativeProgram *program;
  const Target *target;
  Target narrow; /* for what runs once: code that is small before it is fast */
  Module *module;
  VEC(const char *) texts; /* of program->kernels, without their names; interned */
  Interner *interner;
  FunctionKind kind;    /* of the function being lowered */
  const OpenLoop *loop; /* the innermost that is being lowered; NULL: none */
  const Op *part_of;    /* the outermost scan whose steps are being made; NULL: none */
} Lowerer;

/* ---- lower_operand.c ---- */

/* Gives parameters and states their places: Tensor.mark is the row in program->tensors. */
void lowerer_lay_out(Lowerer *lw);
/* Notes for each value that is made in a tensor's memory which it is: Value.mark, its row + 1. */
void lowerer_find_written(Lowerer *lw, const Function *function);
/* The tensor that a value lies in; NULL: in none. */
const Tensor *lowerer_tensor(Lowerer *lw, const Value *value);
ProgramOperand lowerer_operand(Lowerer *lw, const Value *value);

/* ---- lower.c ---- */

int lowerer_kernel_number(const Lowerer *lw); /* of the next one */
/* A kernel for the operation, empty; finish makes it a step whose operands are `values`. */
Lowering lowerer_begin(Lowerer *lw, ProgramEntry *entry, const Op *op);
void lowerer_finish(Lowerer *lw, ProgramEntry *entry, const Lowering *l, const Value *const *values,
                    int count);
void lower_step(Lowerer *lw, ProgramEntry *entry, const Op *op);

/* ---- lower_scan.c ---- */

void lower_scan(Lowerer *lw, ProgramEntry *entry, const Op *op);

#endif
