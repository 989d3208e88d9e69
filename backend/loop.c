/* loop.c - kernels, buffers, statements and blocks of the loop IR. */
#include "backend/loop.h"

#include "support/bug.h"

#include <stdarg.h>
#include <string.h>

const char *loop_element_name(LoopElement element) {
  return element_infos[element].name;
}
int64_t loop_element_bytes(LoopElement element) {
  return element_infos[element].bytes;
}
bool loop_element_is_float(LoopElement element) {
  return element_is_float(element);
}

/* ---- kernels ---- */

LoopKernel *loop_kernel(Arena *arena, const char *name, LoopPlace place) {
  LoopKernel *k = ARENA_NEW(arena, LoopKernel);
  k->arena = arena;
  k->name = arena_string(arena, name, strlen(name));
  k->place = k->current = place;
  return k;
}

void loop_at(LoopKernel *k, LoopPlace place) {
  k->current = place;
}

static LoopBlock *open_block(LoopKernel *k) {
  if (k->open.count == 0) return &k->body;
  LoopStatement *last = vec_last(&k->open);
  return last->has_otherwise ? &last->otherwise : &last->body;
}

void loop_remark(LoopKernel *k, const char *format, ...) {
  va_list args;
  va_start(args, format);
  const char *text = arena_vformat(k->arena, format, args);
  va_end(args);
  LoopBlock *block = open_block(k);
  if (block->count > 0)
    vec_last(block)->remark = text;
  else if (k->open.count > 0)
    vec_last(&k->open)->remark = text;
  else
    k->remark = text;
}

static uint32_t hash_of(const char *text) {
  uint32_t hash = 2166136261u; /* FNV-1a */
  for (; *text; text++) hash = (hash ^ (unsigned char)*text) * 16777619u;
  return hash;
}

static void number_on(LoopKernel *k, LoopName *name) {
  name->name = arena_format(k->arena, "%s%d", name->base, ++name->number);
  name->hash = hash_of(name->name);
}

static bool is_seen(const LoopKernel *k, const LoopName *name) {
  for (size_t i = 0; i < k->names.count; i++) {
    const LoopName *other = &k->names.items[i];
    if (other->hash == name->hash && strcmp(other->name, name->name) == 0) return true;
  }
  return false;
}

/* `base`, or with a number after it if an open block knows it already. */
static const char *new_name(LoopKernel *k, const char *base) {
  LoopName new = {.name = base, .base = base, .hash = hash_of(base)};
  /* Blocks end in the order in which they began: what the last one of this base had to pass by is
   * there as long as it is. */
  for (size_t i = k->names.count; i-- > 0;)
    if (strcmp(k->names.items[i].base, base) == 0) {
      new.number = k->names.items[i].number;
      number_on(k, &new);
      break;
    }
  while (is_seen(k, &new)) number_on(k, &new);
  new.base = arena_string(k->arena, base, strlen(base));
  if (new.number == 0) new.name = new.base;
  vec_push(k->arena, &k->names, new);
  return new.name;
}

/* ---- buffers ---- */

static LoopBuffer *add_buffer(LoopKernel *k, LoopBufferKind kind, const char *name,
                              LoopElement element, int rank, LoopExpr *const *sizes) {
  if (rank < 0 || rank > LOOP_RANK) bug("loop: buffer '%s' has %d axes", name, rank);
  LoopBuffer *buffer = ARENA_NEW(k->arena, LoopBuffer);
  buffer->kind = kind;
  buffer->name = new_name(k, name);
  buffer->element = element;
  buffer->rank = rank;
  for (int axis = 0; axis < rank; axis++) buffer->sizes[axis] = sizes[axis];
  buffer->number = (int)k->buffers.count;
  buffer->noalias = kind == LOOP_SCRATCH || kind == LOOP_STACK || kind == LOOP_TABLE;
  vec_push(k->arena, &k->buffers, buffer);
  return buffer;
}

LoopBuffer *loop_operand_of(LoopKernel *k, const char *name, LoopElement element, int rank,
                            LoopExpr *const *sizes) {
  LoopBuffer *buffer = add_buffer(k, LOOP_OPERAND, name, element, rank, sizes);
  buffer->operand = k->operand_count++;
  return buffer;
}

