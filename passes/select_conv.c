/* select_conv.c - convolutions in nhwc: the choice among their forms, and what each is made of.
 *
 * The gradient for the input, conv_transpose, is a convolution or several by parts of the flipped
 * weight (select_conv_transpose.c), which is flipped here as it is packed. The gradient for the
 * weight, conv_weight, stays an operation of its own on images in nhwc. */
#include "passes/select_phases.h"

#include "ir/grouping.h"
#include "ir/op_traits.h"
#include "support/bug.h"

static const int to_last[] = {0, 2, 3, 1};

/* Channels that a weight makes. */
static int64_t weight_out(const Value *w, const ConvWindow *window) {
  return dim_value(w->type.dims[window->turned ? 1 : 0]);
}

int64_t select_conv_taps(const Value *w, const ConvWindow *window, int i) {
  int64_t size = dim_value(w->type.dims[2 + i]);
  if (!window->turned) return size;
  return (size - window->first[i] + window->step[i] - 1) / window->step[i];
}

static void add_winograd(Select *s, Candidates *list, const SelectWinograd *conv, int64_t down,
                         int64_t across) {
  Candidate candidate = {.name = "winograd", .tile = {down, across}};
  candidate.seconds = select_winograd_time(s, conv, candidate.tile);
  if (candidate.seconds > 0) candidates_add(list, candidate, CONV_WINOGRAD);
}

/* Winograd's tiles, square or along the kernel's only axis; of few channels also along the second
 * alone, or down its lines alone, since products would be short, and their transforms most of the
 * work. */
static void consider_winograd(Select *s, Candidates *list, const Op *op, const ConvWindow *window,
                              int64_t out, int64_t channels) {
  if (s->context->options->exact_conv || window->groups != 1) return;
  for (int i = 0; i < 2; i++)
    if (window->dilation[i] != 1 || (op->kind == OP_conv_transpose && window->stride[i] != 1))
      return;
  SelectWinograd conv = select_winograd_of(s, op, out, channels, window->stride);
  if (conv.kernel[0] == 1 && conv.kernel[1] == 1) return;
  for (int64_t tile = 2; tile <= 6; tile++) {
    int64_t down = conv.kernel[0] == 1 ? 1 : tile, across = conv.kernel[1] == 1 ? 1 : tile;
    add_winograd(s, list, &conv, down, across);
    if (down > 1 && across > 1 && channels <= s->context->options->vector_lanes)
      add_winograd(s, list, &conv, 1, across);
  }
  for (int64_t tile = 2; tile <= 6 && op->kind == OP_conv; tile += 2) {
    Candidate candidate = {.name = "winograd", .tile = {tile, 1}};
    candidate.seconds = select_winograd_lines_time(s, &conv, tile);
    if (candidate.seconds > 0) candidates_add(list, candidate, CONV_WINOGRAD);
  }
}

/* Groups that make few channels each leave most of a vector empty: as many of them as fill it may
 * as well be one, whose weight has zeros where a group would see another's channels. */
static void consider_merging(Select *s, Candidates *list, const Op *op, ConvWindow *window,
                             const PanelWork *work) {
  const Value *w = op->operands[1];
  int64_t lanes = s->context->options->vector_lanes;
  window->merged = 1;
  if (s->context->options->exact_conv || op->kind != OP_conv || !select_is_constant(s, w) ||
      select_bytes(w) != 4 * type_elements(&w->type))
    return;
  for (int64_t n = 2; n <= window->groups && n * work->size <= lanes; n++)
    if (window->groups % n == 0) window->merged = n;
  if (window->merged == 1) return;
  PanelWork wide = *work;
  wide.groups /= window->merged, wide.size *= window->merged, wide.depth *= window->merged;
  wide.run *= window->merged;
  candidates_add_panels(s, list, "merged", CONV_MERGED, &wide);
}

