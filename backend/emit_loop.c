/* emit_loop.c - statements and loops as LLVM IR.
 *
 * Loops are emitted bottom-tested behind a guard (which falls away where bounds are known).
 * Assigned registers are allocas, which `sroa` turns into SSA; bodies that are emitted several
 * times (unrolled, masked or shorter at the end) reuse them.
 */
#include "backend/emission.h"

#include "support/bug.h"

static Affine affine_from(LLVMValueRef value, int64_t offset) {
  int64_t known;
  if (emit_known(value, &known)) return (Affine){NULL, known + offset, 0};
  return (Affine){value, offset, 0};
}

/* ---- loops ---- */

/* A body at variable `at` + `offset`; `copies` of it one index apart. */
static void emit_body(Emission *e, const LoopStatement *s, LLVMValueRef at, int64_t copies) {
  int64_t outer = e->copy;
  for (int64_t copy = 0; copy < copies; copy++) {
    e->variables[s->variable->id] = affine_from(at, copy);
    e->variables[s->variable->id].unit = e->units[s->variable->id];
    e->copy = copy;
    emit_statements(e, &s->body);
  }
  e->copy = outer;
}

/* for (v = begin; v + step <= end; v += step) body; returns the v at which it ended. */
static LLVMValueRef emit_trips(Emission *e, const LoopStatement *s, LLVMValueRef begin,
                               LLVMValueRef end, int64_t step, int64_t copies) {
  int64_t first, last;
  bool known = emit_known(begin, &first) && emit_known(end, &last);
  if (known) {
    int64_t trips = last > first ? (last - first) / step : 0;
    if (trips == 0) return begin;
    if (trips == 1) {
      emit_body(e, s, begin, copies);
      return emit_integer(e, first + step);
    }
    last = first + trips * step;
    end = emit_integer(e, last);
  }
  LLVMBasicBlockRef before = LLVMGetInsertBlock(e->builder);
  LLVMBasicBlockRef body = emit_block(e, s->variable->name), after = emit_block(e, "");
  LLVMValueRef limit = known ? end : LLVMBuildSub(e->builder, end, emit_integer(e, step - 1), "");
  if (known)
    LLVMBuildBr(e->builder, body);
  else
    LLVMBuildCondBr(e->builder, LLVMBuildICmp(e->builder, LLVMIntSLT, begin, limit, ""), body,
                    after);
  LLVMPositionBuilderAtEnd(e->builder, body);
  LLVMValueRef at = LLVMBuildPhi(e->builder, e->i64, s->variable->name);
  LLVMAddIncoming(at, &begin, &before, 1);
  emit_body(e, s, at, copies);
  LLVMValueRef next = LLVMBuildAdd(e->builder, at, emit_integer(e, step), "");
  LLVMSetNSW(next, true);
  LLVMBasicBlockRef latch = LLVMGetInsertBlock(e->builder);
  debug_place(e, s->place);
  LLVMBuildCondBr(e->builder, LLVMBuildICmp(e->builder, LLVMIntSLT, next, limit, ""), body, after);
  LLVMAddIncoming(at, &next, &latch, 1);
  LLVMPositionBuilderAtEnd(e->builder, after);
  if (known) return end;
  LLVMValueRef ended = LLVMBuildPhi(e->builder, e->i64, "");
  LLVMAddIncoming(ended, (LLVMValueRef[]){begin, next}, (LLVMBasicBlockRef[]){before, latch}, 2);
  return ended;
}

/* What `emit` emits, run only if `condition`; returns the block after it. */
typedef struct {
  LLVMBasicBlockRef before, yes, after;
} Guard;

static Guard guard_open(Emission *e, LLVMValueRef condition) {
  Guard guard = {LLVMGetInsertBlock(e->builder), emit_block(e, ""), emit_block(e, "")};
  LLVMBuildCondBr(e->builder, condition, guard.yes, guard.after);
  LLVMPositionBuilderAtEnd(e->builder, guard.yes);
  return guard;
}

/* Returns the last block of the guarded part. */
static LLVMBasicBlockRef guard_close(Emission *e, Guard guard) {
  LLVMBasicBlockRef last = LLVMGetInsertBlock(e->builder);
  LLVMBuildBr(e->builder, guard.after);
  LLVMPositionBuilderAtEnd(e->builder, guard.after);
  return last;
}

