/* emit_expr.c - expressions of the loop IR as LLVM values. */
#include "backend/emission.h"

#include "backend/vecmath.h"
#include "support/bug.h"

#include <string.h>

/* ---- types and parts ---- */

LLVMTypeRef vector_type(Emission *e, LLVMTypeRef element, int lanes) {
  (void)e;
  return lanes == 0 ? element : LLVMVectorType(element, (unsigned)lanes);
}

static int *make_cut(Emission *e, int lanes) {
  int *cut = ARENA_ARRAY(e->arena, (size_t)(lanes / e->target.lanes + 8), int);
  if (lanes == 1) {
    cut[0] = 1;
    return cut;
  }
  for (int size = e->target.lanes; lanes > 0;) {
    if (size > lanes) {
      size /= 2;
      continue;
    }
    cut[++cut[0]] = size;
    lanes -= size;
  }
  return cut;
}

const int *emit_cut(Emission *e, int lanes, int *count) {
  if (lanes < 1) bug("loop: %d lanes", lanes);
  while (e->cuts.count <= (size_t)lanes) vec_push(e->arena, &e->cuts, NULL);
  int **cut = &e->cuts.items[lanes];
  if (!*cut) *cut = make_cut(e, lanes);
  *count = (*cut)[0];
  return *cut + 1;
}

LLVMTypeRef emit_part_type(Emission *e, LoopElement element, int size) {
  return vector_type(e, e->types[element], size);
}

EmitValue emit_value_new(Emission *e, LoopType type) {
  EmitValue value = {.type = type};
  emit_cut(e, type.lanes, &value.count);
  value.parts = ARENA_ARRAY(e->arena, (size_t)value.count, LLVMValueRef);
  return value;
}

LLVMValueRef emit_splat(Emission *e, LLVMValueRef scalar, int lanes) {
  if (lanes == 0) return scalar;
  if (LLVMIsConstant(scalar)) {
    LLVMValueRef all[64];
    for (int i = 0; i < lanes; i++) all[i] = scalar;
    return LLVMConstVector(all, (unsigned)lanes);
  }
  LLVMValueRef none = LLVMGetPoison(vector_type(e, LLVMTypeOf(scalar), lanes));
  LLVMValueRef zero = LLVMConstInt(e->i32, 0, false);
  LLVMValueRef first = LLVMBuildInsertElement(e->builder, none, scalar, zero, "");
  LLVMValueRef mask = LLVMConstNull(vector_type(e, e->i32, lanes));
  return LLVMBuildShuffleVector(e->builder, first, none, mask, "");
}

EmitValue value_widen(Emission *e, EmitValue value, int lanes) {
  if (value.type.lanes == lanes) return value;
  if (value.type.lanes != 1) bug("loop: %d lanes where %d are wanted", value.type.lanes, lanes);
  EmitValue wide = emit_value_new(e, (LoopType){value.type.element, lanes});
  const int *sizes = emit_cut(e, lanes, &wide.count);
  for (int i = 0; i < wide.count; i++)
    wide.parts[i] = i > 0 && sizes[i] == sizes[i - 1] ? wide.parts[i - 1]
                                                      : emit_splat(e, value.parts[0], sizes[i]);
  return wide;
}

LLVMValueRef emit_intrinsic(Emission *e, const char *name, LLVMTypeRef *overload, size_t overloads,
                            LLVMValueRef *args, size_t count) {
  unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
  if (id == 0) bug("LLVM has no '%s'", name);
  LLVMValueRef function = LLVMGetIntrinsicDeclaration(e->module, id, overload, overloads);
  LLVMTypeRef type = LLVMIntrinsicGetType(e->context, id, overload, overloads);
  return LLVMBuildCall2(e->builder, type, function, args, (unsigned)count, "");
}

LLVMValueRef emit_intrinsic_of(Emission *e, const char *name, LLVMValueRef *args, size_t count) {
  LLVMTypeRef type = LLVMTypeOf(args[0]);
  return emit_intrinsic(e, name, &type, 1, args, count);
}

