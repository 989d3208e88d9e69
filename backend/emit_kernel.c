/* emit_kernel.c - kernels as functions: dims and buffers at their beginning, with alias scopes,
 * then the statements; kernels that are alike as one function with what they differ in as
 * arguments. */
#include "backend/emission.h"

#include "support/bug.h"

#include <string.h>

LLVMBasicBlockRef emit_block(Emission *e, const char *name) {
  return LLVMAppendBasicBlockInContext(e->context, e->function, name);
}

LLVMValueRef emit_alloca(Emission *e, LLVMTypeRef type, const char *name) {
  LLVMBasicBlockRef here = LLVMGetInsertBlock(e->builder);
  LLVMPositionBuilderBefore(e->builder, e->entry_end);
  LLVMValueRef slot = LLVMBuildAlloca(e->builder, type, name);
  LLVMPositionBuilderAtEnd(e->builder, here);
  return slot;
}

static LLVMValueRef field(Emission *e, LLVMTypeRef type, LLVMValueRef from, uint64_t offset,
                          const char *name) {
  LLVMValueRef at = LLVMConstInt(e->i64, offset, false);
  LLVMValueRef pointer = offset ? LLVMBuildGEP2(e->builder, e->i8, from, &at, 1, "") : from;
  LLVMValueRef load = LLVMBuildLoad2(e->builder, type, pointer, name);
  LLVMSetMetadata(load, e->invariant,
                  LLVMMetadataAsValue(e->context, LLVMMDNodeInContext2(e->context, NULL, 0)));
  return load;
}

static void load_dims(Emission *e, const LoopKernel *k) {
  int most = 0;
  for (size_t i = 0; i < k->dims.count; i++)
    if (k->dims.items[i]->slot >= most) most = k->dims.items[i]->slot + 1;
  e->dim_values = ARENA_ARRAY(e->arena, (size_t)most + 1, LLVMValueRef);
  for (size_t i = 0; i < k->dims.count; i++) {
    const LoopExpr *dim = k->dims.items[i];
    e->dim_values[dim->slot] = field(e, e->i64, e->dims, (uint64_t)dim->slot * 8, dim->name);
  }
}

static LLVMValueRef table_base(Emission *e, const LoopBuffer *buffer) {
  size_t bytes = (size_t)(buffer->sizes[0]->integer * loop_element_bytes(buffer->element));
  LLVMValueRef data =
      LLVMConstStringInContext2(e->context, (const char *)buffer->data, bytes, true);
  LLVMValueRef global = LLVMAddGlobal(e->module, LLVMTypeOf(data), buffer->name);
  LLVMSetInitializer(global, data);
  LLVMSetGlobalConstant(global, true);
  LLVMSetLinkage(global, LLVMPrivateLinkage);
  LLVMSetAlignment(global, 64);
  return global;
}

static LLVMValueRef buffer_base(Emission *e, const LoopBuffer *buffer, LLVMValueRef scratch) {
  switch (buffer->kind) {
  case LOOP_OPERAND:
    return field(e, e->pointer, e->operands, (uint64_t)buffer->operand * 8, buffer->name);
  case LOOP_SCRATCH: {
    LLVMValueRef at = emit_integer(e, buffer->offset);
    return LLVMBuildGEP2(e->builder, e->i8, scratch, &at, 1, buffer->name);
  }
  case LOOP_STACK: {
    int64_t bytes = loop_element_bytes(buffer->element);
    for (int axis = 0; axis < buffer->rank; axis++) bytes *= buffer->sizes[axis]->integer;
    LLVMValueRef slot = emit_alloca(e, LLVMArrayType2(e->i8, (uint64_t)bytes), buffer->name);
    LLVMSetAlignment(slot, 64);
    return slot;
  }
  case LOOP_TABLE:
    return table_base(e, buffer);
  case LOOP_VIEW:
    return e->buffers[buffer->of->number].base;
  }
  bug("loop: a buffer of kind %d", (int)buffer->kind);
}

static LLVMMetadataRef md_string(Emission *e, const char *text) {
  return LLVMMDStringInContext2(e->context, text, strlen(text));
}

static LLVMMetadataRef md_node(Emission *e, LLVMMetadataRef *items, size_t count) {
  return LLVMMDNodeInContext2(e->context, items, count);
}