static void emit_masked_body(Emission *e, const LoopStatement *s, LLVMValueRef at,
                             LLVMValueRef left) {
  LaneMask mask = {.variable = s->variable,
                   .lanes = (int)s->step,
                   .left = left,
                   .mask = emit_lane_mask(e, (int)s->step, left),
                   .outer = e->masks};
  e->masks = &mask;
  emit_body(e, s, at, 1);
  e->masks = mask.outer;
}

static void emit_by_lanes(Emission *e, const LoopStatement *s, LLVMValueRef begin,
                          LLVMValueRef end) {
  LLVMValueRef at = emit_trips(e, s, begin, end, s->step, 1);
  if (s->step == 1) return;
  LLVMValueRef left = LLVMBuildSub(e->builder, end, at, "");
  int64_t known;
  if (emit_known(left, &known)) {
    if (known > 0) emit_masked_body(e, s, at, left);
    return;
  }
  LLVMValueRef some = LLVMBuildICmp(e->builder, LLVMIntSGT, left, emit_integer(e, 0), "");
  Guard guard = guard_open(e, some);
  emit_masked_body(e, s, at, left);
  guard_close(e, guard);
}

static void emit_by_tail(Emission *e, const LoopStatement *s, LLVMValueRef begin,
                         LLVMValueRef end) {
  Affine *count = &e->variables[s->tail_count->id];
  *count = (Affine){NULL, s->step, 0};
  LLVMValueRef at = emit_trips(e, s, begin, end, s->step, 1);
  if (s->step == 1) return;
  LLVMValueRef left = LLVMBuildSub(e->builder, end, at, "");
  int64_t known;
  if (emit_known(left, &known)) {
    *count = (Affine){NULL, known, 0};
    if (known > 0) emit_body(e, s, at, 1);
    return;
  }
  /* A third of the step, then one by one: two bodies more, and few trips of a single row. */
  int64_t third = (s->step + 1) / 3;
  if (third > 1) {
    *count = (Affine){NULL, third, 0};
    at = emit_trips(e, s, at, end, third, 1);
  }
  *count = (Affine){NULL, 1, 0};
  emit_trips(e, s, at, end, 1, 1);
}

static void emit_by_unroll(Emission *e, const LoopStatement *s, LLVMValueRef begin,
                           LLVMValueRef end) {
  LLVMValueRef at = emit_trips(e, s, begin, end, s->step, s->step);
  LLVMValueRef left = LLVMBuildSub(e->builder, end, at, "");
  int64_t known;
  if (emit_known(left, &known))
    emit_body(e, s, at, known);
  else if (s->step > 1)
    emit_trips(e, s, at, end, 1, 1);
}

static void emit_loop(Emission *e, const LoopStatement *s) {
  if (s->stepping == LOOP_BY_RANGE) {
    e->variables[s->tail_count->id] = affine_from(e->end, 0);
    emit_body(e, s, e->begin, 1);
    return;
  }
  if (s->kind == LOOP_DO_PARALLEL) {
    emit_trips(e, s, e->begin, e->end, 1, 1);
    return;
  }
  if (e->streams && (s->stepping == LOOP_BY_LANES || s->stepping == LOOP_BY_STEP)) {
    int64_t begin = emit_unit(emit_affine(e, s->begin));
    int64_t step = emit_unit((Affine){NULL, s->step, 0});
    e->units[s->variable->id] = begin < step ? begin : step;
  }
  LLVMValueRef begin = emit_scalar(e, s->begin), end = emit_scalar(e, s->end);
  if (s->kind == LOOP_DO_EACH) {
    int64_t first, last;
    if (!emit_known(begin, &first) || !emit_known(end, &last))
      bug("loop: the bounds of 'each %s' must be known", s->variable->name);
    int64_t outer = e->copy;
    for (int64_t i = first; i < last; i++) {
      e->variables[s->variable->id] = (Affine){NULL, i, 0};
      e->copy = outer + i - first; /* of the innermost loop that is one */
      emit_statements(e, &s->body);
    }
    e->copy = outer;
    return;
  }
  switch (s->stepping) {
  case LOOP_BY_LANES:
    emit_by_lanes(e, s, begin, end);
    break;
  case LOOP_BY_TAIL:
    emit_by_tail(e, s, begin, end);
    break;
  case LOOP_BY_UNROLL:
    emit_by_unroll(e, s, begin, end);
    break;
  case LOOP_BY_RANGE:
  case LOOP_BY_ONE:
  case LOOP_BY_STEP:
    emit_trips(e, s, begin, end, s->step, 1);
    break;
  }
}