bool emit_known(LLVMValueRef value, int64_t *constant) {
  if (!LLVMIsAConstantInt(value)) return false;
  *constant = LLVMConstIntGetSExtValue(value);
  return true;
}

/* ---- arithmetic ---- */

static LLVMValueRef flagged(Emission *e, LLVMValueRef value) {
  bool exact = e->kernel && e->kernel->exact;
  if (!exact && LLVMIsAInstruction(value) && LLVMCanValueUseFastMathFlags(value))
    LLVMSetFastMathFlags(value, LLVMFastMathAllowContract);
  return value;
}

LLVMValueRef emit_fma(Emission *e, LLVMValueRef a, LLVMValueRef b, LLVMValueRef c) {
  if (e->target.fma) return emit_intrinsic_of(e, "llvm.fma", (LLVMValueRef[]){a, b, c}, 3);
  return LLVMBuildFAdd(e->builder, LLVMBuildFMul(e->builder, a, b, ""), c, "");
}

/* The floor of a / b, which differs from truncation where the signs do. */
static LLVMValueRef floor_div(Emission *e, LLVMValueRef a, LLVMValueRef b) {
  LLVMBuilderRef to = e->builder;
  LLVMTypeRef type = LLVMTypeOf(a);
  LLVMValueRef zero = LLVMConstNull(type);
  LLVMValueRef q = LLVMBuildSDiv(to, a, b, "");
  LLVMValueRef rest = LLVMBuildSub(to, a, LLVMBuildMul(to, q, b, ""), "");
  LLVMValueRef uneven = LLVMBuildICmp(to, LLVMIntNE, rest, zero, "");
  LLVMValueRef signs = LLVMBuildICmp(to, LLVMIntSLT, LLVMBuildXor(to, rest, b, ""), zero, "");
  LLVMValueRef down = LLVMBuildAnd(to, uneven, signs, "");
  return LLVMBuildAdd(to, q, LLVMBuildSExt(to, down, type, ""), "");
}

/* Division by whatever it is: x / 0 = 0, the least by -1 wraps. */
static LLVMValueRef safe_div(Emission *e, LLVMValueRef a, LLVMValueRef b, bool is_signed) {
  LLVMBuilderRef to = e->builder;
  LLVMTypeRef type = LLVMTypeOf(a);
  LLVMValueRef zero = LLVMConstNull(type), minus = LLVMConstAllOnes(type);
  LLVMValueRef one = LLVMBuildNeg(to, minus, "");
  LLVMValueRef none = LLVMBuildICmp(to, LLVMIntEQ, b, zero, "");
  if (!is_signed) {
    LLVMValueRef q = LLVMBuildUDiv(to, a, LLVMBuildSelect(to, none, one, b, ""), "");
    return LLVMBuildSelect(to, none, zero, q, "");
  }
  LLVMValueRef negative = LLVMBuildICmp(to, LLVMIntEQ, b, minus, "");
  LLVMValueRef special = LLVMBuildOr(to, none, negative, "");
  LLVMValueRef q = floor_div(e, a, LLVMBuildSelect(to, special, one, b, ""));
  q = LLVMBuildSelect(to, negative, LLVMBuildNeg(to, a, ""), q, "");
  return LLVMBuildSelect(to, none, zero, q, "");
}

static LLVMValueRef divide(Emission *e, const LoopExpr *expr, LLVMValueRef a, LLVMValueRef b) {
  bool is_signed = expr->type.element != LOOP_U8;
  const LoopExpr *by = expr->args[1];
  bool constant = by->kind == LOOP_EXPR_LITERAL && by->integer > 0;
  LLVMValueRef q;
  if (constant && (!is_signed || expr->args[0]->natural))
    q = LLVMBuildUDiv(e->builder, a, b, "");
  else if (constant)
    q = floor_div(e, a, b);
  else
    q = safe_div(e, a, b, is_signed);
  if (expr->op == LOOP_DIV) return q;
  return LLVMBuildSub(e->builder, a, LLVMBuildMul(e->builder, q, b, ""), "");
}

