#include "passes/select_phases.h"

#include "support/bug.h"

/* Along an axis of a dilation d: y[q d + r] is the sum over k of x[(q + k) d + r - pad]. With
 * `before` zeros in front of x, pad is a multiple of d, so a phase of y sees that phase of x. */
static bool of_dilation(int64_t d, int64_t kernel, const int64_t *pad, int64_t x, int64_t y,
                        int axis, Phases *p) {
  if (d > y) return false;
  p->before[axis] = pad[0] % d;
  p->size[axis] = (p->before[axis] + x + d - 1) / d;
  p->made[axis] = (y + d - 1) / d;
  p->pad[axis][0] = pad[0] / d;
  p->pad[axis][1] = p->made[axis] + kernel - 1 - p->pad[axis][0] - p->size[axis];
  p->kernel[axis] = kernel;
  return p->pad[axis][1] >= 0;
}

/* Of a stride s: what is made of all x that a place of y sees, as it begins at its first one. */
static bool of_stride(int64_t s, int64_t kernel, const int64_t *pad, int64_t y, int axis,
                      Phases *p) {
  p->kernel[axis] = kernel / s;
  p->before[axis] = pad[0];
  p->made[axis] = y;
  p->size[axis] = y + p->kernel[axis] - 1;
  return kernel % s == 0;
}

bool select_phases(const ConvWindow *window, const int64_t *kernel, const int64_t *x,
                   const int64_t *y, double each, Phases *p) {
  const double most = 3e13; /* elements of a padded map: a tensor has at most 2^47 bytes */
  double large = each, small = each;
  const int64_t *stride = window->stride, *dilation = window->dilation;
  bool dilated = dilation[0] > 1 || dilation[1] > 1, strided = stride[0] > 1 || stride[1] > 1;
  if (window->groups != 1 || dilated == strided) return false;
  *p = (Phases){.images = dilated};
  for (int i = 0; i < 2; i++) {
    p->by[i] = dilated ? dilation[i] : stride[i];
    bool fine = x[i] > 0 && y[i] > 0 &&
                (dilated ? of_dilation(p->by[i], kernel[i], window->pad[i], x[i], y[i], i, p)
                         : of_stride(p->by[i], kernel[i], window->pad[i], y[i], i, p));
    if (!fine) return false;
    large *= (double)p->by[i] * (double)p->size[i], small *= (double)p->by[i] * (double)p->made[i];
  }
  if (large > most || small > most) return false;
  return p->kernel[0] * p->kernel[1] > 1;
}

static Value *done(const Builder *b, Value *x) {
  if (!x) bug("a map has no phases: %s", b->failure.message);
  return x;
}

/* x's lines and pixels from -before on, so many, where it has none zeros. */
static Value *fitted(Select *s, Builder *b, Value *x, const int64_t *before, const int64_t *size) {
  const Dim *const *d = x->type.dims, *start[4], *stop[4];
  int64_t front[4] = {0}, behind[4] = {0};
  bool cuts = false;
  for (int i = 0; i < 4; i++) {
    start[i] = select_number(s, 0), stop[i] = d[i];
    if (i != 1 && i != 2) continue;
    int64_t all = dim_value(d[i]), from = -before[i - 1], end = from + size[i - 1];
    int64_t first = from > 0 ? from : 0, last = end < all ? end : all;
    start[i] = select_number(s, first), stop[i] = select_number(s, last);
    front[i] = first - from, behind[i] = end - last;
    cuts = cuts || first > 0 || last < all;
  }
  Attribute cut[] = {{ATTRIBUTE_start, attribute_dims(s->module, start, 4)},
                     {ATTRIBUTE_stop, attribute_dims(s->module, stop, 4)}};
  if (cuts) x = done(b, build(b, OP_slice, &x, 1, cut, 2));
  return done(b, select_pad(s, b, x, front, behind, NULL));
}

static const Dim *times(Select *s, const Dim *dim, int64_t by) {
  return dim_mul(s->module->dims, dim, select_number(s, by));
}

/* [N, lines * by, pixels * by, C] with phases in front of the lines, or of the channels. */
static Value *apart(Select *s, Builder *b, Value *x, const Phases *p, const int64_t *size) {
  static const int to_images[] = {0, 2, 4, 1, 3, 5}, to_channels[] = {0, 1, 3, 2, 4, 5};
  const Dim *n = x->type.dims[0], *c = x->type.dims[3];
  const Dim *lines = select_number(s, size[0]), *pixels = select_number(s, size[1]);
  const Dim *split[] = {n, lines, select_number(s, p->by[0]), pixels, select_number(s, p->by[1]),
                        c};
  int64_t all = p->by[0] * p->by[1];
  const Dim *joined[] = {p->images ? times(s, n, all) : n, lines, pixels,
                         p->images ? c : times(s, c, all)};
  x = done(b, build_reshape(b, x, split, 6));
  x = done(b, build_transpose(b, x, p->images ? to_images : to_channels));
  return done(b, build_reshape(b, x, joined, 4));
}

static void whole_size(const Phases *p, const int64_t *each, int64_t *size) {
  for (int i = 0; i < 2; i++) size[i] = each[i] * p->by[i];
}

Value *select_phases_apart(Select *s, Builder *b, Value *x, const Phases *p) {
  int64_t size[2];
  whole_size(p, p->size, size);
  return apart(s, b, fitted(s, b, x, p->before, size), p, p->size);
}

Value *select_phases_of_y(Select *s, Builder *b, Value *y, const Phases *p) {
  int64_t size[2];
  whole_size(p, p->made, size);
  return apart(s, b, fitted(s, b, y, (int64_t[]){0, 0}, size), p, p->made);
}

