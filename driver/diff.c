#include "driver/diff.h"

#include "support/vec.h"

#include <string.h>

typedef struct {
  const char *text;
  size_t length;
  size_t hash;
} Line;

typedef struct {
  Line *items;
  size_t count;
} Lines;

static Lines split(Arena *arena, const char *text) {
  VEC(Line) lines = {0};
  while (*text) {
    size_t length = strcspn(text, "\n");
    size_t hash = 1469598103u;
    for (size_t i = 0; i < length; i++) hash = (hash ^ (unsigned char)text[i]) * 1099511628211u;
    vec_push(arena, &lines, ((Line){text, length, hash}));
    text += length + (text[length] == '\n');
  }
  return (Lines){lines.items, lines.count};
}

static bool same(const Line *a, const Line *b) {
  return a->hash == b->hash && a->length == b->length && memcmp(a->text, b->text, a->length) == 0;
}

/* Is the module's head, which names the pass? It always changes and says nothing. */
static bool is_head(const Line *line) {
  return line->length > 7 && memcmp(line->text, "module ", 7) == 0;
}

typedef struct {
  Text *out;
  int shown, hidden;
  bool all;
} Printer;

enum { MOST_LINES = 24, LOOK_AHEAD = 2000 };

static void print(Printer *p, char sign, const Line *line) {
  if (is_head(line)) return;
  if (!p->all && p->shown >= MOST_LINES) {
    p->hidden++;
    return;
  }
  p->shown++;
  text_format(p->out, "%c%.*s\n", sign, (int)line->length, line->text);
}

/* How far ahead `wanted` stands from `from` on; SIZE_MAX if it is not near. */
static size_t find(const Lines *lines, size_t from, const Line *wanted) {
  for (size_t i = from; i < lines->count && i < from + LOOK_AHEAD; i++)
    if (same(&lines->items[i], wanted)) return i - from;
  return SIZE_MAX;
}

void diff_print(Text *out, const char *pass, const PassEffect *effect, const char *before,
                const char *after, bool all) {
  Lines old = split(out->arena, before), new = split(out->arena, after);
  Text body = text_new(out->arena);
  Printer p = {.out = &body, .all = all};
  size_t i = 0, j = 0;
  while (i < old.count || j < new.count) {
    if (i < old.count && j < new.count &&same(&old.items[i], &new.items[j])) {
      i++;
      j++;
      continue;
    }
    size_t leave = j < new.count ? find(&old, i, &new.items[j]) : SIZE_MAX;
    size_t come = i < old.count ? find(&new, j, &old.items[i]) : SIZE_MAX;
    if (i < old.count && (j >= new.count || come == SIZE_MAX || leave <= come))
      print(&p, '-', &old.items[i++]);
    else
      print(&p, '+', &new.items[j++]);
  }
  text_format(out, "== %-12s ", pass);
  if (effect->effect)
    text_format(out, "%s\n", effect->effect);
  else if (p.shown == 0)
    text_string(out, "(unchanged)\n");
  else
    text_format(out, "%d -> %d operations\n", effect->before, effect->after);
  if (body.length) text_string(out, text_get(&body));
  if (p.hidden) text_format(out, "   ... %d more changes (--all)\n", p.hidden);
}
