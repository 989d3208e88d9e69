/* select_conv.c - convolutions and their gradients, in nhwc.
 *
 * The gradient for the input, conv_transpose, is the convolution by the flipped weight: with stride
 * 1 of the padded input; with a longer stride one for each phase, the places of the result that are
 * equal modulo the stride, since each phase meets its own part of the kernel:
 *
 *   1 0 2 0 3   <- 1 2 3 by the kernel's even places, and by the odd ones, a turn each
 *
 * The gradient for the weight, conv_weight, stays an operation of its own on images in nhwc. */
#include "passes/cost.h"
#include "passes/select.h"

#include "support/bug.h"

static const int to_last[] = {0, 2, 3, 1};

/* What a 2-D convolution in nhwc is made of. */
typedef struct {
  int64_t stride[2], dilation[2], pad[2][2], groups;
  /* The weight is a conv_transpose's, [C, out/groups, kh, kw], of whose kernel the places first +
   * step * i are meant, back to front. */
  bool turned;
  int64_t first[2], step[2];
  int64_t tile[2]; /* of Winograd's algorithm, where that was chosen */
} Window;

/* Ways to convolve: as it is, and in nhwc. */
typedef enum { CONV_LOOP, CONV_DIRECT, CONV_DEPTHWISE, CONV_DOT, CONV_WINOGRAD } ConvForm;

/* Channels that a weight makes, and places of its kernel along a spatial axis. */
static int64_t weight_out(const Value *w, const Window *window) {
  return dim_value(w->type.dims[window->turned ? 1 : 0]);
}

static int64_t weight_taps(const Value *w, const Window *window, int i) {
  int64_t size = dim_value(w->type.dims[2 + i]);
  if (!window->turned) return size;
  return (size - window->first[i] + window->step[i] - 1) / window->step[i];
}

/* Winograd's tiles, square or along the kernel's only axis. */
static void consider_winograd(Select *s, Candidates *list, const Op *op, const Window *window,
                              int64_t out, int64_t channels) {
  if (s->context->options->exact_conv || window->groups != 1) return;
  for (int i = 0; i < 2; i++)
    if (window->stride[i] != 1 || window->dilation[i] != 1) return;
  SelectWinograd conv = select_winograd_of(s, op, out, channels);
  if (conv.kernel[0] == 1 && conv.kernel[1] == 1) return;
  for (int64_t tile = 2; tile <= 6; tile += 2) {
    Candidate candidate = {.name = "winograd"};
    for (int i = 0; i < 2; i++) candidate.tile[i] = conv.kernel[i] == 1 ? 1 : tile;
    candidate.seconds = select_winograd_time(s, &conv, candidate.tile);
    if (candidate.seconds > 0) candidates_add(list, candidate, CONV_WINOGRAD);
  }
}

/* The form of a convolution with `out` channels, `taps` positions of the kernel and `channels` of
 * the input in all groups; `loop_flops` is the arithmetic of doing it as it is, `flops` in nhwc.
 * Winograd's tile is noted in the window. */
static ConvForm choose_conv(Select *s, const Op *op, Window *window, int64_t out, int64_t channels,
                            int64_t taps, double loop_flops, double flops) {
  const Value *w = op->operands[1];
  const Type *y = &op_result(op)->type;
  double weights = type_elements(&w->type);
  double bytes = select_bytes(w) + 4 * (type_elements(&op->operands[0]->type) + type_elements(y));
  int64_t groups = window->groups, depth = channels / groups * taps;
  Candidates list = {0};
  double loop = select_time(s, loop_flops, costs[COST_loop_share], bytes);
  candidates_add(&list, (Candidate){.name = "loop", .seconds = loop}, CONV_LOOP);
  PanelWork work = {.rows = flops / (2 * (double)depth * (double)out),
                    .size = out / groups,
                    .depth = depth,
                    .groups = groups,
                    .bytes = bytes,
                    .before = select_is_constant(s, w) ? 0 : select_packing(s, weights)};
  work.share = costs[COST_direct_share];
  candidates_add_panels(s, &list, "direct", CONV_DIRECT, &work);
  double each = select_time(s, flops, costs[COST_depthwise_share], bytes);
  if (groups > 1 && groups == channels && out == channels)
    candidates_add(&list, (Candidate){.name = "depthwise", .seconds = each}, CONV_DEPTHWISE);
  if (groups == 1 && taps == 1 && window->stride[0] == 1 && window->stride[1] == 1) {
    work.share = costs[COST_panel_share];
    candidates_add_panels(s, &list, "dot", CONV_DOT, &work);
  }
  if (select_bytes(w) == 4 * weights) /* transformed weights would be large again */
    consider_winograd(s, &list, op, window, out, channels);
  int best = select_choose(s, op, &list);
  for (int i = 0; i < 2; i++) window->tile[i] = list.items[best].tile[i];
  return (ConvForm)list.forms[best];
}