/* ---- other statements ---- */

static void emit_if(Emission *e, const LoopStatement *s) {
  LLVMValueRef condition = emit_scalar(e, s->value);
  int64_t known;
  if (emit_known(condition, &known)) {
    emit_statements(e, known ? &s->body : &s->otherwise);
    return;
  }
  LLVMBasicBlockRef yes = emit_block(e, "then"), after = emit_block(e, "");
  LLVMBasicBlockRef no = s->has_otherwise ? emit_block(e, "else") : after;
  LLVMBuildCondBr(e->builder, condition, yes, no);
  LLVMPositionBuilderAtEnd(e->builder, yes);
  emit_statements(e, &s->body);
  LLVMBuildBr(e->builder, after);
  if (s->has_otherwise) {
    LLVMPositionBuilderAtEnd(e->builder, no);
    emit_statements(e, &s->otherwise);
    LLVMBuildBr(e->builder, after);
  }
  LLVMPositionBuilderAtEnd(e->builder, after);
}

static void store_slots(Emission *e, const LoopRegister *reg, int64_t row, EmitValue value) {
  LLVMValueRef *slots = e->registers[reg->id].slots + row * value.count;
  for (int i = 0; i < value.count; i++) LLVMBuildStore(e->builder, value.parts[i], slots[i]);
}

static void emit_declare(Emission *e, const LoopStatement *s) {
  const LoopRegister *reg = s->target->reg;
  RegisterState *state = &e->registers[reg->id];
  EmitValue value = emit_expr_as(e, s->value, reg->type);
  if (!reg->is_set && reg->rows == 0) {
    state->value = value;
    return;
  }
  int rows = reg->rows ? reg->rows : 1;
  if (!state->slots) {
    int count;
    const int *sizes = emit_cut(e, reg->type.lanes, &count);
    state->slots = ARENA_ARRAY(e->arena, (size_t)(rows * count), LLVMValueRef);
    for (int i = 0; i < rows * count; i++)
      state->slots[i] =
          emit_alloca(e, emit_part_type(e, reg->type.element, sizes[i % count]), reg->name);
  }
  for (int row = 0; row < rows; row++) store_slots(e, reg, row, value);
}

static void emit_set(Emission *e, const LoopStatement *s) {
  const LoopRegister *reg = s->target->reg;
  int64_t row = 0;
  if (s->target->row &&
      (!emit_known(emit_scalar(e, s->target->row), &row) || row < 0 || row >= reg->rows))
    bug("loop: row %lld of '%s'", (long long)row, reg->name);
  store_slots(e, reg, row, emit_expr_as(e, s->value, reg->type));
}

/* Blocks off the diagonal change places, of one lane, then of two, and so on. */
static void emit_transpose(Emission *e, const LoopStatement *s) {
  const LoopRegister *reg = s->target->reg;
  LLVMValueRef *slots = e->registers[reg->id].slots;
  int size = reg->rows, count;
  emit_cut(e, size, &count);
  if (count != 1) bug("loop: rows of '%s' are more than a register", reg->name);
  LLVMTypeRef type = emit_part_type(e, reg->type.element, size);
  LLVMValueRef *rows = ARENA_ARRAY(e->arena, (size_t)size, LLVMValueRef);
  LLVMValueRef *low = ARENA_ARRAY(e->arena, (size_t)size, LLVMValueRef);
  LLVMValueRef *high = ARENA_ARRAY(e->arena, (size_t)size, LLVMValueRef);
  for (int i = 0; i < size; i++) rows[i] = LLVMBuildLoad2(e->builder, type, slots[i], "");
  for (int step = 1; step < size; step *= 2) {
    for (int lane = 0; lane < size; lane++) {
      bool upper = lane & step;
      low[lane] = LLVMConstInt(e->i32, (unsigned)(upper ? size + lane - step : lane), false);
      high[lane] = LLVMConstInt(e->i32, (unsigned)(upper ? size + lane : lane + step), false);
    }
    LLVMValueRef masks[] = {LLVMConstVector(low, (unsigned)size),
                            LLVMConstVector(high, (unsigned)size)};
    for (int i = 0; i < size; i++) {
      if (i & step) continue;
      LLVMValueRef a = rows[i], b = rows[i + step];
      rows[i] = LLVMBuildShuffleVector(e->builder, a, b, masks[0], "");
      rows[i + step] = LLVMBuildShuffleVector(e->builder, a, b, masks[1], "");
    }
  }
  for (int i = 0; i < size; i++) LLVMBuildStore(e->builder, rows[i], slots[i]);
}