/* The expressions after `last`, one an axis. */
#define COLLECT(list, count, last)                                                                 \
  LoopExpr *list[LOOP_RANK];                                                                       \
  do {                                                                                             \
    if ((count) > LOOP_RANK) bug("loop: %d axes", count);                                          \
    va_list args;                                                                                  \
    va_start(args, last);                                                                          \
    for (int axis = 0; axis < (count); axis++) (list)[axis] = va_arg(args, LoopExpr *);            \
    va_end(args);                                                                                  \
  } while (0)

LoopBuffer *loop_operand(LoopKernel *k, const char *name, LoopElement element, int rank, ...) {
  COLLECT(sizes, rank, rank);
  return loop_operand_of(k, name, element, rank, sizes);
}

static int64_t fixed_bytes(const LoopBuffer *buffer) {
  int64_t bytes = loop_element_bytes(buffer->element);
  for (int axis = 0; axis < buffer->rank; axis++) {
    int64_t size;
    if (!loop_is_int(buffer->sizes[axis], &size) || size < 0 ||
        __builtin_mul_overflow(bytes, size, &bytes))
      bug("loop: the size of '%s' must be known", buffer->name);
  }
  return bytes;
}

LoopBuffer *loop_scratch(LoopKernel *k, const char *name, LoopElement element, int rank, ...) {
  COLLECT(sizes, rank, rank);
  LoopBuffer *buffer = add_buffer(k, LOOP_SCRATCH, name, element, rank, sizes);
  buffer->offset = k->scratch_bytes;
  k->scratch_bytes += fixed_bytes(buffer) / 64 * 64 + 64; /* some, for one of size 0 too */
  return buffer;
}

LoopBuffer *loop_stack(LoopKernel *k, const char *name, LoopElement element, int rank, ...) {
  COLLECT(sizes, rank, rank);
  LoopBuffer *buffer = add_buffer(k, LOOP_STACK, name, element, rank, sizes);
  if (fixed_bytes(buffer) > 65536) bug("loop: '%s' is too large for the stack", name);
  return buffer;
}

LoopBuffer *loop_table(LoopKernel *k, const char *name, LoopElement element, int64_t count,
                       const void *data) {
  LoopExpr *sizes[] = {loop_int(k, count)};
  LoopBuffer *buffer = add_buffer(k, LOOP_TABLE, name, element, 1, sizes);
  buffer->data = arena_copy(k->arena, data, (size_t)fixed_bytes(buffer));
  return buffer;
}

LoopBuffer *loop_view(LoopKernel *k, LoopBuffer *of, const char *name, LoopElement element,
                      int rank, ...) {
  COLLECT(sizes, rank, rank);
  LoopBuffer *buffer = add_buffer(k, LOOP_VIEW, name, element, rank, sizes);
  buffer->of = of->kind == LOOP_VIEW ? of->of : of;
  return buffer;
}

/* ---- statements ---- */

static LoopStatement *add(LoopKernel *k, LoopStatementKind kind) {
  LoopStatement *statement = ARENA_NEW(k->arena, LoopStatement);
  statement->kind = kind;
  statement->place = k->current;
  vec_push(k->arena, open_block(k), statement);
  return statement;
}

static LoopExpr *declare(LoopKernel *k, const char *name, LoopType type, int rows,
                         LoopExpr *value) {
  LoopRegister *reg = ARENA_NEW(k->arena, LoopRegister);
  reg->name = new_name(k, name);
  reg->type = type;
  reg->value = value;
  reg->rows = rows;
  reg->id = (int)k->registers.count;
  vec_push(k->arena, &k->registers, reg);
  LoopExpr *expr = ARENA_NEW(k->arena, LoopExpr);
  expr->kind = LOOP_EXPR_REGISTER;
  expr->type = type;
  expr->name = reg->name;
  expr->reg = reg;
  LoopStatement *statement = add(k, LOOP_DO_DECLARE);
  statement->target = expr;
  statement->value = value;
  return expr;
}

static void check_fits(const char *what, const char *name, LoopType type, const LoopExpr *value) {
  if (value->type.lanes != 1 && value->type.lanes != type.lanes)
    bug("loop: %s '%s' of %d lanes gets %d", what, name, type.lanes, value->type.lanes);
  if (!value->soft && value->type.element != type.element)
    bug("loop: %s '%s' of %s gets %s", what, name, loop_element_name(type.element),
        loop_element_name(value->type.element));
}

