/* resolve_body.c - the names of a definition: its parameters and dims, statements, expressions. */
#include "frontend/resolver.h"

#include <string.h>

static void walk_type(Resolver *r, const Expr *type);
static void walk_block(Resolver *r, const StmtList *block);

/* ---- expressions ---- */

static void walk_exprs(Resolver *r, const ExprList *list) {
  for (size_t i = 0; i < list->count; i++) resolve_expr(r, list->items[i], WANTED_VALUE);
}

/* Parts that are elaborated only sometimes. */
static void walk_sometimes(Resolver *r, const Expr *expr) {
  r->conditional++;
  resolve_expr(r, expr, WANTED_VALUE);
  r->conditional--;
}

static void walk_hole(Resolver *r, const Expr *hole) {
  Diagnostic *d =
      diag_report(r->names.diagnostics, E0009, hole->span, "'_' stands for an argument of a call");
  diag_help(d, "as in max_pool2d(_, 2); a name for what is not used begins with '_'");
}

static void walk_arguments(Resolver *r, const Expr *call) {
  const Expr *hole = NULL;
  for (size_t i = 0; i < call->arguments.count; i++) {
    const Expr *value = call->arguments.items[i].value;
    if (value->kind != EXPR_HOLE) {
      resolve_expr(r, value, WANTED_VALUE);
      continue;
    }
    if (hole) {
      Diagnostic *d =
          diag_report(r->names.diagnostics, E0009, value->span, "a second '_' in one call");
      diag_note(d, hole->span, "the first one");
      diag_help(d, "write a function with two parameters: fn");
    }
    hole = value;
  }
}

/* A call or pipe to a definition, for endless.c. */
static void note_call(Resolver *r, const Expr *callee) {
  if (!r->definition || r->conditional || callee->kind != EXPR_NAME) return;
  if (scope_find(&r->names, callee->name, true)) return;
  const Declaration *target = program_find(r->names.program, r->names.file, callee->name, NULL);
  if (target && target->definition)
    endless_add(r->endless, r->definition, target->definition, callee->span);
}

static void walk_callee(Resolver *r, const Expr *callee, Wanted wanted) {
  note_call(r, callee);
  resolve_expr(r, callee, wanted);
}

static void walk_field(Resolver *r, const Expr *field) {
  const Expr *left = field->left;
  names_put(r->names.arena, &r->names.fields, field->name, r);
  bool module =
      left->kind == EXPR_NAME && (!strcmp(left->name, "std") || !strcmp(left->name, "op"));
  if (module && !scope_find(&r->names, left->name, true))
    name_use_in(&r->names, left->name, field->name, field->name_span);
  else
    resolve_expr(r, left, WANTED_VALUE);
}

static void walk_comprehension(Resolver *r, const Expr *expr) {
  resolve_expr(r, expr->right, WANTED_VALUE);
  scope_push(&r->names, false);
  for (size_t i = 0; i < expr->names.count; i++)
    scope_add(&r->names, expr->names.items[i], BINDING_LOOP)->bound = true;
  walk_sometimes(r, expr->left);
  scope_pop(&r->names);
}

static void walk_parts(Resolver *r, const Expr *expr) {
  if (expr->left) resolve_expr(r, expr->left, WANTED_VALUE);
  if (expr->right) resolve_expr(r, expr->right, WANTED_VALUE);
  if (expr->third) resolve_expr(r, expr->third, WANTED_VALUE);
  walk_exprs(r, &expr->items);
  walk_exprs(r, &expr->values);
}

