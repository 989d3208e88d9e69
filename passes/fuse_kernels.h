/* fuse_kernels.h - the kernels of a function while `fuse` finds them, shared by its parts. */
#ifndef PASSES_FUSE_KERNELS_H
#define PASSES_FUSE_KERNELS_H

#include "passes/fuse.h"
#include "passes/uses.h"

enum { MOST_YIELDS = 8 }; /* beside a kernel's root */
enum { DEAR = 20 };       /* operations of a function: exp, tanh .. */

typedef struct Kernel Kernel;
struct Kernel {
  KernelKind kind;
  Op *root;
  int count, arguments;
  double repeated; /* work done again, for each element of the result */
  bool moves;      /* holds more than elementwise operations, broadcasts and unit reshapes */
  int yields;      /* beside the root's */
  int reductions;
  Type shape;    /* of what a row kernel reduces */
  unsigned axes; /* that it reduces */
  bool is_open;  /* takes more operations */
};

typedef struct {
  Function *function;
  DimTable *dims;
  Arena *scratch;
  int lanes; /* of a vector */
  Uses uses;
  Kernel **kernel;  /* of each operation */
  bool *returned;   /* of each operation: its kernel yields it beside its root */
  double *repeat;   /* how often each operation is done for an element it makes */
  unsigned *phases; /* of a row kernel in which each operation's value is needed, as bits */
} Fuse;

#endif
