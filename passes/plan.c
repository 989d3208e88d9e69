/* plan - gives every value its place in memory; plan.h says which.
 *
 *   before  %1 = exp %x   %2 = tanh %1   return %2
 *   after   %1 = exp %x in arena+0   %2 = tanh %1 in caller   return %2
 *
 * A buffer lives from the operation that makes it to the last that reads it, at the dims' bounds.
 * Reshapes and dense slices are views; an elementwise kernel writes over an operand that it is the
 * last to read. Written values lie in their tensors' memory (plan_writes.c). Offsets are chosen by
 * offsets.c, and the report (memory_report.h) compares them with the lower bound. Nearly linear. */
#include "passes/plan.h"

#include "ir/part.h"
#include "ir/trip.h"
#include "passes/offsets.h"
#include "passes/plan_parts.h"
#include "passes/plan_scan.h"
#include "passes/plan_writes.h"
#include "passes/rewrite.h"
#include "passes/scan_bodies.h"
#include "support/bug.h"

bool op_makes_kernel(const Op *op) {
  return op->kind != OP_read && op->kind != OP_write && op->kind != OP_constant && !op_is_view(op);
}

/* A slice is dense in its operand if it cuts the first axis that is longer than 1 alone, in steps
 * of 1, at a place that no dim moves. */
static bool slice_is_dense(const Op *op, int64_t *offset) {
  const Type *from = &op->operands[0]->type, *to = &op_result(op)->type;
  int axis = 0;
  *offset = 0;
  while (axis < from->rank && dim_is(from->dims[axis], 1)) axis++;
  int64_t inner = element_infos[from->element].bytes;
  for (int i = from->rank - 1; i > axis; i--) {
    if (from->dims[i] != to->dims[i] || !dim_is(op_list_dim(op, ATTRIBUTE_start, i), 0) ||
        !dim_is(op_list_dim(op, ATTRIBUTE_step, i), 1))
      return false;
    if (!dim_is_constant(from->dims[i]))
      inner = -1;
    else if (inner > 0)
      inner *= dim_value(from->dims[i]);
  }
  for (int i = 0; i < axis; i++)
    if (!dim_is(to->dims[i], 1)) return false;
  if (axis == from->rank) return true;
  const Dim *start = op_list_dim(op, ATTRIBUTE_start, axis);
  if (!dim_is(op_list_dim(op, ATTRIBUTE_step, axis), 1) || !dim_is_constant(start)) return false;
  if (dim_value(start) != 0 && inner < 0) return false;
  *offset = dim_value(start) == 0 ? 0 : dim_value(start) * inner;
  return true;
}

bool op_is_view(const Op *op) {
  int64_t offset;
  return op->kind == OP_reshape || (op->kind == OP_slice && slice_is_dense(op, &offset));
}

int64_t op_view_offset(const Op *op) {
  int64_t offset = 0;
  if (op->kind == OP_slice) slice_is_dense(op, &offset);
  return offset;
}

Value *value_storage(Value *value) {
  while (value->op && op_is_view(value->op)) value = value->op->operands[0];
  return value;
}

typedef struct {
  Value *value; /* NULL: what the body of a scan needs */
  Interval interval;
} Buffer;

typedef struct {
  const Function *body;
  size_t buffer;
} PlannedBody;

typedef struct {
  PassContext *context;
  Function *function;
  VEC(Buffer) buffers;
  VEC(PlannedBody) bodies;
  PlanParts parts;
  int steps;
} Planning;

static void place_results(Planning *p) {
  Block *body = p->function->body;
  if (p->function->scan) {
    plan_body_results(p->context->scratch, p->function);
    return;
  }
  for (int i = 0; i < body->yield_count; i++) {
    Value *storage = value_storage(body->yields[i]);
    if (!plan_is_whole(body->yields[i]) || storage->place.kind == PLACE_CALLER) {
      body->yields[i] = plan_copy(p->function, body->yields[i]);
      storage = body->yields[i];
    }
    storage->place = (MemoryPlace){PLACE_CALLER, i, NULL};
  }
}

/* What a value's bytes lie in; of a part of a concat, the whole. */
static Value *root_of(Value *value) {
  value = value_storage(value);
  while (value->place.kind == PLACE_VIEW) value = value_storage(value->place.of);
  return value;
}

/* Value.mark: the buffer's number + 1. */
static Buffer *buffer_of(Planning *p, Value *value) {
  Value *storage = root_of(value);
  return storage->mark > 0 ? &p->buffers.items[storage->mark - 1] : NULL;
}

/* An operand's buffer that the operation may write over; needs the last uses, so a second walk. */
static Buffer *reusable(Planning *p, const Op *op, int step) {
  for (int i = 0; i < op->operand_count; i++) {
    Buffer *buffer = buffer_of(p, op->operands[i]);
    if (!buffer || buffer->interval.last != step || !plan_reads_in_place(op, i, 0)) continue;
    Value *storage = value_storage(op->operands[i]);
    bool once = storage == root_of(storage); /* a part is not dense */
    for (int j = 0; j < op->operand_count; j++)
      once = once && (j == i || root_of(op->operands[j]) != storage);
    if (once && type_bytes_at_bound(&storage->type) == type_bytes_at_bound(&op_result(op)->type))
      return buffer;
  }
  return NULL;
}

static int64_t round_up(int64_t bytes) {
  return (bytes + PLAN_ALIGN - 1) / PLAN_ALIGN * PLAN_ALIGN;
}

