/* emit_access.c - addresses, loads, stores and their masks. */
#include "backend/emission.h"
#include "backend/loop_join.h"

#include "support/bug.h"

/* ---- i64 expressions as base + constant, so that unrolled accesses share their address ---- */

enum { MOST_UNITS = 4096 };

int64_t emit_unit(Affine a) {
  int64_t offset = (int64_t)((uint64_t)a.offset & -(uint64_t)a.offset);
  int64_t unit = !a.base ? MOST_UNITS : a.unit ? a.unit : 1;
  return offset > 0 && offset < unit ? offset : unit;
}

static int64_t base_unit(Affine a) {
  return emit_unit((Affine){a.base, 0, a.unit});
}

static Affine affine_add(Emission *e, Affine a, Affine b, bool subtract) {
  uint64_t x = (uint64_t)a.offset, y = (uint64_t)b.offset;
  Affine sum = {a.base, (int64_t)(subtract ? x - y : x + y), a.unit};
  if (!b.base) return sum;
  sum.unit = base_unit(a) < base_unit(b) ? base_unit(a) : base_unit(b);
  if (!a.base)
    sum.base = subtract ? LLVMBuildNeg(e->builder, b.base, "") : b.base;
  else
    sum.base = subtract ? LLVMBuildSub(e->builder, a.base, b.base, "")
                        : LLVMBuildAdd(e->builder, a.base, b.base, "");
  return sum;
}

static Affine affine_scale(Emission *e, Affine a, int64_t by) {
  Affine product = {NULL, (int64_t)((uint64_t)a.offset * (uint64_t)by), 0};
  int64_t unit = emit_unit((Affine){NULL, by, 0});
  if (a.base && by != 0) {
    product.unit = base_unit(a) * unit < MOST_UNITS ? base_unit(a) * unit : MOST_UNITS;
    product.base =
        by == 1 ? a.base
                : LLVMBuildMul(e->builder, a.base, LLVMConstInt(e->i64, (uint64_t)by, true), "");
  }
  return product;
}

static Affine affine_of(LLVMValueRef value) {
  int64_t known;
  if (emit_known(value, &known)) return (Affine){NULL, known, 0};
  return (Affine){value, 0, 0};
}

static Affine affine_multiply(Emission *e, Affine a, Affine b) {
  if (!b.base) return affine_scale(e, a, b.offset);
  if (!a.base) return affine_scale(e, b, a.offset);
  return affine_of(LLVMBuildMul(e->builder, emit_affine_value(e, a), emit_affine_value(e, b), ""));
}

Affine emit_affine(Emission *e, const LoopExpr *expr) {
  if (expr->kind == LOOP_EXPR_VARIABLE || expr->kind == LOOP_EXPR_COUNT)
    return e->variables[expr->id];
  if (expr->kind == LOOP_EXPR_OP && expr->type.lanes == 1 && expr->type.element == LOOP_I64 &&
      (expr->op == LOOP_ADD || expr->op == LOOP_SUB || expr->op == LOOP_MUL)) {
    Affine a = emit_affine(e, expr->args[0]), b = emit_affine(e, expr->args[1]);
    if (expr->op == LOOP_MUL) return affine_multiply(e, a, b);
    return affine_add(e, a, b, expr->op == LOOP_SUB);
  }
  return affine_of(emit_scalar(e, expr));
}

LLVMValueRef emit_affine_value(Emission *e, Affine affine) {
  LLVMValueRef offset = LLVMConstInt(e->i64, (uint64_t)affine.offset, true);
  if (!affine.base) return offset;
  if (affine.offset == 0) return affine.base;
  return LLVMBuildAdd(e->builder, affine.base, offset, "");
}

/* ---- where an access lies ---- */

typedef struct {
  const LoopExpr *expr;
  const LoopAccess *access;
  LLVMTypeRef element; /* in memory */
  Affine at;           /* elements from the buffer's start; scalar indices only */
  Affine stride;       /* elements from lane to lane */
  EmitValue places;    /* of gathers: what vector indices add; count 0: none */
  EmitValue mask;      /* count 0: none */
  int count;
  const int *sizes;
} Spot;

