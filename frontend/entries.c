/* entries.c - models and train entries as functions of the graph IR. */
#include "frontend/elaborator.h"

#include <string.h>

/* Names that the generated header gives to something else. */
static bool is_reserved(const char *name) {
  static const char *const words[] = {"open", "close",  "init",   "seed",    "reset",
                                      "load", "save",   "count",  "at",      "find",
                                      "text", "detail", "status", "context", "tensor"};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (strcmp(name, words[i]) == 0) return true;
  size_t length = strlen(name);
  return length > 6 && strcmp(name + length - 6, "_value") == 0;
}

static bool range_end(Elaborator *e, Frame *frame, const Expr *expr, int64_t *end) {
  Object *object = evaluate(e, frame, expr);
  if (is_error(object)) return false;
  if (object->kind == OBJECT_INTEGER) {
    *end = object->integer;
    return true;
  }
  report(e, frame, E0223, expr->span, "the range of an index has known ends, not %s",
         object_text(e, object));
  return false;
}

/* `pos: dim in 0..1024`: a whole number that each call gives. */
static bool add_index(Elaborator *e, Frame *frame, const Parameter *parameter) {
  const char *name = parameter->name.name;
  const Expr *range = parameter->range;
  int64_t from, to;
  if (range->kind != EXPR_RANGE) {
    report(e, frame, E0223, range->span, "an index is in a range: %s: dim in 0..8", name);
    return false;
  }
  if (!range_end(e, frame, range->left, &from) || !range_end(e, frame, range->right, &to))
    return false;
  if (from < 0 || from >= to) {
    Diagnostic *d = report(e, frame, E0233, range->span, "the range of '%s' is %s", name,
                           from < 0 ? "not of indices" : "empty");
    diag_label(d, "%lld..%lld", (long long)from, (long long)to);
    diag_help(d, "a..b goes from a to before b, and a is at least 0");
    return false;
  }
  Symbol *symbol =
      dim_symbol_new(e->module->dims, intern(e->module->names, name), from, to - 1, true);
  vec_push(e->module->arena, &e->builder->function->dims, symbol);
  pointer_set(&frame->scope->names, name, object_dim(e, dim_of_symbol(e->module->dims, symbol)));
  return true;
}

static bool add_input(Elaborator *e, Frame *frame, const Parameter *parameter) {
  const char *name = parameter->name.name;
  if (parameter->range) return add_index(e, frame, parameter);
  const Expr *type_expr = parameter->type;
  bool is_word = type_expr && (type_expr->kind == EXPR_LIST ||
                               (type_expr->kind == EXPR_NAME && is_type_word(type_expr->name)));
  if (!type_expr || is_word) {
    Diagnostic *d =
        report(e, frame, E0224, parameter->span, "the input '%s' needs a tensor's type", name);
    bool is_bool = is_word && type_expr->kind == EXPR_NAME && strcmp(type_expr->name, "bool") == 0;
    const char *element = is_bool ? "bool" : "f32";
    diag_help(d, "%s: %s[N, 3]; a single %s is %s[]", name, element, is_bool ? "one" : "number",
              element);
    return false;
  }
  Type type;
  if (!resolve_type(e, frame, type_expr, &type)) return false;
  for (int a = 0; a < type.rank; a++)
    if (dim_max(type.dims[a]) < 1) {
      report(e, frame, E0233, type_expr->span, "axis %d of '%s' is 0; a size is at least 1", a,
             name);
      return false;
    }
  Function *function = e->builder->function;
  Value *input = function_add_input(function, intern(e->module->names, name), type);
  pointer_set(&frame->scope->names, name, object_tensor(e, input));
  return true;
}

static const char *output_name(Elaborator *e, const DeclaredResult *result, size_t index,
                               size_t count) {
  if (result && result->name.name) return intern(e->module->names, result->name.name);
  return intern(e->module->names, count == 1 ? "out" : arena_format(e->arena, "out%zu", index));
}

