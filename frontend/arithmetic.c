/* arithmetic.c - signs between values: numbers and dims are computed here, tensors become
 * operations. */
#include "frontend/elaborator.h"

#include <math.h>
#include <string.h>

static Object *overflow(Elaborator *e, Frame *frame, Span span) {
  report(e, frame, E0301, span, "the result does not fit into 64 bits");
  return error_object;
}

static Object *by_zero(Elaborator *e, Frame *frame, Span span) {
  report(e, frame, E0301, span, "a division by 0");
  return error_object;
}

/* The library's values never pass this by: one mistake, one message. */
static Object *unfit(Elaborator *e, Frame *frame, AstOperator op, Object *x, Object *y, Span span) {
  Diagnostic *d =
      report(e, frame, E0308, span, "'%s' does not go with these", ast_operator_text(op));
  if (y)
    diag_label(d, "%s and %s", object_text(e, x), object_text(e, y));
  else
    diag_label(d, "%s", object_text(e, x));
  return error_object;
}

/* ---- numbers ---- */

static int64_t floor_quotient(int64_t a, int64_t b) {
  int64_t q = a / b;
  return a % b && (a < 0) != (b < 0) ? q - 1 : q;
}

static Object *integer_power(Elaborator *e, Frame *frame, int64_t x, int64_t y, Span span) {
  if (y < 0) return object_real(e, pow((double)x, (double)y));
  int64_t result = 1;
  for (; y; y >>= 1) {
    if ((y & 1) && __builtin_mul_overflow(result, x, &result)) return overflow(e, frame, span);
    if (y > 1 && __builtin_mul_overflow(x, x, &x)) return overflow(e, frame, span);
  }
  return object_integer(e, result);
}

/* All three false: one is not a number. */
static Object *compared(Elaborator *e, AstOperator op, bool less, bool equal, bool greater) {
  switch (op) {
  case AST_EQUAL:
    return object_bool(e, equal);
  case AST_NOT_EQUAL:
    return object_bool(e, !equal);
  case AST_LESS:
    return object_bool(e, less);
  case AST_GREATER:
    return object_bool(e, greater);
  case AST_LESS_EQUAL:
    return object_bool(e, less || equal);
  case AST_GREATER_EQUAL:
    return object_bool(e, greater || equal);
  default:
    return NULL;
  }
}

static Object *integers(Elaborator *e, Frame *frame, AstOperator op, int64_t x, int64_t y,
                        Span span) {
  int64_t result;
  switch (op) {
  case AST_ADD:
    return __builtin_add_overflow(x, y, &result) ? overflow(e, frame, span)
                                                 : object_integer(e, result);
  case AST_SUBTRACT:
    return __builtin_sub_overflow(x, y, &result) ? overflow(e, frame, span)
                                                 : object_integer(e, result);
  case AST_MULTIPLY:
    return __builtin_mul_overflow(x, y, &result) ? overflow(e, frame, span)
                                                 : object_integer(e, result);
  case AST_DIVIDE:
  case AST_REMAINDER:
    if (y == 0) return by_zero(e, frame, span);
    if (x == INT64_MIN && y == -1) return overflow(e, frame, span);
    result = floor_quotient(x, y);
    return object_integer(e, op == AST_DIVIDE ? result : x - result * y);
  case AST_POWER:
    return integer_power(e, frame, x, y, span);
  default:
    return compared(e, op, x<y, x == y, x> y);
  }
}

static Object *reals(Elaborator *e, Frame *frame, AstOperator op, double x, double y, Span span) {
  switch (op) {
  case AST_ADD:
    return object_real(e, x + y);
  case AST_SUBTRACT:
    return object_real(e, x - y);
  case AST_MULTIPLY:
    return object_real(e, x * y);
  case AST_DIVIDE:
    return y == 0 ? by_zero(e, frame, span) : object_real(e, x / y);
  case AST_REMAINDER:
    return y == 0 ? by_zero(e, frame, span) : object_real(e, x - y * floor(x / y));
  case AST_POWER:
    return object_real(e, pow(x, y));
  default:
    return compared(e, op, x<y, x == y, x> y);
  }
}