/* [C, out/groups, kh, kw] to [out, C/groups, kh, kw], the places begin + step * i of the kernel
 * alone, back to front. */
static Value *flipped(Select *s, Builder *b, Value *w, int64_t groups, const int64_t *begin,
                      const int64_t *step) {
  const Dim *const *dims = w->type.dims;
  int64_t inputs = dim_value(dims[0]), outs = dim_value(dims[1]), start[4], stop[4], back[4];
  const Dim *split[] = {select_number(s, groups), select_number(s, inputs / groups), dims[1],
                        dims[2], dims[3]};
  const Dim *joined[] = {select_number(s, groups * outs), select_number(s, inputs / groups),
                         dims[2], dims[3]};
  for (int i = 0; i < 4; i++) {
    int64_t size = dim_value(joined[i]);
    start[i] = 0, stop[i] = size, back[i] = 1;
    if (i < 2) continue;
    int64_t from = begin[i - 2], by = step[i - 2];
    start[i] = from + (size - 1 - from) / by * by;
    stop[i] = from - 1, back[i] = -by; /* down to above that */
  }
  w = build_reshape(b, w, split, 5);
  w = build_reshape(b, build_transpose(b, w, (int[]){0, 2, 1, 3, 4}), joined, 4);
  Attribute flip[] = {{ATTRIBUTE_start, attribute_integers(s->module, start, 4)},
                      {ATTRIBUTE_stop, attribute_integers(s->module, stop, 4)},
                      {ATTRIBUTE_step, attribute_integers(s->module, back, 4)}};
  w = build(b, OP_slice, &w, 1, flip, 3);
  if (!w) bug("a kernel cannot be flipped: %s", b->failure.message);
  return w;
}

/* The panels [P, kh, kw, C, B] of a turned weight at once, so that it is read once. */
static Value *pack_turned(Select *s, Builder *b, Value *w, const Window *window, int64_t columns) {
  int64_t size = weight_out(w, window), start[5], stop[5], step[5], depth = 1;
  for (int i = 0; i < 2; i++) depth *= weight_taps(w, window, i);
  depth *= dim_value(w->type.dims[0]);
  if (columns == 0) columns = select_panel_columns(s, size, depth);
  int64_t panels = (size + columns - 1) / columns;
  const Dim *const *d = w->type.dims;
  const Dim *split[] = {d[0], select_number(s, panels), select_number(s, columns), d[2], d[3]};
  w = select_pad(s, b, w, (int64_t[]){0, 0, 0, 0}, (int64_t[]){0, panels * columns - size, 0, 0},
                 NULL);
  w = build_transpose(b, build_reshape(b, w, split, 5), (int[]){1, 3, 4, 0, 2});
  for (int i = 0; i < 5; i++) {
    int64_t all = dim_value(w->type.dims[i]);
    start[i] = 0, stop[i] = all, step[i] = 1;
    if (i != 1 && i != 2) continue;
    int64_t from = window->first[i - 1], by = window->step[i - 1];
    start[i] = from + (all - 1 - from) / by * by;
    stop[i] = from - 1, step[i] = -by; /* down to above that */
  }
  Attribute flip[] = {{ATTRIBUTE_start, attribute_integers(s->module, start, 5)},
                      {ATTRIBUTE_stop, attribute_integers(s->module, stop, 5)},
                      {ATTRIBUTE_step, attribute_integers(s->module, step, 5)}};
  return build(b, OP_slice, &w, 1, flip, 3);
}

/* How many neighbouring pixels' few channels a vector takes together, as many channels of one wider
 * kernel: where the kernel has `width` columns that pays if it does less for each pixel. */
