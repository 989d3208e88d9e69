/* loop.h - the loop IR: what a kernel computes, as loops over buffers.
 *
 * It lies between graph and LLVM, is printed by loop_print (the text of `--emit loops`) and turned
 * into LLVM IR by emit.h. A kernel is built from the outside in:
 *
 *   LoopKernel *k = loop_kernel(arena, "softmax_rows", place);
 *   LoopExpr *rows = loop_dim(k, "M", 0), *columns = loop_int(k, 1000);
 *   LoopBuffer *x = loop_operand(k, "x", LOOP_F32, 2, rows, columns);
 *   LoopBuffer *y = loop_operand(k, "y", LOOP_F32, 2, rows, columns);
 *   LoopExpr *lowest = loop_number(k, -INFINITY);
 *   LoopExpr *i = loop_parallel(k, "i", rows);
 *   LoopExpr *m = loop_var(k, "m", LOOP_F32, 16, lowest);
 *   LoopExpr *j = loop_for_lanes(k, "j", loop_int(k, 0), columns, 16);
 *   loop_set(k, m, loop_max(k, m, loop_else(loop_lanes(k, x, 16, i, j), lowest)));
 *   loop_end(k);                                                        closes the for
 *   LoopExpr *top = loop_let(k, "top", loop_reduce(k, LOOP_MAX, m));
 *   j = loop_for_lanes(k, "j", loop_int(k, 0), columns, 16);
 *   LoopExpr *from = loop_else(loop_lanes(k, x, 16, i, j), lowest);
 *   loop_store(k, loop_lanes(k, y, 16, i, j), loop_exp(k, loop_sub(k, from, top)));
 *   loop_end(k);
 *   loop_end(k);                                                        closes the parallel
 *
 * Values are scalars or vectors of any number of lanes: f32[48] lives in three registers of 16, six
 * of 8 or twelve of 4, as the target has them. Where a scalar meets a vector it is broadcast; where
 * a literal meets a type it takes it; all else must agree (a cast says so), or it is a bug.
 * An expression is a tree that is computed where a statement uses it, once for each use: name with
 * loop_let what is used twice. f16 and bf16 are for storage: cast before computing.
 *
 * Meanings. Integers wrap; DIV floors, MOD has the divisor's sign, x / 0 = 0, x % 0 = x; SHR brings
 * in zeros. In MIN and MAX a NaN wins; GREATER is cheaper and gives b if either is NaN. ROUND goes
 * to even. EXP_RAISED is 2^64 e^x of an x of at most 0, cheaper than EXP for what is divided by its
 * own sum anyway; of all below -104 (-inf, too) it is about 2^-86. AND, OR, XOR, NOT work on bits
 * (of bool: truth). Sums over lanes are added in a tree whose form depends on the lanes alone.
 */
#ifndef BACKEND_LOOP_H
#define BACKEND_LOOP_H

#include "ir/type.h"
#include "support/arena.h"
#include "support/text.h"
#include "support/vec.h"

#include <stdbool.h>
#include <stdint.h>

/* The graph's element types, under the names that kernels use. */
typedef Element LoopElement;
#define LOOP_F32  ELEMENT_f32
#define LOOP_F64  ELEMENT_f64
#define LOOP_F16  ELEMENT_f16
#define LOOP_BF16 ELEMENT_bf16
#define LOOP_I8   ELEMENT_i8
#define LOOP_U8   ELEMENT_u8
#define LOOP_I32  ELEMENT_i32
#define LOOP_I64  ELEMENT_i64
#define LOOP_BOOL ELEMENT_bool

const char *loop_element_name(LoopElement element); /* "f32" */
int64_t loop_element_bytes(LoopElement element);
bool loop_element_is_float(LoopElement element);

typedef struct {
  LoopElement element;
  int lanes; /* 1: a scalar */
} LoopType;

/* Where in the user's text something comes from; file NULL: nowhere. */
typedef struct {
  const char *file; /* "lenet.dl" */
  int line, column;
} LoopPlace;

typedef enum {
#define LOOP_OP(name, text, operands, notation, result) LOOP_##name,
#include "backend/loop_ops.def"
#undef LOOP_OP
  LOOP_OPS
} LoopOp;

typedef struct LoopKernel LoopKernel;
typedef struct LoopBuffer LoopBuffer;
typedef struct LoopExpr LoopExpr;
typedef struct LoopStatement LoopStatement;
typedef struct LoopRegister LoopRegister;

enum { LOOP_RANK = 10 }; /* most axes of a buffer (packed ones have more than the language's 8) */