static Affine buffer_stride(Emission *e, const LoopBuffer *buffer, int axis) {
  if (buffer->strides[axis]) return emit_affine(e, buffer->strides[axis]);
  Affine stride = {NULL, 1, 0};
  for (int inner = buffer->rank - 1; inner > axis; inner--)
    stride = affine_multiply(e, stride, emit_affine(e, buffer->sizes[inner]));
  return stride;
}

static void add_places(Emission *e, Spot *spot, const LoopExpr *index, Affine stride) {
  EmitValue vector = emit_expr(e, index);
  EmitValue by = emit_value_new(e, (LoopType){LOOP_I64, 1});
  by.parts[0] = emit_affine_value(e, stride);
  by = value_widen(e, by, vector.type.lanes);
  EmitValue places = emit_value_new(e, vector.type); /* the index may be a name that others use */
  for (int i = 0; i < vector.count; i++) {
    LLVMValueRef part = LLVMBuildMul(e->builder, vector.parts[i], by.parts[i], "");
    places.parts[i] =
        spot->places.count ? LLVMBuildAdd(e->builder, spot->places.parts[i], part, "") : part;
  }
  spot->places = places;
}

static void add_mask(Emission *e, Spot *spot, EmitValue mask) {
  if (spot->mask.count == 0) {
    spot->mask = mask;
    return;
  }
  EmitValue both = emit_value_new(e, mask.type);
  for (int i = 0; i < both.count; i++)
    both.parts[i] = LLVMBuildAnd(e->builder, spot->mask.parts[i], mask.parts[i], "");
  spot->mask = both;
}

EmitValue emit_lane_mask(Emission *e, int lanes, LLVMValueRef left) {
  EmitValue mask = emit_value_new(e, (LoopType){LOOP_BOOL, lanes});
  const int *sizes = emit_cut(e, lanes, &mask.count);
  left = LLVMBuildTrunc(e->builder, left, e->i32, "");
  int number = 0;
  for (int part = 0; part < mask.count; part++) {
    LLVMValueRef numbers[64] = {LLVMConstInt(e->i32, 0, false)};
    for (int i = 0; i < sizes[part]; i++)
      numbers[i] = LLVMConstInt(e->i32, (unsigned)number++, false);
    LLVMValueRef count = sizes[part] ? LLVMConstVector(numbers, (unsigned)sizes[part]) : numbers[0];
    mask.parts[part] =
        LLVMBuildICmp(e->builder, LLVMIntSLT, count, emit_splat(e, left, sizes[part]), "");
  }
  return mask;
}

/* Lanes below the bound on their axis. */
static void add_bound(Emission *e, Spot *spot) {
  const LoopAccess *access = spot->access;
  const LoopExpr *index = access->index[access->axis];
  int lanes = spot->expr->type.lanes;
  if (spot->places.count) {
    EmitValue mask = emit_value_new(e, (LoopType){LOOP_BOOL, lanes});
    EmitValue at = value_widen(e, emit_expr(e, index), lanes);
    EmitValue bound = value_widen(e, emit_expr(e, access->bound), lanes);
    for (int i = 0; i < mask.count; i++)
      mask.parts[i] = LLVMBuildICmp(e->builder, LLVMIntSLT, at.parts[i], bound.parts[i], "");
    add_mask(e, spot, mask);
    return;
  }
  Affine left = affine_add(e, emit_affine(e, access->bound), emit_affine(e, index), true);
  if (access->stride > 1) {
    left.offset += access->stride - 1;
    LLVMValueRef by = LLVMConstInt(e->i64, (uint64_t)access->stride, false);
    left = affine_of(LLVMBuildSDiv(e->builder, emit_affine_value(e, left), by, ""));
  }
  LLVMValueRef zero = LLVMConstInt(e->i64, 0, false);
  LLVMValueRef most = LLVMConstInt(e->i64, (unsigned)lanes, false);
  LLVMValueRef value = emit_affine_value(e, left);
  int64_t known;
  if (emit_known(value, &known))
    value = known < 0 ? zero : known > lanes ? most : value;
  else {
    value = emit_intrinsic_of(e, "llvm.smax", (LLVMValueRef[]){value, zero}, 2);
    value = emit_intrinsic_of(e, "llvm.smin", (LLVMValueRef[]){value, most}, 2);
  }
  add_mask(e, spot, emit_lane_mask(e, lanes, value));
}

