/* A module in another arena. */
#include "ir/graph.h"
#include "ir/part.h"
#include "support/bug.h"
#include "support/map.h"

typedef struct {
  Arena *arena;
  Module *to;
  Function *function;
  const int64_t *at; /* values of dims, which are numbers then; NULL: dims stay */
  bool failed;       /* one left 64 bits */
  Map values, locations, data;
} Copier;

static const char *copy_name(Copier *c, const char *name) {
  return name ? intern(c->to->names, name) : NULL;
}

static const Location *copy_location(Copier *c, const Location *from) {
  Location *first = NULL, **slot = &first;
  for (; from; from = from->via) {
    Location *known = map_get(&c->locations, map_key(from));
    if (known) {
      *slot = known;
      break;
    }
    Location *copy = arena_copy(c->arena, from, sizeof *from);
    copy->via = NULL;
    map_set(c->arena, &c->locations, map_key(from), copy);
    *slot = copy;
    slot = (Location **)&copy->via;
  }
  return first;
}

static const Dim *copy_dim(Copier *c, const Dim *from) {
  DimTable *table = c->to->dims;
  int64_t value = 0;
  if (c->at) {
    c->failed |= !dim_evaluate(from, c->at, &value);
    return dim_constant(table, value);
  }
  const DimTerm *terms;
  int count = dim_terms(from, &terms);
  const Dim *sum = dim_constant(table, 0);
  for (int i = 0; i < count; i++) {
    const Dim *product = dim_constant(table, terms[i].coefficient);
    for (int j = 0; j < terms[i].factor_count; j++) {
      const DimFactor *f = &terms[i].factors[j];
      const Dim *factor = f->symbol ? dim_of_symbol(table, dim_symbol_at(table, f->symbol->number))
                                    : dim_floor(table, copy_dim(c, f->inner), f->divisor);
      product = dim_mul(table, product, factor);
    }
    sum = dim_add(table, sum, product);
  }
  if (!sum) bug("a dim that cannot be made again");
  return sum;
}

static Type copy_type(Copier *c, const Type *from) {
  Type type = *from;
  for (int i = 0; i < type.rank; i++) type.dims[i] = copy_dim(c, from->dims[i]);
  return type;
}

static Data *copy_data(Copier *c, const Data *from) {
  if (!from) return NULL;
  Data *copy = map_get(&c->data, map_key(from));
  if (copy) return copy;
  copy = arena_copy(c->arena, from, sizeof *from);
  map_set(c->arena, &c->data, map_key(from), copy);
  return copy;
}

static DimList copy_list(Copier *c, const DimList *from) {
  const Dim **items = ARENA_ARRAY(c->arena, (size_t)from->count, const Dim *);
  for (int i = 0; i < from->count; i++) items[i] = copy_dim(c, from->items[i]);
  return (DimList){items, from->count};
}

static AttributeValue copy_attribute(Copier *c, const AttributeValue *from) {
  AttributeValue value = *from;
  switch (from->kind) {
  case ATTRIBUTE_DIM:
    value.dim = copy_dim(c, from->dim);
    break;
  case ATTRIBUTE_WORD:
    value.word = copy_name(c, from->word);
    break;
  case ATTRIBUTE_DIMS:
    value.dims = copy_list(c, &from->dims);
    break;
  case ATTRIBUTE_DATA:
    value.data = copy_data(c, from->data);
    break;
  case ATTRIBUTE_PAIRS:
  case ATTRIBUTE_LISTS: {
    DimList *lists = ARENA_ARRAY(c->arena, (size_t)from->lists.count, DimList);
    for (int i = 0; i < from->lists.count; i++) lists[i] = copy_list(c, &from->lists.items[i]);
    value.lists.items = lists;
    break;
  }
  case ATTRIBUTE_NUMBER:
  case ATTRIBUTE_FLAG:
  case ATTRIBUTE_ELEMENT:
    break;
  }
  return value;
}

/* ---- values and operations ---- */

static Value *mapped(Copier *c, const Value *from) {
  if (!from) return NULL;
  Value *value = map_get(&c->values, map_key(from));
  if (!value) bug("a value is used before it is made");
  return value;
}

static Value **map_values(Copier *c, Value *const *from, int count) {
  Value **values = ARENA_ARRAY(c->arena, (size_t)count, Value *);
  for (int i = 0; i < count; i++) values[i] = mapped(c, from[i]);
  return values;
}

static void fill_value(Copier *c, Value *to, const Value *from) {
  to->number = from->number;
  to->name = copy_name(c, from->name);
  to->place = from->place;
  to->place.of = from->place.kind == PLACE_VIEW ? mapped(c, from->place.of) : NULL;
  map_set(c->arena, &c->values, map_key(from), to);
}

static void copy_block(Copier *c, Block *to, const Block *from);

static Op *copy_op(Copier *c, Block *block, const Op *from) {
  int count = operator_attribute_count(from->kind);
  Attribute attributes[MOST_ATTRIBUTES];
  for (int i = 0; i < count; i++)
    attributes[i] =
        (Attribute){from->attributes[i].name, copy_attribute(c, &from->attributes[i].value)};
  Type *types = ARENA_ARRAY(c->arena, (size_t)from->result_count, Type);
  for (int i = 0; i < from->result_count; i++) types[i] = copy_type(c, &from->results[i]->type);
  Op *op = op_new(c->function, from->kind, map_values(c, from->operands, from->operand_count),
                  from->operand_count, attributes, types, from->result_count);
  op->symbol = copy_name(c, from->symbol);
  op->at = copy_location(c, from->at);
  op->layer = copy_name(c, from->layer);
  op->why = copy_name(c, from->why);
  op->again = from->again;
  if (from->region) {
    op->region = block_new(c->function, op);
    copy_block(c, op->region, from->region);
  }
  for (int i = 0; i < from->result_count; i++) fill_value(c, op->results[i], from->results[i]);
  op_append(block, op);
  return op;
}

