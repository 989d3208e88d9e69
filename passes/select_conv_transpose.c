/* select_conv_transpose.c - conv_transpose, the gradient of a convolution for its input, by
 * convolutions.
 *
 * It is the convolution by the flipped weight: with stride 1 of the padded input; with a longer
 * stride one for each phase, the places of the result that are equal modulo the stride, since each
 * phase meets its own part of the kernel:
 *
 *   1 0 2 0 3   <- 1 2 3 by the kernel's even places, and by the odd ones, a turn each */
#include "passes/select_phases.h"

#include "ir/op_traits.h"
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

/* Whether Winograd's algorithm makes s->phase, of so many pixels, in less time than the direct sum:
 * it pads x itself. Notes the tile. */
static bool part_winograd(Select *s, const Value *x, const Value *w, ConvWindow *own,
                          const int64_t *size) {
  SelectWinograd conv = {.images = (double)dim_max(x->type.dims[0]),
                         .is_fixed = true,
                         .channels = dim_value(w->type.dims[0]),
                         .out = dim_value(w->type.dims[1]),
                         .stride = {1, 1},
                         .is_constant = select_is_constant(s, w)};
  int64_t fewest = dim_min(x->type.dims[0]), weights = conv.channels * conv.out;
  if (s->context->options->exact_conv || own->groups != 1 || x->type.element != ELEMENT_f32 ||
      select_bytes(w) != 4 * type_elements(&w->type))
    return false;
  conv.fewest = fewest < 1 ? 1 : (double)fewest;
  double pixels = conv.images;
  for (int i = 0; i < 2; i++) {
    if (own->pad[i][0] < 0 || own->pad[i][1] < 0) return false;
    conv.size[i] = (double)size[i], conv.kernel[i] = select_conv_taps(w, own, i);
    pixels *= (double)size[i], weights *= conv.kernel[i];
  }
  double bytes = 4 * (type_elements(&x->type) + pixels * (double)conv.out);
  Candidate direct = {.name = "direct", .columns = s->columns};
  direct.seconds = select_time(s, 2 * pixels * (double)weights, costs[COST_direct_share], bytes);
  if (!conv.is_constant) direct.seconds += select_packing(s, (double)weights);
  Candidates list = {0};
  candidates_add(&list, direct, CONV_DIRECT);
  for (int64_t tile = 2; tile <= 6; tile++) {
    Candidate winograd = {.name = "winograd"};
    for (int i = 0; i < 2; i++) winograd.tile[i] = conv.kernel[i] == 1 ? 1 : tile;
    if (winograd.tile[0] * winograd.tile[1] > 1)
      winograd.seconds = select_winograd_time(s, &conv, winograd.tile);
    if (winograd.seconds > 0) candidates_add(&list, winograd, CONV_WINOGRAD);
  }
  if (list.count == 1) return false;
  const Candidate *taken = &list.items[select_choose_phase(s, &list)];
  for (int i = 0; i < 2; i++) own->tile[i] = taken->tile[i];
  return taken->tile[0] != 0;
}

/* A phase's places of the kernel alone, where each phase reads w by itself, as Winograd's do. */
static Value *part_weight(Select *s, Builder *b, Value *w, ConvWindow *own) {
  int64_t start[4] = {0}, stop[4], step[4] = {1, 1, 1, 1};
  for (int i = 0; i < 4; i++) {
    stop[i] = dim_value(w->type.dims[i]);
    if (i < 2) continue;
    start[i] = own->first[i - 2], step[i] = own->step[i - 2];
    own->first[i - 2] = 0, own->step[i - 2] = 1;
  }
  Attribute places[] = {{ATTRIBUTE_start, attribute_integers(s->module, start, 4)},
                        {ATTRIBUTE_stop, attribute_integers(s->module, stop, 4)},
                        {ATTRIBUTE_step, attribute_integers(s->module, step, 4)}};
  return build(b, OP_slice, &w, 1, places, 3);
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
  Value *parts[MOST_STRIDE * MOST_STRIDE], *padded = select_pad(s, b, x, before, after, NULL);
  ConvWindow windows[MOST_STRIDE * MOST_STRIDE];
  bool transformed[MOST_STRIDE * MOST_STRIDE], some = false;
  struct {
    const char *phase, *of_phase, *why;
  } chosen[MOST_STRIDE * MOST_STRIDE];
  const char *why = s->why;
  int count = 0;
  for (int64_t h = 0; h < window->stride[0]; h++)
    for (int64_t v = 0; v < window->stride[1]; v++, count++) {
      const Phase *p[] = {&phases[0][h], &phases[1][v]};
      ConvWindow *own = &windows[count];
      *own = turned_window(window->groups);
      for (int i = 0; i < 2; i++) {
        own->first[i] = p[i]->first, own->step[i] = window->stride[i];
        own->pad[i][0] = p[i]->before, own->pad[i][1] = p[i]->after;
      }
      s->phase = arena_format(s->module->arena, "%lld,%lld", (long long)h, (long long)v);
      s->of_phase = NULL, s->why = why;
      transformed[count] = form == CONV_DIRECT && part_winograd(s, x, w, own, most);
      some = some || transformed[count];
      chosen[count].phase = s->phase, chosen[count].of_phase = s->of_phase;
      chosen[count].why = s->why;
    }
  for (int i = 0; i < count; i++) {
    ConvWindow *own = &windows[i];
    ConvForm part_is = CONV_WINOGRAD;
    s->phase = chosen[i].phase, s->of_phase = chosen[i].of_phase, s->why = chosen[i].why;
    Value *from = x, *weight = some ? part_weight(s, b, w, own) : w;
    if (!transformed[i]) {
      bool fits = true;
      for (int side = 0; side < 4; side++) fits = fits && own->pad[side / 2][side % 2] == 0;
      for (int side = 0; side < 4 && !fits; side++)
        own->pad[side / 2][side % 2] -= (side % 2 ? after : before)[1 + side / 2];
      if (!fits) from = padded;
      part_is = part_form(form, weight, own);
    }
    parts[i] = select_conv_last(s, b, from, weight, own, part_is, s->columns);
    if (!parts[i]) bug("a phase has no convolution: %s", b->failure.message);
  }
  s->phase = s->of_phase = NULL, s->why = why;
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
  if (!select_conv_takes(op) || op_is_channels_last(op)) return false;
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
