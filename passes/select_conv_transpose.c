/* select_conv_transpose.c - conv_transpose, the gradient of a convolution for its input, by
 * convolutions.
 *
 * It is the convolution by the flipped weight: with stride 1 of the padded input; with a longer
 * stride one for each phase, the places of the result that are equal modulo the stride, since each
 * phase meets its own part of the kernel:
 *
 *   1 0 2 0 3   <- 1 2 3 by the kernel's even places, and by the odd ones, a turn each */
#include "passes/select_phases.h"

#include "support/bug.h"

#include <string.h>

enum { MOST_STRIDE = 4 };

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

/* The phases' results [N, QH, QW, C] take turns: [N, QH * sh, QW * sw, C], and what is beyond the
 * result is cut off. Phases of a line are neighbours like channels of a pixel, and lines of a turn
 * like pixels of a line, so joining them along these axes puts each number in its place; phases are
 * made there (ir/part.h). */
static Value *take_turns(Select *s, Builder *b, Value *const *phases, const int64_t *stride,
                         const int64_t *size) {
  const Dim *const *d = phases[0]->type.dims;
  Value *lines[MOST_STRIDE], *turns;
  Attribute pixels = {ATTRIBUTE_axis, attribute_integer(s->module, 3)};
  Attribute rows = {ATTRIBUTE_axis, attribute_integer(s->module, 2)};
  for (int64_t h = 0; h < stride[0]; h++) {
    Value *line[MOST_STRIDE];
    for (int64_t v = 0; v < stride[1]; v++) line[v] = phases[h * stride[1] + v];
    lines[h] = stride[1] > 1 ? build(b, OP_concat, line, (int)stride[1], &pixels, 1) : line[0];
  }
  turns = stride[0] > 1 ? build(b, OP_concat, lines, (int)stride[0], &rows, 1) : lines[0];
  const Dim *joined[] = {d[0], select_number(s, dim_value(d[1]) * stride[0]),
                         select_number(s, dim_value(d[2]) * stride[1]), d[3]};
  turns = build_reshape(b, turns, joined, 4);
  if (dim_is(joined[1], size[0]) && dim_is(joined[2], size[1])) return turns;
  const Dim *start[4], *stop[] = {d[0], select_number(s, size[0]), select_number(s, size[1]), d[3]};
  for (int i = 0; i < 4; i++) start[i] = select_number(s, 0);
  Attribute cut[] = {{ATTRIBUTE_start, attribute_dims(s->module, start, 4)},
                     {ATTRIBUTE_stop, attribute_dims(s->module, stop, 4)}};
  return build(b, OP_slice, &turns, 1, cut, 2);
}

/* By all of a conv_transpose's weight, one after the other. */
static ConvWindow turned_window(int64_t groups) {
  return (ConvWindow){
      .stride = {1, 1}, .dilation = {1, 1}, .groups = groups, .turned = true, .step = {1, 1}};
}

/* The form of a convolution that is a part of another, whose form is `whole`. */
static ConvForm part_form(ConvForm whole, const Value *w, const ConvWindow *window) {
  if (whole == CONV_DEPTHWISE || whole == CONV_GROUPED || whole == CONV_WINOGRAD) return whole;
  bool plain = window->groups == 1;
  for (int i = 0; i < 2; i++) plain = plain && select_conv_taps(w, window, i) == 1;
  for (int i = 0; i < 4; i++) plain = plain && window->pad[i / 2][i % 2] == 0;
  return plain ? CONV_DOT : CONV_DIRECT;
}

/* A conv_transpose {stride} of x in nhwc, phase by phase; NULL if that is not to be had. `w` is as
 * given, `size` the result's. */
static Value *by_phases(Select *s, Builder *b, Value *x, Value *w, const ConvWindow *window,
                        const int64_t *size, ConvForm form) {
  Phase phases[2][MOST_STRIDE];
  int64_t before[4] = {0}, after[4] = {0}, most[2];
  bool cuts = false;
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
      cuts = cuts || p->before < 0 || p->after < 0;
    }
  }
  if (form == CONV_GROUPED && cuts) form = CONV_DIRECT; /* which leaves out what it need not see */
  if (form == CONV_GROUPED)
    memset(before, 0, sizeof before), memset(after, 0, sizeof after); /* it pads by itself */
  x = select_pad(s, b, x, before, after, NULL);
  Value *parts[MOST_STRIDE * MOST_STRIDE];
  int count = 0;
  for (int64_t h = 0; h < window->stride[0]; h++)
    for (int64_t v = 0; v < window->stride[1]; v++) {
      const Phase *p[] = {&phases[0][h], &phases[1][v]};
      ConvWindow own = turned_window(window->groups);
      for (int i = 0; i < 2; i++) {
        own.first[i] = p[i]->first, own.step[i] = window->stride[i];
        own.pad[i][0] = p[i]->before - before[1 + i];
        own.pad[i][1] = p[i]->after - after[1 + i];
      }
      Value *part = select_conv_last(s, b, x, w, &own, part_form(form, w, &own), s->columns);
      if (!part) bug("a phase has no convolution: %s", b->failure.message);
      parts[count++] = part;
    }
  return take_turns(s, b, parts, window->stride, size);
}

/* By Winograd's algorithm, all phases at once: they are channels of what is made without a stride,
 * and take turns then. */