/* The larger or smaller of two floats; a NaN wins. `a > b ? a : b` is one instruction and gives b
 * where one is NaN, which is right already if a is never NaN. */
static LLVMValueRef float_extreme(Emission *e, bool greatest, LLVMValueRef a, LLVMValueRef b) {
  LLVMBuilderRef to = e->builder;
  if (LLVMIsConstant(b)) {
    LLVMValueRef other = a;
    a = b;
    b = other;
  }
  LLVMRealPredicate than = greatest ? LLVMRealOGT : LLVMRealOLT;
  LLVMValueRef pick = LLVMBuildSelect(to, LLVMBuildFCmp(to, than, a, b, ""), a, b, "");
  LLVMValueRef is_nan = LLVMBuildFCmp(to, LLVMRealUNO, a, a, "");
  LLVMTypeRef type = LLVMTypeOf(a);
  if (e->target.masks || LLVMGetTypeKind(type) != LLVMVectorTypeKind)
    return LLVMBuildSelect(to, is_nan, a, pick, "");
  /* all ones are a NaN, too: `or` takes a quarter of what a blend by a mask does */
  LLVMTypeRef bits = LLVMGetElementType(type) == e->f64 ? e->i64 : e->i32;
  bits = vector_type(e, bits, (int)LLVMGetVectorSize(type));
  LLVMValueRef ones = LLVMBuildSExt(to, is_nan, bits, "");
  pick = LLVMBuildOr(to, LLVMBuildBitCast(to, pick, bits, ""), ones, "");
  return LLVMBuildBitCast(to, pick, type, "");
}

static LLVMValueRef extreme(Emission *e, LoopElement element, bool greatest, LLVMValueRef a,
                            LLVMValueRef b) {
  if (loop_element_is_float(element)) return float_extreme(e, greatest, a, b);
  if (element == LOOP_BOOL)
    return greatest ? LLVMBuildOr(e->builder, a, b, "") : LLVMBuildAnd(e->builder, a, b, "");
  const char *name = element == LOOP_U8 ? (greatest ? "llvm.umax" : "llvm.umin")
                                        : (greatest ? "llvm.smax" : "llvm.smin");
  return emit_intrinsic_of(e, name, (LLVMValueRef[]){a, b}, 2);
}

/* One instruction of x86. */
static LLVMValueRef greater(Emission *e, LoopElement element, LLVMValueRef a, LLVMValueRef b) {
  if (!loop_element_is_float(element)) return extreme(e, element, true, a, b);
  LLVMValueRef wins = LLVMBuildFCmp(e->builder, LLVMRealOGT, a, b, "");
  return LLVMBuildSelect(e->builder, wins, a, b, "");
}

static LLVMValueRef compare(Emission *e, LoopOp op, LoopElement element, LLVMValueRef a,
                            LLVMValueRef b) {
  static const LLVMRealPredicate reals[] = {LLVMRealOEQ, LLVMRealUNE, LLVMRealOLT,
                                            LLVMRealOLE, LLVMRealOGT, LLVMRealOGE};
  static const LLVMIntPredicate ints[] = {LLVMIntEQ,  LLVMIntNE,  LLVMIntSLT,
                                          LLVMIntSLE, LLVMIntSGT, LLVMIntSGE};
  static const LLVMIntPredicate naturals[] = {LLVMIntEQ,  LLVMIntNE,  LLVMIntULT,
                                              LLVMIntULE, LLVMIntUGT, LLVMIntUGE};
  int which = (int)op - LOOP_EQ;
  if (loop_element_is_float(element)) return LLVMBuildFCmp(e->builder, reals[which], a, b, "");
  bool is_signed = element != LOOP_U8 && element != LOOP_BOOL;
  return LLVMBuildICmp(e->builder, is_signed ? ints[which] : naturals[which], a, b, "");
}

