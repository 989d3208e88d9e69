/* lower.c - from planned graph IR to a program: constants and tensors laid out, each operation of
 * a block a step, equal kernels made once. */
#include "backend/lower.h"

#include "backend/families.h"
#include "ir/build.h"
#include "ir/cost.h"
#include "ir/part.h"
#include "ir/trip.h"
#include "support/bug.h"

#include <stdlib.h>
#include <string.h>

enum { ALIGN = 64 };

/* A scan whose body is being lowered. */
typedef struct OpenLoop {
  const struct OpenLoop *outer;
  const Op *scan;
  const Dim *trips;
  int first_cursor, cursors;
} OpenLoop;

typedef struct {
  Arena *arena;
  NativeProgram *program;
  const Target *target;
  Target narrow; /* for what runs once: code that is small before it is fast */
  Module *module;
  VEC(const char *) texts; /* of program->kernels, without their names; interned */
  Interner *interner;
  FunctionKind kind;    /* of the function being lowered */
  const OpenLoop *loop; /* the innermost that is being lowered; NULL: none */
  const Op *part_of;    /* the outermost scan whose steps are being made; NULL: none */
} Lowerer;

static int64_t align(int64_t bytes) {
  return (bytes + ALIGN - 1) / ALIGN * ALIGN;
}

/* ---- constants and tensors ---- */

static int64_t constant_offset(Lowerer *lw, const Data *data) {
  NativeProgram *p = lw->program;
  for (size_t i = 0; i < p->constants.count; i++)
    if (p->constants.items[i].data == data) return p->constants.items[i].offset;
  int64_t bytes = data->count * element_infos[data->element].bytes;
  ProgramConstant constant = {data, p->constants_bytes, bytes};
  vec_push(lw->arena, &p->constants, constant);
  p->constants_bytes = align(p->constants_bytes + bytes);
  return constant.offset;
}

static void lay_out_tensors(Lowerer *lw) {
  NativeProgram *p = lw->program;
  Module *module = lw->module;
  for (size_t i = 0; i < module->tensors.count; i++) module->tensors.items[i]->mark = 0;
  for (size_t i = 0; i < module->functions.count; i++)
    for (const Op *op = module->functions.items[i]->body->first; op; op = op->next)
      if (op->kind == OP_write) module_tensor(module, op->symbol)->mark = 1;
  for (int kind = TENSOR_PARAM; kind <= TENSOR_STATE; kind++)
    for (size_t i = 0; i < module->tensors.count; i++) {
      Tensor *tensor = module->tensors.items[i];
      if ((int)tensor->kind != kind) continue;
      int64_t bytes = type_bytes_at_bound(&tensor->type);
      ProgramTensor row = {tensor, -1, bytes, tensor_role(module, tensor)};
      bool written = tensor->mark != 0;
      tensor->mark = (int64_t)p->tensors.count;
      if (!tensor->data || written) {
        row.offset = p->parameter_bytes;
        p->parameter_bytes = align(p->parameter_bytes + bytes);
      }
      vec_push(lw->arena, &p->tensors, row);
    }
}

static ProgramOperand tensor_operand(Lowerer *lw, const char *name) {
  const Tensor *tensor = module_tensor(lw->module, name);
  if (!tensor) bug("no parameter '%s'", name);
  const ProgramTensor *row = &lw->program->tensors.items[tensor->mark];
  if (row->offset >= 0) return (ProgramOperand){BASE_PARAMETERS, 0, row->offset};
  return (ProgramOperand){BASE_CONSTANTS, 0, constant_offset(lw, tensor->data)};
}

/* The tensor that a value lies in; NULL: in none. Value.mark: of what is made in one, its number
 * + 1. */
static const Tensor *tensor_holding(Lowerer *lw, const Value *value) {
  if (value->op && value->op->kind == OP_read) return module_tensor(lw->module, value->op->symbol);
  bool inside = value->place.kind == PLACE_PARAM || value->place.kind == PLACE_STATE;
  if (!inside) return NULL;
  if (value->mark == 0) bug("%%%d lies in a tensor that it is not written to", value->number);
  return lw->program->tensors.items[value->mark - 1].tensor;
}

/* ---- operands ---- */

static ProgramOperand operand(Lowerer *lw, const Value *value);