LoopExpr *loop_let(LoopKernel *k, const char *name, LoopExpr *value) {
  LoopExpr *expr = declare(k, name, value->type, 0, value);
  expr->natural = value->natural;
  return expr;
}

LoopExpr *loop_var(LoopKernel *k, const char *name, LoopElement element, int lanes,
                   LoopExpr *value) {
  LoopType type = {element, lanes};
  check_fits("register", name, type, value);
  return declare(k, name, type, 0, value);
}

LoopExpr *loop_array(LoopKernel *k, const char *name, LoopElement element, int rows, int lanes,
                     LoopExpr *value) {
  LoopType type = {element, lanes};
  check_fits("register", name, type, value);
  if (rows < 1) bug("loop: array '%s' has %d rows", name, rows);
  return declare(k, name, type, rows, value);
}

LoopExpr *loop_row(LoopKernel *k, LoopExpr *array, LoopExpr *row) {
  if (array->kind != LOOP_EXPR_REGISTER || array->reg->rows == 0 || array->row)
    bug("loop: a row of what is no array");
  LoopExpr *expr = arena_copy(k->arena, array, sizeof *array);
  expr->row = row;
  return expr;
}

void loop_set(LoopKernel *k, LoopExpr *reg, LoopExpr *value) {
  if (reg->kind != LOOP_EXPR_REGISTER) bug("loop: only registers are set");
  if ((reg->reg->rows != 0) != (reg->row != NULL)) bug("loop: '%s' is set whole", reg->name);
  check_fits("register", reg->name, reg->type, value);
  reg->reg->is_set = true;
  LoopStatement *statement = add(k, LOOP_DO_SET);
  statement->target = reg;
  statement->value = value;
}

void loop_store(LoopKernel *k, LoopExpr *access, LoopExpr *value) {
  if (access->kind != LOOP_EXPR_ACCESS) bug("loop: a store to what is no access");
  LoopBuffer *buffer = access->access->buffer;
  if (buffer->kind == LOOP_TABLE) bug("loop: a store to the table '%s'", buffer->name);
  check_fits("buffer", buffer->name, access->type, value);
  buffer->written = true;
  if (buffer->of) buffer->of->written = true;
  LoopStatement *statement = add(k, LOOP_DO_STORE);
  statement->target = access;
  statement->value = value;
}

void loop_transpose(LoopKernel *k, LoopExpr *array) {
  if (array->kind != LOOP_EXPR_REGISTER || array->row || array->reg->rows != array->type.lanes ||
      (array->type.lanes & (array->type.lanes - 1)))
    bug("loop: a square array is wanted");
  array->reg->is_set = true;
  add(k, LOOP_DO_TRANSPOSE)->target = array;
}

LoopExpr *loop_sum_rows(LoopKernel *k, LoopExpr *array, int first, int count) {
  if (count == 1) return loop_row(k, array, loop_int(k, first));
  LoopExpr *half = loop_sum_rows(k, array, first, count / 2);
  return loop_add(k, half, loop_sum_rows(k, array, first + count / 2, count - count / 2));
}

static LoopStatement *add_prefetch(LoopKernel *k, LoopExpr *access) {
  if (access->kind != LOOP_EXPR_ACCESS || access->type.lanes != 1)
    bug("loop: a prefetch takes an element");
  LoopStatement *prefetch = add(k, LOOP_DO_PREFETCH);
  prefetch->target = access;
  return prefetch;
}

void loop_prefetch(LoopKernel *k, LoopExpr *access) {
  add_prefetch(k, access);
}

void loop_prefetch_once(LoopKernel *k, LoopExpr *access) {
  add_prefetch(k, access)->once = true;
}

/* ---- accesses ---- */

