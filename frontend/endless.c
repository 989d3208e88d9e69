#include "frontend/endless.h"

#include "frontend/names.h"
#include "support/vec.h"

typedef struct {
  int user, used;
  Span span;
  int next; /* the same user's next use, or -1 */
} Use;

typedef struct {
  const Definition *definition;
  int first; /* its uses */
  int at;    /* the use that is followed now */
  enum { NEW, OPEN, DONE } state;
} Node;

struct Endless {
  Arena *arena;
  NameTable numbers; /* by the definition's own address: its number + 1 */
  VEC(Node) nodes;
  VEC(Use) uses;
};

Endless *endless_new(Arena *arena) {
  Endless *endless = ARENA_NEW(arena, Endless);
  endless->arena = arena;
  return endless;
}

static int number_of(Endless *endless, const Definition *definition) {
  const char *key = (const char *)definition;
  int *number = names_get(&endless->numbers, key);
  if (number) return *number;
  number = ARENA_NEW(endless->arena, int);
  *number = (int)endless->nodes.count;
  names_put(endless->arena, &endless->numbers, key, number);
  vec_push(endless->arena, &endless->nodes, ((Node){definition, -1, -1, NEW}));
  return *number;
}

void endless_add(Endless *endless, const Definition *user, const Definition *used, Span span) {
  int from = number_of(endless, user), to = number_of(endless, used);
  Use use = {from, to, span, endless->nodes.items[from].first};
  endless->nodes.items[from].first = (int)endless->uses.count;
  vec_push(endless->arena, &endless->uses, use);
}

/* The circle is the part of the stack from the node that is used again. */
static void report(const Endless *endless, Diagnostics *diagnostics, const int *stack, size_t count,
                   const Use *last) {
  size_t start = count;
  while (start && stack[start - 1] != last->used) start--;
  start--;
  const Definition *head = endless->nodes.items[last->used].definition;
  Diagnostic *d = diag_report(diagnostics, E0105, last->span, "%s '%s' uses itself without end",
                              definition_kind_text(head->kind), head->name.name);
  for (size_t i = start; i + 1 < count && i < start + 8; i++) {
    const Node *node = &endless->nodes.items[stack[i]];
    const Use *use = &endless->uses.items[node->at];
    diag_note(d, use->span, "'%s' uses '%s'", node->definition->name.name,
              endless->nodes.items[use->used].definition->name.name);
  }
  diag_help(d, "let a condition on a hyperparameter end it");
}

void endless_report(Endless *endless, Diagnostics *diagnostics) {
  VEC(int) stack = {0};
  for (int root = 0; root < (int)endless->nodes.count; root++) {
    if (endless->nodes.items[root].state != NEW) continue;
    vec_push(endless->arena, &stack, root);
    endless->nodes.items[root].state = OPEN;
    endless->nodes.items[root].at = endless->nodes.items[root].first;
    while (stack.count) {
      Node *node = &endless->nodes.items[vec_last(&stack)];
      if (node->at < 0) {
        node->state = DONE;
        stack.count--;
        if (stack.count) {
          Node *user = &endless->nodes.items[vec_last(&stack)];
          user->at = endless->uses.items[user->at].next;
        }
        continue;
      }
      const Use *use = &endless->uses.items[node->at];
      Node *used = &endless->nodes.items[use->used];
      if (used->state == NEW) {
        used->state = OPEN;
        used->at = used->first;
        vec_push(endless->arena, &stack, use->used);
        continue;
      }
      if (used->state == OPEN) report(endless, diagnostics, stack.items, stack.count, use);
      node->at = use->next;
    }
  }
}