static LLVMValueRef binary(Emission *e, const LoopExpr *expr, LLVMValueRef a, LLVMValueRef b) {
  LLVMBuilderRef to = e->builder;
  LoopElement element = expr->args[0]->type.element;
  bool is_float = loop_element_is_float(element);
  switch (expr->op) {
  case LOOP_ADD:
    return is_float ? flagged(e, LLVMBuildFAdd(to, a, b, "")) : LLVMBuildAdd(to, a, b, "");
  case LOOP_SUB:
    return is_float ? flagged(e, LLVMBuildFSub(to, a, b, "")) : LLVMBuildSub(to, a, b, "");
  case LOOP_MUL:
    return is_float ? flagged(e, LLVMBuildFMul(to, a, b, "")) : LLVMBuildMul(to, a, b, "");
  case LOOP_DIV:
    return is_float ? LLVMBuildFDiv(to, a, b, "") : divide(e, expr, a, b);
  case LOOP_MOD:
    return is_float ? vecmath_mod(e, a, b) : divide(e, expr, a, b);
  case LOOP_MIN:
    return extreme(e, element, false, a, b);
  case LOOP_MAX:
    return extreme(e, element, true, a, b);
  case LOOP_GREATER:
    return greater(e, element, a, b);
  case LOOP_POW:
    return vecmath_pow(e, a, b);
  case LOOP_AND:
    return LLVMBuildAnd(to, a, b, "");
  case LOOP_OR:
    return LLVMBuildOr(to, a, b, "");
  case LOOP_XOR:
    return LLVMBuildXor(to, a, b, "");
  case LOOP_SHL:
    return LLVMBuildShl(to, a, b, "");
  case LOOP_SHR:
    return LLVMBuildLShr(to, a, b, "");
  default:
    return compare(e, expr->op, element, a, b);
  }
}

static LLVMValueRef unary(Emission *e, const LoopExpr *expr, LLVMValueRef a) {
  LLVMBuilderRef to = e->builder;
  bool is_float = loop_element_is_float(expr->type.element);
  switch (expr->op) {
  case LOOP_NEG:
    return is_float ? LLVMBuildFNeg(to, a, "") : LLVMBuildNeg(to, a, "");
  case LOOP_NOT:
    return LLVMBuildNot(to, a, "");
  case LOOP_ABS:
    if (is_float) return emit_intrinsic_of(e, "llvm.fabs", &a, 1);
    if (expr->type.element == LOOP_U8 || expr->type.element == LOOP_BOOL) return a;
    return emit_intrinsic_of(e, "llvm.abs", (LLVMValueRef[]){a, LLVMConstInt(e->i1, 0, false)}, 2);
  case LOOP_FLOOR:
    return emit_intrinsic_of(e, "llvm.floor", &a, 1);
  case LOOP_CEIL:
    return emit_intrinsic_of(e, "llvm.ceil", &a, 1);
  case LOOP_TRUNC:
    return emit_intrinsic_of(e, "llvm.trunc", &a, 1);
  case LOOP_ROUND:
    return emit_intrinsic_of(e, "llvm.roundeven", &a, 1);
  case LOOP_SQRT:
    return emit_intrinsic_of(e, "llvm.sqrt", &a, 1);
  case LOOP_RSQRT: {
    LLVMValueRef root = emit_intrinsic_of(e, "llvm.sqrt", &a, 1);
    LLVMTypeRef type = LLVMTypeOf(a);
    bool is_vector = LLVMGetTypeKind(type) == LLVMVectorTypeKind;
    LLVMValueRef one = LLVMConstReal(is_vector ? LLVMGetElementType(type) : type, 1);
    if (is_vector) one = emit_splat(e, one, (int)LLVMGetVectorSize(type));
    return LLVMBuildFDiv(to, one, root, "");
  }
  default:
    return vecmath_unary(e, expr->op, a);
  }
}

