/* statements.c - bodies: what is known while compiling is executed, the rest was made operations
 * by its expressions. */
#include "frontend/elaborator.h"

static void execute_one(Elaborator *e, Frame *frame, const Stmt *stmt);

void bind_target(Elaborator *e, Frame *frame, const Expr *target, Object *value) {
  const char *path = target->kind == EXPR_NAME ? target->name : ast_path(e->arena, target);
  if (path && may_bind_in_scan(e, frame, path, target->span))
    bind_path(e, frame, path, value, target->span);
}

bool evaluate_values(Elaborator *e, Frame *frame, const Stmt *stmt, Object **targets_values) {
  size_t count = stmt->values.count, targets = stmt->targets.count;
  Object **values = ARENA_ARRAY(e->arena, count + 1, Object *);
  for (size_t i = 0; i < count; i++) values[i] = evaluate(e, frame, stmt->values.items[i]);
  if (e->stopped) return false;
  if (count == targets) {
    for (size_t i = 0; i < targets; i++) targets_values[i] = values[i];
    return true;
  }
  if (count == 1 && is_error(values[0])) return false;
  if (count != 1 || values[0]->kind != OBJECT_LIST) {
    Diagnostic *d = report(e, frame, E0231, stmt->span, "%zu names for %s", targets,
                           count == 1 ? object_text(e, values[0])
                                      : arena_format(e->arena, "%zu values", count));
    if (count == 1 && is_tensor(values[0]))
      diag_help(d, "split(x, %zu, axis=0) makes a list of it", targets);
    return false;
  }
  if (values[0]->count != targets) {
    report(e, frame, E0231, stmt->span, "%zu names for %s", targets, object_text(e, values[0]));
    return false;
  }
  for (size_t i = 0; i < targets; i++) targets_values[i] = values[0]->items[i];
  return true;
}

static void name_values(Elaborator *e, Frame *frame, const Stmt *stmt, Object *value) {
  const char *name = name_from(e, frame, stmt);
  Span span = stmt->from->span;
  if (!name || is_error(value)) return;
  if (value->kind != OBJECT_INSTANCE && value->kind != OBJECT_LIST) {
    report(e, frame, E0223, span, "'from' names an instance, not %s", object_text(e, value));
    return;
  }
  const Instance *other = named_otherwise(e, frame, name, value);
  if (other) {
    Diagnostic *d =
        report(e, frame, E0112, span, "what '%s' is to name is '%s' already", name, other->path);
    diag_help(d, "give the name where it is made: an instance has one");
  } else if (frame->kind == FRAME_FUNCTION) {
    Diagnostic *d = report(e, frame, E0223, span, "'from' names nothing in a function");
    diag_help(d, "what a function makes is named where it is called");
  } else {
    name_instances(e, frame, name, value, span);
  }
}

static void execute_bind(Elaborator *e, Frame *frame, const Stmt *stmt) {
  size_t targets = stmt->targets.count;
  Object **values = ARENA_ARRAY(e->arena, targets, Object *);
  bool fine = evaluate_values(e, frame, stmt, values);
  if (fine && stmt->from) name_values(e, frame, stmt, values[0]);
  for (size_t i = 0; i < targets && !e->stopped; i++)
    bind_target(e, frame, stmt->targets.items[i], fine ? values[i] : error_object);
}

static void execute_return(Elaborator *e, Frame *frame, const Stmt *stmt) {
  if (stmt->values.count == 0) {
    frame->result = none_object;
  } else if (stmt->values.count == 1) {
    frame->result = evaluate(e, frame, stmt->values.items[0]);
  } else {
    Object *list = object_list(e, stmt->values.count);
    bool bad = false;
    for (size_t i = 0; i < list->count; i++) {
      list->items[i] = evaluate(e, frame, stmt->values.items[i]);
      bad |= is_error(list->items[i]);
    }
    frame->result = bad ? error_object : list;
  }
  frame->is_done = true;
}

/* The condition with its values in it: "512 % 7 == 0". */
static const char *condition_text(Elaborator *e, Frame *frame, const Expr *c) {
  if (c->kind == EXPR_BINARY && c->op == AST_AND) {
    bool left = evaluate_condition(e, frame, c->left) == 1;
    return condition_text(e, frame, left ? c->right : c->left);
  }
  if (c->kind != EXPR_BINARY || c->op == AST_OR) return source_text(e, c->span, 60);
  const char *sides[2];
  for (int i = 0; i < 2; i++) {
    const Expr *side = i ? c->right : c->left;
    if (side->kind == EXPR_BINARY && side->op == AST_REMAINDER)
      sides[i] = condition_text(e, frame, side);
    else
      sides[i] = object_text(e, evaluate(e, frame, side));
  }
  return arena_format(e->arena, "%s %s %s", sides[0], ast_operator_text(c->op), sides[1]);
}

