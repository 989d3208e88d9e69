/* evaluate.h - what the reference interpreter's evaluators share. Each operator of operators.def
 * has one, evaluate_NAME in ir/evaluate_*.c; only ir/interpret.c and the evaluators include this.
 *
 * An evaluator finds its results shaped. It makes their bytes with result_new, or lets them be an
 * operand's with result_share; reads operands with load_*, writes results with store_*, which
 * convert and round. Floats are computed in double, integers and bools in int64_t. False: it
 * failed, and evaluation_fail has said why.
 */
#ifndef IR_EVALUATE_H
#define IR_EVALUATE_H

#include "ir/interpret.h"
#include "ir/walk.h"

typedef struct Buffer Buffer;
typedef struct Machine Machine;

/* A value and who owns its bytes; no buffer: somebody else. */
typedef struct {
  RunTensor tensor;
  Buffer *buffer;
} Cell;

typedef struct {
  Machine *machine;
  const Op *op;
  Cell *operands, *results;
  Arena *scratch; /* lasts as long as the evaluation */
  int64_t scratch_bytes;
  bool wide;
} Evaluation;

/* What is computed with: the first for floats, the second for integers and bools. */
typedef union {
  double real;
  int64_t integer;
} Scalar;

typedef bool Evaluate(Evaluation *e);
#define OPERATOR(name, least, most, results, traits, attributes, shape, meaning)                   \
  Evaluate evaluate_##name;
#include "ir/operators.def"
#undef OPERATOR

bool evaluation_fail(Evaluation *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- operands, results, memory ---- */
static inline const RunTensor *operand(const Evaluation *e, int i) {
  return &e->operands[i].tensor;
}
/* Allocates result i (uninitialised); NULL and a message if it is too large. */
RunTensor *result_new(Evaluation *e, int i);
/* Result i takes the bytes of operand j. */
bool result_share(Evaluation *e, int i, int j);
/* Zeroed numbers of 8 bytes that last as long as the evaluation; NULL and a message. */
double *scratch_doubles(Evaluation *e, int64_t count);
int64_t *scratch_integers(Evaluation *e, int64_t count);
Scalar *scratch_scalars(Evaluation *e, int64_t count);

/* ---- elements ---- */
/* Whether the element is computed with in double; else in int64_t. */
static inline bool is_real(const RunTensor *x) {
  return element_is_float(x->element);
}
int64_t item_bytes(bool wide, Element element); /* of a stored element */
void load_reals(const Evaluation *e, const RunTensor *x, int64_t offset, int64_t stride,
                int64_t count, double *values);
void load_integers(const Evaluation *e, const RunTensor *x, int64_t offset, int64_t stride,
                   int64_t count, int64_t *values);
/* Results of arithmetic: f16 and bf16 are rounded to f32 first. */
void store_reals(const Evaluation *e, RunTensor *y, int64_t offset, int64_t count,
                 const double *values);
void store_integers(const Evaluation *e, RunTensor *y, int64_t offset, int64_t count,
                    const int64_t *values);
void load_scalars(const Evaluation *e, const RunTensor *x, int64_t offset, int64_t stride,
                  int64_t count, Scalar *values);
void store_scalars(const Evaluation *e, RunTensor *y, int64_t offset, int64_t count,
                   const Scalar *values);
/* All elements in scratch; NULL and a message. */
Scalar *all_scalars(Evaluation *e, const RunTensor *x);
/* The same, as reals if the sums are: integer weights of a product in floats. */
Scalar *all_weights(Evaluation *e, const RunTensor *w, bool real);
/* Where a panel of so many columns holds an element, from its start; see the attribute `turns`. */
int64_t panel_place(int64_t turns, int64_t row, int64_t column, int64_t width);
double *all_reals(Evaluation *e, const RunTensor *x);
int64_t *all_integers(Evaluation *e, const RunTensor *x);
void fill_number(const Evaluation *e, RunTensor *y, Number number);
/* Copies elements of one type between strided places: `walk` has y as 0, x as 1. */
void copy_elements(const Evaluation *e, Walk *walk, RunTensor *y, const RunTensor *x);

/* ---- attributes, at the run's dims ---- */
bool evaluate_dim(Evaluation *e, const Dim *dim, int64_t *value);
bool get_integer(Evaluation *e, AttributeName name, int64_t *value);
/* An axis, counted from 0. */
bool get_axis(Evaluation *e, AttributeName name, int rank, int *axis);
bool get_list(Evaluation *e, AttributeName name, int most, int64_t *values, int *count);
bool get_pairs(Evaluation *e, AttributeName name, int most, int64_t (*pairs)[2], int *count);
/* Which axes a list of lists names in its list `i`. */
bool get_axes(Evaluation *e, AttributeName name, int i, int rank, int *axes, int *count);

/* Product of sizes [begin, end). */
int64_t sizes_product(const int64_t *shape, int begin, int end);

/* ---- for operators with a region, or that touch memory (machine.c) ---- */
const InterpretOptions *machine_options(const Machine *machine);
/* Trips of the scans around the operation, outermost first. */
const int64_t *machine_trips(const Machine *machine, int *count);
void machine_push_trip(Machine *machine, int64_t trip);
void machine_pop_trip(Machine *machine);

/* Bytes for a cell whose tensor is shaped; false and a message if they are too many. */
bool cell_new(Evaluation *e, Cell *cell);
/* The cell once more, for another place that keeps it; each is dropped once. */
Cell cell_hold(const Cell *cell);
void cell_drop(Machine *machine, Cell *cell);

/* The value of a name in the running region, and its end. */
void machine_bind(Machine *machine, const Value *value, const Cell *cell);
const Cell *machine_value(const Machine *machine, const Value *value);
void machine_release(Machine *machine, const Value *value);
/* Runs a region: everything, or first what its `while` needs and then the rest. */
typedef enum { RUN_ALL, RUN_WHILE, RUN_REST } RunPart;
bool machine_run(Machine *machine, const Block *block, RunPart part);

/* A parameter or state at its bound; what machine_read gives is to be dropped. */
bool machine_read(Evaluation *e, const char *symbol, Cell *value);
bool machine_write(Evaluation *e, const char *symbol, const Cell *value);

#endif