void resolve_expr(Resolver *r, const Expr *expr, Wanted wanted) {
  switch (expr->kind) {
  case EXPR_NAME:
    name_use(&r->names, expr->name, expr->span, wanted);
    return;
  case EXPR_HOLE:
    walk_hole(r, expr);
    return;
  case EXPR_FIELD:
    walk_field(r, expr);
    return;
  case EXPR_COMPREHENSION:
    walk_comprehension(r, expr);
    return;
  case EXPR_CALL:
    walk_callee(r, expr->left, wanted == WANTED_OPTIMIZER ? wanted : WANTED_CALLEE);
    walk_arguments(r, expr);
    return;
  case EXPR_PIPE:
    resolve_expr(r, expr->left, WANTED_VALUE);
    walk_callee(r, expr->right, WANTED_CALLEE);
    return;
  case EXPR_CONDITIONAL:
    resolve_expr(r, expr->third, WANTED_VALUE);
    walk_sometimes(r, expr->left);
    walk_sometimes(r, expr->right);
    return;
  case EXPR_BINARY:
    resolve_expr(r, expr->left, WANTED_VALUE);
    if (expr->op == AST_AND || expr->op == AST_OR)
      walk_sometimes(r, expr->right);
    else
      resolve_expr(r, expr->right, WANTED_VALUE);
    return;
  default:
    walk_parts(r, expr);
  }
}

/* ---- types and headers ---- */

static void walk_type(Resolver *r, const Expr *type) {
  const Expr *head = type->kind == EXPR_INDEX ? type->left : type;
  if (type->kind == EXPR_LIST) {
    for (size_t i = 0; i < type->items.count; i++) walk_type(r, type->items.items[i]);
    return;
  }
  if (!is_type_name(head->name)) name_unknown(&r->names, head->name, head->span, WANTED_TYPE);
  walk_exprs(r, &type->items);
}

/* Bare names in an argument's type that mean nothing yet become dims. */
static void bind_dims(Resolver *r, const Expr *type) {
  if (!type || type->kind != EXPR_INDEX) return;
  for (size_t i = 0; i < type->items.count; i++) {
    const Expr *item = type->items.items[i];
    if (item->kind != EXPR_NAME || scope_find_local(&r->names, item->name)) continue;
    const Declaration *known = program_find(r->names.program, r->names.file, item->name, NULL);
    if (known && known->kind == DECLARATION_CONST) continue;
    scope_add(&r->names, (Ident){item->name, item->span}, BINDING_DIM)->bound = true;
  }
}

/* An entry's dims are the file's. */
static void check_entry_dims(Resolver *r, const Expr *type) {
  if (!type || type->kind != EXPR_INDEX) return;
  for (size_t i = 0; i < type->items.count; i++) {
    const Expr *item = type->items.items[i];
    if (item->kind != EXPR_NAME) continue;
    if (!program_find(r->names.program, r->names.file, item->name, NULL) &&
        !scope_find(&r->names, item->name, true))
      name_unknown(&r->names, item->name, item->span, WANTED_DIM);
  }
}

static void add_parameter(Resolver *r, const Parameter *parameter, BindingKind kind) {
  if (parameter->type) walk_type(r, parameter->type);
  if (parameter->range) resolve_expr(r, parameter->range, WANTED_VALUE);
  if (parameter->init) walk_sometimes(r, parameter->init);
  const Binding *before = names_get(&r->names.scope->names, parameter->name.name);
  if (before && before->kind != BINDING_DIM && before->span.from != parameter->name.span.from) {
    Diagnostic *d = diag_report(r->names.diagnostics, E0102, parameter->name.span,
                                "'%s' is a parameter already", parameter->name.name);
    diag_note(d, before->span, "the first one");
  }
  Binding *binding = scope_add(&r->names, parameter->name, kind);
  binding->bound = true;
  if (binding->kind == BINDING_DIM) binding->kind = kind;
}

static void walk_header(Resolver *r, const Definition *definition) {
  bool entry = definition->kind == DEFINITION_MODEL || definition->kind == DEFINITION_TRAIN;
  for (size_t i = 0; i < definition->hyper.count; i++)
    add_parameter(r, &definition->hyper.items[i], BINDING_HYPER);
  for (size_t i = 0; i < definition->parameters.count; i++) {
    if (entry)
      check_entry_dims(r, definition->parameters.items[i].type);
    else
      bind_dims(r, definition->parameters.items[i].type);
  }
  for (size_t i = 0; i < definition->parameters.count; i++)
    add_parameter(r, &definition->parameters.items[i], BINDING_PARAMETER);
  for (size_t i = 0; i < definition->results.count; i++)
    walk_type(r, definition->results.items[i].type);
}