/* ---- kernels ---- */

LoopKernel *loop_kernel(Arena *arena, const char *name, LoopPlace place);
/* Statements added from here on come from there. */
void loop_at(LoopKernel *k, LoopPlace place);
/* A remark after the last statement, or after the kernel's head if there is none. */
void loop_remark(LoopKernel *k, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- buffers: row-major, dense unless strides are set ---- */

/* The next operand of the step; `rank` sizes follow, each an i64 of literals and dims. */
LoopBuffer *loop_operand(LoopKernel *k, const char *name, LoopElement element, int rank, ...);
LoopBuffer *loop_operand_of(LoopKernel *k, const char *name, LoopElement element, int rank,
                            LoopExpr *const *sizes);
/* Of each thread's own, uninitialised, sizes fixed; in dlrt_worker.scratch, or (a few KiB at most)
 * on the stack. */
LoopBuffer *loop_scratch(LoopKernel *k, const char *name, LoopElement element, int rank, ...);
LoopBuffer *loop_stack(LoopKernel *k, const char *name, LoopElement element, int rank, ...);
/* A small constant table in the code; `data` holds elements in memory's form. */
LoopBuffer *loop_table(LoopKernel *k, const char *name, LoopElement element, int64_t count,
                       const void *data);
/* The same memory with other sizes (and element). */
LoopBuffer *loop_view(LoopKernel *k, LoopBuffer *of, const char *name, LoopElement element,
                      int rank, ...);

typedef enum { LOOP_OPERAND, LOOP_SCRATCH, LOOP_STACK, LOOP_TABLE, LOOP_VIEW } LoopBufferKind;

struct LoopBuffer {
  LoopBufferKind kind;
  const char *name;
  LoopElement element;
  int rank;
  LoopExpr *sizes[LOOP_RANK];
  LoopExpr *strides[LOOP_RANK]; /* in elements; NULL: dense. Set them before the first access */
  int number;                   /* in LoopKernel.buffers */
  int operand;                  /* which of the step's operands */
  int64_t offset;               /* in the scratch */
  const void *data;             /* of a table */
  LoopBuffer *of;               /* of a view */
  bool packed;                  /* its layout is a kernel's own: printed so */
  bool noalias;                 /* overlaps no other buffer that is accessed here; operands: false
                                   until the lowering sets it */
  bool written;
  bool streams; /* a result far beyond the caches, stored once, line by line: past them */
};

/* ---- literals, dims, registers ---- */

LoopExpr *loop_int(LoopKernel *k, int64_t value);   /* i64, or what it meets */
LoopExpr *loop_number(LoopKernel *k, double value); /* f32, or what it meets */
LoopExpr *loop_literal(LoopKernel *k, LoopElement element, double value);
LoopExpr *loop_dim(LoopKernel *k, const char *name, int slot); /* dims[slot], i64 */
/* An i64 in which kernels that are alike may differ: their code is made once. */
LoopExpr *loop_given(LoopKernel *k, int64_t value);

/* Declares a name for a value. */
LoopExpr *loop_let(LoopKernel *k, const char *name, LoopExpr *value);
/* Declares a register that loop_set assigns to. */
LoopExpr *loop_var(LoopKernel *k, const char *name, LoopElement element, int lanes,
                   LoopExpr *value);
/* `rows` vectors of `lanes`, all `value` at first. Read and set by element, whose number must be
 * known when code is emitted (from literals, `each` variables, counts). */
LoopExpr *loop_array(LoopKernel *k, const char *name, LoopElement element, int rows, int lanes,
                     LoopExpr *value);
LoopExpr *loop_row(LoopKernel *k, LoopExpr *array, LoopExpr *row);
void loop_set(LoopKernel *k, LoopExpr *reg, LoopExpr *value);

/* ---- accesses: read where they are used as a value, written by loop_store ---- */

/* One element; buffer->rank indices follow. */
LoopExpr *loop_element(LoopKernel *k, LoopBuffer *buffer, ...);
LoopExpr *loop_element_of(LoopKernel *k, LoopBuffer *buffer, LoopExpr *const *index);
/* `lanes` elements from there on along the last axis. If an index is a vector of i64 (from
 * loop_iota), lanes run along no axis but take their places from it, at the cost of a gather. */
LoopExpr *loop_lanes(LoopKernel *k, LoopBuffer *buffer, int lanes, ...);
LoopExpr *loop_lanes_of(LoopKernel *k, LoopBuffer *buffer, int lanes, LoopExpr *const *index);
/* What follows changes an access and returns it. */
LoopExpr *loop_along(LoopExpr *access, int axis, int64_t stride); /* lanes run there instead */
LoopExpr *loop_else(LoopExpr *access, LoopExpr *value);           /* of masked lanes; default 0 */
LoopExpr *loop_below(LoopExpr *access, LoopExpr *bound); /* lanes at `bound` and above on the axis
                                                            are masked */
LoopExpr *loop_where(LoopExpr *access, LoopExpr *mask);  /* bool of as many lanes */
void loop_store(LoopKernel *k, LoopExpr *access, LoopExpr *value);
/* Rows of an array become its lanes: it has as many of them, a power of two. */
void loop_transpose(LoopKernel *k, LoopExpr *array);
/* The sum of `count` rows of an array from `first` on, halves first. */
LoopExpr *loop_sum_rows(LoopKernel *k, LoopExpr *array, int first, int count);
/* Brings the element's cache line near (into L2). It need not lie in the buffer. */
void loop_prefetch(LoopKernel *k, LoopExpr *access);
/* The same once in each step of the innermost loop, not in each copy of its unrolled body. */
void loop_prefetch_once(LoopKernel *k, LoopExpr *access);

/* ---- blocks: each is closed by loop_end; the variable is an i64 ---- */

/* The kernel's outermost loop, one of it: trips [begin, end) of `trips` are the caller's choice. */
LoopExpr *loop_parallel(LoopKernel *k, const char *name, LoopExpr *trips);
/* The same without the loop: the first of the caller's trips, and past its last one. */
LoopExpr *loop_parallel_range(LoopKernel *k, const char *name, LoopExpr *trips, LoopExpr **past);
LoopExpr *loop_for(LoopKernel *k, const char *name, LoopExpr *begin, LoopExpr *end);
/* `lanes` indices at a time. In the last trip every access of that many lanes whose indices
 * mention the variable is masked past the end: loads give their `else`, stores leave out. */
LoopExpr *loop_for_lanes(LoopKernel *k, const char *name, LoopExpr *begin, LoopExpr *end,
                         int lanes);
/* The body repeated `times`, once for each index of a step. */
LoopExpr *loop_for_unroll(LoopKernel *k, const char *name, LoopExpr *begin, LoopExpr *end,
                          int times);
/* `step` indices at a time; the body handles *count of them from the variable on: `step`, and
 * less at the end, for which it is emitted again. *count is known when code is emitted. */
LoopExpr *loop_for_tail(LoopKernel *k, const char *name, LoopExpr *begin, LoopExpr *end, int step,
                        LoopExpr **count);
/* `step` at a time and the number of them must be a multiple. */
LoopExpr *loop_for_step(LoopKernel *k, const char *name, LoopExpr *begin, LoopExpr *end, int step);
/* Written out; bounds are known when code is emitted. */
LoopExpr *loop_each(LoopKernel *k, const char *name, LoopExpr *begin, LoopExpr *end);
void loop_if(LoopKernel *k, LoopExpr *condition); /* a bool scalar */
void loop_otherwise(LoopKernel *k);               /* the else of the open `if` */
void loop_end(LoopKernel *k);

/* Reports the fault (number from 1 of dlrt_entry.faults) if a lane of `wrong` is true, with that of
 * its indices which is farthest out of 0..size. */
void loop_fault(LoopKernel *k, LoopExpr *wrong, LoopExpr *index, LoopExpr *size, int number);
/* `index` if it is in 0..size; else it is reported and a place inside taken. Scalar or vector; in
 * a for_lanes give the load of the index an `else` inside the range. */
LoopExpr *loop_checked(LoopKernel *k, LoopExpr *index, LoopExpr *size, int fault);

/* ---- expressions ---- */

LoopExpr *loop_unary(LoopKernel *k, LoopOp op, LoopExpr *a);
LoopExpr *loop_binary(LoopKernel *k, LoopOp op, LoopExpr *a, LoopExpr *b);
LoopExpr *loop_fma(LoopKernel *k, LoopExpr *a, LoopExpr *b, LoopExpr *c); /* a * b + c */
/* a and b of i32 hold pairs of bf16: c (f32) + the product of their upper halves, + that of the
 * lower ones. */
LoopExpr *loop_dot2(LoopKernel *k, LoopExpr *a, LoopExpr *b, LoopExpr *c);
/* Of `words`, neighbouring i32 in memory that hold pairs of bf16, the lower halves (0) or the upper
 * ones (1) as f32. `which` is known when code is emitted. */
LoopExpr *loop_half(LoopKernel *k, LoopExpr *words, LoopExpr *which);
LoopExpr *loop_select(LoopKernel *k, LoopExpr *condition, LoopExpr *yes, LoopExpr *no);
/* From float to integer: truncates, saturates, NaN is 0; to a narrower integer: the low bits;
 * to bool: is it not 0. */
LoopExpr *loop_cast(LoopKernel *k, LoopExpr *a, LoopElement to);
/* The same bits as another element of equal size (f32 and i32, f64 and i64). */
LoopExpr *loop_bits(LoopKernel *k, LoopExpr *a, LoopElement to);
LoopExpr *loop_splat(LoopKernel *k, LoopExpr *a, int lanes);
LoopExpr *loop_iota(LoopKernel *k, LoopExpr *first, int lanes); /* first, first + 1, .. */
/* Bools: which of `lanes` lanes of the for_lanes over `variable` lie before its end. All of them,
 * known when code is emitted, but in its last trip. */
LoopExpr *loop_inside(LoopKernel *k, LoopExpr *variable, int lanes);
LoopExpr *loop_lane(LoopKernel *k, LoopExpr *vector, LoopExpr *lane);
/* `lanes` of them: lane i is the vector's lane number places[i]. */
LoopExpr *loop_pick(LoopKernel *k, LoopExpr *vector, int lanes, const int *places);
/* Over lanes: ADD, MUL, MIN, MAX, GREATER, AND, OR. */
LoopExpr *loop_reduce(LoopKernel *k, LoopOp op, LoopExpr *vector);

#define LOOP_DEFINE_1(name, op)                                                                    \
  static inline LoopExpr *loop_##name(LoopKernel *k, LoopExpr *a) {                                \
    return loop_unary(k, op, a);                                                                   \
  }