static int64_t neighbours(const Select *s, const Value *x, const Value *w, const Window *window) {
  int64_t out = dim_value(w->type.dims[0]), lanes = s->context->options->vector_lanes;
  int64_t width = dim_value(w->type.dims[3]), stride = window->stride[1], best = 1;
  if (s->function->kind != FUNCTION_TRAIN || window->groups > 1 || window->dilation[1] > 1 ||
      !dim_is_constant(x->type.dims[2]))
    return 1;
  int64_t columns =
      (dim_value(x->type.dims[2]) + window->pad[1][0] + window->pad[1][1] - width) / stride + 1;
  double least = (double)width;
  for (int64_t n = 2; n * out <= lanes; n++) {
    double each = (double)(width + stride * (n - 1)) / (double)n;
    if (columns % n == 0 && each < 0.8 * least) best = n, least = each;
  }
  return best;
}

/* w [out, C, kh, kw] as [n * out, C, kh, kw + stride * (n - 1)]: each neighbour sees its part. */
static Value *widened(Select *s, Builder *b, Value *w, int64_t n, int64_t stride) {
  Value *parts[64];
  for (int64_t i = 0; i < n; i++)
    parts[i] = select_pad(s, b, w, (int64_t[]){0, 0, 0, stride * i},
                          (int64_t[]){0, 0, 0, stride * (n - 1 - i)}, NULL);
  Attribute axis = {ATTRIBUTE_axis, attribute_integer(s->module, 0)};
  return build(b, OP_concat, parts, (int)n, &axis, 1);
}

static Value *conv_last(Select *s, Builder *b, Value *x, Value *w, const Window *window,
                        ConvForm form, int64_t columns);

static Value *conv_neighbours(Select *s, Builder *b, Value *x, Value *w, const Window *window,
                              int64_t n) {
  Window wide = *window;
  wide.stride[1] *= n;
  Value *y = conv_last(s, b, x, widened(s, b, w, n, window->stride[1]), &wide, CONV_DIRECT, 0);
  const Dim *dims[4] = {y->type.dims[0], y->type.dims[1],
                        select_number(s, dim_value(y->type.dims[2]) * n), w->type.dims[0]};
  return build_reshape(b, y, dims, 4);
}

/* With panels of `columns`; 0: as it fits best. */
static Value *conv_last(Select *s, Builder *b, Value *x, Value *w, const Window *window,
                        ConvForm form, int64_t columns) {
  Window plain = *window;
  bool few = 2 * weight_out(w, window) <= s->context->options->vector_lanes;
  bool panels = form == CONV_DIRECT || form == CONV_WINOGRAD;
  if (window->turned && (!panels || window->groups > 1 || few)) {
    w = flipped(s, b, w, window->groups, window->first, window->step);
    plain.turned = false;
    window = &plain;
  }
  int64_t out = weight_out(w, window), groups = window->groups;
  int64_t together = form == CONV_DIRECT && !window->turned ? neighbours(s, x, w, window) : 1;
  if (together > 1) return conv_neighbours(s, b, x, w, window, together);
  s->choices++;
  s->images = true;
  if (form == CONV_DEPTHWISE) {
    Attribute own[] = {{ATTRIBUTE_stride, attribute_integers(s->module, window->stride, 2)},
                       {ATTRIBUTE_dilation, attribute_integers(s->module, window->dilation, 2)},
                       {ATTRIBUTE_groups, attribute_integer(s->module, groups)},
                       {ATTRIBUTE_layout, attribute_word("nhwc")},
                       {ATTRIBUTE_pad, attribute_pairs(s->module, window->pad, 2)}};
    w = build_transpose(b, w, (int[]){2, 3, 1, 0});
    return select_because(s, build(b, OP_conv, (Value *[]){x, w}, 2, own, 5));
  }
  if (form == CONV_WINOGRAD) {
    int64_t channels = dim_value(w->type.dims[window->turned ? 0 : 1]);
    SelectWinograd conv = {.channels = channels, .out = out};
    for (int i = 0; i < 2; i++) conv.kernel[i] = weight_taps(w, window, i);
    columns = select_panel_columns(s, out, channels);
    w = window->turned ? pack_turned(s, b, w, window, columns)
                       : select_pack_rows(s, b, w, 1, (int[]){2, 3, 1}, columns);
    return select_because(
        s, select_winograd(s, b, x, w, &conv, window->tile, (const int64_t(*)[2])window->pad));
  }
  int64_t pad[2][2], cut[2][2]; /* conv_panel itself cuts off what a negative padding says */
  for (int i = 0; i < 4; i++) {
    int64_t given = window->pad[i / 2][i % 2];
    pad[i / 2][i % 2] = given > 0 ? given : 0;
    cut[i / 2][i % 2] = given < 0 ? given : 0;
  }
  x = select_pad(s, b, x, (int64_t[]){0, pad[0][0], pad[1][0], 0},
                 (int64_t[]){0, pad[0][1], pad[1][1], 0}, NULL);
  Attribute attributes[] = {
      {ATTRIBUTE_stride, attribute_integers(s->module, window->stride, 2)},
      {ATTRIBUTE_dilation, attribute_integers(s->module, window->dilation, 2)},
      {ATTRIBUTE_groups, attribute_integer(s->module, groups)},
      {ATTRIBUTE_pad, attribute_pairs(s->module, (const int64_t(*)[2])cut, 2)},
      {ATTRIBUTE_size, attribute_integer(s->module, out)},
      {0}};
  if (form == CONV_DOT) {
    const Dim *dims[] = {w->type.dims[0], w->type.dims[1]};
    w = build_reshape(b, w, dims, 2);
    return select_because(
        s, select_dot_panel(s, b, x, select_pack_rows(s, b, w, 1, (int[]){1}, columns), out));
  }
  w = window->turned ? pack_turned(s, b, w, window, columns)
                     : select_pack_rows(s, b, w, groups, (int[]){2, 3, 1}, columns);
  w = select_pair_panels(s, b, x, w, &attributes[5]);
  return select_because(s, build(b, OP_conv_panel, (Value *[]){x, w}, 2, attributes, 6));
}

