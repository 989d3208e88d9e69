#include "ir/machine.h"

#include "support/bug.h"

#include <stdlib.h>
#include <string.h>

void machine_open(Machine *machine, const InterpretOptions *options, const Module *module,
                  int values, const char **message) {
  *machine = (Machine){.options = options, .module = module, .message = message};
  machine->dims = options->dims;
  machine->most = options->most_bytes ? options->most_bytes : (int64_t)4 << 30;
  machine->tables = arena_new();
  machine->slots = 16;
  while (machine->slots / 2 < values) machine->slots *= 2;
  size_t slots = (size_t)machine->slots;
  machine->values = ARENA_ARRAY(machine->tables, slots, const Value *);
  machine->cells = ARENA_ARRAY(machine->tables, slots, Cell);
  machine->uses = ARENA_ARRAY(machine->tables, slots, int64_t);
  machine->feeds_while = ARENA_ARRAY(machine->tables, slots, bool);
}

int machine_slot(const Machine *machine, const Value *value) {
  uint64_t hash = (uint64_t)(uintptr_t)value * 0x9E3779B97F4A7C15u;
  int slot = (int)(hash >> 33) & (machine->slots - 1);
  while (machine->values[slot] && machine->values[slot] != value)
    slot = (slot + 1) & (machine->slots - 1);
  machine->values[slot] = value;
  return slot;
}

void machine_close(Machine *machine) {
  for (int i = 0; i < machine->slots; i++) cell_drop(machine, &machine->cells[i]);
  for (size_t i = 0; i < machine->written.count; i++)
    cell_drop(machine, &machine->written.items[i].cell);
  arena_free(machine->tables);
}

/* ---- failing ---- */
static bool fail(Machine *machine, const Op *op, const char *text) {
  Arena *arena = machine->options->arena;
  const Location *at = op ? op->at : NULL;
  const Module *module = machine->module;
  if (op) text = arena_format(arena, "%s: %s", operator_infos[op->kind].name, text);
  if (at && module && at->file >= 0 && (size_t)at->file < module->files.count)
    text = arena_format(arena, "%s:%d:%d: %s", module->files.items[at->file], at->line, at->column,
                        text);
  *machine->message = text;
  return false;
}

bool machine_fail(Machine *machine, const Op *op, const char *format, ...) {
  va_list args;
  va_start(args, format);
  const char *text = arena_vformat(machine->options->arena, format, args);
  va_end(args);
  return fail(machine, op, text);
}

bool evaluation_fail(Evaluation *e, const char *format, ...) {
  va_list args;
  va_start(args, format);
  const char *text = arena_vformat(machine_options(e->machine)->arena, format, args);
  va_end(args);
  return fail(e->machine, e->op, text);
}

/* ---- memory ---- */
static bool take(Machine *machine, const Op *op, int64_t count, int64_t size) {
  if (count > (machine->most - machine->live) / size)
    return machine_fail(machine, op, "more than %lld bytes of intermediate values",
                        (long long)machine->most);
  machine->live += count * size;
  return true;
}

bool cell_new(Evaluation *e, Cell *cell) {
  RunTensor *tensor = &cell->tensor;
  int64_t item = item_bytes(e->wide, tensor->element);
  if (!take(e->machine, e->op, tensor->count, item)) return false;
  Buffer *buffer = malloc(sizeof *buffer);
  size_t size = (size_t)(tensor->count * item);
  void *bytes = malloc(size ? size : 1);
  if (!buffer || !bytes) out_of_memory(size);
  *buffer = (Buffer){1, (int64_t)size, bytes};
  cell->buffer = buffer;
  tensor->bytes = bytes;
  return true;
}

Cell cell_hold(const Cell *cell) {
  if (cell->buffer) cell->buffer->references++;
  return *cell;
}

void cell_drop(Machine *machine, Cell *cell) {
  Buffer *buffer = cell->buffer;
  if (buffer && --buffer->references == 0) {
    machine->live -= buffer->size;
    free(buffer->bytes);
    free(buffer);
  }
  *cell = (Cell){0};
}

RunTensor *result_new(Evaluation *e, int i) {
  Cell *cell = &e->results[i];
  return cell->buffer || cell_new(e, cell) ? &cell->tensor : NULL;
}