/* ---- lanes ---- */

static LLVMValueRef combine(Emission *e, LoopOp op, LoopElement element, LLVMValueRef a,
                            LLVMValueRef b) {
  bool is_float = loop_element_is_float(element);
  switch (op) {
  case LOOP_ADD:
    return is_float ? LLVMBuildFAdd(e->builder, a, b, "") : LLVMBuildAdd(e->builder, a, b, "");
  case LOOP_MUL:
    return is_float ? LLVMBuildFMul(e->builder, a, b, "") : LLVMBuildMul(e->builder, a, b, "");
  case LOOP_MIN:
    return extreme(e, element, false, a, b);
  case LOOP_MAX:
    return extreme(e, element, true, a, b);
  case LOOP_GREATER:
    return greater(e, element, a, b);
  case LOOP_AND:
    return LLVMBuildAnd(e->builder, a, b, "");
  case LOOP_OR:
    return LLVMBuildOr(e->builder, a, b, "");
  default:
    bug("loop: a reduction by operator %d", (int)op);
  }
}

/* One part's lanes, halves onto halves. */
static LLVMValueRef reduce_part(Emission *e, LoopOp op, LoopElement element, LLVMValueRef part,
                                int size) {
  if (size == 0) return part;
  for (; size > 1; size /= 2) {
    LLVMValueRef low[64], high[64];
    for (int i = 0; i < size / 2; i++) {
      low[i] = LLVMConstInt(e->i32, (unsigned)i, false);
      high[i] = LLVMConstInt(e->i32, (unsigned)(size / 2 + i), false);
    }
    LLVMValueRef none = LLVMGetPoison(LLVMTypeOf(part));
    LLVMValueRef masks[] = {LLVMConstVector(low, (unsigned)size / 2),
                            LLVMConstVector(high, (unsigned)size / 2)};
    LLVMValueRef a = LLVMBuildShuffleVector(e->builder, part, none, masks[0], "");
    LLVMValueRef b = LLVMBuildShuffleVector(e->builder, part, none, masks[1], "");
    part = combine(e, op, element, a, b);
  }
  return LLVMBuildExtractElement(e->builder, part, LLVMConstInt(e->i32, 0, false), "");
}

static LLVMValueRef reduce(Emission *e, LoopOp op, EmitValue value) {
  int count;
  const int *sizes = emit_cut(e, value.type.lanes, &count);
  LoopElement element = value.type.element;
  LLVMValueRef parts[value.count > 0 ? value.count : 1];
  memcpy(parts, value.parts, sizeof parts);
  int equal = 0;
  while (equal < count && sizes[equal] == sizes[0]) equal++;
  for (int step = 1; step < equal; step *= 2)
    for (int i = 0; i + step < equal; i += 2 * step)
      parts[i] = combine(e, op, element, parts[i], parts[i + step]);
  LLVMValueRef result = reduce_part(e, op, element, parts[0], sizes[0]);
  for (int i = equal; i < count; i++)
    result = combine(e, op, element, result, reduce_part(e, op, element, parts[i], sizes[i]));
  return result;
}

LLVMValueRef emit_any(Emission *e, EmitValue flags) {
  return reduce(e, LOOP_OR, flags);
}

static EmitValue iota(Emission *e, const LoopExpr *expr) {
  EmitValue first = value_widen(e, emit_expr(e, expr->args[0]), expr->type.lanes);
  EmitValue value = emit_value_new(e, expr->type);
  const int *sizes = emit_cut(e, expr->type.lanes, &value.count);
  int number = 0;
  for (int part = 0; part < value.count; part++) {
    LLVMValueRef numbers[64] = {LLVMConstInt(e->types[expr->type.element], 0, false)};
    for (int i = 0; i < sizes[part]; i++)
      numbers[i] = LLVMConstInt(e->types[expr->type.element], (unsigned)number++, false);
    LLVMValueRef count = sizes[part] ? LLVMConstVector(numbers, (unsigned)sizes[part]) : numbers[0];
    value.parts[part] = LLVMBuildAdd(e->builder, first.parts[part], count, "");
  }
  return value;
}

