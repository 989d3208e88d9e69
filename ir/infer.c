#include "ir/infer.h"

#include "support/bug.h"

#include <string.h>

typedef bool Rule(Inference *i);
static Rule *const rules[OPERATORS] = {
#define OPERATOR(name, least, most, results, traits, attributes, shape, meaning) infer_##name,
#include "ir/operators.def"
#undef OPERATOR
};

static Failure no_failure(void) {
  return (Failure){.operand = -1};
}

bool infer(Module *module, Operator kind, const Type *operands, int operand_count,
           const Attribute *attributes, Type *results, int *result_count, Failure *failure,
           CheckList *checks) {
  const OperatorInfo *info = &operator_infos[kind];
  Inference i = {.module = module,
                 .dims = module->dims,
                 .kind = kind,
                 .in = operands,
                 .in_count = operand_count,
                 .attributes = attributes,
                 .out = results,
                 .failure = failure,
                 .checks = checks};
  *failure = no_failure();
  if (operand_count < info->least || (info->most >= 0 && operand_count > info->most))
    return infer_fail(&i, E0211, -1, "'%s' takes %s%d operand%s, not %d", operator_spelling(kind),
                      info->most != info->least ? "at least " : "", info->least,
                      info->least == 1 ? "" : "s", operand_count);
  if (!rules[kind](&i)) return false;
  *result_count = i.out_count;
  return true;
}

/* ---- failures ---- */

bool infer_fail(Inference *i, DiagnosticCode code, int operand, const char *format, ...) {
  va_list args;
  va_start(args, format);
  *i->failure = (Failure){
      .code = code, .operand = operand, .message = arena_vformat(i->module->arena, format, args)};
  va_end(args);
  return false;
}

void infer_label(Inference *i, const char *format, ...) {
  va_list args;
  va_start(args, format);
  i->failure->label = arena_vformat(i->module->arena, format, args);
  va_end(args);
}

void infer_help(Inference *i, const char *format, ...) {
  va_list args;
  va_start(args, format);
  i->failure->help = arena_vformat(i->module->arena, format, args);
  va_end(args);
}

const char *infer_type_text(Inference *i, const Type *type) {
  return type_text(i->module->arena, type);
}

const char *infer_dim_text(Inference *i, const Dim *dim) {
  if (!dim) return "(too large)";
  Text text = text_new(i->module->arena);
  dim_print(&text, dim);
  return text_get(&text);
}

const char *operator_spelling(Operator kind) {
  switch (kind) {
  case OP_add:
    return "+";
  case OP_sub:
    return "-";
  case OP_mul:
    return "*";
  case OP_div:
    return "/";
  case OP_rem:
    return "%";
  case OP_pow:
    return "^";
  case OP_eq:
    return "==";
  case OP_lt:
    return "<";
  case OP_le:
    return "<=";
  case OP_dot:
    return "@";
  default:
    return operator_infos[kind].name;
  }
}

/* ---- relations and limits ---- */

bool infer_require(Inference *i, CheckKind kind, const Dim *left, const Dim *right) {
  if (!left || !right) return false;
  Truth truth = kind == CHECK_EQUAL  ? dim_equal(i->dims, left, right)
                : kind == CHECK_LESS ? dim_less(i->dims, left, right)
                                     : dim_less_or_equal(i->dims, left, right);
  if (truth == SOMETIMES && i->checks)
    vec_push(i->module->arena, i->checks, ((Check){kind, left, right, NULL}));
  return truth != NEVER;
}

bool infer_another_result(Inference *i, const Type *type) {
  if (type->rank > MOST_AXES) {
    infer_fail(i, E0611, -1, "the result of '%s' has %d axes", operator_spelling(i->kind),
               type->rank);
    infer_help(i, "a tensor has at most %d axes", MOST_AXES);
    return false;
  }
  const Dim *zero = dim_constant(i->dims, 0);
  for (int axis = 0; axis < type->rank; axis++) {
    const Dim *dim = type->dims[axis];
    if (dim && infer_require(i, CHECK_LESS_OR_EQUAL, zero, dim)) continue;
    infer_fail(i, dim ? E0212 : E0610, -1, "axis %d of the result of '%s' would be %s", axis,
               operator_spelling(i->kind), infer_dim_text(i, dim));
    return false;
  }
  if (type_bytes_at_bound(type) < 0) {
    infer_fail(i, E0610, -1, "the result of '%s' is too large", operator_spelling(i->kind));
    infer_label(i, "%s", infer_type_text(i, type));
    infer_help(i, "a tensor has at most 2^47 bytes, with every dim at its bound");
    return false;
  }
  i->out[i->out_count++] = *type;
  return true;
}