LoopExpr *loop_lanes_of(LoopKernel *k, LoopBuffer *buffer, int lanes, LoopExpr *const *index) {
  LoopAccess *access = ARENA_NEW(k->arena, LoopAccess);
  access->buffer = buffer;
  access->axis = buffer->rank - 1;
  access->stride = 1;
  for (int axis = 0; axis < buffer->rank; axis++) {
    LoopType type = index[axis]->type;
    if (type.element != LOOP_I64 || (type.lanes != 1 && type.lanes != lanes))
      bug("loop: index %d of '%s' is %s of %d lanes", axis, buffer->name,
          loop_element_name(type.element), type.lanes);
    access->index[axis] = index[axis];
  }
  if (buffer->rank == 0 && lanes != 1) bug("loop: lanes of '%s', which has no axis", buffer->name);
  LoopExpr *expr = ARENA_NEW(k->arena, LoopExpr);
  expr->kind = LOOP_EXPR_ACCESS;
  expr->type = (LoopType){buffer->element, lanes};
  expr->access = access;
  return expr;
}

LoopExpr *loop_element_of(LoopKernel *k, LoopBuffer *buffer, LoopExpr *const *index) {
  return loop_lanes_of(k, buffer, 1, index);
}

LoopExpr *loop_element(LoopKernel *k, LoopBuffer *buffer, ...) {
  COLLECT(index, buffer->rank, buffer);
  return loop_lanes_of(k, buffer, 1, index);
}

LoopExpr *loop_lanes(LoopKernel *k, LoopBuffer *buffer, int lanes, ...) {
  COLLECT(index, buffer->rank, lanes);
  return loop_lanes_of(k, buffer, lanes, index);
}

static LoopAccess *access_of(LoopExpr *expr) {
  if (expr->kind != LOOP_EXPR_ACCESS) bug("loop: an access is wanted");
  return expr->access;
}

LoopExpr *loop_along(LoopExpr *access, int axis, int64_t stride) {
  LoopAccess *a = access_of(access);
  if (axis < 0 || axis >= a->buffer->rank) bug("loop: '%s' has no axis %d", a->buffer->name, axis);
  a->axis = axis;
  a->stride = stride;
  return access;
}

LoopExpr *loop_else(LoopExpr *access, LoopExpr *value) {
  check_fits("access to", access_of(access)->buffer->name, access->type, value);
  access->access->other = value;
  return access;
}

LoopExpr *loop_below(LoopExpr *access, LoopExpr *bound) {
  if (bound->type.element != LOOP_I64 || bound->type.lanes != 1) bug("loop: a bound is an i64");
  access_of(access)->bound = bound;
  return access;
}

LoopExpr *loop_where(LoopExpr *access, LoopExpr *mask) {
  if (mask->type.element != LOOP_BOOL || mask->type.lanes != access->type.lanes)
    bug("loop: a mask is a bool a lane");
  access_of(access)->mask = mask;
  return access;
}

/* ---- blocks ---- */

static LoopExpr *variable(LoopKernel *k, LoopExprKind kind, const char *name) {
  LoopExpr *expr = ARENA_NEW(k->arena, LoopExpr);
  expr->kind = kind;
  expr->type = (LoopType){LOOP_I64, 1};
  expr->name = name;
  expr->id = (int)k->variables.count;
  vec_push(k->arena, &k->variables, expr);
  return expr;
}

static LoopStatement *open(LoopKernel *k, LoopStatementKind kind) {
  LoopStatement *statement = add(k, kind);
  statement->names_before = k->names.count;
  vec_push(k->arena, &k->open, statement);
  return statement;
}

static LoopStatement *open_loop(LoopKernel *k, LoopStatementKind kind, const char *name,
                                LoopExpr *begin, LoopExpr *end, LoopStepping stepping, int step) {
  if (begin->type.element != LOOP_I64 || end->type.element != LOOP_I64)
    bug("loop: bounds of '%s' are i64", name);
  if (step < 1) bug("loop: '%s' has step %d", name, step);
  LoopStatement *loop = open(k, kind);
  loop->variable = variable(k, LOOP_EXPR_VARIABLE, new_name(k, name));
  loop->variable->natural = begin->natural;
  loop->begin = begin;
  loop->end = end;
  loop->stepping = stepping;
  loop->step = step;
  return loop;
}

static LoopStatement *open_parallel(LoopKernel *k, const char *name, LoopExpr *trips,
                                    LoopStepping stepping) {
  if (k->open.count != 0 || k->trips) bug("loop: '%s' has one parallel loop, outermost", k->name);
  k->trips = trips;
  return open_loop(k, LOOP_DO_PARALLEL, name, loop_int(k, 0), trips, stepping, 1);
}