bool type_copy_at(Module *module, const Type *from, const int64_t *dims, Type *to) {
  Copier c = {.arena = module->arena, .to = module, .at = dims};
  *to = copy_type(&c, from);
  return !c.failed;
}

Op *op_copy_at(Block *block, const Op *from, Value *const *operands, const int64_t *dims) {
  Module *module = block->function->module;
  Copier c = {.arena = module->arena, .to = module, .function = block->function, .at = dims};
  for (int i = 0; i < from->operand_count; i++)
    map_set(c.arena, &c.values, map_key(from->operands[i]), operands[i]);
  Op *op = copy_op(&c, block, from);
  op->at = NULL; /* its file is another module's */
  return c.failed ? NULL : op;
}

static void copy_block(Copier *c, Block *to, const Block *from) {
  for (int i = 0; i < from->argument_count; i++) {
    const Value *argument = from->arguments[i];
    Type type = copy_type(c, &argument->type);
    fill_value(c, block_add_argument(to, NULL, type, from->binds[i]), argument);
  }
  for (const Op *op = from->first; op; op = op->next) copy_op(c, to, op);
  to->yields = map_values(c, from->yields, from->yield_count);
  to->yield_count = from->yield_count;
  to->emits = map_values(c, from->emits, from->emit_count);
  to->emit_count = from->emit_count;
  to->while_ = mapped(c, from->while_);
}

static Function *copy_function(Copier *c, const Function *from, const char *name) {
  Function *to = module_add_function(c->to, from->kind, name);
  c->function = to;
  for (size_t i = 0; i < from->dims.count; i++)
    vec_push(c->arena, &to->dims, dim_symbol_at(c->to->dims, from->dims.items[i]->number));
  for (size_t i = 0; i < from->results.count; i++) {
    Result result = from->results.items[i];
    result.name = copy_name(c, result.name);
    result.type = copy_type(c, &result.type);
    vec_push(c->arena, &to->results, result);
  }
  for (size_t i = 0; i < from->checks.count; i++) {
    Check check = from->checks.items[i];
    check.left = copy_dim(c, check.left);
    check.right = copy_dim(c, check.right);
    check.at = copy_location(c, check.at);
    vec_push(c->arena, &to->checks, check);
  }
  to->at = copy_location(c, from->at);
  to->is_planned = from->is_planned;
  to->arena_bytes = from->arena_bytes;
  to->arena_align = from->arena_align;
  copy_block(c, to->body, from->body);
  if (to->is_planned) block_find_parts(to->body); /* a whole is made behind its parts */
  to->next_number = from->next_number;
  return to;
}

Function *function_copy(Module *module, const Function *from, const char *name) {
  Copier c = {.arena = module->arena, .to = module};
  return copy_function(&c, from, intern(module->names, name));
}

static void copy_names(Copier *c, NameVec *to, const NameVec *from) {
  for (size_t i = 0; i < from->count; i++) vec_push(c->arena, to, copy_name(c, from->items[i]));
}

static void copy_run(Copier *c, const PageRun *from) {
  PageRun run = {.name = copy_name(c, from->name), .start = from->start, .end = from->end};
  for (size_t i = 0; i < from->lines.count; i++) {
    RunLine line = {.entry = copy_name(c, from->lines.items[i].entry)};
    copy_names(c, &line.inputs, &from->lines.items[i].inputs);
    copy_names(c, &line.outputs, &from->lines.items[i].outputs);
    vec_push(c->arena, &run.lines, line);
  }
  vec_push(c->arena, &c->to->runs, run);
}

Module *module_copy(Arena *arena, const Module *from) {
  Copier c = {.arena = arena, .to = module_new(arena, from->name)};
  Module *to = c.to;
  to->after = copy_name(&c, from->after);
  to->files.count = to->file_words.count = 0;
  for (size_t i = 0; i < from->files.count; i++)
    vec_push(arena, &to->files, copy_name(&c, from->files.items[i]));
  for (size_t i = 0; i < from->file_words.count; i++)
    vec_push(arena, &to->file_words, copy_name(&c, from->file_words.items[i]));
  for (int i = 0; i < dim_symbol_count(from->dims); i++) {
    const Symbol *s = dim_symbol_at(from->dims, i);
    dim_symbol_new(to->dims, copy_name(&c, s->name), s->min, s->max, s->is_index);
  }
  for (size_t i = 0; i < from->tensors.count; i++) {
    const Tensor *t = from->tensors.items[i];
    Tensor *tensor =
        module_add_tensor(to, t->kind, t->name, copy_type(&c, &t->type), copy_location(&c, t->at));
    tensor->data = copy_data(&c, t->data);
    tensor->place = t->place;
  }
  for (size_t i = 0; i < from->functions.count; i++)
    copy_function(&c, from->functions.items[i], from->functions.items[i]->name);
  for (size_t i = 0; i < from->schedule.count; i++) {
    ScheduledStep step = from->schedule.items[i];
    step.entry = copy_name(&c, step.entry);
    vec_push(arena, &to->schedule, step);
  }
  for (size_t i = 0; i < from->runs.count; i++) copy_run(&c, &from->runs.items[i]);
  return to;
}
