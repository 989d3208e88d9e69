/* specialise - fixes dims and lowers bounds, as --dim and --dim-max say.
 *
 *   before  dim N <= 256    %1 = tanh %x : f32[N,10]
 *   after   dim N = 8       %1 = tanh %x : f32[8,10]        (N=8)
 *
 * A dim whose bounds meet becomes a number everywhere: types, attributes, checks. Afterwards no
 * type uses a fixed dim, and checks that always hold are gone. Linear. */
#include "passes/rewrite.h"

typedef struct {
  DimTable *table;
  Arena *arena;
  const Dim **by;
} Substitution;

static void substitute_type(const Substitution *s, Type *type) {
  for (int i = 0; i < type->rank; i++)
    type->dims[i] = dim_substitute(s->table, type->dims[i], s->by);
}

static void substitute_list(const Substitution *s, DimList *list) {
  const Dim **items = ARENA_ARRAY(s->arena, list->count, const Dim *);
  for (int i = 0; i < list->count; i++) items[i] = dim_substitute(s->table, list->items[i], s->by);
  list->items = items;
}

static void substitute_attribute(const Substitution *s, AttributeValue *value) {
  switch (value->kind) {
  case ATTRIBUTE_DIM:
    value->dim = dim_substitute(s->table, value->dim, s->by);
    break;
  case ATTRIBUTE_DIMS:
    substitute_list(s, &value->dims);
    break;
  case ATTRIBUTE_PAIRS:
  case ATTRIBUTE_LISTS: {
    DimList *lists = ARENA_ARRAY(s->arena, value->lists.count, DimList);
    for (int i = 0; i < value->lists.count; i++) {
      lists[i] = value->lists.items[i];
      substitute_list(s, &lists[i]);
    }
    value->lists.items = lists;
    break;
  }
  default:
    break;
  }
}

static void substitute_block(Block *block, void *user) {
  const Substitution *s = user;
  for (int i = 0; i < block->argument_count; i++) substitute_type(s, &block->arguments[i]->type);
  for (Op *op = block->first; op; op = op->next) {
    for (int i = 0; i < op->result_count; i++) substitute_type(s, &op->results[i]->type);
    const AttributeRow *rows = operator_infos[op->kind].attributes;
    for (int i = 0; i < MOST_ATTRIBUTES && rows[i].standard; i++)
      substitute_attribute(s, &op->attributes[i].value);
  }
}

/* Decides what it can; false if a relation can never hold. */
static bool substitute_checks(PassContext *context, const Substitution *s, Function *function) {
  bool ok = true;
  size_t kept = 0;
  for (size_t i = 0; i < function->checks.count; i++) {
    Check check = function->checks.items[i];
    check.left = dim_substitute(s->table, check.left, s->by);
    check.right = dim_substitute(s->table, check.right, s->by);
    Truth truth = check.kind == CHECK_EQUAL  ? dim_equal(s->table, check.left, check.right)
                  : check.kind == CHECK_LESS ? dim_less(s->table, check.left, check.right)
                                             : dim_less_or_equal(s->table, check.left, check.right);
    if (truth == ALWAYS) continue;
    if (truth == NEVER) {
      static const char *const signs[] = {"==", "<=", "<"};
      Text text = text_new(context->module->arena);
      dim_print(&text, function->checks.items[i].left);
      text_format(&text, " %s ", signs[check.kind]);
      dim_print(&text, function->checks.items[i].right);
      diag_report(context->diagnostics, E0607, check.at ? check.at->span : SPAN_NONE,
                  "with these dims '%s' cannot hold", text_get(&text));
      ok = false;
    }
    function->checks.items[kept++] = check;
  }
  function->checks.count = kept;
  return ok;
}

static bool change_dim(PassContext *context, const DimChange *change) {
  DimTable *table = context->module->dims;
  const char *option = change->is_bound ? "--dim-max" : "--dim";
  Symbol *symbol = dim_symbol_find(table, change->name);
  if (!symbol || symbol->is_index) {
    VEC(const char *) names = {0};
    for (int i = 0; i < dim_symbol_count(table); i++)
      if (!dim_symbol_at(table, i)->is_index)
        vec_push(context->scratch, &names, dim_symbol_at(table, i)->name);
    Diagnostic *d = diag_usage(context->diagnostics, "%s %s=%lld: the network has no such dim",
                               option, change->name, (long long)change->value);
    const char *nearest = nearest_name(change->name, names.items, names.count);
    if (nearest) diag_help(d, "%s %s=%lld", option, nearest, (long long)change->value);
    return false;
  }
  if (change->value < symbol->min || change->value > symbol->max) {
    Diagnostic *d = diag_usage(context->diagnostics, "%s %s=%lld is out of its bounds", option,
                               change->name, (long long)change->value);
    if (symbol->min == symbol->max)
      diag_help(d, "%s is %lld", change->name, (long long)symbol->max);
    else
      diag_help(d, "%s is %lld to %lld", change->name, (long long)symbol->min,
                (long long)symbol->max);
    return false;
  }
  symbol->max = change->value;
  if (!change->is_bound) symbol->min = change->value;
  return true;
}

bool pass_specialise(PassContext *context) {
  Module *module = context->module;
  bool ok = true;
  for (int i = 0; i < context->options->dim_count; i++)
    ok &= change_dim(context, &context->options->dims[i]);
  if (!ok) return false;

  int symbols = dim_symbol_count(module->dims);
  Substitution s = {module->dims, module->arena,
                    ARENA_ARRAY(context->scratch, symbols, const Dim *)};
  bool any = false;
  for (int i = 0; i < symbols; i++) {
    const Symbol *symbol = dim_symbol_at(module->dims, i);
    if (symbol->min != symbol->max || symbol->is_index) continue;
    s.by[i] = dim_constant(module->dims, symbol->max);
    any = true;
  }
  if (!any && context->options->dim_count == 0) return true;
  for (size_t i = 0; i < module->tensors.count; i++)
    substitute_type(&s, &module->tensors.items[i]->type);
  for (size_t i = 0; i < module->functions.count; i++) {
    Function *function = module->functions.items[i];
    function_blocks(function, substitute_block, &s);
    for (size_t j = 0; j < function->results.count; j++)
      substitute_type(&s, &function->results.items[j].type);
    ok &= substitute_checks(context, &s, function);
  }
  return ok;
}