LoopExpr *loop_parallel(LoopKernel *k, const char *name, LoopExpr *trips) {
  return open_parallel(k, name, trips, LOOP_BY_ONE)->variable;
}

LoopExpr *loop_parallel_range(LoopKernel *k, const char *name, LoopExpr *trips, LoopExpr **past) {
  LoopStatement *range = open_parallel(k, name, trips, LOOP_BY_RANGE);
  range->tail_count = variable(k, LOOP_EXPR_VARIABLE, new_name(k, "past"));
  range->tail_count->natural = true;
  *past = range->tail_count;
  return range->variable;
}

LoopExpr *loop_for(LoopKernel *k, const char *name, LoopExpr *begin, LoopExpr *end) {
  return open_loop(k, LOOP_DO_FOR, name, begin, end, LOOP_BY_ONE, 1)->variable;
}

LoopExpr *loop_for_lanes(LoopKernel *k, const char *name, LoopExpr *begin, LoopExpr *end,
                         int lanes) {
  return open_loop(k, LOOP_DO_FOR, name, begin, end, LOOP_BY_LANES, lanes)->variable;
}

LoopExpr *loop_for_unroll(LoopKernel *k, const char *name, LoopExpr *begin, LoopExpr *end,
                          int times) {
  return open_loop(k, LOOP_DO_FOR, name, begin, end, LOOP_BY_UNROLL, times)->variable;
}

LoopExpr *loop_for_tail(LoopKernel *k, const char *name, LoopExpr *begin, LoopExpr *end, int step,
                        LoopExpr **count) {
  LoopStatement *loop = open_loop(k, LOOP_DO_FOR, name, begin, end, LOOP_BY_TAIL, step);
  loop->tail_count = variable(k, LOOP_EXPR_COUNT, NULL);
  loop->tail_count->integer = step;
  loop->tail_count->natural = true;
  *count = loop->tail_count;
  return loop->variable;
}

LoopExpr *loop_for_step(LoopKernel *k, const char *name, LoopExpr *begin, LoopExpr *end, int step) {
  return open_loop(k, LOOP_DO_FOR, name, begin, end, LOOP_BY_STEP, step)->variable;
}

LoopExpr *loop_each(LoopKernel *k, const char *name, LoopExpr *begin, LoopExpr *end) {
  return open_loop(k, LOOP_DO_EACH, name, begin, end, LOOP_BY_ONE, 1)->variable;
}

static void check_condition(const LoopExpr *condition) {
  if (condition->type.element != LOOP_BOOL) bug("loop: a condition is a bool");
}

void loop_if(LoopKernel *k, LoopExpr *condition) {
  check_condition(condition);
  if (condition->type.lanes != 1) bug("loop: 'if' takes a scalar");
  open(k, LOOP_DO_IF)->value = condition;
}

void loop_otherwise(LoopKernel *k) {
  LoopStatement *last = k->open.count ? vec_last(&k->open) : NULL;
  if (!last || last->kind != LOOP_DO_IF || last->has_otherwise) bug("loop: else without if");
  last->has_otherwise = true;
  k->names.count = last->names_before;
}

void loop_end(LoopKernel *k) {
  if (k->open.count == 0) bug("loop: nothing to close in '%s'", k->name);
  k->names.count = vec_last(&k->open)->names_before;
  k->open.count--;
}

void loop_fault(LoopKernel *k, LoopExpr *wrong, LoopExpr *index, LoopExpr *size, int number) {
  check_condition(wrong);
  LoopStatement *statement = add(k, LOOP_DO_FAULT);
  statement->value = wrong;
  statement->fault = number;
  statement->index = index, statement->size = size;
}

LoopExpr *loop_checked(LoopKernel *k, LoopExpr *index, LoopExpr *size, int fault) {
  if (index->kind != LOOP_EXPR_REGISTER) index = loop_let(k, "index", index);
  LoopExpr *zero = loop_int(k, 0);
  LoopExpr *wrong =
      loop_let(k, "wrong", loop_or(k, loop_lt(k, index, zero), loop_ge(k, index, size)));
  loop_fault(k, wrong, index, size, fault);
  return loop_let(k, "inside", loop_select(k, wrong, zero, index));
}
