/* read and write, and the operators with a region: fused and scan. */
#include "ir/evaluate.h"

#include "support/bug.h"

#include <string.h>

/* A state lies at its bound; a call sees the first of it. */
bool evaluate_read(Evaluation *e) {
  Cell whole;
  if (!machine_read(e, e->op->symbol, &whole)) return false;
  Cell *y = &e->results[0];
  bool same = true, fits = whole.tensor.rank == y->tensor.rank;
  for (int i = 0; fits && i < y->tensor.rank; i++) {
    same = same && whole.tensor.shape[i] == y->tensor.shape[i];
    fits = whole.tensor.shape[i] >= y->tensor.shape[i];
  }
  if (!fits || whole.tensor.element != y->tensor.element) {
    cell_drop(e->machine, &whole);
    return evaluation_fail(e, "@%s has another type", e->op->symbol);
  }
  if (same) {
    *y = whole;
    return true;
  }
  RunTensor *corner = result_new(e, 0);
  if (corner) {
    Walk walk = walk_new(corner->rank, corner->shape, 2);
    strides_dense(corner->rank, corner->shape, walk.strides[0]);
    strides_dense(corner->rank, whole.tensor.shape, walk.strides[1]);
    copy_elements(e, &walk, corner, &whole.tensor);
  }
  cell_drop(e->machine, &whole);
  return corner != NULL;
}

bool evaluate_write(Evaluation *e) {
  return machine_write(e, e->op->symbol, &e->operands[0]);
}

static void release_region(Evaluation *e) {
  const Block *block = e->op->region;
  for (int i = 0; i < block->argument_count; i++) machine_release(e->machine, block->arguments[i]);
  for (int i = 0; i < block->yield_count; i++) machine_release(e->machine, block->yields[i]);
  for (int i = 0; i < block->emit_count; i++) machine_release(e->machine, block->emits[i]);
  if (block->while_) machine_release(e->machine, block->while_);
}

bool evaluate_fused(Evaluation *e) {
  const Block *block = e->op->region;
  for (int i = 0; i < block->argument_count; i++)
    machine_bind(e->machine, block->arguments[i], &e->operands[i]);
  if (!machine_run(e->machine, block, RUN_ALL)) return false;
  for (int i = 0; i < e->op->result_count; i++)
    e->results[i] = cell_hold(machine_value(e->machine, block->yields[i]));
  release_region(e);
  return true;
}

/* ---- scan ---- */
/* Copies slice `t` of an axis of `whole` to or from `part`, which has no such axis. */
static void copy_slice(const Evaluation *e, const RunTensor *whole, const RunTensor *part, int axis,
                       int64_t t, bool from_whole) {
  int64_t bytes =
      sizes_product(whole->shape, axis + 1, whole->rank) * item_bytes(e->wide, whole->element);
  int64_t count = sizes_product(whole->shape, 0, axis);
  for (int64_t i = 0; i < count; i++) {
    unsigned char *in_whole = (unsigned char *)whole->bytes + (i * whole->shape[axis] + t) * bytes;
    unsigned char *in_part = (unsigned char *)part->bytes + i * bytes;
    memcpy(from_whole ? in_part : in_whole, from_whole ? in_whole : in_part, (size_t)bytes);
  }
}

/* Number of trips at most: the sequences' length, or what the emits have room for. */
static bool get_trips(Evaluation *e, int axis, int carries, int64_t *trips) {
  const Block *block = e->op->region;
  *trips = -1;
  for (int i = 0; i < e->op->operand_count; i++) {
    if (block->binds[i] != BIND_EACH) continue;
    const RunTensor *x = operand(e, i);
    if (axis >= x->rank) bug("scan over axis %d of %d axes", axis, x->rank);
    if (*trips >= 0 && *trips != x->shape[axis])
      return evaluation_fail(e, "sequences of %lld and %lld elements", (long long)*trips,
                             (long long)x->shape[axis]);
    *trips = x->shape[axis];
  }
  if (*trips < 0 && e->op->result_count > carries) *trips = e->results[carries].tensor.shape[axis];
  return *trips >= 0 || evaluation_fail(e, "nothing says how many trips it makes");
}

static bool bind_trip(Evaluation *e, int axis, int64_t place, const Cell *carries) {
  const Block *block = e->op->region;
  int carry = 0;
  for (int i = 0; i < block->argument_count; i++) {
    if (block->binds[i] != BIND_EACH) {
      machine_bind(e->machine, block->arguments[i],
                   block->binds[i] == BIND_CARRY ? &carries[carry++] : &e->operands[i]);
      continue;
    }
    const RunTensor *x = operand(e, i);
    Cell part = {.tensor = {.element = x->element, .rank = x->rank - 1}};
    for (int k = 0; k < part.tensor.rank; k++)
      part.tensor.shape[k] = x->shape[k < axis ? k : k + 1];
    part.tensor.count = sizes_product(part.tensor.shape, 0, part.tensor.rank);
    if (!cell_new(e, &part)) return false;
    copy_slice(e, x, &part.tensor, axis, place, true);
    machine_bind(e->machine, block->arguments[i], &part);
    cell_drop(e->machine, &part);
  }
  return true;
}

/* Runs the region once; *made is false if its `while` was. */
static bool make_trip(Evaluation *e, bool *made) {
  const Block *block = e->op->region;
  *made = true;
  if (!block->while_) return machine_run(e->machine, block, RUN_ALL);
  if (!machine_run(e->machine, block, RUN_WHILE)) return false;
  *made = *(const unsigned char *)machine_value(e->machine, block->while_)->tensor.bytes != 0;
  return !*made || machine_run(e->machine, block, RUN_REST);
}

bool evaluate_scan(Evaluation *e) {
  const Block *block = e->op->region;
  int count = block->yield_count, given = 0;
  int64_t axis_number, trips;
  if (!get_integer(e, ATTRIBUTE_axis, &axis_number)) return false;
  int axis = (int)axis_number;
  /* The carries are held where the results will be. */
  for (int i = 0; i < e->op->operand_count; i++)
    if (block->binds[i] == BIND_CARRY) e->results[given++] = cell_hold(&e->operands[i]);
  if (given != count || count + block->emit_count != e->op->result_count)
    bug("scan has %d carries, %d yields, %d emits, %d results", given, count, block->emit_count,
        e->op->result_count);
  if (!get_trips(e, axis, count, &trips)) return false;
  for (int i = count; i < e->op->result_count; i++) {
    RunTensor *y = result_new(e, i);
    if (!y) return false;
    memset(y->bytes, 0, (size_t)(y->count * item_bytes(e->wide, y->element)));
  }
  for (int64_t trip = 0; trip < trips; trip++) {
    int64_t place = op_flag(e->op, ATTRIBUTE_backward) ? trips - 1 - trip : trip;
    bool made;
    machine_push_trip(e->machine, place);
    if (!bind_trip(e, axis, place, e->results) || !make_trip(e, &made)) return false;
    machine_pop_trip(e->machine);
    if (!made) break;
    for (int i = 0; i < count; i++) {
      cell_drop(e->machine, &e->results[i]);
      e->results[i] = cell_hold(machine_value(e->machine, block->yields[i]));
    }
    for (int i = 0; i < block->emit_count; i++)
      copy_slice(e, &e->results[count + i].tensor,
                 &machine_value(e->machine, block->emits[i])->tensor, axis, place, false);
    release_region(e);
  }
  release_region(e);
  return true;
}

bool evaluate_grad(Evaluation *e) {
  return evaluation_fail(e, "'grad' has no value of its own: the pass 'gradient' comes before");
}