static void warn_of_quotient(Elaborator *e, Frame *frame, const Object *x, Span span) {
  if (!x->is_quotient) return;
  Diagnostic *d = report(e, frame, W0301, span, "'/' of whole numbers rounds down: this is %lld",
                         (long long)x->integer);
  diag_help(d, "write one of them with a point: 1.0/3");
}

static double real_of(Elaborator *e, Frame *frame, const Object *x, Span span) {
  if (x->kind == OBJECT_REAL) return x->real;
  warn_of_quotient(e, frame, x, span);
  return (double)x->integer;
}

/* ---- dims ---- */

static Object *undecided(Elaborator *e, Frame *frame, AstOperator op, const Dim *x, const Dim *y,
                         Span span) {
  Diagnostic *d = report(e, frame, E0302, span, "this holds for some sizes and not for others");
  diag_label(d, "%s %s %s: from %lld %s %lld to %lld %s %lld", dim_text(e, x),
             ast_operator_text(op), dim_text(e, y), (long long)dim_min(x), ast_operator_text(op),
             (long long)dim_min(y), (long long)dim_max(x), ast_operator_text(op),
             (long long)dim_max(y));
  diag_help(d, "what is decided while compiling must be so for every size within the bounds");
  return error_object;
}

static Object *compare_dims(Elaborator *e, Frame *frame, AstOperator op, const Dim *x, const Dim *y,
                            Span span) {
  DimTable *table = e->module->dims;
  Truth truth;
  bool negate = false;
  switch (op) {
  case AST_EQUAL:
  case AST_NOT_EQUAL:
    truth = dim_equal(table, x, y);
    negate = op == AST_NOT_EQUAL;
    break;
  case AST_LESS:
    truth = dim_less(table, x, y);
    break;
  case AST_GREATER:
    truth = dim_less(table, y, x);
    break;
  case AST_LESS_EQUAL:
    truth = dim_less_or_equal(table, x, y);
    break;
  default:
    truth = dim_less_or_equal(table, y, x);
    break;
  }
  if (truth == SOMETIMES) return undecided(e, frame, op, x, y, span);
  return object_bool(e, (truth == ALWAYS) != negate);
}

static Object *dims(Elaborator *e, Frame *frame, AstOperator op, const Dim *x, const Dim *y,
                    Span span) {
  DimTable *table = e->module->dims;
  const Dim *result = NULL;
  switch (op) {
  case AST_ADD:
    result = dim_add(table, x, y);
    break;
  case AST_SUBTRACT:
    result = dim_sub(table, x, y);
    break;
  case AST_MULTIPLY:
    result = dim_mul(table, x, y);
    break;
  case AST_DIVIDE:
  case AST_REMAINDER:
    if (dim_is_constant(y) && dim_value(y) > 0) {
      result =
          op == AST_DIVIDE ? dim_floor(table, x, dim_value(y)) : dim_mod(table, x, dim_value(y));
    } else if (op == AST_DIVIDE && (result = dim_quotient(table, x, y))) {
      break;
    } else if (dim_is(y, 0)) {
      return by_zero(e, frame, span);
    } else {
      Diagnostic *d =
          report(e, frame, E0302, span, "a size is divided by a known positive number only");
      diag_label(d, "%s %s %s", dim_text(e, x), ast_operator_text(op), dim_text(e, y));
      return error_object;
    }
    break;
  case AST_POWER:
    if (!dim_is_constant(y) || dim_value(y) < 0 || dim_value(y) > 8) return NULL;
    result = dim_constant(table, 1);
    for (int64_t i = dim_value(y); i > 0 && result; i--) result = dim_mul(table, result, x);
    break;
  case AST_EQUAL:
  case AST_NOT_EQUAL:
  case AST_LESS:
  case AST_GREATER:
  case AST_LESS_EQUAL:
  case AST_GREATER_EQUAL:
    return compare_dims(e, frame, op, x, y, span);
  default:
    return NULL;
  }
  return result ? object_dim(e, result) : overflow(e, frame, span);
}

