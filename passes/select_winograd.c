/* select_winograd.c - Winograd's algorithm for convolutions: what it may take, and its operations.
 *
 *   conv_panel x, w {..}   ->   conv_winograd x, (winograd_weight w {tile=[4,4]}) {tile=[4,4], ..}
 *
 * The transformed weights are several times as large: constant ones are made when the object is
 * written, others in each call. A result has a larger error than the direct sum's by a factor that
 * grows with the tile (docs/winograd.md), so what trains, where errors add up over many steps,
 * takes the tile of 2 alone, whose error is not larger. */
#include "passes/select.h"

#include "ir/winograd.h"
#include "passes/cost.h"

enum {
  MOST_TRAINED = 4
}; /* points along an axis; with a stride, where some are plain products, 5 */

static bool axis_is_fine(const Select *s, int64_t tile, int64_t kernel, int64_t stride,
                         Winograd *axis) {
  bool trains = s->function->kind != FUNCTION_MODEL;
  if (kernel == 1 || tile == 1) return tile == 1 && winograd_find(1, kernel, stride, axis);
  return winograd_find(tile, kernel, stride, axis) &&
         (!trains || axis->points <= MOST_TRAINED + (stride > 1));
}

/* Whose error is several times that of the others; so are two axes of long kernels with strides. */
static bool is_coarse(const Winograd axes[2]) {
  return (axes[0].tile > 4 && axes[1].tile > 4) || (axes[0].odd_pairs > 0 && axes[1].odd_pairs > 0);
}

static double ceil_ratio(double a, double b) {
  double whole = (double)(int64_t)(a / b);
  return whole * b < a ? whole + 1 : whole;
}

SelectWinograd select_winograd_of(const Select *s, const Op *op, int64_t out, int64_t channels,
                                  const int64_t *stride) {
  const Type *result = &op_result(op)->type, *w = &op->operands[1]->type;
  SelectWinograd conv = {
      .images = (double)dim_max(result->dims[0]), .size = {1, 1}, .is_fixed = true};
  conv.fewest = dim_min(result->dims[0]) < 1 ? 1 : (double)dim_min(result->dims[0]);
  conv.kernel[0] = 1;
  for (int i = 2; i < w->rank; i++) {
    conv.size[i + 2 - w->rank] = (double)dim_max(result->dims[i]);
    conv.kernel[i + 2 - w->rank] = dim_value(w->dims[i]);
    conv.is_fixed = conv.is_fixed && dim_is_constant(result->dims[i]);
  }
  conv.channels = channels, conv.out = out;
  for (int i = 0; i < 2; i++) conv.stride[i] = stride[i];
  conv.is_constant = select_is_constant(s, op->operands[1]);
  return conv;
}

/* A part of what bringing them takes, and if they are no constants making them in each call: a
 * model's may have few images. */
static double weight_seconds(const Select *s, const SelectWinograd *conv, double weights) {
  double seconds = costs[COST_winograd_reading] * select_traffic(s, 4 * weights);
  if (conv->is_constant) return seconds;
  double given = (double)(conv->channels * conv->out * conv->kernel[0] * conv->kernel[1]);
  double calls = s->function->kind == FUNCTION_MODEL ? conv->images / conv->fewest : 1;
  double making = select_time(s, 8 * weights, 0.5, 8 * weights) + select_packing(s, given);
  return seconds + making * calls;
}

