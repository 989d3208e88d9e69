/* interpret.h - the reference interpreter: the meaning of the graph IR.
 *
 * Plain and obviously correct: double accumulation, each result rounded to its type. With `wide`
 * all floats stay double, for error bounds and finite differences. Fused regions are evaluated
 * operation by operation. Constant folding, the tests and `dlc bisect` use it.
 */
#ifndef IR_INTERPRET_H
#define IR_INTERPRET_H

#include "ir/graph.h"

/* A run-time tensor. In wide mode floats are stored as double whatever `element` says. */
typedef struct {
  Element element;
  int rank;
  int64_t shape[MOST_AXES];
  int64_t count;
  void *bytes;
} RunTensor;

typedef struct {
  Arena *arena; /* results and messages */
  bool wide;
  const int64_t *dims; /* values of the module's symbols, by number; NULL: their minimum */
  uint64_t seed, call; /* of random */
  /* The value of a parameter or state, whose shape is at its bound: it comes filled in, but for the
   * bytes, which must stay until the run ends. False, or no function: take Tensor.data. */
  bool (*tensor)(void *user, const Tensor *tensor, RunTensor *value);
  /* Called at the end of a run that succeeded for each tensor that was written, with its last value
   * at its bound; the bytes are gone afterwards. May be NULL. */
  void (*written)(void *user, const Tensor *tensor, const RunTensor *value);
  /* Called with each value as it is made (bisect), those in regions too; the bytes are gone
   * afterwards. May be NULL. */
  void (*watch)(void *user, const Value *value, const RunTensor *result);
  void *user;
  int64_t most_bytes; /* of intermediates; 0: 4 GiB */
} InterpretOptions;

/* Runs a function. False and a message (in the arena) on a bad dim, index or missing data. */
bool interpret(const Function *function, const InterpretOptions *options, const RunTensor *inputs,
               RunTensor *outputs, const char **message);

/* One operation on given operands: for folding. */
bool interpret_op(const Op *op, const InterpretOptions *options, const RunTensor *operands,
                  RunTensor *results, const char **message);

#endif