static EmitValue inside(Emission *e, const LoopExpr *expr) {
  for (const LaneMask *m = e->masks; m; m = m->outer)
    if (m->variable == expr->args[0] && m->lanes == expr->type.lanes) return m->mask;
  EmitValue all = emit_value_new(e, expr->type);
  const int *sizes = emit_cut(e, expr->type.lanes, &all.count);
  for (int i = 0; i < all.count; i++)
    all.parts[i] = LLVMConstAllOnes(vector_type(e, e->i1, sizes[i]));
  return all;
}

static LLVMValueRef lane(Emission *e, const LoopExpr *expr) {
  EmitValue vector = emit_expr(e, expr->args[0]);
  if (vector.type.lanes == 1) return vector.parts[0];
  LLVMValueRef number = emit_scalar(e, expr->args[1]);
  int count, first = 0;
  const int *sizes = emit_cut(e, vector.type.lanes, &count);
  LLVMValueRef result = NULL;
  int64_t known = 0;
  bool is_known = emit_known(number, &known);
  for (int part = 0; part < count; first += sizes[part++]) {
    if (is_known && (known < first || known >= first + sizes[part])) continue;
    LLVMValueRef within =
        LLVMBuildSub(e->builder, number, LLVMConstInt(e->i64, (unsigned)first, false), "");
    if (!is_known) /* any place will do where another part has it */
      within = LLVMBuildAnd(e->builder, within,
                            LLVMConstInt(e->i64, (unsigned)sizes[part] - 1, false), "");
    LLVMValueRef one = LLVMBuildExtractElement(e->builder, vector.parts[part], within, "");
    if (!result) {
      result = one;
      continue;
    }
    LLVMValueRef here = LLVMBuildICmp(e->builder, LLVMIntSGE, number,
                                      LLVMConstInt(e->i64, (unsigned)first, false), "");
    result = LLVMBuildSelect(e->builder, here, one, result, "");
  }
  if (!result) bug("loop: lane %lld of %d", (long long)known, vector.type.lanes);
  return result;
}

/* Lanes that are all of one register are one shuffle; others are put together register by register,
 * those of a smaller one (the vector's rest) widened. */
static LLVMValueRef pick_part(Emission *e, EmitValue vector, const int *sizes, const int *places,
                              int size) {
  LLVMValueRef result = NULL;
  for (int part = 0, first = 0; part < vector.count; first += sizes[part++]) {
    LLVMValueRef numbers[64], from = vector.parts[part], none = LLVMGetPoison(LLVMTypeOf(from));
    LLVMValueRef nothing = LLVMGetPoison(e->i32);
    int own = 0;
    for (int i = 0; i < size; i++) {
      bool here = places[i] >= first && places[i] < first + sizes[part];
      own += here;
      numbers[i] = here ? LLVMConstInt(e->i32, (unsigned)(places[i] - first), false) : nothing;
    }
    if (own == 0) continue;
    LLVMValueRef mask = LLVMConstVector(numbers, (unsigned)size);
    LLVMValueRef mine = LLVMBuildShuffleVector(e->builder, from, none, mask, "");
    if (!result) {
      result = mine;
      continue;
    }
    for (int i = 0; i < size; i++) {
      bool here = places[i] >= first && places[i] < first + sizes[part];
      numbers[i] = LLVMConstInt(e->i32, (unsigned)(here ? size + i : i), false);
    }
    mask = LLVMConstVector(numbers, (unsigned)size);
    result = LLVMBuildShuffleVector(e->builder, result, mine, mask, "");
  }
  return result;
}