static bool access_mentions(const LoopAccess *access, const LoopExpr *variable) {
  for (int axis = 0; axis < access->buffer->rank; axis++)
    if (loop_mentions(access->index[axis], variable)) return true;
  return false;
}

static Spot find_spot(Emission *e, const LoopExpr *expr) {
  const LoopAccess *access = expr->access;
  const LoopBuffer *buffer = access->buffer;
  Spot spot = {.expr = expr, .access = access};
  spot.element = buffer->element == LOOP_BOOL ? e->i8 : e->types[buffer->element];
  spot.sizes = emit_cut(e, expr->type.lanes, &spot.count);
  spot.at = (Affine){0};
  if (buffer->rank)
    spot.stride = affine_scale(e, buffer_stride(e, buffer, access->axis), access->stride);
  for (int axis = buffer->rank - 1; axis >= 0; axis--) {
    Affine stride = buffer_stride(e, buffer, axis);
    if (access->index[axis]->type.lanes != 1) {
      add_places(e, &spot, access->index[axis], stride);
      continue;
    }
    int first = axis;
    const LoopExpr *whole = loop_joined_index(access, axis, &first);
    Affine index = emit_affine(e, whole ? whole : access->index[axis]);
    spot.at = affine_add(e, spot.at, affine_multiply(e, index, stride), false);
    axis = first;
  }
  for (LaneMask *m = e->masks; m; m = m->outer)
    if (m->lanes == expr->type.lanes && access_mentions(access, m->variable))
      add_mask(e, &spot, m->mask);
  if (access->bound) add_bound(e, &spot);
  if (access->mask) add_mask(e, &spot, emit_expr(e, access->mask));
  return spot;
}

static LLVMValueRef element_pointer(Emission *e, const Spot *spot, LLVMValueRef from,
                                    LLVMValueRef index) {
  return LLVMBuildGEP2(e->builder, spot->element, from, &index, 1, "");
}

/* The pointer to the lane `first` of a contiguous or strided access. */
static LLVMValueRef pointer_to(Emission *e, const Spot *spot, int first) {
  const LoopBuffer *buffer = spot->access->buffer;
  LLVMValueRef pointer = e->buffers[buffer->number].base;
  Affine at = spot->at;
  if (first) at = affine_add(e, at, affine_scale(e, spot->stride, first), false);
  if (at.base) pointer = element_pointer(e, spot, pointer, at.base);
  if (at.offset)
    pointer = element_pointer(e, spot, pointer, LLVMConstInt(e->i64, (uint64_t)at.offset, true));
  return pointer;
}

/* A pointer for each lane of a part. */
static LLVMValueRef pointers_of(Emission *e, const Spot *spot, int part, int first) {
  if (spot->places.count)
    return element_pointer(e, spot, pointer_to(e, spot, 0), spot->places.parts[part]);
  LLVMValueRef from = pointer_to(e, spot, first);
  int size = spot->sizes[part];
  int64_t last = spot->stride.offset * (int64_t)size;
  bool narrow = !spot->stride.base && last < INT32_MAX && last > INT32_MIN;
  LLVMTypeRef type = narrow ? e->i32 : e->i64;
  LLVMValueRef numbers[64];
  for (int i = 0; i < size; i++)
    numbers[i] = LLVMConstInt(
        type, spot->stride.base ? (uint64_t)i : (uint64_t)(i * spot->stride.offset), true);
  LLVMValueRef places = LLVMConstVector(numbers, (unsigned)size);
  if (spot->stride.base) {
    LLVMValueRef stride = emit_splat(e, emit_affine_value(e, spot->stride), size);
    places = LLVMBuildMul(e->builder, places, stride, "");
  }
  return element_pointer(e, spot, from, places);
}

static bool is_contiguous(const Spot *spot) {
  return spot->places.count == 0 && !spot->stride.base && spot->stride.offset == 1;
}
static bool is_uniform(const Spot *spot) {
  return spot->places.count == 0 && !spot->stride.base && spot->stride.offset == 0;
}

