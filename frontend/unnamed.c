/* unnamed.c - names of layers and optimizers that are applied where they are made: conv2d_0,
 * linear_1.2, adam_0.
 *
 * The number counts the unnamed ones of that layer in the text of the enclosing body (in a file: of
 * all its entries), so flags and constants do not change it.
 */
#include "frontend/elaborator.h"

#include <stdlib.h>

typedef VEC(const Expr *) Makings;

static void walk_list(Arena *arena, const StmtList *list, Makings *found);

/* A call whose callee is a call, or the right side of a pipe. */
static void walk(Arena *arena, const Expr *expr, Makings *found) {
  if (!expr) return;
  if (expr->kind == EXPR_CALL && expr->left->kind == EXPR_CALL) vec_push(arena, found, expr->left);
  if (expr->kind == EXPR_PIPE && expr->right->kind == EXPR_CALL)
    vec_push(arena, found, expr->right);
  walk(arena, expr->left, found);
  walk(arena, expr->right, found);
  walk(arena, expr->third, found);
  for (size_t i = 0; i < expr->items.count; i++) walk(arena, expr->items.items[i], found);
  for (size_t i = 0; i < expr->values.count; i++) walk(arena, expr->values.items[i], found);
  for (size_t i = 0; i < expr->arguments.count; i++)
    walk(arena, expr->arguments.items[i].value, found);
}

static void walk_stmt(Arena *arena, const Stmt *stmt, Makings *found) {
  if (stmt->kind == STMT_FUNCTION) return;
  for (size_t i = 0; i < stmt->values.count; i++) walk(arena, stmt->values.items[i], found);
  if (stmt->optimizer && stmt->optimizer->kind == EXPR_CALL)
    vec_push(arena, found, stmt->optimizer);
  const Expr *parts[] = {stmt->init,     stmt->condition, stmt->message,
                         stmt->iterable, stmt->loss,      stmt->optimizer};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) walk(arena, parts[i], found);
  walk_list(arena, &stmt->body, found);
  walk_list(arena, &stmt->otherwise, found);
}

static void walk_list(Arena *arena, const StmtList *list, Makings *found) {
  for (size_t i = 0; i < list->count; i++) walk_stmt(arena, list->items[i], found);
}

static int by_place(const void *a, const void *b) {
  const Expr *x = *(const Expr *const *)a, *y = *(const Expr *const *)b;
  return x->span.from < y->span.from ? -1 : x->span.from > y->span.from;
}

/* Layers of all entries share one space of names; optimizers stand under their entry's. */
static const Makings *makings_of(Elaborator *e, const Frame *frame, bool optimizers) {
  bool is_own = frame->kind == FRAME_LAYER || frame->kind == FRAME_OPTIMIZER ||
                (frame->kind == FRAME_ENTRY && optimizers);
  const void *key = is_own ? (const void *)frame->definition : e->program->main;
  Makings *known = pointer_get(&e->unnamed, key);
  if (known) return known;
  known = ARENA_NEW(e->arena, Makings);
  if (is_own) {
    walk_list(e->arena, &frame->definition->body, known);
  } else {
    const AstFile *file = e->program->main->ast;
    for (size_t i = 0; i < file->count; i++) {
      const Declaration *d = file->items[i];
      if (d->kind == DECLARATION_STMT) walk_stmt(e->arena, d->statement, known);
      if (d->kind == DECLARATION_DEFINITION &&
          (d->definition->kind == DEFINITION_MODEL || d->definition->kind == DEFINITION_TRAIN))
        walk_list(e->arena, &d->definition->body, known);
    }
  }
  if (known->count) qsort(known->items, known->count, sizeof *known->items, by_place);
  pointer_set(&e->unnamed, key, known);
  return known;
}

/* The layer that a call makes, as far as the text alone tells. */
static const Definition *made_layer(Elaborator *e, const ProgramFile *home, const Expr *call) {
  const Expr *callee = call->left;
  const ProgramFile *found_in = NULL;
  const Declaration *d = NULL;
  if (callee->kind == EXPR_NAME)
    d = program_find(e->program, home, callee->name, &found_in);
  else if (callee->kind == EXPR_FIELD)
    d = program_find_standard(e->program, callee->name, &found_in);
  if (!d || (d->kind != DECLARATION_CONST && d->kind != DECLARATION_DEFINITION)) return NULL;
  const Object *object = declared_object(e, d, found_in);
  bool is_made = object->kind == OBJECT_LAYER || object->kind == OBJECT_OPTIMIZER;
  return is_made ? object->definition : NULL;
}

const char *unnamed_name(Elaborator *e, const Frame *frame, const Instance *instance) {
  const Makings *makings = makings_of(e, frame, is_optimizer(instance));
  const Definition *layer = instance->layer->definition;
  int number = 0;
  bool found = false;
  for (size_t i = 0; i < makings->count && !found; i++) {
    found = makings->items[i] == instance->made_by;
    if (!found && made_layer(e, frame->home, makings->items[i]) == layer) number++;
  }
  if (!found) return NULL;
  char *lower = arena_format(e->arena, "%s", layer->name.name);
  for (char *c = lower; *c; c++)
    if (*c >= 'A' && *c <= 'Z') *c = (char)(*c + 32);
  return arena_format(e->arena, "%s_%d%s", lower, number, instance->suffix);
}