static void place_simple(Planning *p, Op *op) {
  for (int i = 0; i < op->result_count; i++) {
    Value *value = op->results[i];
    value->mark = 0;
    if (op->kind == OP_read) {
      const Tensor *tensor = module_tensor(p->function->module, op->symbol);
      if (!tensor) bug("there is no tensor @%s", op->symbol);
      value->place.kind = tensor->kind == TENSOR_STATE ? PLACE_STATE : PLACE_PARAM;
    } else if (op_is_view(op)) {
      value->place = (MemoryPlace){PLACE_VIEW, op_view_offset(op), op->operands[0]};
    }
  }
}

/* The body of a scan has a part of the arena while the operation runs; or, if its trips are apart,
 * memory of each thread. */
static void hold_body(Planning *p, const Op *op) {
  const Function *body = scan_body(p->function->module, op);
  if (!body || op_is_apart(op)) return;
  int step = (int)op->mark;
  PlannedBody planned = {body, p->buffers.count};
  Buffer buffer = {NULL, {step, step, round_up(body->arena_bytes), 0}};
  vec_push(p->context->scratch, &p->buffers, buffer);
  vec_push(p->context->scratch, &p->bodies, planned);
}

/* Lifetimes. The last use of each storage is found first: Op.mark is the step. */
static void collect_buffers(Planning *p) {
  Arena *scratch = p->context->scratch;
  Block *body = p->function->body;
  for (int i = 0; i < body->argument_count; i++) body->arguments[i]->mark = 0;
  for (Op *op = body->first; op; op = op->next) {
    for (int i = 0; i < op->result_count; i++) op->results[i]->mark = 0;
    place_simple(p, op);
    op->mark = op_makes_kernel(op) ? p->steps++ : -1;
  }
  VEC(int) last = {0};
  VEC(Value *) values = {0};
  for (Op *op = body->first; op; op = op->next) {
    if (op->mark < 0) continue;
    int step = (int)op->mark;
    for (int i = 0; i < op->operand_count; i++) {
      Value *storage = root_of(op->operands[i]);
      if (storage->mark > 0) last.items[storage->mark - 1] = step;
    }
    for (int i = 0; i < op->result_count; i++) {
      if (op->results[i]->place.kind != PLACE_NONE) continue;
      vec_push(scratch, &last, step);
      vec_push(scratch, &values, op->results[i]);
      op->results[i]->mark = (int64_t)last.count;
    }
  }
  for (int i = 0; p->function->scan && i < body->yield_count; i++) { /* read when a trip ends */
    const Value *storage = root_of(body->yields[i]);
    if (storage->mark > 0) last.items[storage->mark - 1] = p->steps;
  }
  p->steps += p->function->scan != NULL;
  /* Now merge: numbers of values become numbers of buffers. */
  int *own_last = last.items;
  for (size_t i = 0; i < values.count; i++) values.items[i]->mark = 0;
  size_t next = 0;
  for (Op *op = body->first; op; op = op->next) {
    if (op->mark < 0) continue;
    hold_body(p, op);
    Buffer *over = reusable(p, op, (int)op->mark);
    for (int i = 0; i < op->result_count; i++) {
      Value *value = op->results[i];
      if (value->place.kind != PLACE_NONE) continue;
      int ends = own_last[next++];
      if (over && i == 0) {
        over->interval.last = ends;
        value->mark = over - p->buffers.items + 1;
        continue;
      }
      int64_t bytes = type_bytes_at_bound(&value->type);
      if (bytes < 0) bug("%%%d is larger than a tensor may be", value->number);
      Buffer buffer = {
          value, {plan_parts_first(&p->parts, value, (int)op->mark), ends, round_up(bytes), 0}};
      vec_push(scratch, &p->buffers, buffer);
      value->mark = (int64_t)p->buffers.count;
    }
  }
}

static void plan_function(PassContext *context, Function *function) {
  Planning p = {.context = context, .function = function};
  for (int i = 0; i < function->body->argument_count; i++)
    function->body->arguments[i]->place = (MemoryPlace){PLACE_CALLER, i, NULL};
  for (Op *op = function->body->first; op; op = op->next)
    for (int i = 0; i < op->result_count; i++)
      op->results[i]->place = (MemoryPlace){PLACE_NONE, 0, NULL};
  plan_reads(function);
  place_results(&p);
  plan_writes(context->scratch, function);
  p.parts = plan_parts(context->scratch, function);
  collect_buffers(&p);
  int count = (int)p.buffers.count;
  Interval *intervals = ARENA_ARRAY(context->scratch, count, Interval);
  for (int i = 0; i < count; i++) intervals[i] = p.buffers.items[i].interval;
  function->arena_bytes = intervals_pack(context->scratch, intervals, count, p.steps);
  function->arena_align = PLAN_ALIGN;
  function->is_planned = true;
  for (Op *op = function->body->first; op; op = op->next)
    for (int i = 0; i < op->result_count; i++) {
      Value *value = op->results[i];
      if (op->mark >= 0 && value->place.kind == PLACE_NONE)
        value->place = (MemoryPlace){PLACE_ARENA, intervals[value->mark - 1].offset, NULL};
    }
  plan_parts_place(&p.parts);
  for (size_t i = 0; i < p.bodies.count; i++)
    plan_body_move(p.bodies.items[i].body, intervals[p.bodies.items[i].buffer].offset);
}

bool pass_plan(PassContext *context) {
  Module *module = context->module;
  int64_t most = 0;
  for (size_t i = 0; i < module->functions.count; i++) {
    plan_function(context, module->functions.items[i]);
    if (module->functions.items[i]->arena_bytes > most)
      most = module->functions.items[i]->arena_bytes;
  }
  Text text = text_new(module->arena);
  text_thousands(&text, most);
  text_string(&text, " B");
  context->effect = text_get(&text);
  return true;
}