/* Attributes of one or two spatial axes; one becomes the second of two. */
static Window window_of(const Op *op, int axes) {
  Window window = {
      .stride = {1, 1}, .dilation = {1, 1}, .groups = op_integer(op, ATTRIBUTE_groups)};
  for (int i = 0; i < axes; i++) {
    int at = i + 2 - axes;
    window.stride[at] = op_list_integer(op, ATTRIBUTE_stride, i);
    window.dilation[at] = op_list_integer(op, ATTRIBUTE_dilation, i);
    for (int side = 0; side < 2; side++)
      window.pad[at][side] = op_pair_integer(op, ATTRIBUTE_pad, i, side);
  }
  return window;
}

/* Whether a convolution of one or two axes is in f32 and of fixed weights' shape. */
static bool is_candidate(const Op *op) {
  const Type *x = &op->operands[0]->type, *w = &op->operands[1]->type;
  return x->element == ELEMENT_f32 && (x->rank == 3 || x->rank == 4) && type_is_static(w) &&
         dim_is_constant(x->dims[1]);
}

/* [N, C, L] as [N, 1, L, C], [N, C, H, W] as [N, H, W, C]. */
static Value *image_last(Select *s, Builder *b, Value *x) {
  if (x->type.rank == 4) return permuted(s, b, x, to_last);
  x = permuted(s, b, x, (int[]){0, 2, 1});
  const Dim *dims[] = {x->type.dims[0], select_number(s, 1), x->type.dims[1], x->type.dims[2]};
  return build_reshape(b, x, dims, 4);
}

/* A weight with a unit axis before its only spatial one. */
static Value *weight_2d(Select *s, Builder *b, Value *w) {
  if (w->type.rank == 4) return w;
  const Dim *dims[] = {w->type.dims[0], w->type.dims[1], select_number(s, 1), w->type.dims[2]};
  return build_reshape(b, w, dims, 4);
}

/* Notes what a convolution in nhwc gave, for the original's result. */
static void set_image(Select *s, Builder *b, Op *op, Value *y) {
  if (op_result(op)->type.rank == 4) {
    alternate_set(s, op_result(op), y, to_last);
    return;
  }
  const Dim *dims[] = {y->type.dims[0], y->type.dims[2], y->type.dims[3]};
  alternate_set(s, op_result(op), build_reshape(b, y, dims, 3), (int[]){0, 2, 1});
}

/* The operands, or what they were rounded to, if the form takes products of pairs and a group has
 * an even number of channels. */
static void take_pairs(const Select *s, const Op *op, ConvForm form, int64_t channels,
                       Value *operands[2]) {
  Value *pairs[2];
  bool takes =
      (form == CONV_DIRECT || form == CONV_DOT) && channels % 2 == 0 && select_pairs(s, op, pairs);
  for (int i = 0; i < 2; i++) operands[i] = takes ? pairs[i] : op->operands[i];
}