bool result_share(Evaluation *e, int i, int j) {
  Cell held = cell_hold(&e->operands[j]);
  e->results[i].buffer = held.buffer;
  e->results[i].tensor.bytes = held.tensor.bytes;
  return true;
}

/* What scratch takes is given back by machine_evaluate. */
static void *scratch(Evaluation *e, int64_t count) {
  if (count < 0) return evaluation_fail(e, "a negative number of elements"), NULL;
  if (!take(e->machine, e->op, count, 8)) return NULL;
  e->scratch_bytes += count * 8;
  return arena_array(e->scratch, (size_t)count, 8);
}

double *scratch_doubles(Evaluation *e, int64_t count) {
  return scratch(e, count);
}

int64_t *scratch_integers(Evaluation *e, int64_t count) {
  return scratch(e, count);
}

Scalar *scratch_scalars(Evaluation *e, int64_t count) {
  return scratch(e, count);
}

RunTensor machine_result(const Machine *machine, const RunTensor *value) {
  RunTensor copy = *value;
  size_t size = (size_t)(value->count * item_bytes(machine->options->wide, value->element));
  copy.bytes = arena_alloc(machine->options->arena, size);
  if (size) memcpy(copy.bytes, value->bytes, size);
  return copy;
}

/* ---- dims and shapes ---- */
static bool dim_now(Machine *machine, const Op *op, const Dim *dim, int64_t *value) {
  if (dim_is_constant(dim)) {
    *value = dim_value(dim);
    return true;
  }
  if (!machine->dims || !dim_evaluate(dim, machine->dims, value))
    return machine_fail(machine, op, machine->dims ? "a dim leaves 64 bits" : "a dim has no value");
  return true;
}

bool evaluate_dim(Evaluation *e, const Dim *dim, int64_t *value) {
  return dim_now(e->machine, e->op, dim, value);
}

static bool shape_count(Machine *machine, const Op *op, RunTensor *tensor) {
  tensor->count = 1;
  for (int i = 0; i < tensor->rank; i++) {
    if (tensor->shape[i] < 0)
      return machine_fail(machine, op, "axis %d would have the size %lld", i,
                          (long long)tensor->shape[i]);
    if (__builtin_mul_overflow(tensor->count, tensor->shape[i], &tensor->count) ||
        tensor->count > MOST_BYTES)
      return machine_fail(machine, op, "a tensor is too large");
  }
  return true;
}

bool machine_shape(Machine *machine, const Op *op, const Type *type, RunTensor *tensor) {
  *tensor = (RunTensor){.element = type->element, .rank = type->rank};
  for (int i = 0; i < type->rank; i++)
    if (!dim_now(machine, op, type->dims[i], &tensor->shape[i])) return false;
  return shape_count(machine, op, tensor);
}

/* ---- parameters and states ---- */
static Written *find_written(Machine *machine, const Tensor *tensor) {
  for (size_t i = 0; i < machine->written.count; i++)
    if (machine->written.items[i].tensor == tensor) return &machine->written.items[i];
  return NULL;
}

static bool bound_shape(Machine *machine, const Op *op, const Tensor *tensor, RunTensor *shape) {
  *shape = (RunTensor){.element = tensor->type.element, .rank = tensor->type.rank};
  for (int i = 0; i < shape->rank; i++) shape->shape[i] = dim_max(tensor->type.dims[i]);
  return shape_count(machine, op, shape);
}

/* The tensor's value at the call's start; *found is false if there is none. */
static bool first_value(Evaluation *e, const Tensor *tensor, Cell *value, bool *found) {
  const InterpretOptions *options = machine_options(e->machine);
  *value = (Cell){0};
  if (!bound_shape(e->machine, e->op, tensor, &value->tensor)) return false;
  RunTensor given = value->tensor;
  *found = true;
  if (options->tensor && options->tensor(options->user, tensor, &given)) {
    if (given.count != value->tensor.count || given.element != value->tensor.element)
      return evaluation_fail(e, "the value given for %s has another type", tensor->name);
    value->tensor.bytes = given.bytes;
    return true;
  }
  Data *data = tensor->data;
  *found = data && (data_is_known(data) || data->count == 0);
  if (!*found) return true;
  if (data->count != value->tensor.count || data->element != value->tensor.element)
    return evaluation_fail(e, "the data of %s has another type", tensor->name);
  if (!e->wide || !is_real(&value->tensor)) {
    value->tensor.bytes = (void *)(uintptr_t)data_contents(data); /* only ever read */
    return true;
  }
  if (!cell_new(e, value)) return false;
  for (int64_t i = 0; i < data->count; i++) ((double *)value->tensor.bytes)[i] = data_get(data, i);
  return true;
}

