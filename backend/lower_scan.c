/* lower_scan.c - scans as loops over steps: the body's steps once, cursors for what moves on with
 * each trip, copies of what is carried. */
#include "backend/lowerer.h"

#include "ir/build.h"
#include "ir/trip.h"
#include "support/bug.h"

static bool operand_same(ProgramOperand a, ProgramOperand b) {
  return a.base == b.base && a.index == b.index && a.offset == b.offset;
}

static void lower_copy(Lowerer *lw, ProgramEntry *entry, Value *from, Value *to, const Op *scan) {
  if (operand_same(lowerer_operand(lw, from), lowerer_operand(lw, to))) return;
  Function *function = scan->block->function;
  Attribute parts = {ATTRIBUTE_parts, attribute_integer(lw->module, 0)};
  Op *op = op_new(function, OP_fused, &from, 1, &parts, &from->type, 1);
  op->symbol = arena_format(lw->arena, "k%d_copy", lowerer_kernel_number(lw));
  op->at = scan->at;
  op->layer = scan->layer;
  op->region = block_new(function, op);
  op->region->yields = ARENA_ARRAY(lw->arena, 1, Value *);
  op->region->yields[0] = block_add_argument(op->region, NULL, from->type, BIND_PLAIN);
  op->region->yield_count = 1;
  Lowering l = lowerer_begin(lw, entry, op);
  lower_map(&l);
  lowerer_finish(lw, entry, &l, (const Value *[]){from, to}, 2);
}

/* What trips that are not made leave. */
static void lower_zeros(Lowerer *lw, ProgramEntry *entry, Value *to, const Op *scan) {
  Builder b = {.function = scan->block->function, .at = scan->at, .layer = scan->layer};
  b.block = block_new(b.function, NULL);
  Number zero = element_is_float(to->type.element) ? number_real(0) : number_integer(0);
  Attribute value = {ATTRIBUTE_value, attribute_number(zero)};
  const Value *zeros = build_typed(&b, OP_full, to->type, NULL, &value, 1);
  Lowering l = lowerer_begin(lw, entry, zeros->op);
  lower_map(&l);
  lowerer_finish(lw, entry, &l, (const Value *[]){to}, 1);
}

/* The bytes of one element along the first axis. */
static const Dim *stride_of(DimTable *dims, const Type *type) {
  const Dim *stride = dim_constant(dims, element_infos[type->element].bytes);
  for (int i = 1; i < type->rank; i++) stride = dim_mul(dims, stride, type->dims[i]);
  if (!stride) bug("a sequence of elements that are too large");
  return stride;
}

static void add_cursor(Lowerer *lw, ProgramLoop *loop, const Value *sequence) {
  ProgramCursor cursor = {lowerer_operand(lw, sequence),
                          stride_of(lw->module->dims, &sequence->type)};
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

void lower_scan(Lowerer *lw, ProgramEntry *entry, const Op *op) {
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
  if (block->while_) made->condition = lowerer_operand(lw, block->while_);
  made->count = entry->steps.count - made->first;
  if (made->apart) hold_trip(program, op);
  lw->loop = open.outer;
  lw->part_of = part_of;
  if (made->count == 0) entry->loops.count = number; /* there is nothing to do */
}
