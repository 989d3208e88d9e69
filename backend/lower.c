/* lower.c - from planned graph IR to a program: each operation of a block a step, equal kernels
 * made once. */
#include "backend/lowerer.h"

#include "ir/cost.h"
#include "ir/op_traits.h"
#include "ir/part.h"
#include "support/bug.h"

#include <string.h>

/* A step's first place is the call of a model: the line within that is more telling. */
static const Location *telling_place(const Lowerer *lw, const Location *at) {
  bool trains = lw->kind == FUNCTION_TRAIN || lw->kind == FUNCTION_VALUE;
  return trains && at && at->via && at->via->file == at->file ? at->via : at;
}

static const char *place_text(Lowerer *lw, const Location *at) {
  at = telling_place(lw, at);
  if (!at) return "";
  const char *file = lw->module->files.count ? lw->module->files.items[at->file] : "";
  return arena_format(lw->arena, "%s:%d:%d", file, at->line, at->column);
}

static LoopPlace loop_place(Lowerer *lw, const Location *at) {
  at = telling_place(lw, at);
  if (!at || !lw->module->files.count) return (LoopPlace){0};
  return (LoopPlace){lw->module->files.items[at->file], at->line, at->column};
}

static bool is_weight(const Op *op) {
  return op->kind == OP_winograd_weight;
}

/* The operation that a step is known by: a fused one's most telling. */
static const Op *telling_op(const Op *op) {
  if (!op->region) return op;
  const Op *best = op->region->first;
  for (const Op *o = op->region->first; o; o = o->next)
    if (operator_has(o->kind, TRAIT_PRODUCT) || is_weight(o) || o->kind == OP_softmax)
      return o;
    else if (o->at && !(best && best->at))
      best = o;
  return best ? best : op;
}

static bool holds(const Op *op, bool (*test)(const Op *)) {
  if (!op->region) return test(op);
  for (const Op *o = op->region->first; o; o = o->next)
    if (test(o)) return true;
  return false;
}

static bool is_product(const Op *op) {
  return operator_has(op->kind, TRAIT_PRODUCT);
}
static bool is_searching(const Op *op) {
  return op->kind == OP_argmax || op->kind == OP_top_k || op->kind == OP_scatter_add;
}
/* Reductions whose operand is the kernel's input or as large as it: rows. Others (pooling's
 * windows) are part of a map. */
static bool is_row_reduction(const Op *op) {
  if (op->kind == OP_softmax) return true;
  if (!operator_has(op->kind, TRAIT_REDUCTION)) return false;
  const Op *from = op->operands[0]->op;
  bool inside = op->block && op->block->op && op->block->op->kind == OP_fused;
  return !(inside && from && from->kind == OP_windows);
}

typedef void Family(Lowering *);

static Family *family_of(const Op *op) {
  if (holds(op, is_product)) return lower_product;
  if (holds(op, is_weight)) return lower_winograd_weight;
  if (is_searching(op)) return lower_index; /* argmax of windows may be part of a map */
  if (holds(op, is_row_reduction)) return lower_row;
  return lower_map;
}

int lowerer_kernel_number(const Lowerer *lw) {
  return (int)lw->program->kernels.count;
}

static const char *kernel_name(Lowerer *lw, const Op *op) {
  const char *suffix = lw->target->suffix;
  if (op->symbol && op->kind == OP_fused)
    return arena_format(lw->arena, "%s%s", op->symbol, suffix);
  return arena_format(lw->arena, "k%d_%s%s", lowerer_kernel_number(lw),
                      operator_infos[op->kind].name, suffix);
}

static bool name_is_taken(const Lowerer *lw, const char *name) {
  for (size_t i = 0; i < lw->program->kernels.count; i++)
    if (strcmp(lw->program->kernels.items[i]->name, name) == 0) return true;
  return false;
}

static bool same_given(const LoopKernel *a, const LoopKernel *b) {
  for (size_t i = 0; i < a->given.count; i++)
    if (a->given.items[i]->integer != b->given.items[i]->integer) return false;
  return true;
}