/* ---- statements ---- */

static const Expr *root_of(const Expr *target) {
  while (target->left) target = target->left;
  return target;
}

static void add_target(Resolver *r, const Expr *target, bool part) {
  const Expr *root = root_of(target);
  if (root->kind != EXPR_NAME) return;
  Binding *binding = scope_add(&r->names, (Ident){root->name, root->span}, BINDING_VALUE);
  binding->part |= part;
}

void resolve_collect(Resolver *r, const StmtList *block) {
  for (size_t i = 0; i < block->count; i++) {
    const Stmt *stmt = block->items[i];
    switch (stmt->kind) {
    case STMT_BIND:
    case STMT_SCAN:
      for (size_t k = 0; k < stmt->targets.count; k++)
        add_target(r, stmt->targets.items[k],
                   stmt->targets.count > 1 && stmt->values.count != stmt->targets.count);
      break;
    case STMT_PARAM:
    case STMT_STATE:
      scope_add(&r->names, stmt->path.items[0], BINDING_TENSOR);
      break;
    case STMT_FUNCTION:
      scope_add(&r->names, stmt->definition->name, BINDING_FUNCTION);
      break;
    case STMT_FOR:
      for (size_t k = 0; k < stmt->names.count; k++)
        scope_add(&r->names, stmt->names.items[k], BINDING_LOOP);
      resolve_collect(r, &stmt->body);
      break;
    case STMT_IF:
      resolve_collect(r, &stmt->body);
      resolve_collect(r, &stmt->otherwise);
      break;
    default:
      break;
    }
  }
}

static void bind(Resolver *r, const char *name) {
  Binding *binding = names_get(&r->names.scope->names, name);
  if (binding) binding->bound = true;
}

static void bind_targets(Resolver *r, const ExprList *targets) {
  for (size_t i = 0; i < targets->count; i++) {
    const Expr *root = root_of(targets->items[i]);
    if (root->kind == EXPR_NAME) bind(r, root->name);
  }
}

/* What a loop's body binds may be seen from its second turn on. */
static void bind_block(Resolver *r, const StmtList *block) {
  for (size_t i = 0; i < block->count; i++) {
    const Stmt *stmt = block->items[i];
    bind_targets(r, &stmt->targets);
    if (stmt->kind == STMT_PARAM || stmt->kind == STMT_STATE) bind(r, stmt->path.items[0].name);
    if (stmt->kind == STMT_FUNCTION) bind(r, stmt->definition->name.name);
    if (stmt->kind == STMT_SCAN) continue;
    bind_block(r, &stmt->body);
    bind_block(r, &stmt->otherwise);
  }
}

static void walk_scan(Resolver *r, const Stmt *stmt) {
  walk_exprs(r, &stmt->values);
  if (stmt->axis) resolve_expr(r, stmt->axis, WANTED_VALUE);
  for (size_t i = 0; i < stmt->carry.count; i++)
    name_use(&r->names, stmt->carry.items[i].name, stmt->carry.items[i].span, WANTED_VALUE);
  scope_push(&r->names, false);
  for (size_t i = 0; i < stmt->names.count; i++)
    scope_add(&r->names, stmt->names.items[i], BINDING_LOOP)->bound = true;
  for (size_t i = 0; i < stmt->carry.count; i++)
    scope_add(&r->names, stmt->carry.items[i], BINDING_LOOP)->bound = true;
  resolve_collect(r, &stmt->body);
  if (stmt->condition) resolve_expr(r, stmt->condition, WANTED_VALUE);
  r->scans++;
  walk_block(r, &stmt->body);
  r->scans--;
  scope_pop(&r->names);
  bind_targets(r, &stmt->targets);
}