static ProgramOperand cursor(const Lowerer *lw, const Op *scan, int number) {
  const OpenLoop *loop = lw->loop;
  while (loop->scan != scan) loop = loop->outer;
  return (ProgramOperand){BASE_CURSOR, loop->first_cursor + number, 0};
}

/* Carries lie where the scan's results do. */
static ProgramOperand scan_argument(Lowerer *lw, const Value *argument) {
  const Block *block = argument->block;
  int carries = 0, sequences = 0;
  for (int i = 0; i < argument->index; i++) {
    carries += block->binds[i] == BIND_CARRY;
    sequences += block->binds[i] == BIND_EACH;
  }
  switch (block->binds[argument->index]) {
  case BIND_CARRY:
    return operand(lw, block->op->results[carries]);
  case BIND_EACH:
    return cursor(lw, block->op, sequences);
  default:
    return operand(lw, block->op->operands[argument->index]);
  }
}

/* What a scan's body returns, by number: carries, then what is emitted, whose cursors come after
 * those of the sequences. */
static ProgramOperand scan_result(Lowerer *lw, const Op *scan, int64_t number) {
  int sequences = 0;
  if (number < scan->region->yield_count) return operand(lw, scan->results[number]);
  for (int i = 0; i < scan->operand_count; i++) sequences += scan->region->binds[i] == BIND_EACH;
  return cursor(lw, scan, sequences + (int)number - scan->region->yield_count);
}

static ProgramOperand operand(Lowerer *lw, const Value *value) {
  const MemoryPlace *place = &value->place;
  const Op *op = value->op;
  const Tensor *tensor = tensor_holding(lw, value);
  if (tensor) return tensor_operand(lw, tensor->name);
  if (op && op->kind == OP_constant)
    return (ProgramOperand){BASE_CONSTANTS, 0,
                            constant_offset(lw, op_attribute(op, ATTRIBUTE_value)->data)};
  const Op *scan = op ? op->block->op : value->block->op;
  if (scan && !op) return scan_argument(lw, value);
  if (scan && place->kind == PLACE_CALLER) return scan_result(lw, scan, place->offset);
  switch (place->kind) {
  case PLACE_ARENA:
    return (ProgramOperand){op_is_apart(scan) ? BASE_TRIP : BASE_ARENA, 0, place->offset};
  case PLACE_CALLER:
    return (ProgramOperand){op ? BASE_OUTPUT : BASE_INPUT, place->offset, 0};
  case PLACE_VIEW: {
    ProgramOperand of = operand(lw, place->of);
    of.offset += place->offset;
    return of;
  }
  default:
    bug("%%%d has no place", value->number);
  }
}

