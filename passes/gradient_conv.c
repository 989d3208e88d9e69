/* Gradients of the convolutions. Three operators close among each other: of a large tensor, a small
 * one (what conv makes of the large) and a kernel each is the gradient of the product of the other
 * two.
 *
 *   small  = conv(large, kernel)
 *   large  = conv_transpose(small, kernel)
 *   kernel = conv_weight(large, small)
 */
#include "passes/gradient.h"

#include "ir/op_traits.h"

#include <string.h>

typedef struct {
  int axes;
  int64_t stride[MOST_AXES], dilation[MOST_AXES], pad[MOST_AXES][2], groups;
} Window;

static Window window_of(const Op *op) {
  Window w = {.axes = op->operands[0]->type.rank - 2, .groups = op_integer(op, ATTRIBUTE_groups)};
  for (int i = 0; i < w.axes; i++) {
    w.stride[i] = op_list_integer(op, ATTRIBUTE_stride, i);
    w.dilation[i] = op_list_integer(op, ATTRIBUTE_dilation, i);
    w.pad[i][0] = op_pair_integer(op, ATTRIBUTE_pad, i, 0);
    w.pad[i][1] = op_pair_integer(op, ATTRIBUTE_pad, i, 1);
  }
  return w;
}

static Value *convolve(Gradient *g, Operator kind, Value *x, Value *y, const Window *w,
                       const Attribute *more) {
  Module *m = g->module;
  Attribute attributes[] = {{ATTRIBUTE_stride, attribute_integers(m, w->stride, w->axes)},
                            {ATTRIBUTE_dilation, attribute_integers(m, w->dilation, w->axes)},
                            {ATTRIBUTE_pad, attribute_pairs(m, w->pad, w->axes)},
                            {ATTRIBUTE_groups, attribute_integer(m, w->groups)},
                            {0}};
  if (more) attributes[4] = *more;
  return slope_build(g, kind, (Value *[]){x, y}, 2, attributes, more ? 5 : 4);
}

/* Spatial axes cut at the end to those of `type`, from axis 2 on. */
static Value *cut(Gradient *g, Value *x, const Type *type) {
  const Dim *start[MOST_AXES], *stop[MOST_AXES];
  bool same = true;
  for (int i = 0; i < type->rank; i++) {
    start[i] = dim_constant(g->module->dims, 0);
    stop[i] = i < 2 ? x->type.dims[i] : type->dims[i];
    same = same && stop[i] == x->type.dims[i];
  }
  if (same) return x;
  Attribute attributes[] = {{ATTRIBUTE_start, attribute_dims(g->module, start, type->rank)},
                            {ATTRIBUTE_stop, attribute_dims(g->module, stop, type->rank)}};
  return slope_build(g, OP_slice, &x, 1, attributes, 2);
}

/* The last elements of the large side may be under no window: where their number is known it is the
 * output's padding; else more than enough are made, and cut. */
static Value *large_share(Gradient *g, Value *small, Value *kernel, const Type *large,
                          const Window *window) {
  DimTable *t = g->module->dims;
  Window w = *window;
  int64_t more[MOST_AXES];
  for (int i = 0; i < w.axes; i++) {
    const Dim *covered = dim_mul(t, dim_sub(t, kernel->type.dims[i + 2], dim_constant(t, 1)),
                                 dim_constant(t, w.dilation[i]));
    const Dim *pads = dim_constant(t, w.pad[i][0] + w.pad[i][1] - 1);
    const Dim *rest = dim_sub(t, dim_add(t, large->dims[i + 2], pads), covered);
    rest = rest ? dim_mod(t, rest, w.stride[i]) : NULL;
    if (rest && dim_is_constant(rest))
      more[i] = dim_value(rest);
    else {
      more[i] = w.stride[i] - 1;
      w.pad[i][1] = 0;
    }
  }
  Attribute output_pad = {ATTRIBUTE_output_pad, attribute_integers(g->module, more, w.axes)};
  return cut(g, convolve(g, OP_conv_transpose, small, kernel, &w, &output_pad), large);
}