#define LOOP_DEFINE_2(name, op)                                                                    \
  static inline LoopExpr *loop_##name(LoopKernel *k, LoopExpr *a, LoopExpr *b) {                   \
    return loop_binary(k, op, a, b);                                                               \
  }
LOOP_DEFINE_2(add, LOOP_ADD)
LOOP_DEFINE_2(sub, LOOP_SUB)
LOOP_DEFINE_2(mul, LOOP_MUL)
LOOP_DEFINE_2(div, LOOP_DIV)
LOOP_DEFINE_2(mod, LOOP_MOD)
LOOP_DEFINE_2(min, LOOP_MIN)
LOOP_DEFINE_2(max, LOOP_MAX)
LOOP_DEFINE_2(greater, LOOP_GREATER)
LOOP_DEFINE_2(lt, LOOP_LT)
LOOP_DEFINE_2(le, LOOP_LE)
LOOP_DEFINE_2(gt, LOOP_GT)
LOOP_DEFINE_2(ge, LOOP_GE)
LOOP_DEFINE_2(eq, LOOP_EQ)
LOOP_DEFINE_2(ne, LOOP_NE)
LOOP_DEFINE_2(and, LOOP_AND)
LOOP_DEFINE_2(or, LOOP_OR)
LOOP_DEFINE_1(neg, LOOP_NEG)
LOOP_DEFINE_1(not, LOOP_NOT)
LOOP_DEFINE_1(exp, LOOP_EXP)
LOOP_DEFINE_1(exp_raised, LOOP_EXP_RAISED)
LOOP_DEFINE_1(tanh, LOOP_TANH)
LOOP_DEFINE_1(sqrt, LOOP_SQRT)
#undef LOOP_DEFINE_1
#undef LOOP_DEFINE_2

