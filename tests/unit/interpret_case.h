/* Cases of the reference interpreter: one operation applied to tensors written out.
 *
 *   RunTensor y = apply(c, OP_sum, "f32[2]", 2, (Attribute[]){integers(c, ATTRIBUTE_axis, "1"),
 * ...}, 1, (RunTensor[]){tensor(c, "f32[2,3]", (double[]){...})}); expect(&y, (double[]){...});
 */
#ifndef TESTS_UNIT_INTERPRET_CASE_H
#define TESTS_UNIT_INTERPRET_CASE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ir/interpret.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  Arena *arena;
  Module *module;
  Function *function;
  InterpretOptions options;
  const char *message; /* of the last application */
} Case;

static inline int case_open(void **state) {
  Case *c = calloc(1, sizeof *c);
  c->arena = arena_new();
  c->module = module_new(c->arena, "case");
  c->function = module_add_function(c->module, FUNCTION_MODEL, "f");
  c->options.arena = c->arena;
  *state = c;
  return 0;
}

static inline int case_close(void **state) {
  Case *c = *state;
  arena_free(c->arena);
  free(c);
  return 0;
}

/* "f32[2,3]"; a name stands for the module's dim of that name. */
static inline Type type(Case *c, const char *text) {
  char word[16] = {0};
  size_t length = strcspn(text, "[");
  memcpy(word, text, length);
  Type result = {0};
  assert_true(element_find(word, &result.element));
  for (const char *at = text + length; *at && *at != ']' && at[1] != ']';) {
    at++;
    char name[16] = {0};
    size_t size = strcspn(at, ",]");
    memcpy(name, at, size);
    Symbol *symbol = dim_symbol_find(c->module->dims, name);
    result.dims[result.rank++] = symbol ? dim_of_symbol(c->module->dims, symbol)
                                        : dim_constant(c->module->dims, strtoll(name, NULL, 10));
    at += size;
  }
  return result;
}

static inline RunTensor tensor(Case *c, const char *text, const double *values) {
  Type t = type(c, text);
  RunTensor result = {.element = t.element, .rank = t.rank, .count = 1};
  for (int i = 0; i < t.rank; i++) result.count *= result.shape[i] = dim_value(t.dims[i]);
  result.bytes = arena_alloc(c->arena, (size_t)result.count * 8);
  for (int64_t i = 0; i < result.count; i++)
    if (c->options.wide && element_is_float(t.element))
      ((double *)result.bytes)[i] = values[i];
    else
      element_store(t.element, result.bytes, i, values[i]);
  return result;
}

/* ---- attributes; lists as text: "1,-2", pairs "1,2;3,4", lists "0,1;;2" ---- */
static inline DimList dim_list(Case *c, const char *text, char end) {
  const Dim **items = ARENA_ARRAY(c->arena, 16, const Dim *);
  DimList list = {items, 0};
  for (const char *at = text; *at && *at != end;) {
    char *after;
    items[list.count++] = dim_constant(c->module->dims, strtoll(at, &after, 10));
    at = *after == ',' ? after + 1 : after;
  }
  return list;
}

static inline Attribute integer(Case *c, AttributeName name, int64_t value) {
  return (Attribute){name, {.kind = ATTRIBUTE_DIM, .dim = dim_constant(c->module->dims, value)}};
}
static inline Attribute integers(Case *c, AttributeName name, const char *text) {
  return (Attribute){name, {.kind = ATTRIBUTE_DIMS, .dims = dim_list(c, text, 0)}};
}
static inline Attribute pairs(Case *c, AttributeName name, AttributeKind kind, const char *text) {
  DimList *lists = ARENA_ARRAY(c->arena, 16, DimList);
  int count = 0;
  for (const char *at = text;; at++) {
    lists[count++] = dim_list(c, at, ';');
    at = strchr(at, ';');
    if (!at) break;
  }
  return (Attribute){name, {.kind = kind, .lists = {lists, count}}};
}
static inline Attribute flag(AttributeName name, bool value) {
  return (Attribute){name, {.kind = ATTRIBUTE_FLAG, .flag = value}};
}
static inline Attribute word(AttributeName name, const char *value) {
  return (Attribute){name, {.kind = ATTRIBUTE_WORD, .word = value}};
}
static inline Attribute real(AttributeName name, double value) {
  return (Attribute){name, {.kind = ATTRIBUTE_NUMBER, .number = number_real(value)}};
}