bool select_conv(Select *s, Op *op) {
  if (!is_candidate(op) || op_word(op, ATTRIBUTE_layout)[1] != 'c') return false;
  Builder b = builder_before(op);
  Window window = window_of(op, op->operands[0]->type.rank - 2);
  const Type *weight = &op->operands[1]->type;
  int64_t out = dim_value(weight->dims[0]), weights = type_static_count(weight);
  if (weights == 0) return false;
  int64_t channels = dim_value(op->operands[0]->type.dims[1]);
  double each = (double)weights / (double)out;
  double flops = 2 * type_elements(&op_result(op)->type) * each;
  int64_t taps = weights / (out * dim_value(weight->dims[1]));
  ConvForm form = choose_conv(s, op, &window, out, channels, taps, flops, flops);
  if (form == CONV_LOOP) {
    op->why = s->why;
    return false;
  }
  Value *operands[2];
  take_pairs(s, op, form, dim_value(weight->dims[1]), operands);
  Value *x = image_last(s, &b, operands[0]);
  Value *w = weight_2d(s, &b, original_order(s, &b, operands[1]));
  Value *y = conv_last(s, &b, x, w, &window, form, s->columns);
  if (!y) bug("a conv does not go into nhwc: %s", b.failure.message);
  set_image(s, &b, op, y);
  return true;
}

/* Along one spatial axis of a conv_transpose without dilation: result place q * stride + r, for r
 * of the stride's places, is the sum over j of x[q + shift - j] * w[first + stride * j]. */
typedef struct {
  int64_t first, shift, taps; /* taps 0: the phase is 0 everywhere */
  int64_t before, after;      /* what its convolution needs x to be padded by; may be negative */
} Phase;

static Phase phase_of(int64_t r, int64_t stride, int64_t kernel, int64_t pad, int64_t size,
                      int64_t x) {
  Phase phase = {.first = (r + pad) % stride, .shift = (r + pad) / stride};
  phase.taps = (kernel - phase.first + stride - 1) / stride;
  if (phase.first >= kernel) phase.taps = 0;
  phase.before = phase.taps - 1 - phase.shift;
  phase.after = size + phase.shift - x;
  return phase;
}

/* The phases' results [sh * sw, N, QH, QW, C] take turns: [N, QH * sh, QW * sw, C], and what is
 * beyond the result is cut off. */
static Value *take_turns(Select *s, Builder *b, Value *phases, const int64_t *stride,
                         const int64_t *size) {
  const Dim *const *d = phases->type.dims;
  const Dim *split[] = {
      select_number(s, stride[0]), select_number(s, stride[1]), d[1], d[2], d[3], d[4]};
  phases = build_reshape(b, phases, split, 6);
  Value *turns = build_transpose(b, phases, (int[]){2, 3, 0, 4, 1, 5});
  const Dim *joined[] = {d[1], select_number(s, dim_value(d[2]) * stride[0]),
                         select_number(s, dim_value(d[3]) * stride[1]), d[4]};
  turns = build_reshape(b, turns, joined, 4);
  if (dim_is(joined[1], size[0]) && dim_is(joined[2], size[1])) return turns;
  const Dim *start[4], *stop[] = {d[1], select_number(s, size[0]), select_number(s, size[1]), d[4]};
  for (int i = 0; i < 4; i++) start[i] = select_number(s, 0);
  Attribute cut[] = {{ATTRIBUTE_start, attribute_dims(s->module, start, 4)},
                     {ATTRIBUTE_stop, attribute_dims(s->module, stop, 4)}};
  return build(b, OP_slice, &turns, 1, cut, 2);
}

/* By all of a conv_transpose's weight, one after the other. */
static Window turned_window(int64_t groups) {
  return (Window){
      .stride = {1, 1}, .dilation = {1, 1}, .groups = groups, .turned = true, .step = {1, 1}};
}

/* The form of a convolution that is a part of another, whose form is `whole`. */
static ConvForm part_form(ConvForm whole, const Value *w, const Window *window) {
  if (whole == CONV_DEPTHWISE || whole == CONV_WINOGRAD) return whole;
  bool plain = window->groups == 1;
  for (int i = 0; i < 2; i++) plain = plain && weight_taps(w, window, i) == 1;
  for (int i = 0; i < 4; i++) plain = plain && window->pad[i / 2][i % 2] == 0;
  return plain ? CONV_DOT : CONV_DIRECT;
}

enum { MOST_STRIDE = 4 };