Value *select_phases_joined(Select *s, Builder *b, Value *y, const Phases *p, const Dim *images,
                            const int64_t *from, const int64_t *size) {
  static const int of_images[] = {0, 3, 1, 4, 2, 5}, of_channels[] = {0, 1, 3, 2, 4, 5};
  const Dim *const *d = y->type.dims;
  const Dim *by[] = {select_number(s, p->by[0]), select_number(s, p->by[1])};
  const Dim *c = d[3];
  if (!p->images) c = select_number(s, dim_value(c) / (p->by[0] * p->by[1]));
  const Dim *split_images[] = {images, by[0], by[1], d[1], d[2], c};
  const Dim *split_channels[] = {images, d[1], d[2], by[0], by[1], c};
  const Dim *joined[] = {images, times(s, d[1], p->by[0]), times(s, d[2], p->by[1]), c};
  y = done(b, build_reshape(b, y, p->images ? split_images : split_channels, 6));
  y = done(b, build_transpose(b, y, p->images ? of_images : of_channels));
  y = done(b, build_reshape(b, y, joined, 4));
  return fitted(s, b, y, (int64_t[]){-from[0], -from[1]}, size);
}

Value *select_phases_weight(Select *s, Builder *b, Value *w, const Phases *p) {
  const Dim *const *d = w->type.dims;
  const Dim *lines = select_number(s, p->kernel[0]), *pixels = select_number(s, p->kernel[1]);
  const Dim *split[] = {
      d[0], d[1], lines, select_number(s, p->by[0]), pixels, select_number(s, p->by[1])};
  const Dim *joined[] = {d[0], times(s, d[1], p->by[0] * p->by[1]), lines, pixels};
  w = done(b, build_reshape(b, w, split, 6));
  w = done(b, build_transpose(b, w, (int[]){0, 3, 5, 1, 2, 4}));
  return done(b, build_reshape(b, w, joined, 4));
}

Value *select_phases_kernel(Select *s, Builder *b, Value *w, const Phases *p) {
  const Dim *const *d = w->type.dims;
  const Dim *c = select_number(s, dim_value(d[1]) / (p->by[0] * p->by[1]));
  const Dim *split[] = {d[0], select_number(s, p->by[0]), select_number(s, p->by[1]), c, d[2],
                        d[3]};
  const Dim *joined[] = {d[0], c, times(s, d[2], p->by[0]), times(s, d[3], p->by[1])};
  w = done(b, build_reshape(b, w, split, 6));
  w = done(b, build_transpose(b, w, (int[]){0, 3, 4, 1, 5, 2}));
  return done(b, build_reshape(b, w, joined, 4));
}

double select_phases_time(const Select *s, double elements) {
  return select_traffic(s, 2 * 4 * elements) * costs[COST_phases_copy];
}

void select_phases_consider(Select *s, Candidates *list, const Op *op, const ConvWindow *window,
                            int64_t out, int64_t channels, int form) {
  const Type *x = &op->operands[0]->type, *y = &op_result(op)->type;
  bool turned = op->kind == OP_conv_transpose;
  SelectWinograd conv = select_winograd_of(s, op, out, channels, (int64_t[]){1, 1});
  int64_t given[2] = {1, 1}, made[2] = {1, 1};
  ConvWindow own = *window;
  Phases phases;
  if (s->context->options->exact_conv) return;
  for (int i = 2; i < x->rank; i++) {
    if (!dim_is_constant(x->dims[i]) || !dim_is_constant(y->dims[i])) return;
    int at = i + 2 - x->rank;
    given[at] = dim_value(x->dims[i]), made[at] = dim_value(y->dims[i]);
    if (!turned || own.stride[0] > 1 || own.stride[1] > 1) continue;
    int64_t reach = own.dilation[at] * (conv.kernel[at] - 1); /* as by_zeros has it */
    for (int side = 0; side < 2; side++) own.pad[at][side] = reach - own.pad[at][side];
    own.pad[at][1] = made[at] + reach - own.pad[at][0] - given[at];
    if (own.pad[at][0] < 0 || own.pad[at][1] < 0) return;
  }
  bool strided = window->stride[0] > 1 || window->stride[1] > 1;
  const int64_t *large = turned && strided ? made : given, *small = large == made ? given : made;
  double each = (double)dim_max(x->dims[0]) * (double)(channels + out);
  if (!select_phases(&own, conv.kernel, large, small, each, &phases)) return;
  int64_t all = phases.by[0] * phases.by[1];
  double copied = type_elements(x) * (turned && strided ? 0 : 1);
  if (!strided || turned) copied += type_elements(y);
  if (!strided) conv.images *= (double)all, conv.fewest *= (double)all;
  if (strided && turned) conv.out *= all;
  if (strided && !turned) conv.channels *= all;
  for (int i = 0; i < 2; i++) {
    conv.kernel[i] = phases.kernel[i];
    conv.size[i] = (double)(turned && strided ? phases.size[i] : phases.made[i]);
  }
  for (int64_t tile = 2; tile <= 6; tile++) {
    Candidate candidate = {.name = "winograd"};
    for (int i = 0; i < 2; i++) candidate.tile[i] = conv.kernel[i] == 1 ? 1 : tile;
    candidate.seconds = select_winograd_time(s, &conv, candidate.tile);
    if (candidate.seconds <= 0) continue;
    candidate.seconds += select_phases_time(s, copied);
    candidates_add(list, candidate, form);
  }
}
