/* expressions.c - the values of expressions. */
#include "frontend/elaborator.h"

#include <string.h>

static Object *evaluate_list(Elaborator *e, Frame *frame, const Expr *expr) {
  if (!take_step(e, frame, expr->span, (int64_t)expr->items.count)) return error_object;
  Object *list = object_list(e, expr->items.count);
  bool bad = false;
  for (size_t i = 0; i < list->count; i++) {
    list->items[i] = evaluate(e, frame, expr->items.items[i]);
    bad |= is_error(list->items[i]);
  }
  return bad ? error_object : list;
}

static Object *evaluate_table(Elaborator *e, Frame *frame, const Expr *expr) {
  Object *table = object_list(e, expr->items.count);
  table->kind = OBJECT_MAP;
  table->keys = ARENA_ARRAY(e->arena, table->count, Object *);
  bool bad = false;
  for (size_t i = 0; i < table->count; i++) {
    table->keys[i] = evaluate(e, frame, expr->items.items[i]);
    table->items[i] = evaluate(e, frame, expr->values.items[i]);
    bad |= is_error(table->keys[i]) || is_error(table->items[i]);
    for (size_t k = 0; k < i && !bad; k++)
      if (object_equal(table->keys[k], table->keys[i])) {
        report(e, frame, E0305, expr->items.items[i]->span, "the key %s stands twice in the table",
               object_text(e, table->keys[i]));
        bad = true;
      }
  }
  return bad ? error_object : table;
}

static Object *evaluate_range(Elaborator *e, Frame *frame, const Expr *expr) {
  Object *from = evaluate(e, frame, expr->left), *to = evaluate(e, frame, expr->right);
  if (is_error(from) || is_error(to)) return error_object;
  const Object *wrong = from->kind != OBJECT_INTEGER ? from : to;
  if (wrong->kind != OBJECT_INTEGER) {
    Span span = wrong == from ? expr->left->span : expr->right->span;
    Diagnostic *d = report(e, frame, E0303, span, "a range that is unrolled needs known ends");
    diag_label(d, "%s", object_text(e, wrong));
    if (wrong->kind == OBJECT_DIM)
      diag_help(d, "'for' unrolls while compiling; fix the dim (dim N = 8), or use arange(n)");
    return error_object;
  }
  int64_t count;
  if (__builtin_sub_overflow(to->integer, from->integer, &count) || count > MOST_OPERATIONS) {
    report(e, frame, E0306, expr->span, "a range of more than 1,000,000 elements");
    return error_object;
  }
  if (count < 0) count = 0;
  if (!take_step(e, frame, expr->span, count)) return error_object;
  Object *list = object_list(e, (size_t)count);
  for (int64_t i = 0; i < count; i++) list->items[i] = object_integer(e, from->integer + i);
  return list;
}

bool iterate(Elaborator *e, Frame *frame, const Expr *expr, Object ***items, size_t *count) {
  Object *object = evaluate(e, frame, expr);
  if (is_error(object)) return false;
  if (object->kind != OBJECT_LIST) {
    Diagnostic *d =
        report(e, frame, E0223, expr->span, "%s cannot be gone over", object_text(e, object));
    diag_help(d, is_tensor(object)
                     ? "'for' goes over lists and ranges; a loop over a tensor is 'scan'"
                     : "'for' goes over lists and ranges: for i in 0..4");
    return false;
  }
  *items = object->items;
  *count = object->count;
  return true;
}

static bool bind_names(Elaborator *e, Frame *frame, Scope *scope, const IdentList *names,
                       Object *item, Span span) {
  if (names->count == 1) {
    pointer_set(&scope->names, names->items[0].name, item);
    return true;
  }
  if (item->kind != OBJECT_LIST || item->count != names->count) {
    report(e, frame, E0231, span, "%zu names stand for %s", names->count, object_text(e, item));
    return false;
  }
  for (size_t i = 0; i < names->count; i++)
    pointer_set(&scope->names, names->items[i].name, item->items[i]);
  return true;
}

static Object *evaluate_comprehension(Elaborator *e, Frame *frame, const Expr *expr) {
  Object **items;
  size_t count;
  if (!iterate(e, frame, expr->right, &items, &count)) return error_object;
  Object *list = object_list(e, count);
  Scope *outer = frame->scope;
  bool bad = false;
  vec_push(e->arena, &frame->loops, 0);
  for (size_t i = 0; i < count && !bad && !e->stopped; i++) {
    frame->scope = scope_new(e, outer);
    vec_last(&frame->loops) = (int64_t)i;
    bad = !bind_names(e, frame, frame->scope, &expr->names, items[i], expr->right->span);
    if (bad) break;
    list->items[i] = evaluate(e, frame, expr->left);
    bad = is_error(list->items[i]);
  }
  frame->loops.count--;
  frame->scope = outer;
  return bad || e->stopped ? error_object : list;
}

int evaluate_condition(Elaborator *e, Frame *frame, const Expr *expr) {
  Object *c = evaluate(e, frame, expr);
  if (is_error(c)) return -1;
  if (c->kind == OBJECT_BOOL) return (int)c->integer;
  if (is_tensor(c)) {
    Diagnostic *d = report(e, frame, E0303, expr->span, "this is known only at run time");
    diag_label(d, "%s", object_text(e, c));
    diag_help(d, "use where(condition, a, b)");
  } else {
    report(e, frame, E0308, expr->span, "a condition is true or false, not %s", object_text(e, c));
  }
  return -1;
}

static Object *evaluate_conditional(Elaborator *e, Frame *frame, const Expr *expr) {
  int c = evaluate_condition(e, frame, expr->third);
  return c < 0 ? error_object : evaluate(e, frame, c ? expr->left : expr->right);
}

