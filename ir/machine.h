/* machine.h - the state of one run of the reference interpreter: the values that are alive, the
 * memory they take, the tensors written. ir/interpret.c runs it, evaluators reach it through
 * ir/evaluate.h.
 */
#ifndef IR_MACHINE_H
#define IR_MACHINE_H

#include "ir/evaluate.h"

struct Buffer {
  int64_t references, size;
  void *bytes;
};

/* A tensor that this run has written, at its bound. */
typedef struct {
  const Tensor *tensor;
  Cell cell;
} Written;

struct Machine {
  const InterpretOptions *options;
  const Module *module; /* NULL: an operation outside any */
  const char **message;
  const int64_t *dims;
  Arena *tables; /* of this struct's own arrays */
  int slots;     /* a hash table of all values, by their address: a power of 2 */
  const Value **values;
  Cell *cells;       /* by slot, as what follows */
  int64_t *uses;     /* those to come */
  bool *feeds_while; /* the running scans' `while` needs it */
  int64_t live, most;
  VEC(int64_t) trips;
  VEC(Written) written;
};

void machine_open(Machine *machine, const InterpretOptions *options, const Module *module,
                  int values, const char **message);
void machine_close(Machine *machine);
/* Where a value is kept; it gets a slot when it is first asked for. No marks are used, so a pass
 * may have its own while it folds. */
int machine_slot(const Machine *machine, const Value *value);
bool machine_fail(Machine *machine, const Op *op, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* One operation: results are shaped and made. */
bool machine_evaluate(Machine *machine, const Op *op, Cell *operands, Cell *results);
/* A type's shape at the run's dims. */
bool machine_shape(Machine *machine, const Op *op, const Type *type, RunTensor *tensor);
/* A copy in the arena. */
RunTensor machine_result(const Machine *machine, const RunTensor *value);

#endif
