#include "ir/runs.h"

#include <string.h>

int run_value(const RunMeaning *meaning, const char *name) {
  for (size_t i = 0; i < meaning->values.count; i++)
    if (strcmp(meaning->values.items[i], name) == 0) return (int)i;
  return -1;
}

typedef struct {
  Arena *arena;
  const Module *module;
  const PageRun *run;
  RunMeaning *meaning;
  VEC(const Type *) given; /* of each value: what the first line gives it as; NULL: none does */
  VEC(const Type *) taken; /* what the first line takes it as */
} Reader;

static bool has_name(const NameVec *names, const char *name) {
  for (size_t i = 0; i < names->count; i++)
    if (strcmp(names->items[i], name) == 0) return true;
  return false;
}

static int value_of(Reader *r, const char *name) {
  int number = run_value(r->meaning, name);
  if (number >= 0) return number;
  vec_push(r->arena, &r->meaning->values, name);
  vec_push(r->arena, &r->given, NULL);
  vec_push(r->arena, &r->taken, NULL);
  return (int)r->meaning->values.count - 1;
}

static bool is_whole(const Type *type) {
  return type->element == ELEMENT_i64 || type->element == ELEMENT_i32;
}

/* Logits [N,V] or [N,T,V] of tokens [N] or [N,T]. */
static bool is_choice(const Type *given, const Type *taken) {
  return given && taken && given->element == ELEMENT_f32 && is_whole(taken) &&
         (given->rank == 2 || given->rank == 3) && (taken->rank == 1 || taken->rank == 2) &&
         dim_is_constant(given->dims[given->rank - 1]);
}

/* Where one entry's value can be given to another. */
static bool is_same(const Type *given, const Type *taken) {
  if (given->element != taken->element || given->rank != taken->rank) return false;
  for (int axis = 0; axis < given->rank; axis++)
    if (dim_is_constant(given->dims[axis]) && dim_is_constant(taken->dims[axis]) &&
        dim_value(given->dims[axis]) != dim_value(taken->dims[axis]))
      return false;
  return true;
}

static const char *read_line(Reader *r, const RunLine *line) {
  const Function *f = module_function(r->module, line->entry);
  if (!f || f->kind != FUNCTION_MODEL)
    return arena_format(r->arena, "'%s' is no model", line->entry);
  if (line->inputs.count != (size_t)f->body->argument_count)
    return arena_format(r->arena, "'%s' takes %d tensors, not %zu", line->entry,
                        f->body->argument_count, line->inputs.count);
  if (line->outputs.count > f->results.count)
    return arena_format(r->arena, "'%s' gives %zu results, not %zu", line->entry, f->results.count,
                        line->outputs.count);
  for (size_t i = 0; i < line->inputs.count; i++) {
    int number = value_of(r, line->inputs.items[i]);
    const Type *type = &f->body->arguments[i]->type;
    if (!r->taken.items[number]) r->taken.items[number] = type;
    if (!is_same(type, r->taken.items[number]) && !(is_whole(type) && type->rank <= 2))
      return arena_format(r->arena, "'%s' is taken as %s and as %s", line->inputs.items[i],
                          type_text(r->arena, r->taken.items[number]), type_text(r->arena, type));
  }
  for (size_t i = 0; i < line->outputs.count; i++) {
    int number = value_of(r, line->outputs.items[i]);
    if (!r->given.items[number]) r->given.items[number] = &f->results.items[i].type;
  }
  return NULL;
}

/* All that is given and taken is carried or chosen. */
static const char *find_chosen(Reader *r) {
  for (size_t i = 0; i < r->meaning->values.count; i++) {
    const Type *given = r->given.items[i], *taken = r->taken.items[i];
    const char *name = r->meaning->values.items[i];
    if (!given || !taken || is_same(given, taken)) continue;
    if (!is_choice(given, taken))
      return arena_format(r->arena, "'%s' is given as %s and taken as %s", name,
                          type_text(r->arena, given), type_text(r->arena, taken));
    if (r->meaning->chosen >= 0)
      return arena_format(r->arena, "'%s' and '%s' would be chosen; one is",
                          r->meaning->values.items[r->meaning->chosen], name);
    r->meaning->chosen = (int)i;
  }
  return NULL;
}

static const char *check_lines(Reader *r, int *line) {
  const PageRun *run = r->run;
  for (size_t i = 0; i < run->lines.count; i++) {
    const RunLine *l = &run->lines.items[i];
    for (size_t k = 0; k < l->outputs.count; k++)
      if (has_name(&l->inputs, l->outputs.items[k])) r->meaning->repeated = (int)i;
  }
  for (size_t i = 0; i < run->lines.count; i++) {
    const RunLine *l = &run->lines.items[i];
    *line = (int)i;
    const Type *type =
        l->inputs.count ? r->taken.items[run_value(r->meaning, l->inputs.items[0])] : NULL;
    if (!l->outputs.count && (l->inputs.count != 1 || !is_whole(type) || type->rank != 1 ||
                              (int)i <= r->meaning->repeated - 1 || r->meaning->chosen < 0))
      return "a line without results stands last, after a choice, and takes one i64[N]";
    if (l->outputs.count && r->meaning->repeated >= 0 && (int)i > r->meaning->repeated)
      return "it stands after the line that is called again and again";
  }
  if (r->meaning->chosen >= 0 && r->meaning->repeated < 0) {
    *line = (int)run->lines.count - 1;
    return "no line takes what it gives, so that nothing would be called again";
  }
  return NULL;
}

const char *run_meaning(Arena *arena, const Module *module, const PageRun *run, RunMeaning *meaning,
                        int *line) {
  Reader r = {.arena = arena, .module = module, .run = run, .meaning = meaning};
  *meaning = (RunMeaning){.chosen = -1, .repeated = -1};
  *line = 0;
  if (!run->lines.count) return "it has no lines";
  for (size_t i = 0; i < run->lines.count; i++) {
    *line = (int)i;
    const char *message = read_line(&r, &run->lines.items[i]);
    if (message) return message;
  }
  *line = 0;
  const char *message = find_chosen(&r);
  return message ? message : check_lines(&r, line);
}
