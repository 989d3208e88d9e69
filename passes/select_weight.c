/* select_weight.c - how the gradient of a convolution for its weight is summed: directly, or by
 * Winograd's algorithm (docs/winograd.md), whose tile of 2 alone is taken where errors add up. */
#include "ir/winograd.h"
#include "passes/cost.h"
#include "passes/select_phases.h"

enum {
  FEW_CHANNELS = 12,
  BLOCK = 128,    /* channels that sums of a block are for */
  MOST_POINTS = 4 /* along an axis */
};

typedef struct {
  double images, size[2]; /* of dy, */
  double seen[2];         /* of whose pixels so many see x at a place of the kernel, on average */
  double channels, out, kernel[2];
} Weight;

/* The places of a kernel's axis that meet x, summed over the pixels of dy. */
static double pixels_inside(const Op *op, int axis, const Dim *x, const Dim *dy, int64_t kernel) {
  int64_t stride = op_list_integer(op, ATTRIBUTE_stride, axis), size = dim_max(x), sum = 0;
  int64_t dilation = op_list_integer(op, ATTRIBUTE_dilation, axis);
  for (int64_t k = 0; k < kernel; k++) {
    int64_t shift = k * dilation - op_pair_integer(op, ATTRIBUTE_pad, axis, 0);
    int64_t from = shift < 0 ? (-shift + stride - 1) / stride : 0;
    int64_t to = size > shift ? (size - shift + stride - 1) / stride : 0;
    if (to > dim_max(dy)) to = dim_max(dy);
    if (to > from) sum += to - from;
  }
  return (double)sum;
}

static Weight weight_of(const Op *op) {
  const Type *x = &op->operands[0]->type, *dy = &op->operands[1]->type;
  Weight w = {.images = (double)dim_max(x->dims[0]),
              .size = {1, 1},
              .seen = {1, 1},
              .channels = (double)dim_max(x->dims[1]),
              .out = (double)dim_max(dy->dims[1]),
              .kernel = {1, 1}};
  for (int i = 2; i < x->rank; i++) {
    int64_t kernel = op_list_integer(op, ATTRIBUTE_kernel, i - 2);
    int at = i + 2 - x->rank;
    w.size[at] = (double)dim_max(dy->dims[i]), w.kernel[at] = (double)kernel;
    w.seen[at] = pixels_inside(op, i - 2, x->dims[i], dy->dims[i], kernel);
  }
  return w;
}

static double parts(double size, double by) {
  double whole = (double)(int64_t)(size / by);
  return whole * by < size ? whole + 1 : whole;
}

/* Negative: it is not to be done. */
static double winograd_time(const Select *s, const Weight *w, const int64_t *tile) {
  double tiles = w->images, points = 1;
  for (int i = 0; i < 2; i++) {
    Winograd axis;
    if (!winograd_find(tile[i], (int64_t)w->kernel[i], 1, &axis) || axis.points > MOST_POINTS)
      return -1;
    tiles *= parts(w->size[i], (double)tile[i]);
    points *= axis.points;
  }
  double rate = s->context->options->flop_rate;
  double moved = w->channels * parts(w->out, BLOCK) + w->out * parts(w->channels, BLOCK);
  return 2 * tiles * points * w->channels * w->out / (costs[COST_winograd_share] * rate) +
         tiles * points * moved * costs[COST_weight_transform] / (rate / 4);
}

/* With a dilation or a stride: its phases, and what Winograd's algorithm has of them then. False:
 * there are none. `copied`: elements. */
static bool find_phases(const Op *op, const ConvWindow *window, Weight *w, Phases *phases,
                        double *copied) {
  const Type *x = &op->operands[0]->type, *dy = &op->operands[1]->type;
  int64_t kernel[] = {(int64_t)w->kernel[0], (int64_t)w->kernel[1]}, given[2] = {1, 1};
  int64_t made[2] = {1, 1};
  for (int i = 2; i < x->rank; i++) {
    if (!dim_is_constant(x->dims[i]) || !dim_is_constant(dy->dims[i])) return false;
    int at = i + 2 - x->rank;
    given[at] = dim_value(x->dims[i]), made[at] = dim_value(dy->dims[i]);
  }
  if (!select_phases(window, kernel, given, made, w->images * (w->channels + w->out), phases))
    return false;
  double all = (double)(phases->by[0] * phases->by[1]);
  *copied = type_elements(x) + (phases->images ? type_elements(dy) : 0);
  if (phases->images)
    w->images *= all;
  else
    w->channels *= all;
  for (int i = 0; i < 2; i++) {
    w->kernel[i] = (double)phases->kernel[i];
    w->size[i] = (double)phases->made[i];
  }
  return true;
}

bool select_weight_tile(Select *s, const Op *op, const ConvWindow *window, int64_t tile[2],
                        Phases *phases) {
  Weight w = weight_of(op);
  Candidates list = {0};
  double groups = (double)window->groups, copied = 0;
  double flops = 2 * w.images * w.seen[0] * w.seen[1] * w.channels / groups * w.out;
  double bytes = type_elements(&op->operands[0]->type) + type_elements(&op->operands[1]->type);
  double direct = select_time(s, flops, costs[COST_weight_share], 4 * bytes);
  candidates_add(&list, (Candidate){.name = "direct", .seconds = direct}, 0);
  bool plain = true;
  for (int i = 0; i < 2; i++) plain = plain && window->stride[i] == 1 && window->dilation[i] == 1;
  bool apart = !plain && find_phases(op, window, &w, phases, &copied);
  bool one = w.kernel[0] == 1 && w.kernel[1] == 1;
  if (!s->context->options->exact_conv && groups == 1 && w.channels >= FEW_CHANNELS && !one &&
      (plain || apart)) {
    Candidate winograd = {.name = "winograd"};
    for (int i = 0; i < 2; i++)
      winograd.tile[i] = w.kernel[i] == 1 ? 1 : w.kernel[i] == 2 ? 3 : 2; /* 4 points */
    winograd.seconds = winograd_time(s, &w, winograd.tile);
    if (apart) winograd.seconds += select_phases_time(s, copied);
    if (winograd.seconds > 0) candidates_add(&list, winograd, 1);
  }
  const Candidate *chosen = &list.items[select_choose(s, op, &list)];
  for (int i = 0; i < 2; i++) tile[i] = chosen->tile[i] ? chosen->tile[i] : 1;
  return apart && chosen->tile[0] != 0;
}