/* Groups that make few channels each, side by side in vectors. */
static void consider_grouped(Select *s, Candidates *list, const Op *op, const ConvWindow *window,
                             const PanelWork *work, int64_t taps) {
  const Type *y = &op_result(op)->type, *w = &op->operands[1]->type, *x = &op->operands[0]->type;
  const PassOptions *options = s->context->options;
  int64_t columns = 1, lines = 1, in = work->depth / taps;
  Grouping grouping;
  if ((in == 1 && work->size == 1) || select_bytes(op->operands[1]) != 4 * type_elements(w) ||
      !grouping_find(options->vector_lanes, work->groups, in, work->size, &grouping) ||
      !grouping_is_short(&grouping, dim_value(w->dims[w->rank - 1])))
    return;
  for (int i = 2; i < y->rank; i++) {
    if (!dim_is_constant(y->dims[i]) || !dim_is_constant(x->dims[i])) return;
    int axis = i - y->rank + 2;
    int64_t kernel = dim_value(w->dims[i]), apart = window->dilation[axis];
    int64_t size =
        dim_value(dim_value(x->dims[i]) > dim_value(y->dims[i]) ? x->dims[i] : y->dims[i]);
    if (axis == 1) columns = grouping_seen(size, 1, kernel, apart);
    if (axis == 0) lines = grouping_seen(2, window->stride[axis], kernel, apart) - 1;
  }
  if (!grouping_fits(&grouping, lines, columns, taps, options->cache_bytes / 4)) return;
  double lanes = (double)(grouping.blocks * grouping.whole) / (double)work->groups;
  double flops = 2 * work->rows * (double)(work->size * work->depth * work->groups) * lanes;
  double seconds = work->before / costs[COST_pack_flops] * costs[COST_copy_flops] +
                   select_time(s, flops, costs[COST_grouped_share], work->bytes);
  candidates_add(list, (Candidate){.name = "grouped", .seconds = seconds}, CONV_GROUPED);
}

/* Neighbours in x of a convolution's sum: a kernel row's pixels, if they lie side by side. */
static int64_t run_of(Select *s, const Op *op, const ConvWindow *window, int64_t channels) {
  const Type *w = &op->operands[1]->type;
  Value *pairs[2];
  if (select_pairs(s, op, pairs)) return 0;
  if (window->dilation[1] > 1) return channels;
  int64_t width = dim_value(w->dims[w->rank - 1]);
  if (op->kind == OP_conv_transpose) width /= window->stride[1]; /* of a phase */
  return channels * (width < 1 ? 1 : width);
}

