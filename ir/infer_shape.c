/* Types of the operators that move elements. */
#include "ir/infer.h"

bool infer_reshape(Inference *i) {
  Type type = {.element = i->in[0].element, .rank = infer_list_count(i, ATTRIBUTE_shape)};
  if (type.rank > MOST_AXES) return infer_result(i, &type);
  for (int axis = 0; axis < type.rank; axis++)
    type.dims[axis] = infer_list(i, ATTRIBUTE_shape, axis);
  const Dim *from = type_count(i->dims, &i->in[0]), *to = type_count(i->dims, &type);
  if (infer_require(i, CHECK_EQUAL, from, to)) return infer_result(i, &type);
  infer_fail(i, E0206, 0, "a reshape keeps the number of elements");
  infer_label(i, "%s to %s: %s is not %s", infer_type_text(i, &i->in[0]), infer_type_text(i, &type),
              infer_dim_text(i, from), infer_dim_text(i, to));
  infer_help(i, "-1 stands for the one size that follows from the others");
  return false;
}

bool infer_transpose(Inference *i) {
  Type type = i->in[0];
  bool seen[MOST_AXES] = {false};
  int count = infer_list_count(i, ATTRIBUTE_perm);
  bool fine = count == type.rank && infer_constants(i, ATTRIBUTE_perm, 0);
  for (int axis = 0; fine && axis < count; axis++) {
    int64_t from = dim_value(infer_list(i, ATTRIBUTE_perm, axis));
    fine = from < type.rank && !seen[from];
    if (!fine) break;
    seen[from] = true;
    type.dims[axis] = i->in[0].dims[from];
  }
  if (fine) return infer_result(i, &type);
  infer_fail(i, E0205, 0, "'perm' does not name each axis once");
  infer_label(i, "%s", infer_type_text(i, &i->in[0]));
  infer_help(i, "result axis i is axis perm[i]; all of 0 to %d, in any order",
             i->in[0].rank ? i->in[0].rank - 1 : 0);
  return false;
}

bool infer_broadcast(Inference *i) {
  const Type *x = &i->in[0];
  Type type = {.element = x->element, .rank = infer_list_count(i, ATTRIBUTE_shape)};
  if (type.rank > MOST_AXES) return infer_result(i, &type);
  for (int axis = 0; axis < type.rank; axis++)
    type.dims[axis] = infer_list(i, ATTRIBUTE_shape, axis);
  bool fine = x->rank <= type.rank;
  for (int axis = 0; fine && axis < x->rank; axis++)
    fine = dim_is(x->dims[axis], 1) || x->dims[axis] == type.dims[axis + type.rank - x->rank];
  if (fine) return infer_result(i, &type);
  infer_fail(i, E0203, 0, "a shape cannot be broadcast to another");
  infer_label(i, "%s to %s", infer_type_text(i, x), infer_type_text(i, &type));
  infer_help(i, "axes are matched from the last one; those of size 1 are repeated, others stay");
  return false;
}

static bool slice_fail(Inference *i, int axis, const Dim *start, const Dim *stop) {
  infer_fail(i, E0208, 0, "a slice reaches outside of axis %d", axis);
  infer_label(i, "%s: from %s to %s of %s", infer_type_text(i, &i->in[0]), infer_dim_text(i, start),
              infer_dim_text(i, stop), infer_dim_text(i, i->in[0].dims[axis]));
  return false;
}

bool infer_slice(Inference *i) {
  Type type = i->in[0];
  const Dim *zero = dim_constant(i->dims, 0), *one = dim_constant(i->dims, 1);
  if (!infer_constants(i, ATTRIBUTE_step, -INT64_MAX)) return false;
  for (int axis = 0; axis < type.rank; axis++) {
    const Dim *start = infer_list(i, ATTRIBUTE_start, axis);
    const Dim *stop = infer_list(i, ATTRIBUTE_stop, axis), *n = type.dims[axis];
    int64_t step = dim_value(infer_list(i, ATTRIBUTE_step, axis));
    if (step == 0) return infer_fail(i, E0208, 0, "the step of a slice is 0");
    const Dim *low = step > 0 ? start : dim_add(i->dims, stop, one);
    const Dim *high = step > 0 ? stop : dim_add(i->dims, start, one);
    if (!infer_require(i, CHECK_LESS_OR_EQUAL, zero, low) ||
        !infer_require(i, CHECK_LESS_OR_EQUAL, low, high) ||
        !infer_require(i, CHECK_LESS_OR_EQUAL, high, n))
      return slice_fail(i, axis, start, stop);
    int64_t size = step > 0 ? step : -step;
    const Dim *covered = dim_sub(i->dims, high, low);
    covered = dim_add(i->dims, covered, dim_constant(i->dims, size - 1));
    type.dims[axis] = dim_floor(i->dims, covered, size);
  }
  return infer_result(i, &type);
}

