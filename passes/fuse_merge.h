/* fuse_merge.h - the part of `fuse` that makes one kernel of several, in a loop's body above all,
 * and the kernels while they are found.
 *
 *   before  %a = fused (..)   %b = fused (%a, ..)   %c = fused (%a, %b, ..)      of one shape
 *   after   %c, %b = fused (..) { .. yield %c, %b }
 *
 * A trip's values are small, and a cell's gradient uses each of them several times: as one kernel
 * it reads and writes each once, and the loop goes over fewer steps. So do an activation and its
 * slope in a train entry. */
#ifndef PASSES_FUSE_MERGE_H
#define PASSES_FUSE_MERGE_H

#include "passes/fuse.h"
#include "passes/uses.h"

enum { MOST_YIELDS = 8 }; /* beside a kernel's root */

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

/* Merges kernels that compute each element on its own, where what they wait for is made before the
 * first of them and what waits for them comes after the last one. Linear but for a kernel's size.
 */
void fuse_merge(Fuse *fuse);

#endif