ConvForm select_conv_form(Select *s, const Op *op, ConvWindow *window, int64_t out,
                          int64_t channels, int64_t taps, double loop_flops, double flops) {
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
                    .run = run_of(s, op, window, channels / groups),
                    .bytes = bytes,
                    .before = select_is_constant(s, w) ? 0 : select_packing(s, weights)};
  work.share = costs[COST_direct_share];
  candidates_add_panels(s, &list, "direct", CONV_DIRECT, &work);
  consider_merging(s, &list, op, window, &work);
  consider_grouped(s, &list, op, window, &work, taps);
  double each = select_time(s, flops, costs[COST_depthwise_share], bytes);
  if (groups > 1 && groups == channels && out == channels)
    candidates_add(&list, (Candidate){.name = "depthwise", .seconds = each}, CONV_DEPTHWISE);
  if (groups == 1 && taps == 1 && window->stride[0] == 1 && window->stride[1] == 1) {
    work.share = costs[COST_panel_share];
    candidates_add_panels(s, &list, "dot", CONV_DOT, &work);
  }
  if (select_bytes(w) == 4 * weights) { /* transformed weights would be large again */
    consider_winograd(s, &list, op, window, out, channels);
    select_phases_consider(s, &list, op, window, out, channels, CONV_WINOGRAD);
  }
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
static Value *pack_turned(Select *s, Builder *b, Value *w, const ConvWindow *window,
                          int64_t columns) {
  int64_t size = weight_out(w, window), start[5], stop[5], step[5], depth = 1;
  for (int i = 0; i < 2; i++) depth *= select_conv_taps(w, window, i);
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

/* w [groups * out, C, kh, kw] as [groups * out, n * C, kh, kw], for groups / n of them. */
static Value *merge_groups(Select *s, Builder *b, Value *w, int64_t groups, int64_t n) {
  const Dim *const *d = w->type.dims;
  int64_t out = dim_value(d[0]) / groups, in = dim_value(d[1]);
  Value *parts[64];
  const Dim *split[] = {
      select_number(s, groups / n), select_number(s, n), select_number(s, out), d[1], d[2], d[3]};
  w = build_reshape(b, w, split, 6);
  for (int64_t i = 0; i < n; i++) {
    const Dim *start[6], *stop[6];
    for (int a = 0; a < 6; a++) {
      start[a] = select_number(s, a == 1 ? i : 0);
      stop[a] = a == 1 ? select_number(s, i + 1) : split[a];
    }
    Attribute cut[] = {{ATTRIBUTE_start, attribute_dims(s->module, start, 6)},
                       {ATTRIBUTE_stop, attribute_dims(s->module, stop, 6)}};
    parts[i] =
        select_pad(s, b, build(b, OP_slice, &w, 1, cut, 2), (int64_t[]){0, 0, 0, in * i, 0, 0},
                   (int64_t[]){0, 0, 0, in * (n - 1 - i), 0, 0}, NULL);
  }
  Attribute axis = {ATTRIBUTE_axis, attribute_integer(s->module, 1)};
  const Dim *joined[] = {d[0], select_number(s, n * in), d[2], d[3]};
  return build_reshape(b, build(b, OP_concat, parts, (int)n, &axis, 1), joined, 4);
}

/* How many neighbouring pixels' few channels a vector takes together, as many channels of one wider
 * kernel: where the kernel has `width` columns that pays if it does less for each pixel. */
static int64_t neighbours(const Select *s, const Value *x, const Value *w,
                          const ConvWindow *window) {
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

static Value *conv_neighbours(Select *s, Builder *b, Value *x, Value *w, const ConvWindow *window,
                              int64_t n) {
  ConvWindow wide = *window;
  wide.stride[1] *= n;
  Value *y =
      select_conv_last(s, b, x, widened(s, b, w, n, window->stride[1]), &wide, CONV_DIRECT, 0);
  const Dim *dims[4] = {y->type.dims[0], y->type.dims[1],
                        select_number(s, dim_value(y->type.dims[2]) * n), w->type.dims[0]};
  return build_reshape(b, y, dims, 4);
}

/* By Winograd's algorithm with a dilation or a stride, of phases; NULL: it needs none. */
static Value *conv_phases(Select *s, Builder *b, Value *x, Value *w, const ConvWindow *window) {
  int64_t kernel[2], given[2], made[2];
  ConvWindow own = *window;
  Phases phases;
  for (int i = 0; i < 2; i++) {
    if (!dim_is_constant(x->type.dims[1 + i])) return NULL;
    kernel[i] = select_conv_taps(w, window, i), given[i] = dim_value(x->type.dims[1 + i]);
    made[i] = given[i] + window->pad[i][0] + window->pad[i][1];
    made[i] = (made[i] - window->dilation[i] * (kernel[i] - 1) - 1) / window->stride[i] + 1;
  }
  if (!select_phases(window, kernel, given, made, 1, &phases)) return NULL;
  for (int i = 0; i < 2; i++) {
    own.stride[i] = own.dilation[i] = 1;
    for (int side = 0; side < 2; side++) own.pad[i][side] = phases.pad[i][side];
  }
  const Dim *images = x->type.dims[0];
  x = select_phases_apart(s, b, x, &phases);
  if (!phases.images) w = select_phases_weight(s, b, w, &phases);
  Value *y = select_conv_last(s, b, x, w, &own, CONV_WINOGRAD, 0);
  if (!y || !phases.images) return y;
  return select_phases_joined(s, b, y, &phases, images, (int64_t[]){0, 0}, made);
}

/* The value, whose loops are chosen; the reasons before it are others' of the same choice, too. */
static Value *with_loops(Select *s, Value *y, void (*choose)(Select *s, Op *op)) {
  const char *why = s->why;
  if (y) choose(s, y->op);
  y = select_because(s, y);
  s->why = why;
  return y;
}

Value *select_conv_last(Select *s, Builder *b, Value *x, Value *w, const ConvWindow *window,
                        ConvForm form, int64_t columns) {
  Value *of_phases = form == CONV_WINOGRAD ? conv_phases(s, b, x, w, window) : NULL;
  if (of_phases) return of_phases;
  ConvWindow plain = *window;
  bool few = 2 * weight_out(w, window) <= s->context->options->vector_lanes;
  bool panels = form == CONV_DIRECT || form == CONV_WINOGRAD;
  if (window->turned && (!panels || window->groups > 1 || few)) {
    w = flipped(s, b, w, window->groups, window->first, window->step);
    plain.turned = false;
    window = &plain;
  }
  int64_t out = weight_out(w, window), groups = window->groups;
  int64_t together =
      form == CONV_DIRECT && !window->turned && columns != 1 ? neighbours(s, x, w, window) : 1;
  if (together > 1) return conv_neighbours(s, b, x, w, window, together);
  s->choices++;
  s->images = true;
  if (form == CONV_DEPTHWISE || form == CONV_GROUPED) {
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
    for (int i = 0; i < 2; i++) {
      conv.kernel[i] = select_conv_taps(w, window, i);
      conv.stride[i] = window->stride[i];
    }
    columns = select_panel_columns(s, out, channels);
    w = window->turned ? pack_turned(s, b, w, window, columns)
                       : select_pack_rows(s, b, w, 1, (int[]){2, 3, 1}, columns);
    Value *y = select_winograd(s, b, x, w, &conv, window->tile, (const int64_t(*)[2])window->pad);
    return with_loops(s, y, select_winograd_blocks);
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
  return with_loops(s, build(b, OP_conv_panel, (Value *[]){x, w}, 2, attributes, 6),
                    select_conv_blocking);
}

ConvWindow select_conv_window(const Op *op, int axes) {
  ConvWindow window = {
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

/* Whether maps stay tensors with all that may be put around and between their elements. */
static bool has_room(const Op *op) {
  const double most = 3e13; /* elements: a tensor has at most 2^47 bytes */
  const Type *x = &op->operands[0]->type, *w = &op->operands[1]->type, *y = &op_result(op)->type;
  double all =
      (double)dim_max(x->dims[0]) * ((double)dim_max(x->dims[1]) + (double)dim_max(y->dims[1]));
  for (int i = 2; i < x->rank; i++) {
    double reach =
        (double)op_list_integer(op, ATTRIBUTE_dilation, i - 2) * (double)dim_max(w->dims[i]);
    double apart =
        (double)dim_max(x->dims[i]) * (double)op_list_integer(op, ATTRIBUTE_stride, i - 2);
    for (int side = 0; side < 2; side++)
      reach += (double)op_pair_integer(op, ATTRIBUTE_pad, i - 2, side);
    all *= 2 * reach + apart + (double)dim_max(y->dims[i]);
  }
  return all <= most;
}

bool select_conv_takes(const Op *op) {
  const Type *x = &op->operands[0]->type, *w = &op->operands[1]->type;
  return x->element == ELEMENT_f32 && (x->rank == 3 || x->rank == 4) && type_is_static(w) &&
         dim_is_constant(x->dims[1]) && has_room(op);
}

Value *select_conv_image(Select *s, Builder *b, Value *x) {
  if (x->type.rank == 4) return permuted(s, b, x, to_last);
  x = permuted(s, b, x, (int[]){0, 2, 1});
  const Dim *dims[] = {x->type.dims[0], select_number(s, 1), x->type.dims[1], x->type.dims[2]};
  return build_reshape(b, x, dims, 4);
}

Value *select_conv_weight_2d(Select *s, Builder *b, Value *w) {
  if (w->type.rank == 4) return w;
  const Dim *dims[] = {w->type.dims[0], w->type.dims[1], select_number(s, 1), w->type.dims[2]};
  return build_reshape(b, w, dims, 4);
}

void select_conv_set(Select *s, Builder *b, Op *op, Value *y) {
  if (op_result(op)->type.rank == 4) {
    alternate_set(s, op_result(op), y, to_last);
    return;
  }
  const Dim *dims[] = {y->type.dims[0], y->type.dims[2], y->type.dims[3]};
  alternate_set(s, op_result(op), build_reshape(b, y, dims, 3), (int[]){0, 2, 1});
}

void select_conv_operands(const Select *s, const Op *op, ConvForm form, int64_t channels,
                          Value *operands[2]) {
  Value *pairs[2];
  bool takes =
      (form == CONV_DIRECT || form == CONV_DOT) && channels % 2 == 0 && select_pairs(s, op, pairs);
  for (int i = 0; i < 2; i++) operands[i] = takes ? pairs[i] : op->operands[i];
}

bool select_conv(Select *s, Op *op) {
  if (!select_conv_takes(op) || op_is_channels_last(op)) return false;
  Builder b = builder_before(op);
  ConvWindow window = select_conv_window(op, op->operands[0]->type.rank - 2);
  const Type *weight = &op->operands[1]->type;
  int64_t out = dim_value(weight->dims[0]), weights = type_static_count(weight);
  if (weights == 0) return false;
  int64_t channels = dim_value(op->operands[0]->type.dims[1]);
  double each = (double)weights / (double)out;
  double flops = 2 * type_elements(&op_result(op)->type) * each;
  int64_t taps = weights / (out * dim_value(weight->dims[1]));
  ConvForm form = select_conv_form(s, op, &window, out, channels, taps, flops, flops);
  if (form == CONV_LOOP) {
    op->why = s->why;
    return false;
  }
  Value *operands[2];
  select_conv_operands(s, op, form, dim_value(weight->dims[1]), operands);
  Value *x = select_conv_image(s, &b, operands[0]);
  Value *w = select_conv_weight_2d(s, &b, original_order(s, &b, operands[1]));
  if (form == CONV_MERGED) {
    w = merge_groups(s, &b, w, window.groups, window.merged);
    window.groups /= window.merged;
    form = CONV_DIRECT;
  }
  Value *y = select_conv_last(s, &b, x, w, &window, form, s->columns);
  if (!y) bug("a conv does not go into nhwc: %s", b.failure.message);
  select_conv_set(s, &b, op, y);
  return true;
}

bool select_conv_weight(Select *s, Op *op) {
  const Type *x_type = &op->operands[0]->type;
  if (x_type->element != ELEMENT_f32 || (x_type->rank != 3 && x_type->rank != 4) ||
      !dim_is_constant(x_type->dims[1]) || op_is_channels_last(op))
    return false;
  enum { FEW_CHANNELS = 12 }; /* whose kernel takes whole windows of a padded image */
  Builder b = builder_before(op);
  int axes = x_type->rank - 2;
  ConvWindow window = select_conv_window(op, axes);
  int64_t kernel[2] = {1, 1};
  for (int i = 0; i < axes; i++) kernel[i + 2 - axes] = op_list_integer(op, ATTRIBUTE_kernel, i);
  int64_t tile[2];
  Phases phases;
  bool apart = select_weight_tile(s, op, &window, tile, &phases);
  Value *x = select_conv_image(s, &b, op->operands[0]),
        *dy = select_conv_image(s, &b, op->operands[1]);
  if (apart) {
    x = select_phases_apart(s, &b, x, &phases);
    if (phases.images) dy = select_phases_of_y(s, &b, dy, &phases);
    for (int i = 0; i < 2; i++) {
      window.stride[i] = window.dilation[i] = 1, kernel[i] = phases.kernel[i];
      for (int side = 0; side < 2; side++) window.pad[i][side] = phases.pad[i][side];
    }
  }
  if (window.groups == 1 && dim_value(x->type.dims[3]) < FEW_CHANNELS) {
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
      {ATTRIBUTE_tile, attribute_integers(s->module, tile, 2)},
      {ATTRIBUTE_layout, attribute_word("nhwc")}};
  Value *dw = select_because(s, build(&b, OP_conv_weight, (Value *[]){x, dy}, 2, attributes, 7));
  if (!dw) bug("a conv_weight does not go into nhwc: %s", b.failure.message);
  const Type *type = &op_result(op)->type;
  if (apart && !phases.images) dw = select_phases_kernel(s, &b, dw, &phases);
  if (type->rank != 4) dw = build_reshape(&b, dw, type->dims, type->rank);
  s->choices++;
  op_replace(op, dw, true);
  return true;
}
