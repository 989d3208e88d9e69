/* region.h - what a kernel computes, element by element: the value of any operation of a region at
 * an index, as a loop expression.
 *
 * An index says for each axis where lane 0 is and how far lanes are apart; so one evaluation serves
 * scalars (all steps 0) and vectors. Views (slice, pad, transpose, windows ..) only change the
 * index on the way to the operands' loads: this is where fusion happens.
 *
 *   Region region = region_open(kernel, op, lanes);      binds the op's operands to buffers
 *   LoopExpr *y = region_value(&region, value, index);   inside of the kernel's loops
 */
#ifndef BACKEND_REGION_H
#define BACKEND_REGION_H

#include "backend/loop.h"
#include "backend/target.h"
#include "ir/graph.h"

/* Lane l is at `at` + l * step; or `at` is a vector of i64 and each lane has its own place. */
typedef struct {
  LoopExpr *at;
  int64_t step;
} Index;

typedef struct {
  const Value *value;
  LoopExpr *mask;
  Index index[MOST_AXES];
  bool everywhere; /* the same at every index of the scope */
  LoopExpr *result;
} RegionMemo;

typedef struct {
  const Value *value;
  LoopBuffer *buffer;
} RegionBuffer;

/* Four neighbours along the last axis whose random numbers are asked for one after the other: `at`
 * is `from` + `within`, `from` a multiple of 4, `within` known when code is emitted. NULL: none. */
typedef struct {
  LoopExpr *at, *from, *within;
} RegionDraw;

typedef struct {
  Arena *arena;
  DimTable *dims;
  LoopKernel *k;
  const Op *op;       /* a fused operation, or a single one */
  const Block *block; /* the fused one's region; NULL */
  int lanes;          /* of the vectors now being made */
  int natural;        /* lanes of a vector register */
  VEC(RegionBuffer) buffers;
  VEC(RegionMemo) memos; /* a stack: what was computed in an inner scope is dropped with it */
  bool aligned;          /* lanes start at multiples of their number */
  LoopExpr *mask;        /* lanes whose loads are meant; NULL: all */
  RegionDraw draw;
  bool fetches;   /* loads are prefetches */
  bool seldom;    /* what is made now hardly ever runs: little code, by loops */
  int next_fault; /* number of the kernel's first place that can report a bad index; 0: none */
} Region;

/* Declares a buffer for each operand, in order, then for each result. */
Region region_open(LoopKernel *k, const Op *op, const Target *target, DimTable *dims);
/* The values that the kernel stores: the fused region's yields, or the single op's results. */
int region_result_count(const Region *region);
Value *region_result(const Region *region, int i);
LoopBuffer *region_result_buffer(const Region *region, int i);
LoopBuffer *region_buffer(const Region *region, const Value *value); /* NULL: computed */
/* Number of operands that have a buffer, and the value in the function's block each one is. */
Value *region_operand(const Region *region, int i);

/* In compute precision: f32 for f16 and bf16. A scalar if no axis has lanes, else a vector. */
LoopExpr *region_value(Region *region, const Value *value, const Index *index);
/* Brings near what the value at an index is made of, which need not lie in the operands: of views
 * and what is elementwise. */
void region_fetch(Region *region, const Value *value, const Index *index);
/* The element at a place outside of the loops: for rank 0. */
LoopExpr *region_scalar(Region *region, const Value *value);
/* The element or lanes of a buffer, which holds elements of the value's type, in compute precision.
 */
LoopExpr *region_load(Region *region, LoopBuffer *buffer, const Value *value, int rank,
                      const Index *index);
/* Stores a computed value, rounded to the buffer's type. */
void region_store(Region *region, LoopBuffer *buffer, int rank, const Index *index,
                  LoopExpr *value);

/* As region_value, but 0 where an index is outside of `value`, or (axes with a divisor above 1)
 * does not come out even when divided: what convolutions read. */
LoopExpr *region_value_inside(Region *region, const Value *value, const Index *index,
                              const int64_t *divisors);

/* From here on `value` is `result` at every index, until region_pop. */
void region_remember(Region *region, const Value *value, LoopExpr *result);
size_t region_push(const Region *region);      /* opens a scope of memos */
void region_pop(Region *region, size_t scope); /* and leaves it */

/* ---- for the files of region: what lies inside of an operand ---- */

/* Where an element may be read. */
typedef struct {
  LoopExpr *scalar; /* a bool that all lanes share; NULL: true */
  LoopExpr *vector; /* a bool for each lane; NULL: true */
} Condition;

/* Brings an index into 0..size: notes where it is not, and clamps it if lanes share it. */
Index region_limit(Region *region, Index index, const Dim *size, Condition *condition);
/* `value` where the condition holds, `other` elsewhere; the operand is only read where it holds. */
LoopExpr *region_under(Region *region, Condition condition, const Value *value, const Index *index,
                       LoopExpr *other);
/* The place of a window's element along the i-th of the axes that windows go over. */
Index region_window_place(Region *region, const Op *windows, int i, Index window, Index element);

/* ---- shared by the families ---- */
LoopElement loop_element_of_type(Element element);
LoopElement compute_element(Element element);
LoopExpr *dim_expr(LoopKernel *k, const Dim *dim);
LoopExpr *dims_product(LoopKernel *k, const Dim *const *dims, int count);
Index index_add(Region *region, Index a, Index b);
Index index_scale(Region *region, Index a, int64_t by);
Index index_divide(Region *region, Index a, int64_t by); /* floors */
Index index_mod(Region *region, Index a, int64_t by);
Index index_scalar(LoopExpr *at);
Index index_lanes(LoopExpr *at);
bool index_has_lanes(const Index *index);
LoopExpr *index_vector(const Region *region, Index index); /* the place of each lane */
/* Splits a number into indices of `count` axes, the last running fastest. */
void index_split(LoopKernel *k, LoopExpr *number, const Dim *const *dims, int count,
                 LoopExpr **indices);
/* Of an element of a gather: what its index says, not checked; and where the element lies in what
 * is gathered, if it says `place`. */
LoopExpr *region_gather_given(Region *region, const Op *op, const Index *index);
void region_gather_index(const Op *op, const Index *index, LoopExpr *place, Index *inner);
/* Of an operation that only changes the index, gather and iota (region_view.c); else NULL. */
LoopExpr *region_view(Region *region, const Op *op, const Index *index);
/* An element's number in row-major order. */
LoopExpr *region_number(Region *region, const Type *type, const Index *index);
/* The random number of an element, given its number in row-major order (region_random.c); `within`
 * NULL, or `element` is a multiple of 4, and the one so far behind it is meant. */
LoopExpr *region_random(Region *region, const Op *op, LoopExpr *element, LoopExpr *within);
/* sum and max over few elements, of windows above all (region_pool.c). */
LoopExpr *region_reduction(Region *region, const Op *op, const Index *index);
/* overlap_add of windows that overlap, and argmax of few elements (region_window.c). */
LoopExpr *region_overlap(Region *region, const Op *op, const Index *index);
LoopExpr *region_argmax(Region *region, const Op *op, const Index *index);
/* The `windows` whose elements, as rows, an argmax along the last axis searches; else NULL. */
const Op *region_argmax_windows(const Region *region, const Op *argmax);
/* x beats y: it is greater, or the first NaN, which is the greatest. */
LoopExpr *region_beats(LoopKernel *k, LoopExpr *x, LoopExpr *y);
/* One elementwise operation on computed operands (scalar.c). */
LoopExpr *scalar_op(LoopKernel *k, const Op *op, LoopExpr *const *operands);
LoopExpr *scalar_number(LoopKernel *k, Element element, Number number);

#endif
