#include "driver/weights.h"

#include "runtime/safetensors.h"
#include "support/bug.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
  const char *name; /* after --rename */
  const dlrt_stored *stored;
  bool used;
} Candidate;

typedef struct {
  Session *session;
  Arena *arena;
  Module *module;
  const char *path;
  Span span; /* the file, by name */
  VEC(Candidate) candidates;
  VEC(const char *) lines_missing, lines_shape;
  int missing, other_shape, other_type;
  const char *transposed, *rename_from, *rename_to;
  bool renames_disagree;
} Loader;

/* ---- --rename OLD=NEW, where one '*' stands for any text ---- */

static const char *apply_rename(Arena *arena, const Assignment *rule, const char *name) {
  const char *star = strchr(rule->name, '*');
  if (!star) return strcmp(rule->name, name) == 0 ? rule->value : NULL;
  size_t before = (size_t)(star - rule->name), after = strlen(star + 1), length = strlen(name);
  if (length < before + after || strncmp(name, rule->name, before) != 0 ||
      strcmp(name + length - after, star + 1) != 0)
    return NULL;
  const char *to = strchr(rule->value, '*');
  if (!to) return rule->value;
  return arena_format(arena, "%.*s%.*s%s", (int)(to - rule->value), rule->value,
                      (int)(length - before - after), name + before, to + 1);
}

static const char *renamed(const Loader *l, const char *name) {
  const Options *options = l->session->options;
  for (size_t i = 0; i < options->values[OPTION_rename].count; i++) {
    Assignment rule;
    if (!assignment_split(l->arena, options->values[OPTION_rename].items[i], &rule)) continue;
    const char *to = apply_rename(l->arena, &rule, name);
    if (to) return to;
  }
  return name;
}

static Candidate *find(Loader *l, const char *name) {
  for (size_t i = 0; i < l->candidates.count; i++)
    if (strcmp(l->candidates.items[i].name, name) == 0) return &l->candidates.items[i];
  return NULL;
}

/* ---- types ---- */

static const char *stored_type(Arena *arena, const dlrt_stored *s) {
  Text text = text_new(arena);
  if (s->element < DLRT_ELEMENTS)
    text_string(&text, element_infos[s->element].name);
  else
    text_string(&text, s->dtype);
  text_char(&text, '[');
  for (int i = 0; i < s->rank; i++)
    text_format(&text, "%s%lld", i ? "," : "", (long long)s->shape[i]);
  text_char(&text, ']');
  return text_get(&text);
}

static bool same_shape(const dlrt_stored *s, const Type *type) {
  if (s->rank != type->rank) return false;
  for (int i = 0; i < s->rank; i++)
    if (dim_max(type->dims[i]) != s->shape[i]) return false;
  return true;
}

static bool is_transposed(const dlrt_stored *s, const Type *type) {
  return s->rank == 2 && type->rank == 2 && dim_max(type->dims[0]) == s->shape[1] &&
         dim_max(type->dims[1]) == s->shape[0];
}

static bool can_convert(Element from, Element to) {
  if (from == to) return true;
  return element_is_float(from) && element_is_float(to);
}

static void give(Loader *l, Tensor *tensor, const dlrt_stored *stored) {
  Element from = (Element)stored->element, to = tensor->type.element;
  int64_t count = (int64_t)(stored->bytes / (size_t)element_infos[from].bytes);
  const void *bytes = stored->data;
  if (from != to) {
    char *converted = arena_array(l->arena, (size_t)count, (size_t)element_infos[to].bytes);
    for (int64_t i = 0; i < count; i++)
      element_store(to, converted, i, element_load(from, stored->data, i));
    bytes = converted;
  } else if ((uintptr_t)bytes % (size_t)element_infos[to].bytes) {
    bytes = arena_copy(l->arena, bytes, stored->bytes); /* the format does not promise alignment */
  }
  tensor->data = data_new(l->arena, to, count, bytes);
  tensor->data->mapped = bytes == stored->data;
}

/* ---- what is wrong, as tables ---- */

static int common_end(const char *a, const char *b) {
  size_t m = strlen(a), n = strlen(b);
  int same = 0;
  while (m > 0 && n > 0 && a[m - 1] == b[n - 1]) {
    m--;
    n--;
    same++;
  }
  return same;
}

/* Among the names that nothing uses: the same shape first, then the longest common end. */
static const Candidate *nearest(const Loader *l, const Tensor *tensor) {
  const Candidate *best = NULL;
  int best_score = 0;
  for (size_t i = 0; i < l->candidates.count; i++) {
    const Candidate *c = &l->candidates.items[i];
    if (c->used || module_tensor(l->module, c->name)) continue;
    int score =
        common_end(c->name, tensor->name) + (same_shape(c->stored, &tensor->type) ? 100 : 0);
    if (score > best_score) {
      best = c;
      best_score = score;
    }
  }
  return best;
}

/* conv1.weight for conv2d_0.weight: every missing name may tell the same rename. */
static void suggest_rename(Loader *l, const Candidate *near, const Tensor *tensor) {
  if (!same_shape(near->stored, &tensor->type)) return;
  int same = common_end(near->name, tensor->name);
  size_t from = strlen(near->name) - (size_t)same, to = strlen(tensor->name) - (size_t)same;
  while (same > 0 && near->name[from] != '.') {
    from++;
    to++;
    same--;
  }
  if (same == 0) return;
  const char *old = arena_format(l->arena, "%.*s.*", (int)from, near->name);
  const char *new = arena_format(l->arena, "%.*s.*", (int)to, tensor->name);
  if (!l->rename_from) {
    l->rename_from = old;
    l->rename_to = new;
  } else if (strcmp(l->rename_from, old) != 0) {
    l->renames_disagree = true;
  }
}