/* The kernel itself, or an earlier one with the same loops and given numbers. */
static LoopKernel *add_kernel(Lowerer *lw, LoopKernel *kernel) {
  const char *name = kernel->name;
  Text text = text_new(lw->arena);
  loop_print_key(&text, kernel);
  const char *loops = intern(lw->interner, text_get(&text));
  for (size_t i = 0; i < lw->texts.count; i++) {
    LoopKernel *earlier = lw->program->kernels.items[i];
    if (lw->texts.items[i] != loops) continue;
    if (same_given(earlier, kernel)) return earlier;
    if (kernel->like) continue;
    kernel->like = earlier; /* the first such, which is like none */
    earlier->is_liked = true;
  }
  for (int n = 2; name_is_taken(lw, kernel->name); n++)
    kernel->name = arena_format(lw->arena, "%s_%d", name, n);
  vec_push(lw->arena, &lw->program->kernels, kernel);
  vec_push(lw->arena, &lw->texts, loops);
  if (kernel->scratch_bytes > lw->program->scratch_bytes)
    lw->program->scratch_bytes = kernel->scratch_bytes;
  return kernel;
}

Lowering lowerer_begin(Lowerer *lw, ProgramEntry *entry, const Op *op) {
  const Op *telling = telling_op(op);
  LoopKernel *kernel = loop_kernel(lw->arena, kernel_name(lw, op), loop_place(lw, telling->at));
  Lowering l = {.kernel = kernel, .op = op, .target = lw->target, .dims = lw->module->dims};
  if (lw->kind == FUNCTION_INIT) l.target = &lw->narrow;
  if (holds(op, op_can_fault)) {
    const char *place = place_text(lw, telling->at);
    vec_push(lw->arena, &entry->faults, arena_format(lw->arena, "%s: an index", place));
    l.first_fault = (int)entry->faults.count;
  }
  return l;
}

static const Dim *size_of(DimTable *dims, const Op *op, const Value *value) {
  for (int i = 0; i < op->operand_count; i++)
    if (op->operands[i] == value) return op_operand_bytes(dims, op, i);
  for (int i = 0; i < op->result_count; i++)
    if (op->results[i] == value) return op_result_bytes(dims, op, i);
  const Dim *size = dim_constant(dims, element_infos[value->type.element].bytes);
  return dim_mul(dims, type_count(dims, &value->type), size);
}

/* All that the operation's step reads and writes, once. */
static const Dim *bytes_of(DimTable *dims, const Op *op, const Value *const *values, int count) {
  const Dim *bytes = dim_constant(dims, 0);
  for (int i = 0; i < count; i++) bytes = dim_add(dims, bytes, size_of(dims, op, values[i]));
  return bytes;
}

static bool overlap(const ProgramOperand *a, const Value *of_a, const ProgramOperand *b,
                    const Value *of_b) {
  if (a->base != b->base || a->index != b->index) return false;
  return a->offset < b->offset + type_bytes_at_bound(&of_b->type) &&
         b->offset < a->offset + type_bytes_at_bound(&of_a->type);
}

/* Which operands the kernel writes. */
static const bool *written_operands(const LoopKernel *kernel, int count) {
  bool *written = ARENA_ARRAY(kernel->arena, (size_t)count + 1, bool);
  for (size_t i = 0; i < kernel->buffers.count; i++) {
    const LoopBuffer *buffer = kernel->buffers.items[i];
    if (buffer->kind == LOOP_OPERAND) written[buffer->operand] = buffer->written;
  }
  return written;
}

/* Parts of one whole, one of which is made while the other is there. */
static bool are_apart(const Value *a, const Value *b) {
  return a != b && value_whole(a) && value_whole(a) == value_whole(b);
}

/* Tells the kernel which of its operands overlap no other that either writes. */
static void mark_aliases(LoopKernel *kernel, const ProgramOperand *operands,
                         const Value *const *values, const bool *written, int count) {
  for (size_t i = 0; i < kernel->buffers.count; i++) {
    LoopBuffer *buffer = kernel->buffers.items[i];
    if (buffer->kind != LOOP_OPERAND) continue;
    int a = buffer->operand;
    buffer->noalias = true;
    for (int b = 0; b < count; b++)
      if (b != a && (written[a] || written[b]) && !are_apart(values[a], values[b]) &&
          overlap(&operands[a], values[a], &operands[b], values[b]))
        buffer->noalias = false;
  }
}

void lower_streams(const Lowering *l, LoopBuffer *buffer, const Value *value) {
  const Value *whole = value_whole(value);
  int64_t row = dim_max(value->type.dims[value->type.rank - 1]);
  if (whole && row * loop_element_bytes(value->type.element) < LOWER_STREAM_ROW) return;
  buffer->streams = !l->over_operand && type_bytes_at_bound(&value->type) > l->target->l3;
}

void lower_streams_all(const Lowering *l, const Region *region) {
  if (l->op->result_count > LOWER_STREAMS) return;
  for (int i = 0; i < l->op->result_count; i++)
    lower_streams(l, region_result_buffer(region, i), l->op->results[i]);
}

