#include "passes/plan_verify.h"

#include "ir/module_text.h"
#include "ir/part.h"
#include "ir/trip.h"
#include "passes/offsets.h"
#include "passes/plan.h"
#include "passes/plan_parts.h"
#include "passes/plan_scan.h"
#include "passes/plan_writes.h"
#include "passes/scan_bodies.h"

typedef struct {
  Arena *arena;
  Function *function;
  int64_t arena_bytes;
  const char *fault;
  const Op *where;
} Places;

static bool fault(Places *c, const Op *where, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static bool fault(Places *c, const Op *where, const char *format, ...) {
  va_list args;
  va_start(args, format);
  c->fault = arena_vformat(c->arena, format, args);
  va_end(args);
  c->where = where;
  return false;
}

static const char *text_of(const Places *c, const Value *value) {
  Text text = text_new(c->arena);
  value_print(&text, value);
  return text_get(&text);
}

static bool misplaced(Places *c, const Value *value, const char *why) {
  return fault(c, value->op, "%s cannot lie where it says: %s", text_of(c, value), why);
}

/* ---- each value's place ---- */

static bool check_arena(Places *c, const Value *value) {
  int64_t offset = value->place.offset, end;
  if (value->place.of) return true; /* the whole is looked at */
  if (offset % PLAN_ALIGN) return misplaced(c, value, "places are multiples of 64");
  if (offset < 0 || __builtin_add_overflow(offset, type_bytes_at_bound(&value->type), &end) ||
      end > c->arena_bytes)
    return fault(c, value->op, "%s lies outside of the arena, which has %lld bytes",
                 text_of(c, value), (long long)c->arena_bytes);
  return true;
}

/* The caller has memory for what is returned. */
static bool check_caller(Places *c, const Value *value) {
  const Block *body = c->function->body;
  int64_t i = value->place.offset;
  if (i < 0 || i >= body->yield_count || value_storage(body->yields[i]) != value)
    return misplaced(c, value, "it is not that result");
  return true;
}

static bool check_read(Places *c, const Op *op) {
  const Value *value = op_result(op);
  const Tensor *tensor = module_tensor(c->function->module, op->symbol);
  if (value->place.kind != (tensor->kind == TENSOR_STATE ? PLACE_STATE : PLACE_PARAM))
    return misplaced(c, value, "it is read from a tensor");
  if (value->place.offset != 0) return misplaced(c, value, "a tensor is read from its start");
  return true;
}

static bool check_view(Places *c, const Op *op) {
  const MemoryPlace *place = &op_result(op)->place;
  if (place->kind != PLACE_VIEW || place->of != op->operands[0] ||
      place->offset != op_view_offset(op))
    return misplaced(c, op_result(op), "it is a view of its operand");
  return true;
}

static bool check_op(Places *c, const Op *op) {
  if (op->kind == OP_read) return check_read(c, op);
  if (op->kind == OP_write)
    return !c->function->scan || fault(c, op, "'write' cannot stand in a loop");
  if (op_is_view(op)) return check_view(c, op);
  for (int i = 0; i < op->result_count; i++) {
    const Value *value = op->results[i];
    PlaceKind kind = value->place.kind;
    if (op->kind == OP_constant ? kind != PLACE_NONE : kind == PLACE_NONE || kind == PLACE_VIEW)
      return misplaced(c, value,
                       op->kind == OP_constant ? "it is a constant" : "a kernel makes it");
    if (kind == PLACE_ARENA && !check_arena(c, value)) return false;
    if (kind == PLACE_CALLER && !check_caller(c, value)) return false;
  }
  for (const Op *inner = op->region ? op->region->first : NULL; inner; inner = inner->next)
    for (int i = 0; i < inner->result_count; i++)
      if (inner->results[i]->place.kind != PLACE_NONE)
        return misplaced(c, inner->results[i], "it is made in a kernel");
  return true;
}

/* What is read of a tensor is not dense where its dims are below their bounds: a copy makes it so.
 */
static bool check_corners(Places *c, const Op *op) {
  for (int i = 0; i < op->operand_count; i++) {
    const Value *from = value_storage(op->operands[i]);
    if (!from->op || from->op->kind != OP_read || type_corner_is_dense(&from->type)) continue;
    if (!plan_is_copy(op) || from != op->operands[0])
      return fault(c, op, "%s is not dense, and must be copied first", text_of(c, from));
  }
  return true;
}

static bool check_results(Places *c) {
  const Function *f = c->function;
  for (int i = 0; i < f->body->argument_count && !f->scan; i++) {
    const Value *argument = f->body->arguments[i];
    if (argument->place.kind != PLACE_CALLER || argument->place.offset != i)
      return fault(c, NULL, "%s of @%s must be 'in caller', number %d", text_of(c, argument),
                   f->name, i);
  }
  if (f->scan) {
    const Value *wrong = plan_body_wrong(c->function);
    return !wrong || misplaced(c, wrong, "a trip may need what it would write over");
  }
  for (int i = 0; i < f->body->yield_count; i++) {
    const Value *made = value_storage(f->body->yields[i]);
    bool holds = plan_is_whole(f->body->yields[i]) && made->place.kind == PLACE_CALLER &&
                 made->place.offset == i;
    if (!holds)
      return fault(c, made->op, "result %d of @%s is not made in the caller's memory", i, f->name);
  }
  return true;
}

/* ---- lives ---- */

typedef struct {
  Places *check;
  VEC(Interval) intervals;
  VEC(const Value *) values; /* of each interval, that began it; NULL: a loop's trips */
  VEC(const Op *) ops;
  int *last; /* of each storage in the arena (Value.mark - 1): the step that needs it last */
} Lives;

static Value *root_of(Value *value) {
  Value *storage = value_storage(value);
  return storage->place.kind == PLACE_ARENA && storage->place.of ? storage->place.of : storage;
}

static bool is_in_arena(const Value *value) {
  return value->place.kind == PLACE_ARENA;
}

/* Numbers the steps (Op.mark, -1: none) and the storages; finds the last uses. The number of
 * storages. */
static int find_last(Lives *l) {
  const Function *f = l->check->function;
  Block *body = f->body;
  int steps = 0, count = 0;
  for (int i = 0; i < body->argument_count; i++) body->arguments[i]->mark = 0;
  for (Op *op = body->first; op; op = op->next) {
    op->mark = op_makes_kernel(op) ? steps++ : -1;
    for (int i = 0; i < op->result_count; i++) op->results[i]->mark = is_in_arena(op->results[i]);
  }
  for (Op *op = body->first; op; op = op->next)
    for (int i = 0; i < op->result_count; i++)
      if (op->results[i]->mark) op->results[i]->mark = ++count;
  l->last = ARENA_ARRAY(l->check->arena, (size_t)count + 1, int);
  for (Op *op = body->first; op; op = op->next) {
    if (op->mark < 0) continue;
    for (int i = 0; i < op->operand_count; i++) {
      int64_t mark = root_of(op->operands[i])->mark;
      if (mark) l->last[mark - 1] = (int)op->mark;
    }
    for (int i = 0; i < op->result_count; i++) {
      int64_t mark = root_of(op->results[i])->mark;
      if (mark && l->last[mark - 1] < (int)op->mark) l->last[mark - 1] = (int)op->mark;
    }
  }
  for (int i = 0; f->scan && i < body->yield_count; i++) { /* read when a trip ends */
    int64_t mark = root_of(body->yields[i])->mark;
    if (mark) l->last[mark - 1] = steps;
  }
  return count;
}

/* Where the trips of a loop, and of those in it, make their values. */
static void find_extent(const Function *body, int64_t *from, int64_t *to) {
  for (const Op *op = body->body->first; op; op = op->next) {
    const Function *inner = scan_body(body->module, op);
    if (inner) find_extent(inner, from, to);
    for (int i = 0; i < op->result_count; i++) {
      const Value *value = op->results[i];
      if (!is_in_arena(value) || value->place.of) continue;
      int64_t end = value->place.offset + type_bytes_at_bound(&value->type);
      if (*to == 0 || value->place.offset < *from) *from = value->place.offset;
      if (end > *to) *to = end;
    }
  }
}

static void add(Lives *l, const Op *op, const Value *value, Interval interval) {
  Arena *arena = l->check->arena;
  vec_push(arena, &l->intervals, interval);
  vec_push(arena, &l->values, value);
  vec_push(arena, &l->ops, op);
}

/* The operand whose memory the operation's first result takes, element by element; else -1. */
static int written_over(const Lives *l, const Op *op) {
  const Value *result = op->result_count ? op->results[0] : NULL;
  if (!result || !is_in_arena(result) || result->place.of) return -1;
  for (int i = 0; i < op->operand_count; i++) {
    Value *storage = value_storage(op->operands[i]);
    if (!is_in_arena(storage) || root_of(storage) != storage ||
        storage->place.offset != result->place.offset || l->last[storage->mark - 1] != op->mark ||
        type_bytes_at_bound(&storage->type) != type_bytes_at_bound(&result->type) ||
        !plan_reads_in_place(op, i, 0))
      continue;
    bool once = true;
    for (int j = 0; j < op->operand_count; j++)
      once = once && (j == i || root_of(op->operands[j]) != storage);
    if (once) return i;
  }
  return -1;
}

static bool check_lives(Places *c) {
  Lives l = {.check = c};
  Block *body = c->function->body;
  int count = find_last(&l);
  int *interval_of = ARENA_ARRAY(c->arena, (size_t)count + 1, int);
  for (int i = 0; i < count; i++) interval_of[i] = -1;
  for (Op *op = body->first; op; op = op->next) {
    if (op->mark < 0) continue;
    const Function *inner = scan_body(c->function->module, op);
    int64_t from = 0, to = 0;
    if (inner && !op_is_apart(op)) find_extent(inner, &from, &to);
    if (to > from) add(&l, op, NULL, (Interval){(int)op->mark, (int)op->mark, to - from, from});
    int over = written_over(&l, op);
    for (int i = 0; i < op->result_count; i++) {
      if (!is_in_arena(op->results[i])) continue;
      const Value *root = root_of(op->results[i]);
      int *at = &interval_of[root->mark - 1];
      if (*at >= 0) continue; /* a part of it was made before */
      if (over >= 0 && i == 0) {
        *at = interval_of[value_storage(op->operands[over])->mark - 1];
        l.intervals.items[*at].last = l.last[root->mark - 1];
        continue;
      }
      *at = (int)l.intervals.count;
      add(&l, op, root,
          (Interval){(int)op->mark, l.last[root->mark - 1], type_bytes_at_bound(&root->type),
                     root->place.offset});
    }
  }
  int a, b;
  if (!intervals_clash(c->arena, l.intervals.items, (int)l.intervals.count, &a, &b)) return true;
  const char *earlier = l.values.items[a] ? text_of(c, l.values.items[a]) : "what a loop makes";
  const char *later = l.values.items[b] ? text_of(c, l.values.items[b]) : "what a loop makes";
  return fault(c, l.ops.items[b], "%s lies over %s, which is still needed", later, earlier);
}

/* ---- functions ---- */

static bool check_function(Places *c) {
  Function *f = c->function;
  for (const Op *op = f->body->first; op; op = op->next)
    if (!check_op(c, op) || !check_corners(c, op)) return false;
  if (!check_results(c)) return false;
  const Value *wrong = plan_parts_wrong(f);
  if (wrong)
    return misplaced(c, wrong, "not all who make or read it can take it as a part of a 'concat'");
  wrong = plan_writes_wrong(c->arena, f);
  if (wrong)
    return misplaced(c, wrong, "a tensor's old value is still needed, or it is not written");
  return check_lives(c);
}

static const Function *outermost(const Function *f) {
  while (f->scan) f = f->scan->block->function;
  return f;
}

/* A trip that is apart has memory of its own, as much as its places say. */
static int64_t arena_of(const Function *f) {
  const int64_t most = (int64_t)1 << 47;
  return f->scan && op_is_apart(f->scan) ? most : outermost(f)->arena_bytes;
}

static bool check_plans(Places *c, const Module *module) {
  for (size_t i = 0; i < module->functions.count; i++) {
    const Function *f = module->functions.items[i];
    if (!f->is_planned)
      return fault(c, NULL, "@%s has no plan, but the module is 'after plan'", f->name);
    if (f->arena_align != PLAN_ALIGN)
      return fault(c, NULL, "the plan of @%s must be aligned to %d bytes", f->name, PLAN_ALIGN);
    if (f->arena_bytes < 0) return fault(c, NULL, "the arena of @%s has a negative size", f->name);
  }
  return true;
}

const char *plan_verify(Arena *arena, Module *module, const Op **where) {
  Places c = {.arena = arena};
  if (check_plans(&c, module)) {
    ScanBodies *bodies = scan_bodies_open(module, arena);
    for (size_t i = 0; i < module->functions.count && !c.fault; i++) {
      c.function = module->functions.items[i];
      c.arena_bytes = arena_of(c.function);
      check_function(&c);
    }
    scan_bodies_close(bodies);
  }
  if (where) *where = c.where;
  return c.fault;
}
