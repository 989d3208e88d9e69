/* Types of reductions and of the operators with indices. */
#include "ir/infer.h"

static bool reduction(Inference *i) {
  if (!infer_arithmetic(i, 0)) return false;
  const Type *x = &i->in[0];
  bool keep = infer_attribute(i, ATTRIBUTE_keepdims)->flag, reduced[MOST_AXES] = {false};
  for (int n = 0; n < infer_list_count(i, ATTRIBUTE_axis); n++)
    reduced[dim_value(infer_list(i, ATTRIBUTE_axis, n))] = true;
  Type type = {.element = x->element};
  for (int axis = 0; axis < x->rank; axis++)
    if (!reduced[axis])
      type.dims[type.rank++] = x->dims[axis];
    else if (keep)
      type.dims[type.rank++] = dim_constant(i->dims, 1);
  return infer_result(i, &type);
}

bool infer_sum(Inference *i) {
  return reduction(i);
}
bool infer_max(Inference *i) {
  return reduction(i);
}

/* At least one element along the axis: of nothing there is no greatest. */
static bool has_elements(Inference *i, int64_t axis) {
  if (infer_require(i, CHECK_LESS_OR_EQUAL, dim_constant(i->dims, 1), i->in[0].dims[axis]))
    return true;
  infer_fail(i, E0212, 0, "'%s' of no elements", operator_spelling(i->kind));
  infer_label(i, "%s: axis %lld is empty", infer_type_text(i, &i->in[0]), (long long)axis);
  return false;
}

bool infer_argmax(Inference *i) {
  if (!infer_arithmetic(i, 0)) return false;
  int64_t axis = infer_integer(i, ATTRIBUTE_axis);
  if (!has_elements(i, axis)) return false;
  Type type = {.element = ELEMENT_i64};
  for (int a = 0; a < i->in[0].rank; a++)
    if (a != axis) type.dims[type.rank++] = i->in[0].dims[a];
  return infer_result(i, &type);
}

bool infer_top_k(Inference *i) {
  if (!infer_arithmetic(i, 0)) return false;
  Type type = i->in[0];
  int64_t axis = infer_integer(i, ATTRIBUTE_axis);
  const Dim *k = infer_attribute(i, ATTRIBUTE_k)->dim, *n = type.dims[axis];
  if (!infer_require(i, CHECK_LESS_OR_EQUAL, dim_constant(i->dims, 1), k) ||
      !infer_require(i, CHECK_LESS_OR_EQUAL, k, n)) {
    infer_fail(i, E0210, 0, "'k' of 'top_k' is %s", infer_dim_text(i, k));
    infer_label(i, "%s: axis %lld has %s elements", infer_type_text(i, &type), (long long)axis,
                infer_dim_text(i, n));
    return false;
  }
  type.dims[axis] = k;
  Type indices = type;
  indices.element = ELEMENT_i64;
  return infer_result(i, &type) && infer_another_result(i, &indices);
}

/* x[:axis] + i[batch:] + x[axis+1:] */
static bool gathered(Inference *i, Type *type) {
  const Type *x = &i->in[0], *indices = &i->in[1];
  if (!infer_index(i, 1) || !infer_constants(i, ATTRIBUTE_batch, 0)) return false;
  int64_t axis = infer_integer(i, ATTRIBUTE_axis), batch = infer_integer(i, ATTRIBUTE_batch);
  bool fine = batch <= axis && batch <= indices->rank;
  int differ = -1;
  for (int a = 0; fine && a < batch; a++) {
    fine = infer_require(i, CHECK_EQUAL, x->dims[a], indices->dims[a]);
    differ = a;
  }
  if (!fine) {
    infer_fail(i, E0203, 1, "the first %lld axes of '%s' do not run together", (long long)batch,
               operator_spelling(i->kind));
    infer_label(i, "%s at %s, axis %lld%s", infer_type_text(i, x), infer_type_text(i, indices),
                (long long)axis,
                differ < 0 ? ": 'batch' must not be above the axis and the indices' rank" : "");
    return false;
  }
  int rank = x->rank - 1 + indices->rank - (int)batch;
  *type = (Type){.element = x->element};
  if (rank > MOST_AXES) {
    type->rank = rank;
    return infer_result(i, type);
  }
  for (int a = 0; a < axis; a++) type->dims[type->rank++] = x->dims[a];
  for (int a = (int)batch; a < indices->rank; a++) type->dims[type->rank++] = indices->dims[a];
  for (int a = (int)axis + 1; a < x->rank; a++) type->dims[type->rank++] = x->dims[a];
  return true;
}

bool infer_gather(Inference *i) {
  Type type;
  return gathered(i, &type) && infer_result(i, &type);
}

bool infer_scatter_add(Inference *i) {
  Type rows;
  if (!infer_arithmetic(i, 0) || !infer_same_element(i, 0, 2) || !gathered(i, &rows)) return false;
  const Type *u = &i->in[2];
  bool fine = rows.rank == u->rank;
  for (int a = 0; fine && a < rows.rank; a++)
    fine = infer_require(i, CHECK_EQUAL, rows.dims[a], u->dims[a]);
  if (fine) return infer_result(i, &i->in[0]);
  infer_fail(i, E0203, 2, "what 'scatter_add' adds does not fit the indices");
  infer_label(i, "%s where %s is needed", infer_type_text(i, u), infer_type_text(i, &rows));
  return false;
}