bool infer_pad(Inference *i) {
  Type type = i->in[0];
  if (!infer_constants(i, ATTRIBUTE_between, 0)) return false;
  const Dim *zero = dim_constant(i->dims, 0), *one = dim_constant(i->dims, 1);
  for (int axis = 0; axis < type.rank; axis++) {
    const Dim *before = infer_list(i, ATTRIBUTE_before, axis), *n = type.dims[axis];
    const Dim *after = infer_list(i, ATTRIBUTE_after, axis);
    const Dim *between = infer_list(i, ATTRIBUTE_between, axis);
    if (!infer_require(i, CHECK_LESS_OR_EQUAL, zero, before) ||
        !infer_require(i, CHECK_LESS_OR_EQUAL, zero, after) ||
        (!dim_is(between, 0) && !infer_require(i, CHECK_LESS_OR_EQUAL, one, n))) {
      infer_fail(i, E0210, 0, "the padding of axis %d is below 0", axis);
      infer_label(i, "%s before, %s after", infer_dim_text(i, before), infer_dim_text(i, after));
      infer_help(i, "to cut off elements, take a slice");
      return false;
    }
    const Dim *gaps = dim_mul(i->dims, dim_sub(i->dims, n, one), between);
    type.dims[axis] = dim_add(i->dims, dim_add(i->dims, n, gaps), dim_add(i->dims, before, after));
  }
  return infer_result(i, &type);
}

bool infer_concat(Inference *i) {
  int64_t axis = infer_integer(i, ATTRIBUTE_axis);
  Type type = i->in[0];
  for (int n = 1; n < i->in_count; n++) {
    const Type *x = &i->in[n];
    if (!infer_same_element(i, 0, n)) return false;
    bool fine = x->rank == type.rank;
    const Dim *left = NULL, *right = NULL;
    for (int a = 0; fine && a < type.rank; a++) {
      if (a == axis) continue;
      left = i->in[0].dims[a];
      right = x->dims[a];
      fine = infer_require(i, CHECK_EQUAL, left, right);
    }
    if (!fine) {
      infer_fail(i, E0203, n, "shapes that are joined differ in another axis than %lld",
                 (long long)axis);
      infer_label(i, "%s and %s%s%s%s%s", infer_type_text(i, &i->in[0]), infer_type_text(i, x),
                  left ? ": " : "", left ? infer_dim_text(i, right) : "", left ? " is not " : "",
                  left ? infer_dim_text(i, left) : "");
      return false;
    }
    type.dims[axis] = dim_add(i->dims, type.dims[axis], x->dims[axis]);
    if (!type.dims[axis]) break;
  }
  return infer_result(i, &type);
}

bool infer_update(Inference *i) {
  const Type *x = &i->in[0], *u = &i->in[1];
  if (!infer_same_element(i, 0, 1)) return false;
  if (i->in_count != 2 && i->in_count != 2 + x->rank)
    return infer_fail(i, E0211, -1, "'update' takes no starts, or one for each of %d axes",
                      x->rank);
  for (int n = 2; n < i->in_count; n++) {
    if (i->in[n].element == ELEMENT_i64 && i->in[n].rank == 0) continue;
    infer_fail(i, E0202, n, "a start of 'update' must be a single i64");
    infer_label(i, "%s", infer_type_text(i, &i->in[n]));
    return false;
  }
  const Dim *zero = dim_constant(i->dims, 0);
  bool fine = x->rank == u->rank;
  for (int axis = 0; fine && axis < x->rank; axis++) {
    const Dim *at = infer_list(i, ATTRIBUTE_at, axis);
    fine =
        infer_require(i, CHECK_LESS_OR_EQUAL, zero, at) &&
        infer_require(i, CHECK_LESS_OR_EQUAL, dim_add(i->dims, at, u->dims[axis]), x->dims[axis]);
  }
  if (fine) return infer_result(i, x);
  infer_fail(i, E0208, 1, "what is written does not fit into the tensor");
  infer_label(i, "%s into %s", infer_type_text(i, u), infer_type_text(i, x));
  return false;
}