/* A conv_transpose {stride} of x in nhwc, phase by phase; NULL if that is not to be had. `w` is as
 * given, `size` the result's. */
static Value *by_phases(Select *s, Builder *b, Value *x, Value *w, const Window *window,
                        const int64_t *size, ConvForm form) {
  Phase phases[2][MOST_STRIDE];
  int64_t before[4] = {0}, after[4] = {0}, most[2];
  if (window->groups > 1 && dim_is(w->type.dims[1], 1)) return NULL; /* each channel alone */
  for (int i = 0; i < 2; i++) {
    int64_t stride = window->stride[i], kernel = dim_value(w->type.dims[2 + i]);
    if (window->dilation[i] != 1 || stride > MOST_STRIDE || stride > kernel ||
        !dim_is_constant(x->type.dims[1 + i]))
      return NULL;
    most[i] = (size[i] + stride - 1) / stride;
    for (int64_t r = 0; r < stride; r++) {
      int64_t in = dim_value(x->type.dims[1 + i]);
      Phase *p = &phases[i][r];
      *p = phase_of(r, stride, kernel, window->pad[i][0], most[i], in);
      if (p->before > before[1 + i]) before[1 + i] = p->before;
      if (p->after > after[1 + i]) after[1 + i] = p->after;
    }
  }
  x = select_pad(s, b, x, before, after, NULL);
  Value *parts[MOST_STRIDE * MOST_STRIDE];
  int count = 0;
  for (int64_t h = 0; h < window->stride[0]; h++)
    for (int64_t v = 0; v < window->stride[1]; v++) {
      const Phase *p[] = {&phases[0][h], &phases[1][v]};
      Window own = turned_window(window->groups);
      for (int i = 0; i < 2; i++) {
        own.first[i] = p[i]->first, own.step[i] = window->stride[i];
        own.pad[i][0] = p[i]->before - before[1 + i];
        own.pad[i][1] = p[i]->after - after[1 + i];
      }
      Value *part = conv_last(s, b, x, w, &own, part_form(form, w, &own), s->columns);
      if (!part) bug("a phase has no convolution: %s", b->failure.message);
      const Dim *dims[5] = {select_number(s, 1)};
      for (int i = 0; i < 4; i++) dims[i + 1] = part->type.dims[i];
      parts[count++] = build_reshape(b, part, dims, 5);
    }
  Attribute axis = {ATTRIBUTE_axis, attribute_integer(s->module, 0)};
  return take_turns(s, b, build(b, OP_concat, parts, count, &axis, 1), window->stride, size);
}

/* By a kernel of one place: nothing overlaps, so zeros come between results. */
static Value *apart(Select *s, Builder *b, Value *x, Value *w, const Window *window,
                    const int64_t *output_pad, ConvForm form) {
  int64_t before[4] = {0}, after[4] = {0}, between[4] = {0};
  for (int i = 0; i < 2; i++) {
    if (!dim_is(w->type.dims[2 + i], 1) || window->pad[i][0] || window->pad[i][1]) return NULL;
    after[i + 1] = output_pad[i];
    between[i + 1] = window->stride[i] - 1;
  }
  Window plain = turned_window(window->groups);
  Value *y = conv_last(s, b, x, w, &plain, part_form(form, w, &plain), s->columns);
  return select_pad(s, b, y, before, after, between);
}

/* As a convolution of x with zeros between its elements; NULL if more is cut off than there is. */
static Value *by_zeros(Select *s, Builder *b, Value *x, Value *w, const Window *window,
                       const int64_t *output_pad, ConvForm form) {
  int64_t before[4] = {0}, after[4] = {0}, between[4] = {0};
  Window plain = turned_window(window->groups);
  for (int i = 0; i < 2; i++) {
    int64_t reach = window->dilation[i] * (dim_value(w->type.dims[2 + i]) - 1);
    before[i + 1] = reach - window->pad[i][0];
    after[i + 1] = reach - window->pad[i][1] + output_pad[i];
    between[i + 1] = window->stride[i] - 1;
    if (before[i + 1] < 0 || after[i + 1] < 0) return NULL;
    plain.dilation[i] = window->dilation[i];
    plain.tile[i] = window->tile[i];
  }
  if (form == CONV_WINOGRAD) { /* which pads by itself */
    for (int i = 0; i < 2; i++) plain.pad[i][0] = before[i + 1], plain.pad[i][1] = after[i + 1];
    return conv_last(s, b, x, w, &plain, form, 0);
  }
  x = select_pad(s, b, x, before, after, between);
  return conv_last(s, b, x, w, &plain, part_form(form, w, &plain), s->columns);
}