static const Tensor *find_tensor(Evaluation *e, const char *symbol) {
  const Tensor *tensor = e->machine->module ? module_tensor(e->machine->module, symbol) : NULL;
  if (!tensor) evaluation_fail(e, "there is no tensor @%s", symbol);
  return tensor;
}

bool machine_read(Evaluation *e, const char *symbol, Cell *value) {
  const Tensor *tensor = find_tensor(e, symbol);
  if (!tensor) return false;
  const Written *written = find_written(e->machine, tensor);
  if (written) {
    *value = cell_hold(&written->cell);
    return true;
  }
  bool found;
  if (!first_value(e, tensor, value, &found)) return false;
  return found || evaluation_fail(e, "%s has no value", tensor->name);
}

/* Writes the corner that the value fills; what lies beyond it stays, or is 0. */
bool machine_write(Evaluation *e, const char *symbol, const Cell *value) {
  const Tensor *tensor = find_tensor(e, symbol);
  if (!tensor) return false;
  Written *written = find_written(e->machine, tensor);
  Cell whole = {0}, before = {0};
  if (!bound_shape(e->machine, e->op, tensor, &whole.tensor)) return false;
  const RunTensor *x = &value->tensor;
  if (x->rank != whole.tensor.rank || x->element != whole.tensor.element)
    return evaluation_fail(e, "%s has another type", tensor->name);
  for (int i = 0; i < x->rank; i++)
    if (x->shape[i] > whole.tensor.shape[i])
      return evaluation_fail(e, "%s is smaller than what is written", tensor->name);
  if (x->count == whole.tensor.count) {
    whole = cell_hold(value);
  } else {
    bool found = true;
    if (written)
      before = cell_hold(&written->cell);
    else if (!first_value(e, tensor, &before, &found))
      return false;
    if (!cell_new(e, &whole)) return false;
    size_t size = (size_t)(whole.tensor.count * item_bytes(e->wide, whole.tensor.element));
    if (found)
      memcpy(whole.tensor.bytes, before.tensor.bytes, size);
    else
      memset(whole.tensor.bytes, 0, size);
    cell_drop(e->machine, &before);
    Walk walk = walk_new(x->rank, x->shape, 2);
    strides_dense(x->rank, whole.tensor.shape, walk.strides[0]);
    strides_dense(x->rank, x->shape, walk.strides[1]);
    copy_elements(e, &walk, &whole.tensor, x);
  }
  if (written) {
    cell_drop(e->machine, &written->cell);
    written->cell = whole;
  } else {
    vec_push(e->machine->tables, &e->machine->written, ((Written){tensor, whole}));
  }
  return true;
}

/* ---- what evaluators see ---- */
const InterpretOptions *machine_options(const Machine *machine) {
  return machine->options;
}

const int64_t *machine_trips(const Machine *machine, int *count) {
  *count = (int)machine->trips.count;
  return machine->trips.items;
}

void machine_push_trip(Machine *machine, int64_t trip) {
  vec_push(machine->tables, &machine->trips, trip);
}

void machine_pop_trip(Machine *machine) {
  machine->trips.count--;
}

void machine_bind(Machine *machine, const Value *value, const Cell *cell) {
  Cell held = cell_hold(cell);
  cell_drop(machine, &machine->cells[machine_slot(machine, value)]);
  machine->cells[machine_slot(machine, value)] = held;
}

const Cell *machine_value(const Machine *machine, const Value *value) {
  return &machine->cells[machine_slot(machine, value)];
}

void machine_release(Machine *machine, const Value *value) {
  cell_drop(machine, &machine->cells[machine_slot(machine, value)]);
}