/* Literal integers (also of arithmetic on them, which is folded). */
bool loop_is_int(const LoopExpr *a, int64_t *value);
LoopType loop_type(const LoopExpr *a);
/* Does the expression depend on the loop variable, by itself or through names of values? */
bool loop_mentions(const LoopExpr *a, const LoopExpr *variable);

/* ---- the structure, for printer and emission ---- */

typedef enum {
  LOOP_EXPR_LITERAL,
  LOOP_EXPR_DIM,
  LOOP_EXPR_GIVEN,
  LOOP_EXPR_VARIABLE, /* of a loop */
  LOOP_EXPR_COUNT,    /* of a tail loop */
  LOOP_EXPR_REGISTER,
  LOOP_EXPR_ACCESS,
  LOOP_EXPR_OP,
  LOOP_EXPR_CAST,
  LOOP_EXPR_BITS,
  LOOP_EXPR_SPLAT,
  LOOP_EXPR_IOTA,
  LOOP_EXPR_INSIDE,
  LOOP_EXPR_LANE,
  LOOP_EXPR_PICK,
  LOOP_EXPR_REDUCE
} LoopExprKind;

typedef struct {
  LoopBuffer *buffer;
  LoopExpr *index[LOOP_RANK];
  int axis;       /* the lanes' */
  int64_t stride; /* from lane to lane, in elements of the axis */
  LoopExpr *other, *bound, *mask;
} LoopAccess;