/* Fewest trips for a thread of its own, as `parallel` has estimated if it has; 0: never split. */
static int64_t grain_of(const Lowering *l) {
  int64_t parts = l->op->kind == OP_fused ? op_integer(l->op, ATTRIBUTE_parts) : 0;
  if (parts == 0 || l->grain == 0) return l->grain;
  if (parts == 1) return 0;
  int64_t trips = dim_max(l->trips), grain = trips / parts + (trips % parts != 0);
  return grain > l->grain ? grain : l->grain;
}

/* Of all its runs in a call. */
static const Dim *in_loops(const Lowerer *lw, DimTable *dims, const Dim *work) {
  for (const OpenLoop *loop = lw->loop; loop && work; loop = loop->outer)
    work = dim_mul(dims, work, loop->trips);
  return work;
}

/* Of what is made in its slice of a concat's: numbers side by side, and from row to row. */
static void find_rows(const Value *value, int64_t *row, int64_t *stride) {
  const Value *whole = value_whole(value);
  int axis = 0, rank = value->type.rank;
  while (whole && axis < rank && value->type.dims[axis] == whole->type.dims[axis]) axis++;
  if (!whole || axis == rank) return;
  *row = *stride = 1;
  for (int i = axis; i < value->type.rank; i++) {
    *row *= dim_max(value->type.dims[i]);
    *stride *= dim_max(whole->type.dims[i]);
  }
}

void lowerer_finish(Lowerer *lw, ProgramEntry *entry, const Lowering *l, const Value *const *values,
                    int count) {
  const Op *telling = telling_op(l->op);
  VEC(ProgramOperand) operands = {0};
  for (int i = 0; i < count; i++) vec_push(lw->arena, &operands, lowerer_operand(lw, values[i]));
  const bool *written = written_operands(l->kernel, count);
  mark_aliases(l->kernel, operands.items, values, written, count);
  ProgramStep step = {.kernel = add_kernel(lw, l->kernel),
                      .op = lw->part_of ? lw->part_of : l->op,
                      .layer = telling->layer ? telling->layer
                               : l->op->layer ? l->op->layer
                                              : "",
                      .place = place_text(lw, telling->at),
                      .algorithm = l->algorithm,
                      .trips = l->trips,
                      .grain = grain_of(l),
                      .flop = op_flops(l->dims, l->op),
                      .bytes = bytes_of(l->dims, l->op, values, count)};
  if (l->op->kind == OP_concat) /* only a part of it */
    step.bytes = bytes_of(l->dims, l->op, (const Value *[]){values[0], values[0]}, 2);
  step.flop = in_loops(lw, l->dims, step.flop);
  step.bytes = in_loops(lw, l->dims, step.bytes);
  for (int i = 0; i < count; i++) vec_push(lw->arena, &step.operands, operands.items[i]);
  for (int i = 0; i < count && entry->function->kind == FUNCTION_TRAIN; i++) {
    ProgramResult result = {i, values[i]->type.element, type_count(l->dims, &values[i]->type), 0,
                            0};
    find_rows(values[i], &result.row, &result.stride);
    bool copies = l->op->kind == OP_concat; /* that was looked at, and the rest may not be there */
    if (written[i] && result.count && !copies) vec_push(lw->arena, &step.results, result);
  }
  if (count > lw->program->most_operands) lw->program->most_operands = count;
  vec_push(lw->arena, &entry->steps, step);
}

/* The tensor of which the operation, a copy, reads or writes a corner that is not dense; NULL. */
static const Type *corner_of(Lowerer *lw, const Op *op) {
  if (op->kind != OP_fused || op->operand_count != 1 || op->result_count != 1) return NULL;
  const Tensor *from = lowerer_tensor(lw, op->operands[0]);
  const Tensor *to = lowerer_tensor(lw, op->results[0]);
  if (from && !type_corner_is_dense(&from->type)) return &from->type;
  return to && !type_corner_is_dense(&to->type) ? &to->type : NULL;
}

/* Whether a concat's operand is made where the result has it. */
static bool is_part_of(const Op *op, int operand) {
  const Value *part = op->operands[operand], *result = op_result(op);
  const Value *whole = value_whole(result);
  return value_whole(part) == (whole ? whole : result) &&
         part->place.offset == result->place.offset + concat_start(op, operand);
}

static bool is_over(Lowerer *lw, const Op *op, int operand, int result) {
  ProgramOperand x = lowerer_operand(lw, op->operands[operand]);
  ProgramOperand y = lowerer_operand(lw, op->results[result]);
  return x.base == y.base && x.index == y.index && x.offset == y.offset;
}

