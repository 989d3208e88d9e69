/* einsum.c - einsum("bhqd,bhkd->bhqk", q, k) as sums, products and transposes.
 *
 * Operands are multiplied from the left, two at a time: labels of both that are wanted later run
 * together, the others are summed over.
 */
#include "frontend/elaborator.h"

#include <string.h>

typedef struct {
  const Site *site;
  const char *spec;
  char inputs[3][MOST_AXES + 1];
  char output[MOST_AXES + 1];
  int count;
} Einsum;

static bool bad_spec(const Einsum *s, const char *why) {
  Elaborator *e = s->site->e;
  Diagnostic *d =
      report(e, s->site->frame, E0229, s->site->span, "einsum's \"%s\": %s", s->spec, why);
  diag_help(d, "a letter an axis, as in einsum(\"nk,km->nm\", x, y)");
  return false;
}

static bool read_labels(const Einsum *s, const char **at, char *labels, bool is_output) {
  int count = 0;
  for (; (**at | 32) >= 'a' && (**at | 32) <= 'z'; ++*at) {
    if (count == MOST_AXES) return bad_spec(s, "more than 8 axes");
    if (strchr(labels, **at) && count)
      return bad_spec(s, is_output ? "a letter stands twice behind the arrow"
                                   : "a letter stands twice in one operand");
    labels[count++] = **at;
    labels[count] = 0;
  }
  return true;
}

static bool read_spec(Einsum *s, int operands) {
  const char *at = s->spec;
  for (s->count = 0;;) {
    if (s->count == 3 || s->count == operands) return bad_spec(s, "more operands than given");
    if (!read_labels(s, &at, s->inputs[s->count++], false)) return false;
    if (*at != ',') break;
    at++;
  }
  if (strncmp(at, "->", 2) != 0) return bad_spec(s, "an arrow '->' is missing");
  at += 2;
  if (!read_labels(s, &at, s->output, true)) return false;
  if (*at) return bad_spec(s, "only letters, commas and one arrow");
  if (s->count != operands) return bad_spec(s, "fewer operands than given");
  for (const char *c = s->output; *c; c++) {
    bool found = false;
    for (int i = 0; i < s->count; i++) found |= strchr(s->inputs[i], *c) != NULL;
    if (!found) return bad_spec(s, "a letter behind the arrow is in no operand");
  }
  return true;
}

/* Is the label wanted after operand `next`? */
static bool is_wanted(const Einsum *s, char label, int next) {
  if (strchr(s->output, label)) return true;
  for (int i = next; i < s->count; i++)
    if (strchr(s->inputs[i], label)) return true;
  return false;
}

/* Sums over labels that nobody else has. */
static Value *sum_alone(const Einsum *s, Value *x, char *labels, const char *other, int next) {
  int64_t axes[MOST_AXES];
  int count = 0, kept = 0;
  for (int i = 0; labels[i]; i++) {
    if (!strchr(other, labels[i]) && !is_wanted(s, labels[i], next))
      axes[count++] = i;
    else
      labels[kept++] = labels[i];
  }
  labels[kept] = 0;
  if (!count) return x;
  Attribute axis = {ATTRIBUTE_axis, attribute_integers(s->site->e->module, axes, count)};
  return emit(s->site, OP_sum, &x, 1, &axis, 1);
}

static AttributeValue axis_lists(Elaborator *e, const int64_t lists[2][MOST_AXES], int count) {
  DimList *result = ARENA_ARRAY(e->module->arena, 2, DimList);
  for (int side = 0; side < 2; side++) {
    AttributeValue dims = attribute_integers(e->module, lists[side], count);
    result[side] = dims.dims;
  }
  AttributeValue value = {.kind = ATTRIBUTE_LISTS};
  value.lists.items = result;
  value.lists.count = 2;
  return value;
}