/* ---- windows ---- */

const Dim *infer_window(Inference *i, const Dim *n, const Dim *kernel, int spatial, int axis) {
  DimTable *t = i->dims;
  const DimList *pads = &infer_attribute(i, ATTRIBUTE_pad)->lists.items[spatial];
  const Dim *one = dim_constant(t, 1), *dilation = infer_list(i, ATTRIBUTE_dilation, spatial);
  const Dim *whole = dim_add(t, dim_add(t, n, pads->items[0]), pads->items[1]);
  const Dim *covered = dim_add(t, dim_mul(t, dilation, dim_sub(t, kernel, one)), one);
  int64_t stride = dim_value(infer_list(i, ATTRIBUTE_stride, spatial));
  if (!infer_require(i, CHECK_LESS_OR_EQUAL, one, kernel) ||
      !infer_require(i, CHECK_LESS_OR_EQUAL, covered, whole)) {
    infer_fail(i, E0207, 0, "a window of '%s' leaves no output", operator_spelling(i->kind));
    infer_label(i, "%s: axis %d has %s with its padding, a window covers %s",
                infer_type_text(i, &i->in[0]), axis, infer_dim_text(i, whole),
                infer_dim_text(i, covered));
    infer_help(i, "a larger input, a smaller kernel or dilation, or more padding");
    return NULL;
  }
  return dim_add(t, dim_floor(t, dim_sub(t, whole, covered), stride), one);
}

static bool window_attributes(Inference *i) {
  return infer_constants(i, ATTRIBUTE_kernel, 1) && infer_constants(i, ATTRIBUTE_stride, 1) &&
         infer_constants(i, ATTRIBUTE_dilation, 1) && infer_constants(i, ATTRIBUTE_pad, 0);
}

bool infer_windows(Inference *i) {
  Type type = i->in[0];
  int count = infer_list_count(i, ATTRIBUTE_axes);
  if (!window_attributes(i)) return false;
  if (type.rank + count > MOST_AXES) {
    type.rank += count;
    return infer_result(i, &type);
  }
  for (int n = 0; n < count; n++) {
    int axis = (int)dim_value(infer_list(i, ATTRIBUTE_axes, n));
    const Dim *kernel = infer_list(i, ATTRIBUTE_kernel, n);
    type.dims[axis] = infer_window(i, i->in[0].dims[axis], kernel, n, axis);
    if (!type.dims[axis]) return false;
    type.dims[type.rank + n] = kernel;
  }
  type.rank += count;
  return infer_result(i, &type);
}

bool infer_overlap_add(Inference *i) {
  Type type = i->in[0];
  int count = infer_list_count(i, ATTRIBUTE_axes);
  if (!infer_arithmetic(i, 0) || !window_attributes(i)) return false;
  if (count > type.rank)
    return infer_fail(i, E0205, 0, "'overlap_add' needs an axis of windows for each of its axes");
  type.rank -= count;
  for (int n = 0; n < count; n++) {
    int axis = (int)dim_value(infer_list(i, ATTRIBUTE_axes, n));
    const Dim *kernel = infer_list(i, ATTRIBUTE_kernel, n),
              *size = infer_list(i, ATTRIBUTE_size, n);
    if (axis >= type.rank)
      return infer_fail(i, E0205, 0, "axis %d of 'overlap_add' is one of the kernel's", axis);
    const Dim *windows = infer_window(i, size, kernel, n, axis);
    if (!windows) return false;
    if (!infer_require(i, CHECK_EQUAL, kernel, i->in[0].dims[type.rank + n]) ||
        !infer_require(i, CHECK_EQUAL, windows, i->in[0].dims[axis])) {
      infer_fail(i, E0203, 0, "'overlap_add' does not get the windows of its size");
      infer_label(i, "%s: axis %d of size %s has %s windows of %s", infer_type_text(i, &i->in[0]),
                  axis, infer_dim_text(i, size), infer_dim_text(i, windows),
                  infer_dim_text(i, kernel));
      return false;
    }
    type.dims[axis] = size;
  }
  return infer_result(i, &type);
}