/* ---- lists and texts ---- */

static Object *join(Elaborator *e, Frame *frame, Object *x, Object *y, Span span) {
  size_t count = x->count + y->count;
  if (count > MOST_OPERATIONS) {
    report(e, frame, E0306, span, "a list of more than 1,000,000 elements");
    return error_object;
  }
  if (!take_step(e, frame, span, (int64_t)count)) return error_object;
  Object *list = object_list(e, count);
  for (size_t i = 0; i < x->count; i++) list->items[i] = x->items[i];
  for (size_t i = 0; i < y->count; i++) list->items[x->count + i] = y->items[i];
  return list;
}

static Object *join_texts(Elaborator *e, Frame *frame, Object *x, Object *y, Span span) {
  if (strlen(x->text) + strlen(y->text) > MOST_TEXT) {
    report(e, frame, E0306, span, "a text of more than %d bytes", MOST_TEXT);
    return error_object;
  }
  return object_string(e, intern(e->interner, arena_format(e->arena, "%s%s", x->text, y->text)));
}

/* ---- tensors ---- */

static const struct {
  Operator kind;
  bool is_there, swap, negate, orders;
} operations[] = {
    [AST_ADD] = {OP_add, true, false, false, false},
    [AST_SUBTRACT] = {OP_sub, true, false, false, false},
    [AST_MULTIPLY] = {OP_mul, true, false, false, false},
    [AST_DIVIDE] = {OP_div, true, false, false, false},
    [AST_REMAINDER] = {OP_rem, true, false, false, false},
    [AST_POWER] = {OP_pow, true, false, false, false},
    [AST_EQUAL] = {OP_eq, true, false, false, false},
    [AST_NOT_EQUAL] = {OP_eq, true, false, true, false},
    [AST_LESS] = {OP_lt, true, false, false, true},
    [AST_GREATER] = {OP_lt, true, true, false, true},
    [AST_LESS_EQUAL] = {OP_le, true, false, false, true},
    [AST_GREATER_EQUAL] = {OP_le, true, true, false, true},
    [AST_AND] = {OP_and, true, false, false, false},
    [AST_OR] = {OP_or, true, false, false, false},
};

/* A small whole exponent is a product: exact, and right for negative bases. */
static Object *small_power(const Site *site, Object *x, int64_t exponent) {
  Value *base = to_tensor(site, x, NULL), *result = base;
  if (!base) return error_object;
  for (int64_t i = 1; i < exponent && result; i++)
    result = emit(site, OP_mul, (Value *[]){result, base}, 2, NULL, 0);
  Object *object = object_tensor(site->e, result);
  return object;
}

static bool is_whole(const Object *object) {
  return object->is_index || object->kind == OBJECT_INTEGER || object->kind == OBJECT_DIM;
}

static Object *tensors(Elaborator *e, Frame *frame, AstOperator op, Object *x, Object *y, Span span,
                       Span x_span, Span y_span) {
  Span spans[] = {x_span, y_span};
  Site site = {e, frame, span, spans, 2, ast_operator_text(op)};
  if (op == AST_MATMUL) return matmul(&site, x, y);
  if (op == AST_POWER && is_tensor(x) && y->kind == OBJECT_INTEGER && y->integer >= 1 &&
      y->integer <= 4)
    return small_power(&site, x, y->integer);
  if (op >= (int)(sizeof operations / sizeof *operations) || !operations[op].is_there)
    return unfit(e, frame, op, x, y, span);
  Value *operands[2];
  if (!unify(&site, x, y, &operands[0], &operands[1])) return error_object;
  bool is_bool = operands[0]->type.element == ELEMENT_bool;
  if (is_bool && op != AST_AND && op != AST_OR && op != AST_EQUAL && op != AST_NOT_EQUAL) {
    Diagnostic *d = report(e, frame, E0202, span, "bool does no arithmetic");
    diag_label(d, "%s %s %s", object_text(e, x), ast_operator_text(op), object_text(e, y));
    diag_help(d, "cast it first: cast(mask, f32)");
    return error_object;
  }
  if (operations[op].swap) {
    Value *first = operands[0];
    operands[0] = operands[1];
    operands[1] = first;
    spans[0] = y_span;
    spans[1] = x_span;
  }
  Value *result = emit(&site, operations[op].kind, operands, 2, NULL, 0);
  if (result && operations[op].negate) result = emit(&site, OP_not, &result, 1, NULL, 0);
  Object *object = object_tensor(e, result);
  /* `i + 1` takes the type that it meets, as `i` does. */
  if (result && !operations[op].orders && op < AST_EQUAL)
    object->is_index = is_whole(x) && is_whole(y);
  return object;
}