/* ---- memory operations ---- */

static LLVMValueRef annotate(Emission *e, const Spot *spot, LLVMValueRef instruction) {
  const LoopBuffer *buffer = spot->access->buffer;
  const BufferState *state = &e->buffers[buffer->of ? buffer->of->number : buffer->number];
  if (state->scope) {
    LLVMSetMetadata(instruction, e->alias_scope, state->scope);
    LLVMSetMetadata(instruction, e->noalias, state->others);
  }
  return instruction;
}

static LLVMValueRef alignment(Emission *e, const Spot *spot) {
  return LLVMConstInt(e->i32, (uint64_t)loop_element_bytes(spot->access->buffer->element), false);
}

static LLVMValueRef plain_load(Emission *e, const Spot *spot, LLVMTypeRef type,
                               LLVMValueRef pointer) {
  LLVMValueRef load = LLVMBuildLoad2(e->builder, type, pointer, "");
  LLVMSetAlignment(load, (unsigned)loop_element_bytes(spot->access->buffer->element));
  return annotate(e, spot, load);
}

static LLVMValueRef all_true(LLVMValueRef like) {
  return LLVMConstAllOnes(LLVMTypeOf(like));
}

/* A branch around a scalar's load or store. */
static LLVMValueRef guarded_load(Emission *e, const Spot *spot, LLVMValueRef mask,
                                 LLVMValueRef other) {
  LLVMBasicBlockRef from = LLVMGetInsertBlock(e->builder);
  LLVMBasicBlockRef yes = emit_block(e, "load"), after = emit_block(e, "loaded");
  LLVMBuildCondBr(e->builder, mask, yes, after);
  LLVMPositionBuilderAtEnd(e->builder, yes);
  LLVMValueRef value = plain_load(e, spot, spot->element, pointer_to(e, spot, 0));
  LLVMBuildBr(e->builder, after);
  LLVMPositionBuilderAtEnd(e->builder, after);
  LLVMValueRef phi = LLVMBuildPhi(e->builder, spot->element, "");
  LLVMAddIncoming(phi, (LLVMValueRef[]){other, value}, (LLVMBasicBlockRef[]){from, yes}, 2);
  return phi;
}

static LLVMValueRef load_part(Emission *e, const Spot *spot, int part, int first, LLVMValueRef mask,
                              LLVMValueRef other) {
  int size = spot->sizes[part];
  LLVMTypeRef type = vector_type(e, spot->element, size);
  if (mask && LLVMIsNull(mask)) return other;
  if (mask && mask == all_true(mask)) mask = NULL;
  if (size == 0)
    return mask ? guarded_load(e, spot, mask, other)
                : plain_load(e, spot, type, pointer_to(e, spot, 0));
  if (is_contiguous(spot)) {
    LLVMValueRef pointer = pointer_to(e, spot, first);
    if (!mask) return plain_load(e, spot, type, pointer);
    LLVMTypeRef overload[] = {type, e->pointer};
    LLVMValueRef args[] = {pointer, alignment(e, spot), mask, other};
    return annotate(e, spot, emit_intrinsic(e, "llvm.masked.load", overload, 2, args, 4));
  }
  if (is_uniform(spot)) {
    LLVMValueRef scalar = plain_load(e, spot, spot->element, pointer_to(e, spot, 0));
    LLVMValueRef value = emit_splat(e, scalar, size);
    return mask ? LLVMBuildSelect(e->builder, mask, value, other, "") : value;
  }
  LLVMValueRef pointers = pointers_of(e, spot, part, first);
  if (!mask) mask = LLVMConstAllOnes(vector_type(e, e->i1, size));
  LLVMTypeRef overload[] = {type, LLVMTypeOf(pointers)};
  LLVMValueRef args[] = {pointers, alignment(e, spot), mask, other};
  return annotate(e, spot, emit_intrinsic(e, "llvm.masked.gather", overload, 2, args, 4));
}