/* ---- steps ---- */

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
static bool can_fault(const Op *op) {
  return op->kind == OP_gather || op->kind == OP_scatter_add ||
         (op->kind == OP_update && op->operand_count > 2);
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

static int kernel_number(const Lowerer *lw) {
  return (int)lw->program->kernels.count;
}

static const char *kernel_name(Lowerer *lw, const Op *op) {
  const char *suffix = lw->target->suffix;
  if (op->symbol && op->kind == OP_fused)
    return arena_format(lw->arena, "%s%s", op->symbol, suffix);
  return arena_format(lw->arena, "k%d_%s%s", kernel_number(lw), operator_infos[op->kind].name,
                      suffix);
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

static Lowering begin(Lowerer *lw, ProgramEntry *entry, const Op *op) {
  const Op *telling = telling_op(op);
  LoopKernel *kernel = loop_kernel(lw->arena, kernel_name(lw, op), loop_place(lw, telling->at));
  Lowering l = {.kernel = kernel, .op = op, .target = lw->target, .dims = lw->module->dims};
  if (lw->kind == FUNCTION_INIT) l.target = &lw->narrow;
  if (holds(op, can_fault)) {
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

static void finish(Lowerer *lw, ProgramEntry *entry, const Lowering *l, const Value *const *values,
                   int count) {
  const Op *telling = telling_op(l->op);
  VEC(ProgramOperand) operands = {0};
  for (int i = 0; i < count; i++) vec_push(lw->arena, &operands, operand(lw, values[i]));
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
  const Tensor *from = tensor_holding(lw, op->operands[0]);
  const Tensor *to = tensor_holding(lw, op->results[0]);
  if (from && !type_corner_is_dense(&from->type)) return &from->type;
  return to && !type_corner_is_dense(&to->type) ? &to->type : NULL;
}

static void lower_scan(Lowerer *lw, ProgramEntry *entry, const Op *op);

/* Whether a concat's operand is made where the result has it. */
static bool is_part_of(const Op *op, int operand) {
  const Value *part = op->operands[operand], *result = op_result(op);
  const Value *whole = value_whole(result);
  return value_whole(part) == (whole ? whole : result) &&
         part->place.offset == result->place.offset + concat_start(op, operand);
}

static bool is_in_place(Lowerer *lw, const Op *op) {
  if (op->operand_count == 0 || op->result_count == 0) return false;
  ProgramOperand x = operand(lw, op->operands[0]), y = operand(lw, op->results[0]);
  return x.base == y.base && x.index == y.index && x.offset == y.offset;
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
      Lowering l = begin(lw, entry, op);
      lower_concat_part(&l, i);
      finish(lw, entry, &l, (const Value *[]){op->operands[i], op->results[0]}, 2);
    }
    return;
  }
  Lowering l = begin(lw, entry, op);
  l.in_place = is_in_place(lw, op);
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
  finish(lw, entry, &l, values, count);
}

/* Moves nothing, or is only looked up. */
static bool has_no_step(const Op *op) {
  if (op->kind == OP_read || op->kind == OP_write || op->kind == OP_constant) return true;
  return op->result_count == 1 && op->results[0]->place.kind == PLACE_VIEW;
}

static bool draws(const Op *op) {
  return op->kind == OP_random;
}

static void lower_step(Lowerer *lw, ProgramEntry *entry, const Op *op) {
  if (has_no_step(op)) return;
  lower_op(lw, entry, op);
  lw->program->draws |= op->kind != OP_scan && holds(op, draws);
}

/* ---- scans: loops over steps ---- */

static bool operand_same(ProgramOperand a, ProgramOperand b) {
  return a.base == b.base && a.index == b.index && a.offset == b.offset;
}

static void lower_copy(Lowerer *lw, ProgramEntry *entry, Value *from, Value *to, const Op *scan) {
  if (operand_same(operand(lw, from), operand(lw, to))) return;
  Function *function = scan->block->function;
  Attribute parts = {ATTRIBUTE_parts, attribute_integer(lw->module, 0)};
  Op *op = op_new(function, OP_fused, &from, 1, &parts, &from->type, 1);
  op->symbol = arena_format(lw->arena, "k%d_copy", kernel_number(lw));
  op->at = scan->at;
  op->layer = scan->layer;
  op->region = block_new(function, op);
  op->region->yields = ARENA_ARRAY(lw->arena, 1, Value *);
  op->region->yields[0] = block_add_argument(op->region, NULL, from->type, BIND_PLAIN);
  op->region->yield_count = 1;
  Lowering l = begin(lw, entry, op);
  lower_map(&l);
  finish(lw, entry, &l, (const Value *[]){from, to}, 2);
}

/* What trips that are not made leave. */
static void lower_zeros(Lowerer *lw, ProgramEntry *entry, Value *to, const Op *scan) {
  Builder b = {.function = scan->block->function, .at = scan->at, .layer = scan->layer};
  b.block = block_new(b.function, NULL);
  Number zero = element_is_float(to->type.element) ? number_real(0) : number_integer(0);
  Attribute value = {ATTRIBUTE_value, attribute_number(zero)};
  const Value *zeros = build_typed(&b, OP_full, to->type, NULL, &value, 1);
  Lowering l = begin(lw, entry, zeros->op);
  lower_map(&l);
  finish(lw, entry, &l, (const Value *[]){to}, 1);
}

/* The bytes of one element along the first axis. */
static const Dim *stride_of(DimTable *dims, const Type *type) {
  const Dim *stride = dim_constant(dims, element_infos[type->element].bytes);
  for (int i = 1; i < type->rank; i++) stride = dim_mul(dims, stride, type->dims[i]);
  if (!stride) bug("a sequence of elements that are too large");
  return stride;
}

static void add_cursor(Lowerer *lw, ProgramLoop *loop, const Value *sequence) {
  ProgramCursor cursor = {operand(lw, sequence), stride_of(lw->module->dims, &sequence->type)};
  vec_push(lw->arena, &loop->cursors, cursor);
}

static void mark_needed(Op *op) {
  if (!op || op->mark) return;
  op->mark = 1;
  for (int i = 0; i < op->operand_count; i++) mark_needed(op->operands[i]->op);
}

/* The last operation that decides whether a trip is made; `plan` has put those first. */
static const Op *last_needed(const Block *block) {
  const Op *last = NULL;
  for (Op *op = block->first; op; op = op->next) op->mark = 0;
  mark_needed(block->while_->op);
  for (const Op *op = block->first; op; op = op->next)
    if (op->mark) last = op;
  return last;
}

/* Each thread that takes trips has memory for what one makes. */
static void hold_trip(NativeProgram *program, const Op *scan) {
  int64_t bytes = trip_bytes(scan);
  if (bytes > program->trip_bytes) program->trip_bytes = bytes;
  program->has_apart = true;
}

static void lower_scan(Lowerer *lw, ProgramEntry *entry, const Op *op) {
  const Block *block = op->region;
  NativeProgram *program = lw->program;
  const Op *part_of = lw->part_of;
  int carry = 0;
  if (!part_of) lw->part_of = op;
  for (int i = 0; i < op->operand_count; i++)
    if (block->binds[i] == BIND_CARRY)
      lower_copy(lw, entry, op->operands[i], op->results[carry++], op);
  for (int i = carry; block->while_ && i < op->result_count; i++)
    lower_zeros(lw, entry, op->results[i], op);
  ProgramLoop loop = {.first = entry->steps.count,
                      .test = -1,
                      .backward = op_flag(op, ATTRIBUTE_backward),
                      .apart = op_is_apart(op)};
  OpenLoop open = {lw->loop, op, NULL, lw->loop ? lw->loop->first_cursor + lw->loop->cursors : 0,
                   0};
  for (int i = 0; i < op->operand_count; i++) {
    if (block->binds[i] != BIND_EACH) continue;
    loop.trips = op->operands[i]->type.dims[0];
    add_cursor(lw, &loop, op->operands[i]);
  }
  for (int i = carry; i < op->result_count; i++) add_cursor(lw, &loop, op->results[i]);
  open.cursors = (int)loop.cursors.count;
  open.trips = loop.trips;
  loop.first_cursor = open.first_cursor;
  size_t number = entry->loops.count;
  vec_push(lw->arena, &entry->loops, loop);
  lw->loop = &open;
  int nesting = 0;
  for (const OpenLoop *l = lw->loop; l; l = l->outer) nesting++;
  if (nesting > program->nesting) program->nesting = nesting;
  if (open.first_cursor + open.cursors > program->cursors)
    program->cursors = open.first_cursor + open.cursors;
  const Op *tested = block->while_ ? last_needed(block) : NULL;
  if (block->while_ && !tested) entry->loops.items[number].test = (int64_t)entry->steps.count;
  for (const Op *inner = block->first; inner; inner = inner->next) {
    lower_step(lw, entry, inner);
    if (inner == tested) entry->loops.items[number].test = (int64_t)entry->steps.count;
  }
  for (int i = 0; i < block->yield_count; i++)
    lower_copy(lw, entry, block->yields[i], op->results[i], op);
  ProgramLoop *made = &entry->loops.items[number];
  if (block->while_) made->condition = operand(lw, block->while_);
  made->count = entry->steps.count - made->first;
  if (made->apart) hold_trip(program, op);
  lw->loop = open.outer;
  lw->part_of = part_of;
  if (made->count == 0) entry->loops.count = number; /* there is nothing to do */
}

/* Notes for each value that is made in a tensor's memory which it is. */
static void find_written(Lowerer *lw, const Function *function) {
  for (const Op *op = function->body->first; op; op = op->next)
    for (int i = 0; i < op->result_count; i++) op->results[i]->mark = 0;
  for (const Op *op = function->body->first; op; op = op->next) {
    if (op->kind != OP_write) continue;
    Value *value = op->operands[0];
    while (value->place.kind == PLACE_VIEW) value = value->place.of;
    value->mark = module_tensor(lw->module, op->symbol)->mark + 1;
  }
}

static void lower_function(Lowerer *lw, const Function *function) {
  lw->kind = function->kind;
  ProgramEntry entry = {.function = function, .place = place_text(lw, function->at)};
  find_written(lw, function);
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
  lay_out_tensors(&lw);
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