/* An alias scope for each buffer that overlaps no other. */
static void make_scopes(Emission *e, const LoopKernel *k) {
  size_t count = k->buffers.count;
  LLVMMetadataRef domain_name = md_string(e, k->name);
  LLVMMetadataRef domain = md_node(e, &domain_name, 1);
  LLVMMetadataRef *scopes = ARENA_ARRAY(e->arena, count + 1, LLVMMetadataRef);
  for (size_t i = 0; i < count; i++) {
    const LoopBuffer *buffer = k->buffers.items[i];
    if (!buffer->noalias || buffer->kind == LOOP_VIEW) continue;
    const char *name = arena_format(e->arena, "%s: %s %zu", k->name, buffer->name, i);
    scopes[i] = md_node(e, (LLVMMetadataRef[]){md_string(e, name), domain}, 2);
  }
  LLVMMetadataRef *others = ARENA_ARRAY(e->arena, count + 1, LLVMMetadataRef);
  for (size_t i = 0; i < count; i++) {
    if (!scopes[i]) continue;
    size_t n = 0;
    for (size_t j = 0; j < count; j++)
      if (j != i && scopes[j]) others[n++] = scopes[j];
    e->buffers[i].scope = LLVMMetadataAsValue(e->context, md_node(e, &scopes[i], 1));
    e->buffers[i].others = LLVMMetadataAsValue(e->context, md_node(e, others, n));
  }
}

static void start_function(Emission *e, const char *name, LLVMTypeRef type, LoopPlace place) {
  e->function = emit_function(e, name, type, e->options.public_kernels && !e->is_common);
  debug_function(e, e->function, name, place);
  LLVMBasicBlockRef entry = emit_block(e, "entry"), body = emit_block(e, "body");
  LLVMPositionBuilderAtEnd(e->builder, entry);
  debug_place(e, place);
  e->entry_end = LLVMBuildBr(e->builder, body);
  LLVMPositionBuilderBefore(e->builder, e->entry_end);
}

static void enter_body(Emission *e) {
  LLVMPositionBuilderAtEnd(e->builder, LLVMGetLastBasicBlock(e->function));
}

/* ---- kernels that are alike: one function with what they differ in as arguments, and each ---- */

enum { KERNEL_ARGUMENTS = 5 };

LLVMValueRef emit_given(Emission *e, const LoopExpr *given) {
  if (!e->is_common) return emit_integer(e, given->integer);
  return LLVMGetParam(e->function, (unsigned)(KERNEL_ARGUMENTS + given->slot));
}

static LLVMTypeRef kernel_type(Emission *e, size_t given) {
  LLVMTypeRef *types = ARENA_ARRAY(e->arena, KERNEL_ARGUMENTS + given, LLVMTypeRef);
  for (size_t i = 0; i < KERNEL_ARGUMENTS + given; i++)
    types[i] = i < 2 || i == 4 ? e->pointer : e->i64;
  return LLVMFunctionType(LLVMVoidTypeInContext(e->context), types,
                          (unsigned)(KERNEL_ARGUMENTS + given), false);
}

static void emit_call(Emission *e, const LoopKernel *k, LLVMValueRef common) {
  size_t count = KERNEL_ARGUMENTS + k->given.count;
  start_function(e, k->name, kernel_type(e, 0), k->place);
  enter_body(e);
  LLVMValueRef *arguments = ARENA_ARRAY(e->arena, count, LLVMValueRef);
  for (size_t i = 0; i < count; i++)
    arguments[i] = i < KERNEL_ARGUMENTS
                       ? LLVMGetParam(e->function, (unsigned)i)
                       : emit_integer(e, k->given.items[i - KERNEL_ARGUMENTS]->integer);
  debug_place(e, k->place);
  LLVMValueRef call = LLVMBuildCall2(e->builder, kernel_type(e, k->given.count), common, arguments,
                                     (unsigned)count, "");
  LLVMSetTailCall(call, true);
  LLVMBuildRetVoid(e->builder);
}

/* ---- results that go past the caches ---- */

/* Whether it is as large as that now, and aligned; NULL: no buffer streams. */
static LLVMValueRef streams_now(Emission *e, const LoopKernel *k) {
  enum { LINE = 64 };
  LLVMValueRef all = NULL;
  for (size_t i = 0; i < k->buffers.count; i++) {
    const LoopBuffer *buffer = k->buffers.items[i];
    if (!buffer->streams || !buffer->written) continue;
    LLVMValueRef base = LLVMBuildPtrToInt(e->builder, e->buffers[i].base, e->i64, "");
    LLVMValueRef low = LLVMBuildAnd(e->builder, base, emit_integer(e, LINE - 1), "");
    LLVMValueRef is = LLVMBuildICmp(e->builder, LLVMIntEQ, low, emit_integer(e, 0), "");
    LLVMValueRef bytes = emit_integer(e, loop_element_bytes(buffer->element));
    for (int axis = 0; axis < buffer->rank; axis++)
      bytes = LLVMBuildMul(e->builder, bytes, emit_scalar(e, buffer->sizes[axis]), "");
    LLVMValueRef large =
        LLVMBuildICmp(e->builder, LLVMIntSGT, bytes, emit_integer(e, e->target.l3), "");
    is = LLVMBuildAnd(e->builder, is, large, "");
    all = all ? LLVMBuildAnd(e->builder, all, is, "") : is;
  }
  return all;
}