EmitValue emit_load(Emission *e, const LoopExpr *expr) {
  Spot spot = find_spot(e, expr);
  bool is_bool = expr->type.element == LOOP_BOOL;
  EmitValue value = emit_value_new(e, expr->type);
  EmitValue other = {0};
  if (spot.access->other) other = emit_expr_as(e, spot.access->other, expr->type);
  int first = 0;
  for (int i = 0; i < value.count; first += spot.sizes[i++]) {
    LLVMTypeRef type = vector_type(e, spot.element, spot.sizes[i]);
    LLVMValueRef none = other.count ? other.parts[i] : LLVMConstNull(type);
    if (is_bool && other.count) none = LLVMBuildZExt(e->builder, none, type, "");
    LLVMValueRef part =
        load_part(e, &spot, i, first, spot.mask.count ? spot.mask.parts[i] : NULL, none);
    if (is_bool)
      part = LLVMBuildICmp(e->builder, LLVMIntNE, part, LLVMConstNull(LLVMTypeOf(part)), "");
    value.parts[i] = part;
  }
  return value;
}

LLVMValueRef emit_load_before(Emission *e, const LoopExpr *access, int first, int size, int bytes,
                              bool anew) {
  Spot spot = find_spot(e, access);
  if (!is_contiguous(&spot) || spot.mask.count) bug("words that do not lie side by side");
  LLVMValueRef back = LLVMConstInt(e->i64, (uint64_t) - (int64_t)bytes, true);
  LLVMValueRef pointer = pointer_to(e, &spot, first);
  if (bytes) pointer = LLVMBuildGEP2(e->builder, e->i8, pointer, &back, 1, "");
  LLVMValueRef load = LLVMBuildLoad2(e->builder, vector_type(e, e->i32, size), pointer, "");
  LLVMSetAlignment(load, bytes ? 1 : 4);
  LLVMSetVolatile(load, anew);
  return annotate(e, &spot, load);
}

static LLVMValueRef store_plain(Emission *e, const Spot *spot, LLVMValueRef pointer,
                                LLVMValueRef value) {
  LLVMValueRef store = LLVMBuildStore(e->builder, value, pointer);
  LLVMSetAlignment(store, (unsigned)loop_element_bytes(spot->access->buffer->element));
  return annotate(e, spot, store);
}

/* Whole registers whose places are known to be multiples of their size go past the caches. */
static void store_vector(Emission *e, const Spot *spot, int first, int size, LLVMValueRef value) {
  enum { LEAST_BYTES = 16 };
  LLVMValueRef store = store_plain(e, spot, pointer_to(e, spot, first), value);
  if (!e->streams || !spot->access->buffer->streams) return;
  Affine at = spot->at;
  at.offset += first;
  int64_t element = loop_element_bytes(spot->access->buffer->element), bytes = size * element;
  if (bytes < LEAST_BYTES || emit_unit(at) * element % bytes != 0) return;
  LLVMSetAlignment(store, (unsigned)bytes);
  LLVMMetadataRef one = LLVMValueAsMetadata(LLVMConstInt(e->i32, 1, false));
  LLVMMetadataRef node = LLVMMDNodeInContext2(e->context, &one, 1);
  LLVMSetMetadata(store, e->nontemporal, LLVMMetadataAsValue(e->context, node));
}

/* How many lanes at the front a mask lets through, if it is known and lets through no others; or
 * -1. */
static int front_lanes(LLVMValueRef mask, int size) {
  if (!LLVMIsConstant(mask)) return -1;
  int front = 0;
  for (int i = 0; i < size; i++) {
    LLVMValueRef lane = LLVMGetAggregateElement(mask, (unsigned)i);
    if (!lane || !LLVMIsAConstantInt(lane)) return -1;
    if (!LLVMConstIntGetZExtValue(lane)) continue;
    if (front != i) return -1;
    front++;
  }
  return front;
}

/* Without registers for masks, a masked store is slow microcode on some CPUs: the lanes at the
 * front are stored by powers of two. */
static void store_front(Emission *e, const Spot *spot, int first, int count, LLVMValueRef value) {
  LLVMValueRef none = LLVMGetPoison(LLVMTypeOf(value));
  for (int from = 0; from < count;) {
    int size = 1;
    while (2 * size <= count - from) size *= 2;
    LLVMValueRef lanes[64];
    for (int i = 0; i < size; i++) lanes[i] = LLVMConstInt(e->i32, (unsigned)(from + i), false);
    LLVMValueRef some = size == 1
                            ? LLVMBuildExtractElement(e->builder, value, lanes[0], "")
                            : LLVMBuildShuffleVector(e->builder, value, none,
                                                     LLVMConstVector(lanes, (unsigned)size), "");
    store_plain(e, spot, pointer_to(e, spot, first + from), some);
    from += size;
  }
}

