/* emission.h - what the files of the emission share: the state, values, and who emits what.
 *
 *   emit.c             the module: attributes, passes, object, assembly, text
 *   emit_kernel.c      kernels
 *   emit_loop.c        statements, loops
 *   emit_expr.c        expressions
 *   emit_value.c       vectors as lists of LLVM's
 *   emit_arithmetic.c  operators
 *   emit_lanes.c       reductions, numbers of lanes, picks
 *   emit_cast.c        conversions between elements
 *   emit_pairs.c       pairs of bf16
 *   emit_access.c      addresses, loads, stores, masks
 *   vecmath*.c         exp, tanh .. on vectors (vecmath.h)
 *   debug.c            DWARF
 *
 * A vector of any number of lanes is a list of LLVM vectors: as many of the target's width as fit,
 * then powers of two. The cut depends on the lanes alone, not on the element, so that parts of f32,
 * f64 and bool vectors correspond.
 */
#ifndef BACKEND_EMISSION_H
#define BACKEND_EMISSION_H

#include "backend/emit.h"

#include <llvm-c/Core.h>
#include <llvm-c/DebugInfo.h>
#include <llvm-c/TargetMachine.h>

typedef struct {
  LoopType type;
  int count;           /* of parts */
  LLVMValueRef *parts; /* scalars: one */
} EmitValue;

/* An i64 as something computed plus a constant; base NULL: the constant alone. */
typedef struct {
  LLVMValueRef base;
  int64_t offset;
  int64_t unit; /* a power of two of which base is a multiple; 0: none is known */
} Affine;

/* What masks a for_lanes body's accesses, while its last trip is emitted. */
typedef struct LaneMask {
  const LoopExpr *variable;
  int lanes;
  LLVMValueRef left; /* i64: lanes that are in */
  EmitValue mask;
  struct LaneMask *outer;
} LaneMask;

typedef struct {
  LLVMValueRef *slots; /* of an assigned register: an alloca for each row and part */
  EmitValue value;     /* of a name */
} RegisterState;

typedef struct {
  LLVMValueRef base;          /* pointer */
  LLVMValueRef scope, others; /* metadata: own alias scope, those of all others; NULL: none */
} BufferState;

struct Emission {
  Arena *arena;
  Target target;
  EmitOptions options;
  LLVMContextRef context;
  LLVMModuleRef module;
  LLVMBuilderRef builder;
  LLVMTargetMachineRef machine;
  LLVMTypeRef types[ELEMENTS]; /* of values */
  LLVMTypeRef pointer, i1, i8, i16, i32, i64, f32, f64, half;
  unsigned alias_scope, noalias, invariant, nontemporal; /* metadata kinds */
  LLVMDIBuilderRef debug;
  LLVMMetadataRef debug_unit, debug_scope, debug_type;
  VEC(LLVMMetadataRef) debug_files;
  VEC(const char *) debug_file_names;
  bool finished;
  VEC(int *) cuts; /* by lanes: count, then sizes */
  /* Of the function that is being emitted. */
  const LoopKernel *kernel;
  LLVMValueRef function, operands, dims, begin, end, worker;
  LLVMValueRef entry_end; /* allocas go before this instruction */
  LLVMValueRef *dim_values;
  bool is_common; /* what is given comes as arguments, after those of a kernel */
  Affine *variables;
  int64_t *units; /* of variables: powers of two of which all their values are multiples; 0: none */
  bool streams;   /* what streams is aligned, in the code that is being emitted */
  int64_t copy;   /* of the innermost loop's body */
  RegisterState *registers;
  BufferState *buffers;
  LaneMask *masks;
  int expanded; /* functions of vecmath.h, in place */
};

/* ---- values (emit_value.c) ---- */

LLVMTypeRef vector_type(Emission *e, LLVMTypeRef element, int lanes);
/* How `lanes` are cut: *count sizes. A scalar is one part of 0. */
const int *emit_cut(Emission *e, int lanes, int *count);
LLVMTypeRef emit_part_type(Emission *e, LoopElement element, int size);
EmitValue emit_value_new(Emission *e, LoopType type);
LLVMValueRef emit_splat(Emission *e, LLVMValueRef scalar, int lanes);
/* The value with `lanes` lanes: a scalar is broadcast. */
EmitValue value_widen(Emission *e, EmitValue value, int lanes);
LLVMValueRef emit_integer(Emission *e, int64_t value); /* an i64 */
/* Is it an integer constant? */
bool emit_known(LLVMValueRef value, int64_t *constant);
LLVMValueRef emit_intrinsic(Emission *e, const char *name, LLVMTypeRef *overload, size_t overloads,
                            LLVMValueRef *args, size_t count);
