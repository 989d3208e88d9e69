#include "driver/inputs.h"

#include "runtime/array.h"
#include "runtime/element.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { UNKNOWN = -1 };

const Function *entry_choose(Session *session, const Module *module) {
  const char *wanted = option_text(session->options, OPTION_entry, NULL);
  const Function *found = NULL;
  int count = 0;
  for (size_t i = 0; i < module->functions.count; i++) {
    const Function *f = module->functions.items[i];
    if (f->kind != FUNCTION_MODEL || (wanted && strcmp(f->name, wanted) != 0)) continue;
    if (!found) found = f;
    count++;
  }
  if (count == 1) return found;
  Diagnostic *d = count ? diag_usage(session->diagnostics, "'%s' has %d entries: say which",
                                     module->name, count)
                        : diag_usage(session->diagnostics, "no entry '%s'", wanted ? wanted : "");
  for (size_t i = 0; i < module->functions.count; i++)
    if (module->functions.items[i]->kind == FUNCTION_MODEL)
      diag_help(d, "--entry %s", module->functions.items[i]->name);
  return NULL;
}

void invent_numbers(const char *name, Element element, void *bytes, int64_t count) {
  uint64_t state = 14695981039346656037u;
  for (; *name; name++) state = (state ^ (unsigned char)*name) * 1099511628211u;
  for (int64_t i = 0; i < count; i++) { /* splitmix64 */
    uint64_t z = state + (uint64_t)(i + 1) * 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    if (element_is_float(element))
      element_store(element, bytes, i, (double)(z >> 40) * 0x1p-23 - 1);
    else
      element_store_integer(element, bytes, i, (int64_t)(z >> 63));
  }
}

bool run_tensor_make(Arena *arena, const Type *type, const int64_t *dims, RunTensor *tensor) {
  *tensor = (RunTensor){.element = type->element, .rank = type->rank, .count = 1};
  for (int i = 0; i < type->rank; i++) {
    if (!dim_evaluate(type->dims[i], dims, &tensor->shape[i]) || tensor->shape[i] < 0 ||
        __builtin_mul_overflow(tensor->count, tensor->shape[i], &tensor->count))
      return false;
  }
  if (tensor->count > MOST_BYTES / 8) return false;
  tensor->bytes =
      arena_array(arena, (size_t)tensor->count, (size_t)element_infos[type->element].bytes);
  return true;
}

/* ---- shapes of files ---- */

/* A picture [28,28] or a set of them [10000,28,28] fits f32[N,1,28,28]: axes of size 1 come first,
 * or where the type has a 1. */
static bool align_shape(const dlrt_array *array, const Type *type, int64_t *shape) {
  if (array->rank > type->rank) return false;
  int have = array->rank - 1;
  for (int i = type->rank - 1; i >= 0; i--) {
    int left = i + 1; /* of the type, this one included */
    bool is_unit = dim_is(type->dims[i], 1);
    if (have >= 0 && !(is_unit && have + 1 < left && array->shape[have] != 1))
      shape[i] = array->shape[have--];
    else
      shape[i] = 1;
  }
  return have < 0;
}

static const char *shape_text(Arena *arena, int rank, const int64_t *shape) {
  Text text = text_new(arena);
  text_char(&text, '[');
  for (int i = 0; i < rank; i++) text_format(&text, "%s%lld", i ? "," : "", (long long)shape[i]);
  text_char(&text, ']');
  return text_get(&text);
}

static const Symbol *only_symbol(const Dim *dim) {
  const DimTerm *terms;
  if (dim_terms(dim, &terms) != 1 || terms[0].coefficient != 1 || terms[0].factor_count != 1)
    return NULL;
  return terms[0].factors[0].symbol;
}

static bool bind_shape(const Type *type, const int64_t *shape, int64_t *dims) {
  for (int i = 0; i < type->rank; i++) {
    const Symbol *symbol = only_symbol(type->dims[i]);
    if (symbol && dims[symbol->number] == UNKNOWN) {
      if (shape[i] < symbol->min || shape[i] > symbol->max) return false;
      dims[symbol->number] = shape[i];
    } else if (dim_is_constant(type->dims[i]) && dim_value(type->dims[i]) != shape[i]) {
      return false;
    }
  }
  return true;
}

typedef struct {
  Session *session;
  const Function *function;
  int64_t *dims;
} Reader;

static bool convert(const dlrt_array *array, RunTensor *tensor) {
  double scale = 1;
  if (dlrt_element_is_float(array->element) && !element_is_float(tensor->element)) return false;
  bool picture = array->element == DLRT_U8 && element_is_float(tensor->element);
  if (picture) scale = 1.0 / (array->full ? array->full : 255);
  return dlrt_convert(array->element, array->data, (int64_t)tensor->element, tensor->bytes,
                      (size_t)tensor->count, scale) == 0;
}