static EmitValue pick(Emission *e, const LoopExpr *expr) {
  EmitValue vector = emit_expr(e, expr->args[0]);
  if (vector.type.lanes == 1) return value_widen(e, vector, expr->type.lanes);
  EmitValue value = emit_value_new(e, expr->type);
  int count;
  const int *from = emit_cut(e, vector.type.lanes, &count);
  const int *sizes = emit_cut(e, expr->type.lanes, &value.count), *places = expr->places;
  for (int i = 0; i < value.count; places += sizes[i++])
    value.parts[i] = pick_part(e, vector, from, places, sizes[i]);
  return value;
}

/* ---- expressions ---- */

static LLVMValueRef literal(Emission *e, const LoopExpr *expr, LoopElement element) {
  LLVMTypeRef type = e->types[element];
  switch (element) {
  case LOOP_F32:
  case LOOP_F64:
    return LLVMConstReal(type, expr->number);
  case LOOP_F16:
  case LOOP_BF16: {
    LLVMValueRef wide = LLVMConstReal(e->f32, expr->number);
    return emit_cast_part(e, wide, 0, LOOP_F32, element);
  }
  case LOOP_BOOL:
    return LLVMConstInt(type, expr->integer != 0, false);
  default:
    return LLVMConstInt(type, (unsigned long long)expr->integer, true);
  }
}

static EmitValue scalar_value(Emission *e, LoopType type, LLVMValueRef scalar) {
  EmitValue value = emit_value_new(e, type);
  value.parts[0] = scalar;
  return value;
}

static EmitValue read_register(Emission *e, const LoopExpr *expr) {
  RegisterState *state = &e->registers[expr->reg->id];
  if (!expr->reg->is_set && expr->reg->rows == 0) return state->value;
  int64_t row = 0;
  if (expr->reg->rows) {
    if (!expr->row) bug("loop: '%s' is read whole", expr->name);
    if (!emit_known(emit_scalar(e, expr->row), &row))
      bug("loop: the row of '%s' must be known", expr->name);
    if (row < 0 || row >= expr->reg->rows)
      bug("loop: row %lld of '%s'", (long long)row, expr->name);
  }
  EmitValue value = emit_value_new(e, expr->type);
  const int *sizes = emit_cut(e, expr->type.lanes, &value.count);
  for (int i = 0; i < value.count; i++)
    value.parts[i] = LLVMBuildLoad2(e->builder, emit_part_type(e, expr->type.element, sizes[i]),
                                    state->slots[row * value.count + i], "");
  return value;
}

/* Functions of several registers at a time, in one sequence of instructions: those of one would
 * wait for each other. How many parts that makes, from part i on. */
static int function_parts(Emission *e, const LoopExpr *expr, EmitValue arg, EmitValue value,
                          int i) {
  if (expr->args[1] || !vecmath_takes_groups(expr->op) || expr->type.element != LOOP_F32) return 0;
  LLVMTypeRef type = LLVMTypeOf(arg.parts[i]);
  if (LLVMGetTypeKind(type) != LLVMVectorTypeKind) return 0;
  int count = 1, group;
  while (i + count < value.count && LLVMTypeOf(arg.parts[i + count]) == type) count++;
  for (group = VECMATH_GROUP; group > count;) group /= 2;
  if (group == 1) return 0;
  vecmath_group(e, expr->op, arg.parts + i, group, value.parts + i);
  return group;
}

