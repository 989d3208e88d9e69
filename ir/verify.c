/* Checks a module; see module_text.h. */
#include "ir/infer.h"
#include "ir/module_text.h"
#include "ir/runs.h"
#include "support/map.h"

#include <string.h>

typedef struct {
  Arena *arena;
  const Module *module;
  Function *function;
  const Op *op; /* the one being looked at */
  CheckList wanted;
} Verifier;

static const char *fault(Verifier *v, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static const char *fault(Verifier *v, const char *format, ...) {
  va_list args;
  va_start(args, format);
  const char *message = arena_vformat(v->arena, format, args);
  va_end(args);
  return message;
}

static const char *value_text(Verifier *v, const Value *value) {
  Text text = text_new(v->arena);
  value_print(&text, value);
  return text_get(&text);
}

/* ---- scopes: a value is visible in its own block alone, after it is made ---- */

static void clear_marks(const Block *block) {
  for (int i = 0; i < block->argument_count; i++) block->arguments[i]->mark = 0;
  for (const Op *op = block->first; op; op = op->next) {
    for (int i = 0; i < op->result_count; i++) op->results[i]->mark = 0;
    if (op->region) clear_marks(op->region);
  }
}

static const char *define(Verifier *v, Map *names, Value *value) {
  uint64_t key = value->name ? map_key(intern(v->module->names, value->name))
                             : (uint64_t)(uint32_t)value->number * 2 + 1;
  if (!value->name && (value->number < 0 || value->number >= v->function->next_number))
    return fault(v, "a value has the number %d, the next in @%s is %d", value->number,
                 v->function->name, v->function->next_number);
  if (map_get(names, key)) return fault(v, "%s is made twice", value_text(v, value));
  map_set(v->arena, names, key, value);
  value->mark = 1;
  if (value->forward) return fault(v, "%s is replaced, but not resolved", value_text(v, value));
  for (int i = 0; i < value->type.rank; i++)
    if (!value->type.dims[i]) return fault(v, "%s has no type", value_text(v, value));
  return NULL;
}

static const char *visible(Verifier *v, const Block *block, const Value *value) {
  if (!value) return fault(v, "an operand is missing");
  const Block *home = value->op ? value->op->block : value->block;
  if (home != block)
    return fault(v, "%s is not of this block: regions see what their head binds",
                 value_text(v, value));
  if (!value->mark) return fault(v, "%s is used before it is made", value_text(v, value));
  return NULL;
}

static const char *all_visible(Verifier *v, const Block *block, Value *const *values, int count) {
  for (int i = 0; i < count; i++) {
    const char *message = visible(v, block, values[i]);
    if (message) return message;
  }
  return NULL;
}

/* ---- operations ---- */

static const char *wrong_type(Verifier *v, const char *what, const Type *is, const Type *wanted) {
  return fault(v, "%s is %s, not %s", what, type_text(v->arena, is), type_text(v->arena, wanted));
}

static const char *verify_symbol(Verifier *v, const Op *op) {
  if (op->kind != OP_read && op->kind != OP_write) return NULL;
  const Tensor *tensor = op->symbol ? module_tensor(v->module, op->symbol) : NULL;
  if (!tensor) return fault(v, "no tensor is named @%s", op->symbol ? op->symbol : "");
  const Type *type = op->kind == OP_read ? &op->results[0]->type : &op->operands[0]->type;
  if (!type_equal(type, &tensor->type))
    return wrong_type(v, arena_format(v->arena, "@%s", op->symbol), type, &tensor->type);
  return NULL;
}

static const char *verify_attributes(Verifier *v, const Op *op, const Type *types,
                                     const Type *declared) {
  Attribute complete[MOST_ATTRIBUTES];
  Failure failure;
  int count = operator_attribute_count(op->kind);
  for (int i = 0; i < count; i++)
    if (op->attributes[i].name != operator_infos[op->kind].attributes[i].name)
      return fault(v, "attributes are not in the table's order");
  if (!attributes_complete((Module *)v->module, op->kind, types, op->operand_count, declared,
                           op->attributes, count, complete, &failure))
    return fault(v, "%s%s%s", failure.message, failure.label ? ": " : "",
                 failure.label ? failure.label : "");
  for (int i = 0; i < count; i++)
    if (!attribute_equal(&op->attributes[i].value, &complete[i].value))
      return fault(v, "'%s' is not in its one form", attribute_names[complete[i].name]);
  return NULL;
}

static const char *verify_types(Verifier *v, const Op *op) {
  const OperatorInfo *info = &operator_infos[op->kind];
  Type few[8], *types = few;
  if (op->operand_count > 8) types = ARENA_ARRAY(v->arena, (size_t)op->operand_count, Type);
  for (int i = 0; i < op->operand_count; i++) types[i] = op->operands[i]->type;
  if (info->results >= 0 && op->result_count != info->results)
    return fault(v, "'%s' has %d results, not %d", info->name, info->results, op->result_count);
  const Type *declared = info->most == 0 ? &op->results[0]->type : NULL;
  const char *message = verify_attributes(v, op, types, declared);
  if (message || operator_has(op->kind, TRAIT_REGION)) return message;
  Type few_results[8] = {0}, *results = few_results;
  if (op->operand_count > 8)
    results = ARENA_ARRAY(v->arena, (size_t)infer_room(op->operand_count), Type);
  if (declared) results[0] = *declared;
  int count = 0;
  Failure failure;
  v->wanted.count = 0;
  if (!infer((Module *)v->module, op->kind, types, op->operand_count, op->attributes, results,
             &count, &failure, &v->wanted))
    return fault(v, "%s%s%s", failure.message, failure.label ? ": " : "",
                 failure.label ? failure.label : "");
  if (count != op->result_count)
    return fault(v, "'%s' has %d results, not %d", info->name, count, op->result_count);
  for (int i = 0; i < count; i++)
    if (!type_equal(&results[i], &op->results[i]->type))
      return wrong_type(v, value_text(v, op->results[i]), &op->results[i]->type, &results[i]);
  return NULL;
}

/* ---- checks: what inference cannot decide must be asked at the call ---- */

static bool implies(DimTable *table, const Check *have, const Check *wanted) {
  if (have->left == wanted->left && have->right == wanted->right)
    return have->kind == wanted->kind || wanted->kind == CHECK_LESS_OR_EQUAL;
  /* the same in another form */
  const Dim *a = dim_sub(table, have->right, have->left);
  const Dim *b = dim_sub(table, wanted->right, wanted->left);
  if (!a || !b) return false;
  if (wanted->kind == CHECK_EQUAL)
    return have->kind == CHECK_EQUAL && (a == b || dim_is(dim_add(table, a, b), 0));
  if (have->kind == CHECK_EQUAL) return a == b || dim_is(dim_add(table, a, b), 0);
  const Dim *slack = dim_sub(table, b, a); /* b >= a + slack */
  return slack && dim_min(slack) >= (wanted->kind == CHECK_LESS && have->kind != CHECK_LESS);
}

static const char *verify_checks(Verifier *v) {
  static const char *const signs[] = {"==", "<=", "<"};
  DimTable *table = v->module->dims;
  for (size_t i = 0; i < v->wanted.count; i++) {
    const Check *wanted = &v->wanted.items[i];
    bool found = false;
    for (size_t j = 0; j < v->function->checks.count && !found; j++)
      found = implies(table, &v->function->checks.items[j], wanted);
    if (found) continue;
    Text text = text_new(v->arena);
    dim_print(&text, wanted->left);
    text_format(&text, " %s ", signs[wanted->kind]);
    dim_print(&text, wanted->right);
    return fault(v, "@%s does not check that %s", v->function->name, text_get(&text));
  }
  return NULL;
}

/* ---- regions ---- */

static const char *verify_block(Verifier *v, const Block *block, int depth);

static const Dim *trips_of(const Op *op, int64_t axis) {
  for (int i = 0; i < op->operand_count; i++)
    if (op->region->binds[i] == BIND_EACH && op->operands[i]->type.rank > axis)
      return op->operands[i]->type.dims[axis];
  return NULL;
}

static const char *verify_binds(Verifier *v, const Op *op) {
  const Block *region = op->region;
  int64_t axis = op->kind == OP_scan ? op_integer(op, ATTRIBUTE_axis) : 0;
  const Dim *trips = op->kind == OP_scan ? trips_of(op, axis) : NULL;
  if (op->kind == OP_scan && !trips) return fault(v, "a scan needs a sequence: 'each'");
  if (region->argument_count != op->operand_count)
    return fault(v, "a region binds %d values of %d operands", region->argument_count,
                 op->operand_count);
  for (int i = 0; i < op->operand_count; i++) {
    Type wanted = op->operands[i]->type;
    BindKind bind = region->binds[i];
    if (bind != BIND_PLAIN && op->kind != OP_scan)
      return fault(v, "'carry' and 'each' are of a scan");
    if (bind == BIND_EACH) {
      if (wanted.rank <= axis || wanted.dims[axis] != trips)
        return fault(v, "the sequences of a scan have different lengths on axis %lld",
                     (long long)axis);
      wanted.rank--;
      for (int a = (int)axis; a < wanted.rank; a++) wanted.dims[a] = wanted.dims[a + 1];
    }
    if (!type_equal(&region->arguments[i]->type, &wanted))
      return wrong_type(v, value_text(v, region->arguments[i]), &region->arguments[i]->type,
                        &wanted);
  }
  return NULL;
}

/* The types that a region's results must have; their number, or -1. */
static int region_results(const Op *op, Type *types, int room) {
  const Block *region = op->region;
  int count = 0;
  if (op->kind == OP_fused) {
    for (int i = 0; i < region->yield_count && count < room; i++)
      types[count++] = region->yields[i]->type;
    return region->emit_count || region->while_ ? -1 : count;
  }
  int carries = 0;
  for (int i = 0; i < op->operand_count; i++) {
    if (region->binds[i] != BIND_CARRY) continue;
    if (carries == region->yield_count ||
        !type_equal(&op->operands[i]->type, &region->yields[carries]->type))
      return -1;
    carries++;
    if (count < room) types[count++] = op->operands[i]->type;
  }
  if (carries != region->yield_count) return -1;
  int axis = (int)op_integer(op, ATTRIBUTE_axis);
  for (int i = 0; i < region->emit_count && count < room; i++) {
    Type type = region->emits[i]->type;
    if (type.rank >= MOST_AXES || axis > type.rank) return -1;
    for (int a = type.rank++; a > axis; a--) type.dims[a] = type.dims[a - 1];
    type.dims[axis] = trips_of(op, axis);
    types[count++] = type;
  }
  return count;
}

/* Threads take such trips: nothing that they would share, and no index that may be out of range. */
static const Op *shared_by_trips(const Block *block) {
  for (const Op *op = block->first; op; op = op->next) {
    bool faults = op->kind == OP_gather || op->kind == OP_scatter_add || op->kind == OP_update;
    if (faults || op->kind == OP_scan || operator_has(op->kind, TRAIT_ORDERED)) return op;
    const Op *inner = op->region ? shared_by_trips(op->region) : NULL;
    if (inner) return inner;
  }
  return NULL;
}

static const char *verify_trips(Verifier *v, const Op *op) {
  if (op->kind != OP_scan || !op_flag(op, ATTRIBUTE_apart)) return NULL;
  if (op->region->yield_count || op->region->while_)
    return fault(v, "trips that are apart have no 'carry' and no 'while'");
  const Op *inner = shared_by_trips(op->region);
  if (!inner) return NULL;
  return fault(v, "'%s' cannot stand in trips that are apart", operator_infos[inner->kind].name);
}

static const char *verify_region(Verifier *v, const Op *op, int depth) {
  Block *region = op->region;
  if (!region) return fault(v, "'%s' has no region", operator_infos[op->kind].name);
  if (region->op != op) return fault(v, "a region does not know its operation");
  const char *message = verify_binds(v, op);
  if (!message) message = verify_block(v, region, depth + 1);
  if (message) return message;
  v->op = op;
  if (region->while_ &&
      (region->while_->type.element != ELEMENT_bool || region->while_->type.rank != 0))
    return fault(v, "'while' must be a single bool");
  int room = region->yield_count + region->emit_count;
  Type *types = ARENA_ARRAY(v->arena, (size_t)room, Type);
  int count = region_results(op, types, room);
  if (count < 0)
    return fault(v, "what the region gives does not fit '%s'", operator_infos[op->kind].name);
  if (count != op->result_count)
    return fault(v, "the region gives %d values, '%s' has %d", count, operator_infos[op->kind].name,
                 op->result_count);
  for (int i = 0; i < count; i++)
    if (!type_equal(&types[i], &op->results[i]->type))
      return wrong_type(v, value_text(v, op->results[i]), &op->results[i]->type, &types[i]);
  if (op->kind == OP_fused)
    for (const Op *inner = region->first; inner; inner = inner->next)
      if (inner->kind == OP_write || inner->region)
        return fault(v, "'%s' cannot stand in 'fused'", operator_infos[inner->kind].name);
  return verify_trips(v, op);
}

static const char *verify_op(Verifier *v, const Op *op, const Block *block, int depth) {
  if (op->block != block || (op->next ? op->next->previous != op : block->last != op))
    return fault(v, "the block's list of operations is broken");
  for (int i = 0; i < op->result_count; i++)
    if (op->results[i]->op != op || op->results[i]->index != i || op->results[i]->block)
      return fault(v, "a result does not know its operation");
  const char *message = all_visible(v, block, op->operands, op->operand_count);
  if (!message) message = verify_types(v, op);
  if (!message) message = verify_symbol(v, op);
  if (!message) message = verify_checks(v);
  v->wanted.count = 0;
  if (!message && operator_has(op->kind, TRAIT_REGION)) return verify_region(v, op, depth);
  if (!message && op->region) return fault(v, "'%s' has a region", operator_infos[op->kind].name);
  return message;
}

static const char *verify_block(Verifier *v, const Block *block, int depth) {
  Map names = {0};
  if (depth > MOST_NESTING) return fault(v, "regions are nested more than %d deep", MOST_NESTING);
  if (block->function != v->function) return fault(v, "a block is of another function");
  for (int i = 0; i < block->argument_count; i++) {
    Value *value = block->arguments[i];
    if (value->block != block || value->op || value->index != i)
      return fault(v, "an argument does not know its block");
    const char *message = define(v, &names, value);
    if (message) return message;
  }
  for (const Op *op = block->first; op; op = op->next) {
    v->op = op;
    const char *message = verify_op(v, op, block, depth);
    for (int i = 0; !message && i < op->result_count; i++)
      message = define(v, &names, op->results[i]);
    if (message) return message;
  }
  v->op = block->op;
  const char *message = all_visible(v, block, block->yields, block->yield_count);
  if (!message) message = all_visible(v, block, block->emits, block->emit_count);
  if (!message && block->while_) message = visible(v, block, block->while_);
  return message;
}

/* ---- functions and modules ---- */

static const char *verify_function(Verifier *v) {
  const Function *f = v->function;
  const Block *body = f->body;
  clear_marks(body);
  for (size_t i = 0; i < f->dims.count; i++)
    if (!f->dims.items[i]->is_index ||
        (i && f->dims.items[i]->number <= f->dims.items[i - 1]->number))
      return fault(v, "the index dims of @%s are not in order", f->name);
  const char *message = verify_block(v, body, 0);
  if (message) return message;
  if (body->emit_count || body->while_) return fault(v, "'emit' and 'while' are of a scan");
  if ((size_t)body->yield_count != f->results.count)
    return fault(v, "@%s returns %d values, declared are %zu", f->name, body->yield_count,
                 f->results.count);
  for (int i = 0; i < body->yield_count; i++)
    if (!type_equal(&body->yields[i]->type, &f->results.items[i].type))
      return wrong_type(v, arena_format(v->arena, "result %d of @%s", i, f->name),
                        &body->yields[i]->type, &f->results.items[i].type);
  return NULL;
}

static const char *verify_tensors(Verifier *v) {
  Map names = {0};
  for (size_t i = 0; i < v->module->tensors.count; i++) {
    Tensor *tensor = v->module->tensors.items[i];
    if (map_get(&names, map_key(tensor->name)))
      return fault(v, "two tensors are named @%s", tensor->name);
    map_set(v->arena, &names, map_key(tensor->name), tensor);
    if (tensor->kind == TENSOR_PARAM && !type_is_static(&tensor->type))
      return fault(v, "the parameter @%s has sizes that are not fixed", tensor->name);
    if (type_bytes_at_bound(&tensor->type) < 0) return fault(v, "@%s is too large", tensor->name);
    const Data *data = tensor->data;
    if (data && (data->element != tensor->type.element || !type_is_static(&tensor->type) ||
                 data->count != type_static_count(&tensor->type)))
      return fault(v, "the data of @%s are not of its type", tensor->name);
  }
  return NULL;
}

static const char *verify_schedule(Verifier *v) {
  v->op = NULL;
  for (size_t i = 0; i < v->module->schedule.count; i++) {
    const ScheduledStep *step = &v->module->schedule.items[i];
    const Function *function = module_function(v->module, step->entry);
    if (!function || function->kind != FUNCTION_TRAIN)
      return fault(v, "@%s of the schedule is no train entry", step->entry);
    if (step->times < 1)
      return fault(v, "@%s is scheduled %lld times", step->entry, (long long)step->times);
  }
  return NULL;
}

static const char *verify_runs(Verifier *v) {
  v->op = NULL;
  for (size_t i = 0; i < v->module->runs.count; i++) {
    const PageRun *run = &v->module->runs.items[i];
    RunMeaning meaning;
    int line;
    const char *message = run_meaning(v->arena, v->module, run, &meaning, &line);
    if (message) return fault(v, "line %d of the run @%s: %s", line + 1, run->name, message);
    for (size_t k = 0; k < i; k++)
      if (strcmp(run->name, v->module->runs.items[k].name) == 0)
        return fault(v, "two runs are named @%s", run->name);
  }
  return NULL;
}

const char *module_verify(Arena *arena, const Module *module, const Op **where) {
  Verifier v = {.arena = arena, .module = module};
  const char *message = verify_tensors(&v);
  Map names = {0};
  for (size_t i = 0; !message && i < module->functions.count; i++) {
    v.function = module->functions.items[i];
    v.op = NULL;
    if (map_get(&names, map_key(v.function->name)))
      message = fault(&v, "two functions are named @%s", v.function->name);
    map_set(arena, &names, map_key(v.function->name), v.function);
    if (!message) message = verify_function(&v);
  }
  if (!message) message = verify_schedule(&v);
  if (!message) message = verify_runs(&v);
  if (where) *where = message ? v.op : NULL;
  return message;
}