static bool read_file(const Reader *r, const Value *input, const char *path, RunTensor *tensor) {
  Session *session = r->session;
  dlrt_wanted wanted = {
      .name = input->name, .element = (dlrt_element)input->type.element, .rank = input->type.rank};
  for (int i = 0; i < wanted.rank; i++)
    wanted.shape[i] = dim_is_constant(input->type.dims[i]) ? dim_value(input->type.dims[i]) : -1;
  dlrt_array array;
  dlrt_error error = {0};
  Span span = {sources_add(session->sources, path, path, NULL, 0), 0, 0};
  if (dlrt_array_read(path, &wanted, &array, &error))
    return session_file_failed(session, E0501, path, &error);
  if (array.rank == input->type.rank + 1 && array.shape[array.rank - 1] == 1)
    array.rank--;                                                /* a column of a table is a list */
  if (array.rank == input->type.rank + 1 && array.shape[0] == 1) /* and so is its one row */
    memmove(array.shape, array.shape + 1, (size_t)--array.rank * sizeof *array.shape);
  int64_t shape[MOST_AXES];
  bool fits = align_shape(&array, &input->type, shape) && bind_shape(&input->type, shape, r->dims);
  if (fits) {
    *tensor = (RunTensor){.element = input->type.element, .rank = input->type.rank};
    memcpy(tensor->shape, shape, sizeof shape);
    tensor->count = dlrt_array_count(&array);
    tensor->bytes = arena_array(session->arena, (size_t)tensor->count,
                                (size_t)element_infos[tensor->element].bytes);
    fits = convert(&array, tensor);
  }
  if (!fits)
    diag_report(session->diagnostics, E0504, span, "'%s' is %s, the file has %s%s", input->name,
                type_text(session->arena, &input->type), dlrt_element_name(array.element),
                shape_text(session->arena, array.rank, array.shape));
  dlrt_array_free(&array);
  return fits;
}

static const char *assigned(const Session *session, const char *name) {
  const char *value = NULL;
  for (size_t i = 0; i < session->options->assignments.count; i++)
    if (strcmp(session->options->assignments.items[i].name, name) == 0)
      value = session->options->assignments.items[i].value;
  return value;
}

/* lr=0.1: a number for an input of rank 0. */
static dlrt_typed read_number(const Reader *r, const Value *input, const char *text,
                              RunTensor *tensor) {
  if (input->type.rank != 0) return DLRT_TYPED_OTHER;
  run_tensor_make(r->session->arena, &input->type, r->dims, tensor);
  dlrt_typed typed = dlrt_element_read((int64_t)input->type.element, tensor->bytes, text);
  if (typed == DLRT_TYPED_BEYOND)
    diag_usage(r->session->diagnostics, "%s is no number that '%s' can be, %s", text, input->name,
               type_text(r->session->arena, &input->type));
  if (typed == DLRT_TYPED_OTHER && strcmp(text, "-") != 0 && access(text, F_OK) != 0) {
    diag_usage(r->session->diagnostics, "'%s' is %s: %s must be a number or a file, none is there",
               input->name, type_text(r->session->arena, &input->type), text);
    return DLRT_TYPED_BEYOND;
  }
  return typed;
}

static bool check_names(const Reader *r) {
  const Function *f = r->function;
  for (size_t i = 0; i < r->session->options->assignments.count; i++) {
    const char *name = r->session->options->assignments.items[i].name;
    bool known = false;
    const char *names[64];
    size_t count = 0;
    for (int k = 0; k < f->body->argument_count && count < 64; k++)
      names[count++] = f->body->arguments[k]->name;
    for (size_t k = 0; k < f->dims.count && count < 64; k++)
      names[count++] = f->dims.items[k]->name;
    for (size_t k = 0; k < count; k++) known = known || strcmp(names[k], name) == 0;
    if (known) continue;
    Diagnostic *d = diag_usage(r->session->diagnostics, "'%s' has no input '%s'", f->name, name);
    const char *near = nearest_name(name, names, count);
    if (near) diag_help(d, "%s=FILE", near);
    return false;
  }
  return true;
}

bool inputs_read(Session *session, const Function *function, bool invent, int64_t *dims,
                 RunTensor *inputs, int *code) {
  Reader r = {session, function, dims};
  const DimTable *table = function->module->dims;
  const Block *body = function->body;
  *code = EXIT_USAGE;
  if (!check_names(&r)) return false;
  for (int i = 0; i < dim_symbol_count(table); i++) {
    const Symbol *symbol = dim_symbol_at(table, i);
    const char *value = symbol->is_index ? assigned(session, symbol->name) : NULL;
    dims[i] = symbol->min == symbol->max ? symbol->min : UNKNOWN;
    if (value && !option_integer(session->diagnostics, symbol->name, value, symbol->min,
                                 symbol->max, &dims[i]))
      return false;
  }
  for (size_t i = 0; i < function->dims.count && !invent; i++) {
    const Symbol *symbol = function->dims.items[i];
    if (dims[symbol->number] != UNKNOWN) continue;
    Diagnostic *d =
        diag_usage(session->diagnostics, "'%s' wants to know '%s'", function->name, symbol->name);
    diag_help(d, "%s=%lld, or up to %lld", symbol->name, (long long)symbol->min,
              (long long)symbol->max);
    return false;
  }
  for (int i = 0; i < body->argument_count; i++) {
    const Value *input = body->arguments[i];
    const char *text = assigned(session, input->name);
    inputs[i].bytes = NULL;
    if (!text && !invent) {
      Diagnostic *d = diag_usage(session->diagnostics, "'%s' wants its input '%s'", function->name,
                                 input->name);
      diag_help(d, "%s=FILE   %s", input->name, type_text(session->arena, &input->type));
      return false;
    }
    if (!text) continue;
    dlrt_typed typed = read_number(&r, input, text, &inputs[i]);
    if (typed == DLRT_TYPED_BEYOND) return false;
    if (typed == DLRT_TYPED_NUMBER) continue;
    *code = EXIT_INPUT;
    if (!read_file(&r, input, text, &inputs[i])) return false;
    *code = EXIT_USAGE;
  }
  for (int i = 0; i < dim_symbol_count(table); i++)
    if (dims[i] == UNKNOWN) dims[i] = dim_symbol_at(table, i)->min;
  for (int i = 0; i < body->argument_count; i++) {
    if (inputs[i].bytes) continue;
    const Value *input = body->arguments[i];
    if (!run_tensor_make(session->arena, &input->type, dims, &inputs[i])) return false;
    invent_numbers(input->name, input->type.element, inputs[i].bytes, inputs[i].count);
  }
  return true;
}