bool infer_result(Inference *i, const Type *type) {
  i->out_count = 0;
  return infer_another_result(i, type);
}

/* ---- attributes ---- */

const AttributeValue *infer_attribute(const Inference *i, AttributeName name) {
  for (int n = 0; n < operator_attribute_count(i->kind); n++)
    if (i->attributes[n].name == name) return &i->attributes[n].value;
  bug("%s has no attribute %s", operator_infos[i->kind].name, attribute_names[name]);
}

int64_t infer_integer(const Inference *i, AttributeName name) {
  return dim_value(infer_attribute(i, name)->dim);
}

int infer_list_count(const Inference *i, AttributeName name) {
  const AttributeValue *value = infer_attribute(i, name);
  return value->kind == ATTRIBUTE_DIMS ? value->dims.count : value->lists.count;
}

const Dim *infer_list(const Inference *i, AttributeName name, int n) {
  return infer_attribute(i, name)->dims.items[n];
}

static bool require_constant(Inference *i, AttributeName name, const Dim *dim, int64_t least) {
  if (dim_is_constant(dim) && dim_value(dim) >= least) return true;
  infer_fail(i, E0210, -1, "'%s' of '%s' is %s", attribute_names[name], operator_spelling(i->kind),
             infer_dim_text(i, dim));
  if (dim_is_constant(dim))
    infer_help(i, "it must be at least %lld", (long long)least);
  else
    infer_help(i, "it must be a number, not an expression of dims");
  return false;
}

bool infer_constants(Inference *i, AttributeName name, int64_t least) {
  const AttributeValue *value = infer_attribute(i, name);
  if (value->kind == ATTRIBUTE_DIM) return require_constant(i, name, value->dim, least);
  if (value->kind == ATTRIBUTE_DIMS) {
    for (int n = 0; n < value->dims.count; n++)
      if (!require_constant(i, name, value->dims.items[n], least)) return false;
    return true;
  }
  for (int n = 0; n < value->lists.count; n++)
    for (int side = 0; side < value->lists.items[n].count; side++)
      if (!require_constant(i, name, value->lists.items[n].items[side], least)) return false;
  return true;
}

/* ---- element types ---- */

static bool element_fail(Inference *i, int operand, const char *wanted, const char *help) {
  infer_fail(i, E0202, operand, "'%s' needs %s, not %s", operator_spelling(i->kind), wanted,
             element_infos[i->in[operand].element].name);
  infer_label(i, "%s", infer_type_text(i, &i->in[operand]));
  infer_help(i, "%s", help);
  return false;
}

bool infer_arithmetic(Inference *i, int operand) {
  Element e = i->in[operand].element;
  if (element_is_float(e) || e == ELEMENT_i32 || e == ELEMENT_i64) return true;
  return element_fail(i, operand, "numbers it can compute with",
                      "i8 and u8 are for storage, and bool does no arithmetic: cast(x, f32)");
}

bool infer_float(Inference *i, int operand) {
  if (element_is_float(i->in[operand].element)) return true;
  return element_fail(i, operand, "a float", "cast(x, f32)");
}

bool infer_index(Inference *i, int operand) {
  Element e = i->in[operand].element;
  if (e == ELEMENT_i32 || e == ELEMENT_i64) return true;
  return element_fail(i, operand, "an index of i32 or i64", "cast(x, i64)");
}

bool infer_bool(Inference *i, int operand) {
  if (i->in[operand].element == ELEMENT_bool) return true;
  return element_fail(i, operand, "a bool", "compare: x != 0");
}

bool infer_same_element(Inference *i, int first, int second) {
  Element a = i->in[first].element, b = i->in[second].element;
  if (a == b) return true;
  infer_fail(i, E0201, second, "'%s' of two element types", operator_spelling(i->kind));
  infer_label(i, "%s and %s: %s is not %s", infer_type_text(i, &i->in[first]),
              infer_type_text(i, &i->in[second]), element_infos[b].name, element_infos[a].name);
  infer_help(i, "cast(.., %s)", element_infos[a].name);
  return false;
}
