/* emit_value.c - vectors of any number of lanes as lists of LLVM's, and constants of them. */
#include "backend/emission.h"

#include "support/bug.h"

#include <string.h>

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

LLVMValueRef emit_integer(Emission *e, int64_t value) {
  return LLVMConstInt(e->i64, (uint64_t)value, true);
}