bool select_conv_transpose(Select *s, Op *op) {
  if (!is_candidate(op)) return false;
  int axes = op->operands[0]->type.rank - 2;
  const Type *result = &op_result(op)->type;
  int64_t output_pad[2] = {0, 0}, size[2] = {1, 1};
  bool fixed = true, strided = false;
  Window window = window_of(op, axes);
  for (int i = 0; i < axes; i++) {
    output_pad[i + 2 - axes] = op_list_integer(op, ATTRIBUTE_output_pad, i);
    fixed = fixed && dim_is_constant(result->dims[2 + i]);
    if (fixed) size[i + 2 - axes] = dim_value(result->dims[2 + i]);
    strided = strided || window.stride[i + 2 - axes] > 1;
  }
  const Dim *const *dims = op->operands[1]->type.dims;
  int64_t inputs = dim_value(dims[0]), outs = dim_value(dims[1]), weights;
  weights = type_static_count(&op->operands[1]->type);
  if (weights == 0) return false;
  double flops = 2 * type_elements(&op->operands[0]->type) * (double)(weights / inputs);
  ConvForm form = choose_conv(s, op, &window, window.groups * outs, inputs,
                              weights / (inputs * outs), flops, flops);
  if (form == CONV_LOOP) {
    op->why = s->why;
    return false;
  }
  Builder b = builder_before(op);
  Value *operands[2];
  take_pairs(s, op, form, inputs / window.groups, operands);
  Value *w = weight_2d(s, &b, original_order(s, &b, operands[1]));
  Value *x = image_last(s, &b, operands[0]);
  Value *y = strided ? apart(s, &b, x, w, &window, output_pad, form) : NULL;
  if (!y && strided && fixed) y = by_phases(s, &b, x, w, &window, size, form);
  if (!y) y = by_zeros(s, &b, x, w, &window, output_pad, form);
  if (!y) return false;
  set_image(s, &b, op, y);
  return true;
}

bool select_conv_weight(Select *s, Op *op) {
  const Type *x_type = &op->operands[0]->type;
  if (x_type->element != ELEMENT_f32 || (x_type->rank != 3 && x_type->rank != 4) ||
      !dim_is_constant(x_type->dims[1]) || op_word(op, ATTRIBUTE_layout)[1] != 'c')
    return false;
  enum { FEW_CHANNELS = 12 }; /* whose kernel takes whole windows of a padded image */
  Builder b = builder_before(op);
  int axes = x_type->rank - 2;
  Window window = window_of(op, axes);
  int64_t kernel[2] = {1, 1};
  for (int i = 0; i < axes; i++) kernel[i + 2 - axes] = op_list_integer(op, ATTRIBUTE_kernel, i);
  Value *x = image_last(s, &b, op->operands[0]), *dy = image_last(s, &b, op->operands[1]);
  if (window.groups == 1 && dim_value(x_type->dims[1]) < FEW_CHANNELS) {
    x = select_pad(s, &b, x, (int64_t[]){0, window.pad[0][0], window.pad[1][0], 0},
                   (int64_t[]){0, window.pad[0][1], window.pad[1][1], 0}, NULL);
    for (int i = 0; i < 2; i++) window.pad[i][0] = window.pad[i][1] = 0;
  }
  Attribute attributes[] = {
      {ATTRIBUTE_stride, attribute_integers(s->module, window.stride, 2)},
      {ATTRIBUTE_dilation, attribute_integers(s->module, window.dilation, 2)},
      {ATTRIBUTE_groups, attribute_integer(s->module, window.groups)},
      {ATTRIBUTE_pad, attribute_pairs(s->module, (const int64_t(*)[2])window.pad, 2)},
      {ATTRIBUTE_kernel, attribute_integers(s->module, kernel, 2)},
      {ATTRIBUTE_layout, attribute_word("nhwc")}};
  Value *dw = build(&b, OP_conv_weight, (Value *[]){x, dy}, 2, attributes, 6);
  if (!dw) bug("a conv_weight does not go into nhwc: %s", b.failure.message);
  const Type *type = &op_result(op)->type;
  if (type->rank != 4) dw = build_reshape(&b, dw, type->dims, type->rank);
  s->choices++;
  op_replace(op, dw, true);
  return true;
}