static Value *kernel_share(Gradient *g, Value *large, Value *small, const Type *kernel,
                           const Window *w) {
  Attribute size = {ATTRIBUTE_kernel,
                    attribute_dims(g->module, kernel->dims + 2, kernel->rank - 2)};
  return convolve(g, OP_conv_weight, large, small, w, &size);
}

/* ---- conv ---- */

/* Moves the channels of [N, n.., C] in front, and of [k.., C, out] out and C; or back. */
static Value *turn(Gradient *g, Value *x, bool is_kernel, bool to_front) {
  int perm[MOST_AXES], back[MOST_AXES], rank = x->type.rank, next = 0;
  perm[next++] = is_kernel ? rank - 1 : 0;
  perm[next++] = is_kernel ? rank - 2 : rank - 1;
  for (int i = is_kernel ? 0 : 1; next < rank; i++) perm[next++] = i;
  for (int i = 0; i < rank; i++) back[perm[i]] = i;
  return slope_transpose(g, x, to_front ? perm : back);
}

/* Both operands and the slope with channels in front, in whatever layout they are. */
typedef struct {
  Value *x, *other, *d;
  bool last;      /* they are behind */
  bool is_kernel; /* the second operand */
} Planes;

static Planes planes_of(Gradient *g, bool second_is_kernel) {
  Planes p = {.x = gradient_x(g, 0), .other = gradient_x(g, 1), .d = slope_full_of(g, 0)};
  p.is_kernel = second_is_kernel;
  p.last = op_is_channels_last(g->op);
  if (!p.last) return p;
  p.x = turn(g, p.x, false, true);
  p.other = turn(g, p.other, second_is_kernel, true);
  if (second_is_kernel) p.d = turn(g, p.d, false, true); /* a weight is the same in both layouts */
  return p;
}

static void give(Gradient *g, const Planes *p, int operand, Value *share) {
  bool is_kernel = operand == 1 && p->is_kernel;
  gradient_give(g, operand, p->last ? turn(g, share, is_kernel, false) : share);
}

GRADIENT(conv) {
  Planes p = planes_of(g, true);
  Window w = window_of(g->op);
  if (gradient_wants(g, 0)) give(g, &p, 0, large_share(g, p.d, p.other, &p.x->type, &w));
  if (gradient_wants(g, 1)) give(g, &p, 1, kernel_share(g, p.x, p.d, &p.other->type, &w));
}

GRADIENT(conv_weight) {
  Planes p = planes_of(g, false);
  Window w = window_of(g->op);
  if (gradient_wants(g, 0)) give(g, &p, 0, large_share(g, p.other, p.d, &p.x->type, &w));
  if (gradient_wants(g, 1)) give(g, &p, 1, convolve(g, OP_conv, p.x, p.d, &w, NULL));
}

/* ---- conv_transpose ---- */

/* An output padding of a stride or more would make windows that the forward operation has not: it
 * is taken off the padding, then off the elements, which no window reaches then. */
static Value *uncovered(Gradient *g, Value *d, Window *w) {
  Type type = d->type;
  for (int i = 0; i < w->axes; i++) {
    int64_t excess = op_list_integer(g->op, ATTRIBUTE_output_pad, i) - (w->stride[i] - 1);
    if (excess <= 0) continue;
    int64_t pad = excess < w->pad[i][1] ? excess : w->pad[i][1];
    w->pad[i][1] -= pad;
    type.dims[i + 2] =
        dim_sub(g->module->dims, type.dims[i + 2], dim_constant(g->module->dims, excess - pad));
  }
  return cut(g, d, &type);
}

GRADIENT(conv_transpose) {
  Planes p = planes_of(g, true);
  Window w = window_of(g->op);
  Value *d = uncovered(g, p.d, &w);
  if (gradient_wants(g, 0)) give(g, &p, 0, convolve(g, OP_conv, d, p.other, &w, NULL));
  if (gradient_wants(g, 1)) give(g, &p, 1, kernel_share(g, d, p.x, &p.other->type, &w));
}