/* One overload: the type of args[0]. */
LLVMValueRef emit_intrinsic_of(Emission *e, const char *name, LLVMValueRef *args, size_t count);

/* ---- expressions (emit_expr.c) ---- */

EmitValue emit_expr(Emission *e, const LoopExpr *expr);
/* The same as `type`: literals take the element, scalars are broadcast. */
EmitValue emit_expr_as(Emission *e, const LoopExpr *expr, LoopType type);
LLVMValueRef emit_scalar(Emission *e, const LoopExpr *expr);

/* ---- their parts: a register's worth each (emit_arithmetic.c, emit_pairs.c, emit_cast.c) ---- */

/* `expr` tells operator and elements, and a divisor that is known. */
LLVMValueRef emit_binary(Emission *e, const LoopExpr *expr, LLVMValueRef a, LLVMValueRef b);
LLVMValueRef emit_unary(Emission *e, const LoopExpr *expr, LLVMValueRef a);
LLVMValueRef emit_fma(Emission *e, LLVMValueRef a, LLVMValueRef b, LLVMValueRef c);
/* Operators that reductions take, too. Of the greatest and least a NaN wins; LOOP_GREATER is
 * a > b ? a : b, one instruction of x86. */
LLVMValueRef emit_combine(Emission *e, LoopOp op, LoopElement element, LLVMValueRef a,
                          LLVMValueRef b);
LLVMValueRef emit_dot2(Emission *e, LLVMValueRef a, LLVMValueRef b, LLVMValueRef c);
LLVMValueRef emit_cast_part(Emission *e, LLVMValueRef part, int size, LoopElement from,
                            LoopElement to);

/* ---- lanes (emit_lanes.c; emit_pairs.c) ---- */

LLVMValueRef emit_reduce(Emission *e, LoopOp op, EmitValue value);
LLVMValueRef emit_any(Emission *e, EmitValue flags); /* or, of a bool vector's lanes */
EmitValue emit_iota(Emission *e, const LoopExpr *expr);
EmitValue emit_inside(Emission *e, const LoopExpr *expr); /* the mask of a loop's last trip */
LLVMValueRef emit_lane(Emission *e, const LoopExpr *expr);
EmitValue emit_pick(Emission *e, const LoopExpr *expr);
EmitValue emit_halves(Emission *e, const LoopExpr *expr);

/* ---- accesses (emit_access.c) ---- */

Affine emit_affine(Emission *e, const LoopExpr *expr);
/* The greatest power of two, up to a page, of which all that it can be is a multiple. */
int64_t emit_unit(Affine affine);
LLVMValueRef emit_affine_value(Emission *e, Affine affine);
EmitValue emit_load(Emission *e, const LoopExpr *access);
/* `size` neighbouring i32 from `bytes` before the lane `first` on; `anew`: whatever a register has.
 */
LLVMValueRef emit_load_before(Emission *e, const LoopExpr *access, int first, int size, int bytes,
                              bool anew);
void emit_store(Emission *e, const LoopExpr *access, EmitValue value);
void emit_prefetch(Emission *e, const LoopExpr *access);
/* The lanes below `left` (an i64 of 0 or more). */
EmitValue emit_lane_mask(Emission *e, int lanes, LLVMValueRef left);

/* ---- statements and kernels (emit_loop.c, emit_kernel.c) ---- */

void emit_statements(Emission *e, const LoopBlock *block);
/* What differs among kernels that share their code. */
LLVMValueRef emit_given(Emission *e, const LoopExpr *given);
LLVMValueRef emit_alloca(Emission *e, LLVMTypeRef type, const char *name);
LLVMBasicBlockRef emit_block(Emission *e, const char *name);
/* Functions get the target's attributes. */
LLVMValueRef emit_function(Emission *e, const char *name, LLVMTypeRef type, bool is_public);
void emit_attribute(Emission *e, LLVMValueRef function, const char *name, uint64_t value);
/* The function that is being emitted uses this, "+avx512bf16", beyond what all of the target's do;
 * what starts the program must check it (descriptor.c's level). */
void emit_feature(Emission *e, const char *feature);

/* result name(const int64_t *dims, int64_t *out): out[i] = stored[i]; without `out` if count is 0.
 * Internal to the module. The expressions are i64, of literals and dims. */
LLVMValueRef emit_dims_function(Emission *e, const char *name, const LoopExpr *result,
                                LoopExpr *const *stored, int count);

void debug_start(Emission *e);
void debug_function(Emission *e, LLVMValueRef function, const char *name, LoopPlace place);
void debug_place(Emission *e, LoopPlace place);
void debug_finish(Emission *e);

#endif