static Value *by_channels(Select *s, Builder *b, Value *x, Value *w, const ConvWindow *window,
                          const int64_t *size) {
  ConvWindow plain = turned_window(1);
  int64_t kernel[2], given[2];
  Phases phases;
  for (int i = 0; i < 2; i++)
    kernel[i] = dim_value(w->type.dims[2 + i]), given[i] = dim_value(x->type.dims[1 + i]);
  if (!select_phases(window, kernel, size, given, 1, &phases)) return NULL;
  for (int i = 0; i < 2; i++) {
    plain.tile[i] = window->tile[i];
    plain.pad[i][0] = plain.pad[i][1] = phases.kernel[i] - 1;
  }
  w = select_phases_weight(s, b, w, &phases);
  Value *y = select_conv_last(s, b, x, w, &plain, CONV_WINOGRAD, 0);
  if (!y) bug("phases have no convolution: %s", b->failure.message);
  return select_phases_joined(s, b, y, &phases, x->type.dims[0], phases.before, size);
}

/* By a kernel of one place: nothing overlaps, so zeros come between results. */
static Value *apart(Select *s, Builder *b, Value *x, Value *w, const ConvWindow *window,
                    const int64_t *output_pad, ConvForm form) {
  int64_t before[4] = {0}, after[4] = {0}, between[4] = {0};
  for (int i = 0; i < 2; i++) {
    if (!dim_is(w->type.dims[2 + i], 1) || window->pad[i][0] || window->pad[i][1]) return NULL;
    after[i + 1] = output_pad[i];
    between[i + 1] = window->stride[i] - 1;
  }
  ConvWindow plain = turned_window(window->groups);
  Value *y = select_conv_last(s, b, x, w, &plain, part_form(form, w, &plain), s->columns);
  return select_pad(s, b, y, before, after, between);
}

/* As a convolution of x with zeros between its elements; NULL if more is cut off than there is. */
static Value *by_zeros(Select *s, Builder *b, Value *x, Value *w, const ConvWindow *window,
                       const int64_t *output_pad, ConvForm form) {
  int64_t before[4] = {0}, after[4] = {0}, between[4] = {0};
  ConvWindow plain = turned_window(window->groups);
  for (int i = 0; i < 2; i++) {
    int64_t reach = window->dilation[i] * (dim_value(w->type.dims[2 + i]) - 1);
    before[i + 1] = reach - window->pad[i][0];
    after[i + 1] = reach - window->pad[i][1] + output_pad[i];
    between[i + 1] = window->stride[i] - 1;
    if (before[i + 1] < 0 || after[i + 1] < 0) return NULL;
    plain.dilation[i] = window->dilation[i];
    plain.tile[i] = window->tile[i];
  }
  bool alone = form == CONV_DEPTHWISE || form == CONV_GROUPED;
  if (form == CONV_WINOGRAD || (alone && between[1] + between[2] == 0)) { /* they pad themselves */
    for (int i = 0; i < 2; i++) plain.pad[i][0] = before[i + 1], plain.pad[i][1] = after[i + 1];
    return select_conv_last(s, b, x, w, &plain, form, 0);
  }
  x = select_pad(s, b, x, before, after, between);
  return select_conv_last(s, b, x, w, &plain, part_form(form, w, &plain), s->columns);
}

/* Each channel alone: as it is, in nhwc. */
static Value *alone(Select *s, Builder *b, Value *x, Value *w, const ConvWindow *window,
                    const int64_t *output_pad) {
  for (int i = 0; i < 2; i++)
    if (window->dilation[i] != 1 || window->stride[i] > MOST_STRIDE) return NULL;
  Attribute attributes[] = {{ATTRIBUTE_stride, attribute_integers(s->module, window->stride, 2)},
                            {ATTRIBUTE_pad, attribute_pairs(s->module, window->pad, 2)},
                            {ATTRIBUTE_output_pad, attribute_integers(s->module, output_pad, 2)},
                            {ATTRIBUTE_groups, attribute_integer(s->module, window->groups)},
                            {ATTRIBUTE_layout, attribute_word("nhwc")}};
  s->choices++;
  s->images = true;
  w = build_transpose(b, w, (int[]){2, 3, 1, 0});
  return select_because(s, build(b, OP_conv_transpose, (Value *[]){x, w}, 2, attributes, 5));
}

bool select_conv_transpose(Select *s, Op *op) {
  if (!select_conv_takes(op) || op_word(op, ATTRIBUTE_layout)[1] != 'c') return false;
  int axes = op->operands[0]->type.rank - 2;
  const Type *result = &op_result(op)->type;
  int64_t output_pad[2] = {0, 0}, size[2] = {1, 1};
  bool fixed = true, strided = false;
  ConvWindow window = select_conv_window(op, axes);
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
  ConvForm form = select_conv_form(s, op, &window, window.groups * outs, inputs,
                                   weights / (inputs * outs), flops, flops);
  if (form == CONV_LOOP) {
    op->why = s->why;
    return false;
  }
  Builder b = builder_before(op);
  Value *operands[2];
  select_conv_operands(s, op, form, inputs / window.groups, operands);
  Value *w = select_conv_weight_2d(s, &b, original_order(s, &b, operands[1]));
  Value *x = select_conv_image(s, &b, operands[0]);
  Value *y =
      strided && fixed && form == CONV_WINOGRAD ? by_channels(s, &b, x, w, &window, size) : NULL;
  if (!y && strided) y = apart(s, &b, x, w, &window, output_pad, form);
  if (!y && strided && fixed && form == CONV_DEPTHWISE) y = alone(s, &b, x, w, &window, output_pad);
  if (!y && strided && fixed) y = by_phases(s, &b, x, w, &window, size, form);
  if (!y) y = by_zeros(s, &b, x, w, &window, output_pad, form);
  if (!y) return false;
  select_conv_set(s, &b, op, y);
  return true;
}