Object *binary(Elaborator *e, Frame *frame, AstOperator op, Object *x, Object *y, Span span,
               Span x_span, Span y_span) {
  if (is_error(x) || is_error(y)) return error_object;
  Object *result = NULL;
  if (x->kind == OBJECT_INTEGER && y->kind == OBJECT_INTEGER) {
    result = integers(e, frame, op, x->integer, y->integer, span);
  } else if (is_number(x) && is_number(y)) {
    result = reals(e, frame, op, real_of(e, frame, x, x_span), real_of(e, frame, y, y_span), span);
  } else if (x->kind == OBJECT_BOOL && y->kind == OBJECT_BOOL && (op == AST_AND || op == AST_OR)) {
    result = object_bool(e, op == AST_AND ? x->integer && y->integer : x->integer || y->integer);
  } else if (is_tensor(x) || is_tensor(y)) {
    if (x->kind == OBJECT_NONE || y->kind == OBJECT_NONE) {
      if (op == AST_EQUAL || op == AST_NOT_EQUAL) return object_bool(e, op == AST_NOT_EQUAL);
      return unfit(e, frame, op, x, y, span);
    }
    warn_of_quotient(e, frame, x, x_span);
    warn_of_quotient(e, frame, y, y_span);
    return tensors(e, frame, op, x, y, span, x_span, y_span);
  } else if (object_to_dim(e, x) && object_to_dim(e, y)) {
    result = dims(e, frame, op, object_to_dim(e, x), object_to_dim(e, y), span);
    if (!result) return tensors(e, frame, op, x, y, span, x_span, y_span);
  } else if ((x->kind == OBJECT_DIM && is_number(y)) || (is_number(x) && y->kind == OBJECT_DIM)) {
    return tensors(e, frame, op, x, y, span, x_span, y_span);
  } else if (op == AST_EQUAL || op == AST_NOT_EQUAL) {
    result = object_bool(e, object_equal(x, y) == (op == AST_EQUAL));
  } else if (x->kind == OBJECT_LIST && y->kind == OBJECT_LIST && op == AST_ADD) {
    result = join(e, frame, x, y, span);
  } else if (x->kind == OBJECT_STRING && y->kind == OBJECT_STRING && op == AST_ADD) {
    result = join_texts(e, frame, x, y, span);
  }
  return result ? result : unfit(e, frame, op, x, y, span);
}

Object *unary(Elaborator *e, Frame *frame, AstOperator op, Object *x, Span span) {
  if (is_error(x)) return x;
  if (is_tensor(x)) {
    Site site = {e, frame, span, NULL, 0, ast_operator_text(op)};
    Value *value = to_tensor(&site, x, NULL);
    if (!value) return error_object;
    return object_tensor(e, emit(&site, op == AST_NOT ? OP_not : OP_neg, &value, 1, NULL, 0));
  }
  if (op == AST_NOT && x->kind == OBJECT_BOOL) return object_bool(e, !x->integer);
  if (op == AST_NEGATE && x->kind == OBJECT_REAL) return object_real(e, -x->real);
  if (op == AST_NEGATE && x->kind == OBJECT_INTEGER)
    return x->integer == INT64_MIN ? overflow(e, frame, span) : object_integer(e, -x->integer);
  if (op == AST_NEGATE && x->kind == OBJECT_DIM)
    return dims(e, frame, AST_SUBTRACT, dim_constant(e->module->dims, 0), x->dim, span);
  return unfit(e, frame, op, x, NULL, span);
}