/* Of another thread that reads what went past the caches only a fence is heeded. */
static void emit_streams(Emission *e, const LoopKernel *k, LLVMValueRef now) {
  LLVMBasicBlockRef yes = emit_block(e, "streams"), no = emit_block(e, "plain");
  LLVMBuildCondBr(e->builder, now, yes, no);
  LLVMPositionBuilderAtEnd(e->builder, yes);
  e->streams = true;
  emit_statements(e, &k->body);
  e->streams = false;
  emit_intrinsic(e, "llvm.x86.sse.sfence", NULL, 0, NULL, 0);
  LLVMBuildRetVoid(e->builder);
  LLVMPositionBuilderAtEnd(e->builder, no);
  e->expanded = 0;
}

static void emit_code(Emission *e, const LoopKernel *k, const char *name, LLVMTypeRef type) {
  e->kernel = k;
  e->variables = ARENA_ARRAY(e->arena, k->variables.count + 1, Affine);
  e->units = ARENA_ARRAY(e->arena, k->variables.count + 1, int64_t);
  e->registers = ARENA_ARRAY(e->arena, k->registers.count + 1, RegisterState);
  e->buffers = ARENA_ARRAY(e->arena, k->buffers.count + 1, BufferState);
  e->masks = NULL;
  e->expanded = 0;
  start_function(e, name, type, k->place);
  e->operands = LLVMGetParam(e->function, 0);
  e->dims = LLVMGetParam(e->function, 1);
  e->begin = LLVMGetParam(e->function, 2);
  e->end = LLVMGetParam(e->function, 3);
  e->worker = LLVMGetParam(e->function, 4);
  load_dims(e, k);
  LLVMValueRef scratch = k->scratch_bytes ? field(e, e->pointer, e->worker, 16, "scratch") : NULL;
  for (size_t i = 0; i < k->buffers.count; i++) {
    LLVMPositionBuilderBefore(e->builder, e->entry_end);
    e->buffers[i].base = buffer_base(e, k->buffers.items[i], scratch);
  }
  make_scopes(e, k);
  enter_body(e);
  LLVMValueRef streams = e->target.level ? streams_now(e, k) : NULL;
  if (streams) emit_streams(e, k, streams);
  emit_statements(e, &k->body);
  debug_place(e, k->place);
  LLVMBuildRetVoid(e->builder);
  e->kernel = NULL;
}

void emit_kernel(Emission *e, const LoopKernel *k) {
  if (k->open.count) bug("loop: '%s' is not closed", k->name);
  if (!k->like && !k->is_liked) {
    emit_code(e, k, k->name, kernel_type(e, 0));
    return;
  }
  const char *name = arena_format(e->arena, "%s.common", (k->like ? k->like : k)->name);
  if (!k->like) {
    e->is_common = true;
    emit_code(e, k, name, kernel_type(e, k->given.count));
    e->is_common = false;
    LLVMSetLinkage(e->function, LLVMInternalLinkage);
    emit_attribute(e, e->function, "noinline", 0);
  }
  emit_call(e, k, LLVMGetNamedFunction(e->module, name));
}

static void find_dims(const LoopExpr *expr, int *most) {
  if (!expr) return;
  if (expr->kind == LOOP_EXPR_DIM && expr->slot >= *most) *most = expr->slot + 1;
  for (int i = 0; i < 3; i++) find_dims(expr->args[i], most);
}

LLVMValueRef emit_dims_function(Emission *e, const char *name, const LoopExpr *result,
                                LoopExpr *const *stored, int count) {
  LLVMTypeRef parameters[] = {e->pointer, e->pointer};
  LLVMTypeRef returned = result ? e->i64 : LLVMVoidTypeInContext(e->context);
  LLVMTypeRef type = LLVMFunctionType(returned, parameters, count ? 2 : 1, false);
  start_function(e, name, type, (LoopPlace){0});
  LLVMSetVisibility(e->function, LLVMDefaultVisibility);
  LLVMSetLinkage(e->function, LLVMInternalLinkage);
  e->dims = LLVMGetParam(e->function, 0);
  int most = 0;
  find_dims(result, &most);
  for (int i = 0; i < count; i++) find_dims(stored[i], &most);
  e->dim_values = ARENA_ARRAY(e->arena, (size_t)most + 1, LLVMValueRef);
  for (int i = 0; i < most; i++) e->dim_values[i] = field(e, e->i64, e->dims, (uint64_t)i * 8, "");
  enter_body(e);
  for (int i = 0; i < count; i++) {
    LLVMValueRef at = emit_integer(e, i), out = LLVMGetParam(e->function, 1);
    LLVMBuildStore(e->builder, emit_scalar(e, stored[i]),
                   LLVMBuildGEP2(e->builder, e->i64, out, &at, 1, ""));
  }
  if (result)
    LLVMBuildRet(e->builder, emit_scalar(e, result));
  else
    LLVMBuildRetVoid(e->builder);
  return e->function;
}