static bool lies_over_operand(Lowerer *lw, const Op *op) {
  for (int r = 0; r < op->result_count; r++)
    for (int i = 0; i < op->operand_count; i++)
      if (is_over(lw, op, i, r)) return true;
  return false;
}

static void lower_op(Lowerer *lw, ProgramEntry *entry, const Op *op) {
  if (op->kind == OP_scan) {
    lower_scan(lw, entry, op);
    return;
  }
  if (op->kind == OP_concat) { /* alone: a copy for each operand that is not made there */
    for (int i = 0; i < op->operand_count; i++) {
      if (is_part_of(op, i)) continue;
      if (dim_is(op->operands[i]->type.dims[op_integer(op, ATTRIBUTE_axis)], 0)) continue;
      Lowering l = lowerer_begin(lw, entry, op);
      lower_concat_part(&l, i);
      lowerer_finish(lw, entry, &l, (const Value *[]){op->operands[i], op->results[0]}, 2);
    }
    return;
  }
  Lowering l = lowerer_begin(lw, entry, op);
  l.in_place = op->operand_count > 0 && op->result_count > 0 && is_over(lw, op, 0, 0);
  l.over_operand = lies_over_operand(lw, op);
  const Type *corner = corner_of(lw, op);
  if (op->kind == OP_update && l.in_place && op->results[0]->type.rank > 0)
    lower_update_in_place(&l);
  else if (corner)
    lower_corner(&l, corner, op->operands[0]->op && op->operands[0]->op->kind == OP_read);
  else
    family_of(op)(&l);
  int count = op->operand_count + op->result_count;
  const Value **values = ARENA_ARRAY(lw->arena, (size_t)count, const Value *);
  for (int i = 0; i < op->operand_count; i++) values[i] = op->operands[i];
  for (int i = 0; i < op->result_count; i++) values[op->operand_count + i] = op->results[i];
  lowerer_finish(lw, entry, &l, values, count);
}

/* Moves nothing, or is only looked up. */
static bool has_no_step(const Op *op) {
  if (op->kind == OP_read || op->kind == OP_write || op->kind == OP_constant) return true;
  return op->result_count == 1 && op->results[0]->place.kind == PLACE_VIEW;
}

static bool draws(const Op *op) {
  return op->kind == OP_random;
}

void lower_step(Lowerer *lw, ProgramEntry *entry, const Op *op) {
  if (has_no_step(op)) return;
  lower_op(lw, entry, op);
  lw->program->draws |= op->kind != OP_scan && holds(op, draws);
}

static void lower_function(Lowerer *lw, const Function *function) {
  lw->kind = function->kind;
  ProgramEntry entry = {.function = function, .place = place_text(lw, function->at)};
  lowerer_find_written(lw, function);
  for (const Op *op = function->body->first; op; op = op->next) lower_step(lw, &entry, op);
  if (function->arena_bytes > lw->program->arena_bytes)
    lw->program->arena_bytes = function->arena_bytes;
  vec_push(lw->arena, &lw->program->entries, entry);
}

NativeProgram *lower(Arena *arena, const Module *module, const Target *target, const char *name) {
  NativeProgram *program = ARENA_NEW(arena, NativeProgram);
  *program = (NativeProgram){.arena = arena, .module = module, .target = *target, .name = name};
  Lowerer lw = {.interner = interner_new(arena),
                .arena = arena,
                .program = program,
                .target = target,
                .narrow = *target,
                .module = (Module *)module};
  if (lw.narrow.lanes > 4) lw.narrow.lanes = 4;
  lowerer_lay_out(&lw);
  for (size_t i = 0; i < module->functions.count; i++)
    lower_function(&lw, module->functions.items[i]);
  program->most_operands += program->cursors;
  if (program->has_apart) program->trip_operands = program->most_operands;
  return program;
}

NativePrograms lower_all(Arena *arena, const Module *module, const Target *targets, size_t count,
                         const char *name) {
  NativePrograms programs = {ARENA_ARRAY(arena, count, NativeProgram *), count};
  int64_t scratch = 0;
  for (size_t i = 0; i < count; i++) {
    NativeProgram *program = programs.items[i] = lower(arena, module, &targets[i], name);
    if (program->scratch_bytes > scratch) scratch = program->scratch_bytes;
  }
  for (size_t i = 0; i < count; i++) programs.items[i]->scratch_bytes = scratch;
  return programs;
}