double select_winograd_lines_time(const Select *s, const SelectWinograd *conv, int64_t tile) {
  enum { PART_OF_CACHE = 8 }; /* else lines that are written by turns come from memory by turns */
  Winograd down;
  const PassOptions *options = s->context->options;
  double lanes = options->vector_lanes, channels = (double)conv->channels;
  double across = (double)conv->kernel[1], width = (conv->size[1] + across - 1) * channels;
  if (!conv->is_constant || conv->kernel[0] == 1 || conv->kernel[1] == 1 || conv->stride[1] != 1 ||
      !conv->is_fixed || conv->kernel[1] > WINOGRAD_POINTS || width < lanes ||
      conv->stride[0] != 1 || !axis_is_fine(s, tile, conv->kernel[0], 1, &down))
    return -1;
  double strip = 4 * (double)(tile * conv->out) * conv->size[1];
  if (strip > (double)options->cache_bytes / PART_OF_CACHE) return -1;
  double lines = conv->images * ceil_ratio(conv->size[0], (double)tile) * down.points;
  double out = (double)conv->out * select_panel_waste(s, conv->out, conv->channels);
  double product = 2 * lines * conv->size[1] * channels * across * out;
  double moved = lines * (width + conv->size[1] * out);
  double transform = costs[COST_winograd_move] + costs[COST_winograd_line] * down.points;
  double seconds = product / (costs[COST_winograd_share] * options->flop_rate) +
                   moved * transform / (options->flop_rate / 4);
  return seconds + weight_seconds(s, conv, down.points * across * channels * out);
}

double select_winograd_time(const Select *s, const SelectWinograd *conv, const int64_t *tile) {
  Winograd axes[2];
  double tiles = conv->images, points = 1, matrices = 1, transform = costs[COST_winograd_move];
  int64_t size[2];
  for (int i = 0; i < 2; i++) {
    if (!axis_is_fine(s, tile[i], conv->kernel[i], conv->stride[i], &axes[i])) return -1;
    tiles *= ceil_ratio(conv->size[i], (double)tile[i]);
    points *= axes[i].points, matrices *= axes[i].weights;
    int even = axes[i].odd < axes[i].first ? axes[i].odd : axes[i].first;
    if (axes[i].points > 1 && !winograd_is_direct(&axes[i]))
      transform += costs[COST_winograd_transform] * even;
    size[i] = (int64_t)conv->size[i];
  }
  if (is_coarse(axes)) return -1;
  const PassOptions *options = s->context->options;
  double lanes = options->vector_lanes, channels = (double)conv->channels;
  double out = (double)conv->out * select_panel_waste(s, conv->out, conv->channels);
  double weights = matrices * channels * out;
  double rows = tiles < 6 ? 6 : tiles;
  if (conv->is_fixed) rows *= winograd_used(axes, size);
  double lines = winograd_is_direct(&axes[0]) ? axes[0].points : 1, sums = points / lines;
  double row = costs[COST_winograd_row_channels];
  double product = 2 * rows * sums * (channels * lines + row) * out;
  double moved = tiles * (points * ceil_ratio(channels, lanes) * lanes + sums * out);
  double seconds = product / (costs[COST_winograd_share] * options->flop_rate) +
                   moved * transform / (options->flop_rate / 4);
  double made = 4 * conv->images * conv->size[0] * conv->size[1] * (double)conv->out;
  if (channels <= lanes) seconds += costs[COST_winograd_stores] * select_traffic(s, made);
  seconds += weight_seconds(s, conv, weights);
  double reading = select_traffic(s, 4 * weights);
  return seconds > reading ? seconds : reading;
}

Value *select_winograd(Select *s, Builder *b, Value *x, Value *panels, const SelectWinograd *conv,
                       const int64_t *tile, const int64_t (*pad)[2]) {
  Attribute attributes[] = {{ATTRIBUTE_tile, attribute_integers(s->module, tile, 2)},
                            {ATTRIBUTE_stride, attribute_integers(s->module, conv->stride, 2)},
                            {ATTRIBUTE_kernel, attribute_integers(s->module, conv->kernel, 2)},
                            {ATTRIBUTE_pad, attribute_pairs(s->module, pad, 2)},
                            {ATTRIBUTE_size, attribute_integer(s->module, conv->out)}};
  Value *w = build(b, OP_winograd_weight, &panels, 1, attributes, 2);
  return w ? build(b, OP_conv_winograd, (Value *[]){x, w}, 2, attributes, 5) : NULL;
}