struct LoopExpr {
  LoopExprKind kind;
  LoopType type;
  LoopOp op;         /* of OP and REDUCE */
  LoopExpr *args[3]; /* of OP, CAST, BITS, SPLAT, IOTA, INSIDE, LANE, PICK, REDUCE */
  bool soft;         /* a literal that takes the type it meets */
  bool natural;      /* surely not negative, which makes division cheap */
  int64_t integer;   /* of a literal, of whatever type; of a tail's count: the step */
  double number;
  int id;   /* variable, count: in LoopKernel.variables */
  int slot; /* of a dim, or in LoopKernel.given */
  const char *name;
  LoopRegister *reg;
  LoopExpr *row; /* of an array's element; NULL: the whole */
  LoopAccess *access;
  const int *places; /* of a pick */
};

struct LoopRegister {
  const char *name;
  LoopType type;
  LoopExpr *value; /* at its declaration */
  int rows;        /* 0: not an array */
  bool is_set;     /* assigned to after its declaration */
  int id;          /* in LoopKernel.registers */
};

typedef enum {
  LOOP_DO_PARALLEL,
  LOOP_DO_FOR,
  LOOP_DO_EACH,
  LOOP_DO_IF,
  LOOP_DO_DECLARE,
  LOOP_DO_SET,
  LOOP_DO_STORE,
  LOOP_DO_TRANSPOSE,
  LOOP_DO_PREFETCH,
  LOOP_DO_FAULT
} LoopStatementKind;

typedef enum {
  LOOP_BY_ONE,
  LOOP_BY_LANES,
  LOOP_BY_UNROLL,
  LOOP_BY_TAIL,
  LOOP_BY_STEP,
  LOOP_BY_RANGE
} LoopStepping;

typedef struct LoopBlock {
  LoopStatement **items;
  size_t count, room;
} LoopBlock;

struct LoopStatement {
  LoopStatementKind kind;
  LoopPlace place;
  const char *remark;
  LoopExpr *variable, *begin, *end, *trips; /* of loops */
  LoopExpr *tail_count;                     /* of a tail; past the last trip of a range */
  LoopStepping stepping;
  int64_t step;
  LoopExpr *target, *value; /* register or access, and what it gets; `if` and fault: condition */
  bool once;                /* a prefetch */
  int fault;
  LoopExpr *index, *size; /* of a fault */
  LoopBlock body, otherwise;
  bool has_otherwise;
  size_t names_before; /* LoopKernel.names outside of it */
};

/* What is seen in an open block: `base`, or with the number after it. */
typedef struct {
  const char *name, *base;
  int number; /* 0: none */
  uint32_t hash;
} LoopName;

struct LoopKernel {
  Arena *arena;
  const char *name;
  LoopPlace place;
  const char *remark;
  VEC(LoopBuffer *) buffers;
  VEC(LoopExpr *) dims;  /* each once */
  VEC(LoopExpr *) given; /* likewise, their values in `integer` */
  const LoopKernel
      *like;     /* an earlier kernel whose code this one is but for what is given, or NULL, */
  bool is_liked; /* and is there one like this? */
  VEC(LoopExpr *) variables;
  VEC(LoopRegister *) registers;
  int operand_count;
  int64_t scratch_bytes;
  LoopExpr *trips; /* of the parallel loop */
  bool exact;      /* no contraction of a * b + c; default false */
  bool calls;      /* functions (exp ..) are called, not expanded in place: less code */
  int expansions;  /* functions that are expanded in place before further ones are called; 0: few */
  LoopBlock body;
  LoopPlace current;
  /* While it is built: open blocks, and the names that are seen in them. */
  VEC(LoopStatement *) open;
  VEC(LoopName) names;
};

/* The text of `--emit loops`. */
void loop_print(Text *text, const LoopKernel *kernel);
/* A text that is equal exactly if the code is, but for what is given: no name, places and remarks.
 */
void loop_print_key(Text *text, const LoopKernel *kernel);
void loop_print_expr(Text *text, const LoopExpr *expr);

#endif