/* The index of the flagged lanes that is farthest out of range: a negative one is the greatest
 * without sign. */
static LLVMValueRef farthest(Emission *e, EmitValue flags, EmitValue index) {
  int count;
  const int *sizes = emit_cut(e, index.type.lanes, &count);
  LLVMValueRef most = NULL;
  for (int i = 0; i < count; i++) {
    LLVMValueRef part = emit_cast_part(e, index.parts[i], sizes[i], index.type.element, LOOP_I64);
    LLVMValueRef none = LLVMConstNull(LLVMTypeOf(part));
    part = LLVMBuildSelect(e->builder, flags.parts[i], part, none, "");
    if (sizes[i]) part = emit_intrinsic_of(e, "llvm.vector.reduce.umax", &part, 1);
    LLVMValueRef more = most ? LLVMBuildICmp(e->builder, LLVMIntUGT, part, most, "") : NULL;
    most = most ? LLVMBuildSelect(e->builder, more, part, most, "") : part;
  }
  return most;
}

static LLVMValueRef worker_field(Emission *e, uint64_t offset) {
  LLVMValueRef at = LLVMConstInt(e->i64, offset, false);
  return LLVMBuildGEP2(e->builder, e->i8, e->worker, &at, 1, "");
}

/* The worker's fault, its first field, gets the number; `index` and `size`, its last two, what is
 * farther out than what they hold, so that it does not matter who looks at which trips. Lanes
 * beyond the end hold what no one asked for. */
static void emit_fault(Emission *e, const LoopStatement *s) {
  EmitValue flags = emit_expr(e, s->value);
  const LaneMask *m = e->masks;
  while (m && m->lanes != flags.type.lanes) m = m->outer;
  if (m && flags.type.lanes > 1) {
    EmitValue inside = emit_value_new(e, flags.type);
    for (int i = 0; i < flags.count; i++)
      inside.parts[i] = LLVMBuildAnd(e->builder, flags.parts[i], m->mask.parts[i], "");
    flags = inside;
  }
  Guard guard = guard_open(e, emit_any(e, flags));
  LLVMValueRef index = farthest(e, flags, value_widen(e, emit_expr(e, s->index), flags.type.lanes));
  LLVMValueRef index_at = worker_field(e, 24), size_at = worker_field(e, 32);
  LLVMValueRef before = LLVMBuildLoad2(e->builder, e->i64, index_at, "");
  LLVMValueRef other = LLVMBuildLoad2(e->builder, e->i64, size_at, "");
  LLVMValueRef size = emit_scalar(e, s->size);
  LLVMValueRef more = LLVMBuildICmp(e->builder, LLVMIntUGE, index, before, "");
  LLVMBuildStore(e->builder, LLVMBuildSelect(e->builder, more, index, before, ""), index_at);
  LLVMBuildStore(e->builder, LLVMBuildSelect(e->builder, more, size, other, ""), size_at);
  LLVMBuildStore(e->builder, emit_integer(e, s->fault), e->worker);
  guard_close(e, guard);
}

static void emit_statement(Emission *e, const LoopStatement *s) {
  debug_place(e, s->place);
  switch (s->kind) {
  case LOOP_DO_PARALLEL:
  case LOOP_DO_FOR:
  case LOOP_DO_EACH:
    emit_loop(e, s);
    break;
  case LOOP_DO_IF:
    emit_if(e, s);
    break;
  case LOOP_DO_DECLARE:
    emit_declare(e, s);
    break;
  case LOOP_DO_SET:
    emit_set(e, s);
    break;
  case LOOP_DO_STORE:
    emit_store(e, s->target, emit_expr_as(e, s->value, s->target->type));
    break;
  case LOOP_DO_TRANSPOSE:
    emit_transpose(e, s);
    break;
  case LOOP_DO_PREFETCH:
    if (!s->once || e->copy == 0) emit_prefetch(e, s->target);
    break;
  case LOOP_DO_FAULT:
    emit_fault(e, s);
    break;
  }
}

void emit_statements(Emission *e, const LoopBlock *block) {
  for (size_t i = 0; i < block->count; i++) emit_statement(e, block->items[i]);
}