static EmitValue op_value(Emission *e, const LoopExpr *expr) {
  EmitValue args[3];
  if (expr->op == LOOP_HALF) return emit_halves(e, expr);
  for (int i = 0; i < 3 && expr->args[i]; i++)
    args[i] = value_widen(e, emit_expr(e, expr->args[i]), expr->type.lanes);
  EmitValue value = emit_value_new(e, expr->type);
  for (int i = 0; i < value.count; i++) {
    int made = function_parts(e, expr, args[0], value, i);
    if (made) {
      i += made - 1;
      continue;
    }
    LLVMValueRef a = args[0].parts[i];
    if (expr->op == LOOP_FMA)
      value.parts[i] =
          loop_element_is_float(expr->type.element)
              ? emit_fma(e, a, args[1].parts[i], args[2].parts[i])
              : LLVMBuildAdd(e->builder, LLVMBuildMul(e->builder, a, args[1].parts[i], ""),
                             args[2].parts[i], "");
    else if (expr->op == LOOP_DOT2)
      value.parts[i] = emit_dot2(e, a, args[1].parts[i], args[2].parts[i]);
    else if (expr->op == LOOP_SELECT)
      value.parts[i] = LLVMBuildSelect(e->builder, a, args[1].parts[i], args[2].parts[i], "");
    else if (expr->args[1])
      value.parts[i] = binary(e, expr, a, args[1].parts[i]);
    else
      value.parts[i] = unary(e, expr, a);
  }
  return value;
}

static EmitValue convert(Emission *e, const LoopExpr *expr) {
  EmitValue from = emit_expr(e, expr->args[0]);
  EmitValue value = emit_value_new(e, expr->type);
  const int *sizes = emit_cut(e, expr->type.lanes, &value.count);
  for (int i = 0; i < value.count; i++)
    value.parts[i] =
        expr->kind == LOOP_EXPR_BITS
            ? LLVMBuildBitCast(e->builder, from.parts[i],
                               emit_part_type(e, expr->type.element, sizes[i]), "")
            : emit_cast_part(e, from.parts[i], sizes[i], from.type.element, expr->type.element);
  return value;
}

EmitValue emit_expr(Emission *e, const LoopExpr *expr) {
  switch (expr->kind) {
  case LOOP_EXPR_LITERAL:
    return scalar_value(e, expr->type, literal(e, expr, expr->type.element));
  case LOOP_EXPR_DIM:
    return scalar_value(e, expr->type, e->dim_values[expr->slot]);
  case LOOP_EXPR_GIVEN:
    return scalar_value(e, expr->type, emit_given(e, expr));
  case LOOP_EXPR_VARIABLE:
  case LOOP_EXPR_COUNT:
    return scalar_value(e, expr->type, emit_affine_value(e, e->variables[expr->id]));
  case LOOP_EXPR_REGISTER:
    return read_register(e, expr);
  case LOOP_EXPR_ACCESS:
    return emit_load(e, expr);
  case LOOP_EXPR_OP:
    return op_value(e, expr);
  case LOOP_EXPR_CAST:
  case LOOP_EXPR_BITS:
    return convert(e, expr);
  case LOOP_EXPR_SPLAT:
    return value_widen(e, emit_expr(e, expr->args[0]), expr->type.lanes);
  case LOOP_EXPR_IOTA:
    return iota(e, expr);
  case LOOP_EXPR_INSIDE:
    return inside(e, expr);
  case LOOP_EXPR_LANE:
    return scalar_value(e, expr->type, lane(e, expr));
  case LOOP_EXPR_PICK:
    return pick(e, expr);
  case LOOP_EXPR_REDUCE:
    return scalar_value(e, expr->type, reduce(e, expr->op, emit_expr(e, expr->args[0])));
  }
  bug("loop: an expression of kind %d", (int)expr->kind);
}

EmitValue emit_expr_as(Emission *e, const LoopExpr *expr, LoopType type) {
  EmitValue value =
      expr->soft ? scalar_value(e, (LoopType){type.element, 1}, literal(e, expr, type.element))
                 : emit_expr(e, expr);
  return value_widen(e, value, type.lanes);
}

LLVMValueRef emit_scalar(Emission *e, const LoopExpr *expr) {
  EmitValue value = emit_expr(e, expr);
  if (value.type.lanes != 1) bug("loop: a vector where a scalar is wanted");
  return value.parts[0];
}