static bool sizes_agree(const Einsum *s, const Value *x, int i, const Value *y, int k, char label) {
  Elaborator *e = s->site->e;
  if (same_dim(e, s->site->frame, s->site->span, x->type.dims[i], y->type.dims[k])) return true;
  Diagnostic *d = report(e, s->site->frame, E0203, s->site->span,
                         "'%c' stands for two sizes in \"%s\"", label, s->spec);
  diag_label(d, "%s and %s: %s is not %s", type_text(e->arena, &x->type),
             type_text(e->arena, &y->type), dim_text(e, x->type.dims[i]),
             dim_text(e, y->type.dims[k]));
  return false;
}

/* One product; `labels` become those of the result. */
static Value *multiply(const Einsum *s, Value *x, char *labels, Value *y, char *others, int next) {
  Elaborator *e = s->site->e;
  x = sum_alone(s, x, labels, others, next);
  y = x ? sum_alone(s, y, others, labels, next) : NULL;
  if (!y) return NULL;
  int64_t contract[2][MOST_AXES], batch[2][MOST_AXES];
  int contracts = 0, batches = 0, count = 0;
  char result[2 * MOST_AXES + 1] = "", rest[2 * MOST_AXES + 1] = "";
  for (int i = 0; labels[i]; i++) {
    const char *found = strchr(others, labels[i]);
    if (!found) {
      rest[count++] = labels[i];
      continue;
    }
    int k = (int)(found - others);
    if (!sizes_agree(s, x, i, y, k, labels[i])) return NULL;
    bool wanted = is_wanted(s, labels[i], next);
    int64_t(*lists)[MOST_AXES] = wanted ? batch : contract;
    int *n = wanted ? &batches : &contracts;
    lists[0][*n] = i;
    lists[1][(*n)++] = k;
    if (wanted) result[batches - 1] = labels[i];
  }
  for (int k = 0; others[k]; k++)
    if (!strchr(labels, others[k])) rest[count++] = others[k];
  if (batches + count > MOST_AXES) return bad_spec(s, "more than 8 axes"), NULL;
  memcpy(result + batches, rest, (size_t)count);
  result[batches + count] = 0;
  Attribute attributes[] = {
      {ATTRIBUTE_contract, axis_lists(e, (const int64_t(*)[MOST_AXES])contract, contracts)},
      {ATTRIBUTE_batch, axis_lists(e, (const int64_t(*)[MOST_AXES])batch, batches)}};
  memcpy(labels, result, (size_t)(batches + count) + 1);
  return emit(s->site, OP_dot, (Value *[]){x, y}, 2, attributes, batches ? 2 : 1);
}

static Value *in_order(const Einsum *s, Value *x, const char *labels) {
  if (!x || strcmp(labels, s->output) == 0) return x;
  int64_t perm[MOST_AXES];
  int count = (int)strlen(s->output);
  for (int i = 0; i < count; i++) perm[i] = strchr(labels, s->output[i]) - labels;
  Attribute attribute = {ATTRIBUTE_perm, attribute_integers(s->site->e->module, perm, count)};
  return emit(s->site, OP_transpose, &x, 1, &attribute, 1);
}

Object *einsum(const Site *site, const char *spec, Object **operands, int count) {
  Einsum s = {.site = site, .spec = spec};
  Elaborator *e = site->e;
  if (!read_spec(&s, count)) return error_object;
  Value *values[3] = {NULL};
  for (int i = 0; i < count; i++) {
    values[i] = to_tensor(site, operands[i], NULL);
    if (!values[i]) return error_object;
    if (values[i]->type.rank != (int)strlen(s.inputs[i])) {
      Diagnostic *d = report(e, site->frame, E0229, site->span,
                             "einsum's \"%s\" does not fit its operands", spec);
      diag_label(d, "'%s' is %zu axes, %s is %d", s.inputs[i], strlen(s.inputs[i]),
                 type_text(e->arena, &values[i]->type), values[i]->type.rank);
      return error_object;
    }
  }
  char labels[2 * MOST_AXES + 1];
  snprintf(labels, sizeof labels, "%s", s.inputs[0]);
  Value *x = values[0];
  if (count == 1) x = sum_alone(&s, x, labels, "", 1);
  for (int i = 1; i < count && x; i++) x = multiply(&s, x, labels, values[i], s.inputs[i], i + 1);
  return object_tensor(e, in_order(&s, x, labels));
}