static bool returns(const StmtList *block) {
  for (size_t i = 0; i < block->count; i++) {
    const Stmt *stmt = block->items[i];
    if (stmt->kind == STMT_RETURN) return true;
    if (stmt->kind != STMT_SCAN && (returns(&stmt->body) || returns(&stmt->otherwise))) return true;
  }
  return false;
}

static void misplaced(Resolver *r, const Stmt *stmt, const char *message) {
  diag_report(r->names.diagnostics, E0007, stmt->span, "%s", message);
}

static void walk_tensor(Resolver *r, const Stmt *stmt) {
  if (stmt->type) walk_type(r, stmt->type);
  if (stmt->from) resolve_expr(r, stmt->from, WANTED_VALUE);
  if (stmt->init) resolve_expr(r, stmt->init, WANTED_VALUE);
  bind(r, stmt->path.items[0].name);
}

void resolve_statement(Resolver *r, const Stmt *stmt) {
  switch (stmt->kind) {
  case STMT_BIND:
    walk_exprs(r, &stmt->values);
    if (stmt->from) resolve_expr(r, stmt->from, WANTED_VALUE);
    bind_targets(r, &stmt->targets);
    return;
  case STMT_SCAN:
    walk_scan(r, stmt);
    return;
  case STMT_PARAM:
  case STMT_STATE:
    walk_tensor(r, stmt);
    return;
  case STMT_EMIT:
    if (!r->scans) misplaced(r, stmt, "'emit' stands in the body of a scan");
    walk_exprs(r, &stmt->values);
    return;
  case STMT_RETURN:
    if (r->scans) misplaced(r, stmt, "a scan is not left with 'return'; it may end with 'while'");
    walk_exprs(r, &stmt->values);
    return;
  case STMT_WRITE:
  case STMT_EXPR:
    walk_exprs(r, &stmt->values);
    walk_exprs(r, &stmt->targets);
    return;
  case STMT_ASSERT:
    resolve_expr(r, stmt->condition, WANTED_VALUE);
    if (stmt->message) resolve_expr(r, stmt->message, WANTED_VALUE);
    return;
  case STMT_IF:
    resolve_expr(r, stmt->condition, WANTED_VALUE);
    r->conditional++;
    walk_block(r, &stmt->body);
    walk_block(r, &stmt->otherwise);
    r->conditional--;
    return;
  case STMT_FOR:
    resolve_expr(r, stmt->iterable, WANTED_VALUE);
    for (size_t i = 0; i < stmt->names.count; i++) bind(r, stmt->names.items[i].name);
    bind_block(r, &stmt->body);
    r->conditional++;
    walk_block(r, &stmt->body);
    r->conditional--;
    return;
  case STMT_MINIMIZE:
    resolve_expr(r, stmt->loss, WANTED_VALUE);
    walk_exprs(r, &stmt->values);
    resolve_expr(r, stmt->optimizer, WANTED_OPTIMIZER);
    return;
  case STMT_FUNCTION:
    bind(r, stmt->definition->name.name);
    r->conditional++;
    resolve_definition(r, stmt->definition);
    r->conditional--;
    return;
  }
}

static void walk_block(Resolver *r, const StmtList *block) {
  int conditional = r->conditional;
  for (size_t i = 0; i < block->count; i++) {
    const Stmt *stmt = block->items[i];
    resolve_statement(r, stmt);
    /* What follows `if .. { return .. }` is elaborated only sometimes. */
    if (stmt->kind == STMT_IF && (returns(&stmt->body) || returns(&stmt->otherwise)))
      r->conditional++;
  }
  r->conditional = conditional;
}

void resolve_definition(Resolver *r, const Definition *definition) {
  int scans = r->scans;
  r->scans = 0;
  scope_push(&r->names, true);
  walk_header(r, definition);
  resolve_collect(r, &definition->body);
  if (definition->value) resolve_expr(r, definition->value, WANTED_VALUE);
  walk_block(r, &definition->body);
  scope_pop(&r->names);
  r->scans = scans;
}