static Object *logic(Elaborator *e, Frame *frame, const Expr *expr) {
  Object *left = evaluate(e, frame, expr->left);
  if (is_error(left)) return error_object;
  if (left->kind == OBJECT_BOOL && (expr->op == AST_OR) == (left->integer != 0)) return left;
  Object *right = evaluate(e, frame, expr->right);
  return binary(e, frame, expr->op, left, right, expr->span, expr->left->span, expr->right->span);
}

static bool is_literal(const Expr *expr) {
  return expr->kind == EXPR_INTEGER;
}

static Object *evaluate_binary(Elaborator *e, Frame *frame, const Expr *expr) {
  if (expr->op == AST_AND || expr->op == AST_OR) return logic(e, frame, expr);
  Object *left = evaluate(e, frame, expr->left);
  if (e->stopped) return error_object;
  Object *right = evaluate(e, frame, expr->right);
  Object *result =
      binary(e, frame, expr->op, left, right, expr->span, expr->left->span, expr->right->span);
  if (expr->op == AST_DIVIDE && result->kind == OBJECT_INTEGER && is_literal(expr->left) &&
      is_literal(expr->right) && result->integer * right->integer != left->integer)
    result->is_quotient = true;
  return result;
}

/* ---- fields ---- */

static Object *namespace_member(Elaborator *e, Frame *frame, Object *object, const char *name,
                                Span span) {
  if (object->integer) {
    const Builtin *builtin = pointer_get(&e->builtins, name);
    if (builtin) {
      Object *found = object_new(e, OBJECT_BUILTIN);
      found->builtin = builtin;
      return found;
    }
    Diagnostic *d = report(e, frame, E0101, span, "there is no operator '%s'", name);
    const char *near = nearest_in_table(name, &e->builtins);
    if (near) diag_help(d, "there is an operator '%s'", near);
    return error_object;
  }
  const ProgramFile *home = NULL;
  const Declaration *declaration = program_find_standard(e->program, name, &home);
  if (declaration) return declared_object(e, declaration, home);
  report(e, frame, E0101, span, "the standard library has no '%s'", name);
  return error_object;
}

Object *member_of(Elaborator *e, Frame *frame, Object *object, const char *name, Span span) {
  if (is_error(object)) return object;
  if (object->kind == OBJECT_NAMESPACE) return namespace_member(e, frame, object, name, span);
  if (object->kind == OBJECT_INSTANCE)
    return instance_member(e, frame, instance_of(object), name, span);
  if (object->kind == OBJECT_PATH) {
    Object *found = pointer_get(object->members, name);
    if (found) return found;
    Diagnostic *d = report(e, frame, E0111, span, "nothing here is named '%s'", name);
    const char *near = nearest_in_table(name, object->members);
    if (near) diag_help(d, "did you mean '%s'?", near);
    return error_object;
  }
  Diagnostic *d =
      report(e, frame, E0111, span, "%s has no parts with names", object_text(e, object));
  if (is_tensor(object) && (strcmp(name, "shape") == 0 || strcmp(name, "size") == 0))
    diag_help(d, "write %s(x)", name);
  else if (is_tensor(object) && !strcmp(name, "T"))
    diag_help(d, "write transpose(x)");
  else if (is_tensor(object))
    diag_help(d, "a function stands before its tensor, or after a pipe: relu(x), x |> relu");
  return error_object;
}

static Object *evaluate_kind(Elaborator *e, Frame *frame, const Expr *expr) {
  switch (expr->kind) {
  case EXPR_NAME:
    return snapshot(e, frame, look_up(e, frame, expr->name, expr->span), expr->span);
  case EXPR_INTEGER:
    return object_integer(e, expr->integer);
  case EXPR_FLOAT:
    return object_real(e, expr->number);
  case EXPR_STRING:
    return object_string(e, expr->name);
  case EXPR_BOOL:
    return object_bool(e, expr->integer != 0);
  case EXPR_NONE:
    return none_object;
  case EXPR_UNARY:
    return unary(e, frame, expr->op, evaluate(e, frame, expr->left), expr->span);
  case EXPR_BINARY:
    return evaluate_binary(e, frame, expr);
  case EXPR_RANGE:
    return evaluate_range(e, frame, expr);
  case EXPR_CONDITIONAL:
    return evaluate_conditional(e, frame, expr);
  case EXPR_PIPE:
    return evaluate_pipe(e, frame, expr);
  case EXPR_CALL:
    return evaluate_call(e, frame, expr);
  case EXPR_INDEX:
    return index_object(e, frame, expr);
  case EXPR_FIELD:
    return snapshot(e, frame,
                    member_of(e, frame, evaluate(e, frame, expr->left), expr->name, expr->span),
                    expr->span);
  case EXPR_LIST:
    return evaluate_list(e, frame, expr);
  case EXPR_COMPREHENSION:
    return evaluate_comprehension(e, frame, expr);
  case EXPR_MAP:
    return evaluate_table(e, frame, expr);
  case EXPR_HOLE:
    report(e, frame, E0230, expr->span, "'_' stands for a missing argument of a call");
    return error_object;
  case EXPR_SLICE:
  case EXPR_ELLIPSIS:
    report(e, frame, E0228, expr->span, "this can stand in brackets behind a tensor only");
    return error_object;
  }
  return error_object;
}

Object *evaluate(Elaborator *e, Frame *frame, const Expr *expr) {
  if (!take_step(e, frame, expr->span, 1)) return error_object;
  if (++e->depth > MOST_EVALUATIONS) {
    report(e, frame, E0307, expr->span, "calls and expressions are nested too deeply");
    stop(e);
    e->depth--;
    return error_object;
  }
  Object *object = evaluate_kind(e, frame, expr);
  e->depth--;
  return object;
}
