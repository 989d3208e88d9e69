/* Types of softmax and attention. */
#include "ir/infer.h"

bool infer_softmax(Inference *i) {
  return infer_float(i, 0) && infer_result(i, &i->in[0]);
}

/* A mask or a factor broadcasts to the scores. */
static bool fits_scores(Inference *i, int operand, const char *what, const Type *scores) {
  const Type *given = &i->in[operand];
  Type all;
  int rank = scores->rank, axis = rank - 1;
  bool fits = type_broadcast(scores, given, &all, &axis);
  all.element = scores->element;
  if (fits && type_equal(&all, scores)) return true;
  infer_fail(i, E0203, operand, "the %s does not fit the attention scores", what);
  if (!fits && given->rank <= rank && axis >= rank - given->rank)
    infer_label(i, "%s against %s: %s is not %s", infer_type_text(i, given),
                infer_type_text(i, scores),
                infer_dim_text(i, given->dims[axis - (rank - given->rank)]),
                infer_dim_text(i, scores->dims[axis]));
  else
    infer_label(i, "%s against %s", infer_type_text(i, given), infer_type_text(i, scores));
  if (given->rank == rank - 1 && rank >= 4)
    infer_help(i, "one %s for all heads: %s[:, None]", what, what);
  return false;
}

/* What follows q, k and v: a mask, a factor, both or none. */
static bool infer_extras(Inference *i, int first, const Type *scores) {
  int factors = infer_attribute(i, ATTRIBUTE_factor)->flag, count = i->in_count - first;
  if (count < factors || count > factors + 1)
    return infer_fail(i, E0203, -1, "'%s' takes one mask, and one factor if its attribute says so",
                      operator_spelling(i->kind));
  if (count > factors) {
    bool is_bool = i->in[first].element == ELEMENT_bool;
    if (!is_bool && !infer_same_element(i, 0, first)) return false;
    if (!fits_scores(i, first, "mask", scores)) return false;
  }
  if (!factors) return true;
  return infer_same_element(i, 0, i->in_count - 1) &&
         fits_scores(i, i->in_count - 1, "factor", scores);
}

/* The type of q @ transpose(k), for operands that fit each other. */
static bool infer_scores(Inference *i, Type *scores) {
  const Type *q = &i->in[0], *k = &i->in[1], *v = &i->in[2];
  if (!infer_float(i, 0) || !infer_same_element(i, 0, 1) || !infer_same_element(i, 0, 2))
    return false;
  int rank = q->rank;
  bool fine = rank >= 2 && k->rank == rank && v->rank == rank;
  for (int axis = 0; fine && axis < rank - 2; axis++)
    fine = infer_require(i, CHECK_EQUAL, q->dims[axis], k->dims[axis]) &&
           infer_require(i, CHECK_EQUAL, q->dims[axis], v->dims[axis]);
  fine = fine && infer_require(i, CHECK_EQUAL, q->dims[rank - 1], k->dims[rank - 1]) &&
         infer_require(i, CHECK_EQUAL, k->dims[rank - 2], v->dims[rank - 2]);
  if (!fine) {
    infer_fail(i, E0203, 1, "queries, keys and values of 'attention' do not fit");
    infer_label(i, "q %s, k %s, v %s", infer_type_text(i, q), infer_type_text(i, k),
                infer_type_text(i, v));
    infer_help(i, "q [..., T, D], k [..., S, D], v [..., S, E]");
    return false;
  }
  *scores = *q;
  scores->dims[rank - 1] = k->dims[rank - 2];
  return true;
}

/* One number a query: halves keep it in f32. */
static Type row_type(const Type *q) {
  Type type = *q;
  type.rank--;
  type.element = q->element == ELEMENT_f64 ? ELEMENT_f64 : ELEMENT_f32;
  return type;
}

bool infer_attention(Inference *i) {
  Type scores, type = i->in[0], rows;
  if (!infer_scores(i, &scores) || !infer_extras(i, 3, &scores)) return false;
  rows = row_type(&type);
  type.dims[type.rank - 1] = i->in[2].dims[type.rank - 1];
  return infer_result(i, &type) && infer_another_result(i, &rows);
}

static bool is_type(Inference *i, int operand, const char *what, const Type *wanted) {
  const Type *type = &i->in[operand];
  bool fine = type->element == wanted->element && type->rank == wanted->rank;
  for (int axis = 0; fine && axis < wanted->rank; axis++)
    fine = infer_require(i, CHECK_EQUAL, type->dims[axis], wanted->dims[axis]);
  if (fine) return true;
  infer_fail(i, E0203, operand, "the %s of '%s' does not fit", what, operator_spelling(i->kind));
  infer_label(i, "%s, not %s", infer_type_text(i, type), infer_type_text(i, wanted));
  return false;
}

bool infer_attention_gradient(Inference *i) {
  Type scores, y = i->in[0], rows;
  if (!infer_scores(i, &scores) || !infer_extras(i, 6, &scores)) return false;
  rows = row_type(&y);
  y.dims[y.rank - 1] = i->in[2].dims[y.rank - 1];
  return is_type(i, 3, "gradient", &y) && is_type(i, 4, "logarithm", &rows) &&
         is_type(i, 5, "sum", &rows) && infer_result(i, &i->in[0]) &&
         infer_another_result(i, &i->in[1]) && infer_another_result(i, &i->in[2]);
}