/* ---- operations ---- */
static inline Attribute standard(Case *c, const AttributeRow *row) {
  switch (row->kind) {
  case ATTRIBUTE_DIM:
    return integer(c, row->name, strtoll(row->standard, NULL, 10));
  case ATTRIBUTE_FLAG:
    return flag(row->name, strcmp(row->standard, "true") == 0);
  case ATTRIBUTE_WORD:
    return word(row->name, row->standard);
  case ATTRIBUTE_NUMBER:
    return real(row->name, strtod(row->standard, NULL));
  default:
    fail_msg("%s must be given", attribute_names[row->name]);
    return (Attribute){0};
  }
}

static inline Op *operation(Case *c, Operator kind, int result_count, const char *const *results,
                            int attribute_count, const Attribute *attributes, int count,
                            Value *const *operands) {
  Type types[4] = {0};
  Attribute complete[MOST_ATTRIBUTES];
  const AttributeRow *rows = operator_infos[kind].attributes;
  for (int i = 0; i < MOST_ATTRIBUTES && rows[i].standard; i++) {
    const Attribute *given = NULL;
    for (int k = 0; k < attribute_count; k++)
      if (attributes[k].name == rows[i].name) given = &attributes[k];
    complete[i] = given ? *given : standard(c, &rows[i]);
  }
  for (int i = 0; i < result_count; i++) types[i] = type(c, results[i]);
  return op_new(c->function, kind, operands, count, complete, types, result_count);
}

static inline bool apply_all(Case *c, Operator kind, int result_count, const char *const *types,
                             RunTensor *results, int attribute_count, const Attribute *attributes,
                             int count, const RunTensor *operands) {
  Value *values[8];
  for (int i = 0; i < count; i++)
    values[i] = value_new(c->function, type_scalar(operands[i].element));
  Op *op = operation(c, kind, result_count, types, attribute_count, attributes, count, values);
  return interpret_op(op, &c->options, operands, results, &c->message);
}

static inline RunTensor apply(Case *c, Operator kind, const char *result, int attribute_count,
                              const Attribute *attributes, int count, const RunTensor *operands) {
  RunTensor y;
  if (!apply_all(c, kind, 1, &result, &y, attribute_count, attributes, count, operands))
    fail_msg("%s", c->message);
  return y;
}

static inline void expect_failure(Case *c, Operator kind, const char *result, int attribute_count,
                                  const Attribute *attributes, int count, const RunTensor *operands,
                                  const char *message) {
  RunTensor y;
  assert_false(apply_all(c, kind, 1, &result, &y, attribute_count, attributes, count, operands));
  assert_string_equal(c->message, message);
}

static inline double element_of(const Case *c, const RunTensor *x, int64_t i) {
  return c->options.wide && element_is_float(x->element) ? ((double *)x->bytes)[i]
                                                         : element_load(x->element, x->bytes, i);
}

/* Exactly these values; a NaN equals a NaN. */
static inline void expect(const Case *c, const RunTensor *y, const double *values) {
  for (int64_t i = 0; i < y->count; i++) {
    double is = element_of(c, y, i);
    if (is != values[i] && !(isnan(is) && isnan(values[i])))
      fail_msg("element %lld is %.17g, not %.17g", (long long)i, is, values[i]);
  }
}

static inline void expect_near(const Case *c, const RunTensor *y, const double *values,
                               double bound) {
  for (int64_t i = 0; i < y->count; i++) {
    double is = element_of(c, y, i);
    if (!(fabs(is - values[i]) <= bound))
      fail_msg("element %lld is %.17g, not %.17g", (long long)i, is, values[i]);
  }
}

#define CASE(name)  cmocka_unit_test_setup_teardown(name, case_open, case_close)
#define VALUES(...) ((double[]){__VA_ARGS__})
#define TENSORS(...)                                                                               \
  (int)(sizeof((RunTensor[]){__VA_ARGS__}) / sizeof(RunTensor)), (RunTensor[]) {                   \
    __VA_ARGS__                                                                                    \
  }
#define WITH(...)                                                                                  \
  (int)(sizeof((Attribute[]){__VA_ARGS__}) / sizeof(Attribute)), (Attribute[]) {                   \
    __VA_ARGS__                                                                                    \
  }
#define WITHOUT 0, NULL

#endif