static void add_outputs(Elaborator *e, Frame *frame, Object *result) {
  const ResultList *declared = &frame->definition->results;
  bool is_list = result->kind == OBJECT_LIST && declared->count != 1;
  size_t count = result->kind == OBJECT_NONE ? 0 : is_list ? result->count : 1;
  Function *function = e->builder->function;
  Value **yields = ARENA_ARRAY(e->module->arena, count + 1, Value *);
  for (size_t i = 0; i < count; i++) {
    const DeclaredResult *one = i < declared->count ? &declared->items[i] : NULL;
    Site site = {e,    frame, one ? one->span : frame->definition->header,
                 NULL, 0,     frame->definition->name.name};
    yields[i] = to_tensor(&site, is_list ? result->items[i] : result, NULL);
    if (!yields[i]) return;
    Result output = {output_name(e, one, i, count), yields[i]->type, one && one->name.name};
    vec_push(e->module->arena, &function->results, output);
  }
  function->body->yields = yields;
  function->body->yield_count = (int)count;
}

/* What only the step needed: gradients, clipping, random numbers. */
static void drop_unused(Function *function) {
  Block *body = function->body;
  graph_count_uses(function);
  for (Op *op = body->last, *previous; op; op = previous) {
    previous = op->previous;
    bool used = false;
    for (int i = 0; i < op->result_count; i++) used |= op->results[i]->mark > 0;
    if (used) continue;
    for (int i = 0; i < op->operand_count; i++) op->operands[i]->mark--;
    op_remove(op);
  }
}

/* A step without a result has no value. */
static bool has_result(const StmtList *list) {
  for (size_t i = 0; i < list->count; i++) {
    const Stmt *stmt = list->items[i];
    if (stmt->kind == STMT_RETURN && stmt->values.count) return true;
    if (has_result(&stmt->body) || has_result(&stmt->otherwise)) return true;
  }
  return false;
}

void elaborate_entry(Elaborator *e, const Declaration *declaration, FunctionKind kind) {
  const Definition *definition = declaration->definition;
  const char *name = definition->name.name;
  Frame *frame = frame_new(e, FRAME_ENTRY, definition, e->program->main, NULL);
  if (is_reserved(name)) {
    Diagnostic *d =
        report(e, frame, E0117, definition->name.span, "an entry cannot be named '%s'", name);
    diag_help(d, "the header needs that name itself: 'dlc explain E0117'");
    return;
  }
  if (kind == FUNCTION_VALUE) {
    if (!has_result(&definition->body)) return;
    name = intern(e->interner, arena_format(e->arena, "%s_value", name));
  }
  Function *function = module_add_function(e->module, kind, intern(e->module->names, name));
  function->at = location_at(e, frame, definition->span);
  Builder builder = {.function = function, .block = function->body, .at = function->at};
  e->builder = &builder;
  e->entry = name;
  e->entry_kind = kind;
  e->held = (PointerTable){.arena = e->arena};
  e->site = 0;
  bool fine = true;
  for (size_t i = 0; i < definition->parameters.count && fine; i++)
    fine = add_input(e, frame, &definition->parameters.items[i]);
  Object *result = fine ? run_body(e, frame) : error_object;
  if (!is_error(result) && !e->stopped) {
    add_outputs(e, frame, result);
    if (kind == FUNCTION_VALUE)
      drop_unused(function);
    else
      emit_writes(e);
  }
  e->builder = NULL;
  e->entry = NULL;
}

/* An entry called by another one is a function with the entry's names. */
Object *call_entry(const CallSite *site, Object *entry, Actual *arguments, size_t count) {
  Elaborator *e = site->e;
  const Definition *definition = entry->definition;
  if (definition->kind == DEFINITION_TRAIN) {
    Diagnostic *d = report(e, site->frame, E0410, site->span, "the train entry '%s' is called",
                           definition->name.name);
    diag_help(d, "what steps have in common is a function or a model that they call");
    return error_object;
  }
  Frame *body = frame_new(e, FRAME_ENTRY, definition, entry->home, site);
  Object **values = ARENA_ARRAY(e->arena, definition->parameters.count + 1, Object *);
  if (!bind_parameters(site, body, &definition->parameters, definition->name.name, arguments, count,
                       values))
    return error_object;
  return run_body(e, body);
}