static const char *made_at(const Loader *l, const Tensor *tensor) {
  if (!tensor->at || !l->module->files.count) return "";
  return arena_format(l->arena, "  (made at %s:%d:%d)", l->module->files.items[tensor->at->file],
                      tensor->at->line, tensor->at->column);
}

static const char *columns(Arena *arena, const char *a, const char *b, const char *c,
                           const char *d) {
  return arena_format(arena, "%-24s  %-18s  %-24s  %s", a, b, c, d);
}

static void check(Loader *l, Tensor *tensor) {
  Candidate *c = find(l, tensor->name);
  const char *type = type_text(l->arena, &tensor->type);
  if (!c) {
    l->missing++;
    const Candidate *near = nearest(l, tensor);
    vec_push(l->arena, &l->lines_missing,
             columns(l->arena, tensor->name, type, near ? near->name : "",
                     near ? stored_type(l->arena, near->stored) : ""));
    if (near) suggest_rename(l, near, tensor);
    return;
  }
  c->used = true;
  if (!same_shape(c->stored, &tensor->type) || c->stored->element >= DLRT_ELEMENTS ||
      !can_convert((Element)c->stored->element, tensor->type.element)) {
    l->other_shape++;
    vec_push(l->arena, &l->lines_shape,
             columns(l->arena, tensor->name, type, stored_type(l->arena, c->stored),
                     made_at(l, tensor)));
    if (is_transposed(c->stored, &tensor->type)) l->transposed = tensor->name;
    return;
  }
  give(l, tensor, c->stored);
}

enum { MOST_LINES = 12 };

static void table(Diagnostic *d, const Loader *l, const char *head, const char *const *lines,
                  size_t count) {
  if (!count) return;
  diag_table(d, "%s", head);
  for (size_t i = 0; i < count && i < MOST_LINES; i++) diag_table(d, "%s", lines[i]);
  if (count > MOST_LINES) diag_table(d, "... %zu more", count - MOST_LINES);
  (void)l;
}

static int unused_count(const Loader *l) {
  int unused = 0;
  for (size_t i = 0; i < l->candidates.count; i++) unused += !l->candidates.items[i].used;
  return unused;
}

static void report(Loader *l) {
  Text message = text_new(l->arena);
  if (l->missing)
    text_format(&message, "%d parameter%s of '%s' %s missing here", l->missing,
                l->missing == 1 ? "" : "s", l->module->name, l->missing == 1 ? "is" : "are");
  if (l->other_shape)
    text_format(&message, "%s%d %s another shape or type", l->missing ? ", " : "", l->other_shape,
                l->other_shape == 1 ? "has" : "have");
  Diagnostic *d = diag_report(l->session->diagnostics, E0502, l->span, "%s", text_get(&message));
  table(d, l,
        columns(l->arena, "missing", "type",
                arena_format(l->arena, "nearest of the %d that nothing uses", unused_count(l)), ""),
        l->lines_missing.items, l->lines_missing.count);
  table(d, l, columns(l->arena, "other shape", "wanted", "found", ""), l->lines_shape.items,
        l->lines_shape.count);
  if (l->rename_from)
    diag_help(d, "--rename '%s=%s'%s", l->rename_from, l->rename_to,
              l->renames_disagree ? ", and likewise for the others" : "");
  if (l->transposed) diag_help(d, "'%s' looks transposed", l->transposed);
}

/* PyTorch's counters of batches mean nothing to inference. */
static bool is_bookkeeping(const char *name) {
  const char *end = strrchr(name, '.');
  return end && strcmp(end, ".num_batches_tracked") == 0;
}

static void report_unused(Loader *l) {
  const char *first = NULL;
  int count = 0;
  for (size_t i = 0; i < l->candidates.count; i++) {
    const Candidate *c = &l->candidates.items[i];
    if (c->used || is_bookkeeping(c->stored->name)) continue;
    if (!first) first = c->stored->name;
    count++;
  }
  if (!count || !l->session->verbose) return;
  diag_report(l->session->diagnostics, W0503, l->span, "%d tensor%s here that nothing uses: '%s'%s",
              count, count == 1 ? "" : "s", first, count == 1 ? "" : " ..");
}

bool weights_load(Session *session, Module *module, const char *path, WeightsNotes *notes) {
  Loader l = {.session = session, .arena = module->arena, .module = module, .path = path};
  l.span = (Span){sources_add(session->sources, path, path, NULL, 0), 0, 0};
  dlrt_safetensors *file = ARENA_NEW(module->arena, dlrt_safetensors);
  dlrt_error error = {0};
  if (dlrt_safetensors_open(path, file, &error))
    return session_file_failed(session, E0501, path, &error);
  vec_push(session->arena, &session->mapped, file);
  for (int i = 0; i < file->count; i++) {
    Candidate c = {renamed(&l, file->tensors[i].name), &file->tensors[i], false};
    vec_push(l.arena, &l.candidates, c);
  }
  for (size_t i = 0; i < module->tensors.count; i++)
    if (tensor_role(module, module->tensors.items[i]) != ROLE_MEMORY)
      check(&l, module->tensors.items[i]);
  if (l.missing || l.other_shape) {
    report(&l);
    return false;
  }
  report_unused(&l);
  *notes = (WeightsNotes){dlrt_safetensors_metadata(file, "dlc.inputs"),
                          dlrt_safetensors_metadata(file, "dlc.classes"),
                          dlrt_safetensors_metadata(file, "dlc.vocabulary")};
  return true;
}