static void execute_assert(Elaborator *e, Frame *frame, const Stmt *stmt) {
  int holds = evaluate_condition(e, frame, stmt->condition);
  if (holds) return;
  Object *why = stmt->message ? evaluate(e, frame, stmt->message) : none_object;
  Diagnostic *d = report(e, frame, E0304, stmt->span, "%s",
                         why->kind == OBJECT_STRING ? why->text : "an assertion does not hold");
  diag_label(d, "%s does not hold", condition_text(e, frame, stmt->condition));
  frame->is_done = true;
  frame->result = error_object;
}

static void execute_if(Elaborator *e, Frame *frame, const Stmt *stmt) {
  int c = evaluate_condition(e, frame, stmt->condition);
  if (c < 0) {
    frame->is_done = true; /* nothing that follows is sure */
    frame->result = error_object;
    return;
  }
  execute(e, frame, c ? &stmt->body : &stmt->otherwise);
}

static void execute_for(Elaborator *e, Frame *frame, const Stmt *stmt) {
  Object **items;
  size_t count;
  if (!iterate(e, frame, stmt->iterable, &items, &count)) {
    frame->is_done = true;
    frame->result = error_object;
    return;
  }
  vec_push(e->arena, &frame->loops, 0);
  for (size_t i = 0; i < count && !frame->is_done && take_step(e, frame, stmt->span, 1); i++) {
    vec_last(&frame->loops) = (int64_t)i;
    const IdentList *names = &stmt->names;
    if (names->count == 1) {
      pointer_set(&frame->scope->names, names->items[0].name, items[i]);
    } else if (items[i]->kind != OBJECT_LIST || items[i]->count != names->count) {
      report(e, frame, E0231, stmt->iterable->span, "%zu names stand for %s", names->count,
             object_text(e, items[i]));
      frame->is_done = true;
      frame->result = error_object;
      break;
    } else {
      for (size_t k = 0; k < names->count; k++)
        pointer_set(&frame->scope->names, names->items[k].name, items[i]->items[k]);
    }
    execute(e, frame, &stmt->body);
  }
  frame->loops.count--;
}

static void execute_function(Elaborator *e, Frame *frame, const Stmt *stmt) {
  Object *function = object_new(e, OBJECT_FUNCTION);
  function->definition = stmt->definition;
  function->home = frame->home;
  function->frame = frame;
  pointer_set(&frame->scope->names, stmt->definition->name.name, function);
}

static void execute_one(Elaborator *e, Frame *frame, const Stmt *stmt) {
  switch (stmt->kind) {
  case STMT_BIND:
    execute_bind(e, frame, stmt);
    break;
  case STMT_EXPR:
    for (size_t i = 0; i < stmt->values.count; i++) evaluate(e, frame, stmt->values.items[i]);
    break;
  case STMT_PARAM:
  case STMT_STATE:
    declare_parameter(e, frame, stmt);
    break;
  case STMT_RETURN:
    execute_return(e, frame, stmt);
    break;
  case STMT_ASSERT:
    execute_assert(e, frame, stmt);
    break;
  case STMT_IF:
    execute_if(e, frame, stmt);
    break;
  case STMT_FOR:
    execute_for(e, frame, stmt);
    break;
  case STMT_FUNCTION:
    execute_function(e, frame, stmt);
    break;
  case STMT_SCAN:
    execute_scan(e, frame, stmt);
    break;
  case STMT_WRITE:
    execute_write(e, frame, stmt);
    break;
  case STMT_MINIMIZE:
    execute_minimize(e, frame, stmt);
    break;
  case STMT_EMIT:
    execute_emit(e, frame, stmt);
    break;
  }
}

void execute(Elaborator *e, Frame *frame, const StmtList *list) {
  for (size_t i = 0; i < list->count && !frame->is_done; i++) {
    if (!take_step(e, frame, list->items[i]->span, 1)) return;
    if (++e->depth > MOST_EVALUATIONS) {
      report(e, frame, E0307, list->items[i]->span, "calls and statements are nested too deeply");
      stop(e);
    } else {
      execute_one(e, frame, list->items[i]);
    }
    e->depth--;
  }
}