/* Without an instruction that scatters: as many stores, whose places are known apart, so that no
 * vector of pointers is made and taken to pieces again. */
static void store_strided(Emission *e, const Spot *spot, int first, int size, LLVMValueRef value) {
  for (int i = 0; i < size; i++) {
    LLVMValueRef lane = LLVMConstInt(e->i32, (unsigned)i, false);
    LLVMValueRef element = LLVMBuildExtractElement(e->builder, value, lane, "");
    store_plain(e, spot, pointer_to(e, spot, first + i), element);
  }
}

static void store_part(Emission *e, const Spot *spot, int part, int first, LLVMValueRef mask,
                       LLVMValueRef value) {
  int size = spot->sizes[part];
  if (mask && LLVMIsNull(mask)) return;
  if (mask && mask == all_true(mask)) mask = NULL;
  if (size == 0) {
    LLVMBasicBlockRef after = NULL;
    if (mask) {
      LLVMBasicBlockRef yes = emit_block(e, "store");
      after = emit_block(e, "stored");
      LLVMBuildCondBr(e->builder, mask, yes, after);
      LLVMPositionBuilderAtEnd(e->builder, yes);
    }
    store_plain(e, spot, pointer_to(e, spot, 0), value);
    if (!after) return;
    LLVMBuildBr(e->builder, after);
    LLVMPositionBuilderAtEnd(e->builder, after);
    return;
  }
  if (is_contiguous(spot)) {
    if (!mask) {
      store_vector(e, spot, first, size, value);
      return;
    }
    LLVMValueRef pointer = pointer_to(e, spot, first);
    int front = e->target.masks ? -1 : front_lanes(mask, size);
    if (front >= 0) {
      store_front(e, spot, first, front, value);
      return;
    }
    LLVMTypeRef overload[] = {LLVMTypeOf(value), e->pointer};
    LLVMValueRef args[] = {value, pointer, alignment(e, spot), mask};
    annotate(e, spot, emit_intrinsic(e, "llvm.masked.store", overload, 2, args, 4));
    return;
  }
  if (!mask && !e->target.masks && spot->places.count == 0) {
    store_strided(e, spot, first, size, value);
    return;
  }
  LLVMValueRef pointers = pointers_of(e, spot, part, first);
  if (!mask) mask = LLVMConstAllOnes(vector_type(e, e->i1, size));
  LLVMTypeRef overload[] = {LLVMTypeOf(value), LLVMTypeOf(pointers)};
  LLVMValueRef args[] = {value, pointers, alignment(e, spot), mask};
  annotate(e, spot, emit_intrinsic(e, "llvm.masked.scatter", overload, 2, args, 4));
}

void emit_store(Emission *e, const LoopExpr *expr, EmitValue value) {
  Spot spot = find_spot(e, expr);
  int first = 0;
  for (int i = 0; i < value.count; first += spot.sizes[i++]) {
    LLVMValueRef part = value.parts[i];
    if (expr->type.element == LOOP_BOOL)
      part = LLVMBuildZExt(e->builder, part, vector_type(e, e->i8, spot.sizes[i]), "");
    store_part(e, &spot, i, first, spot.mask.count ? spot.mask.parts[i] : NULL, part);
  }
}

void emit_prefetch(Emission *e, const LoopExpr *expr) {
  Spot spot = find_spot(e, expr);
  enum { READ = 0, INTO_L2 = 2, DATA = 1 };
  LLVMTypeRef overload[] = {e->pointer};
  LLVMValueRef args[] = {pointer_to(e, &spot, 0), LLVMConstInt(e->i32, READ, false),
                         LLVMConstInt(e->i32, INTO_L2, false), LLVMConstInt(e->i32, DATA, false)};
  emit_intrinsic(e, "llvm.prefetch", overload, 1, args, 4);
}
