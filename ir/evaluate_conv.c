/* Convolutions and their gradients, all by columns: of every position (place of the small side) a
 * column holds what the kernel sees there of the large side, zeros beyond its edge.
 *
 *   conv            small [out, p]    = w [out, c * k] * columns [c * k, p]
 *   conv_weight     dw [out, c * k]  += dy [out, p] * transpose(columns)
 *   conv_transpose  columns [c * k, p] = transpose(w) * small [channels, p], added up into the
 * large
 *
 * for each image and group. Layouts differ in strides alone.
 */
#include "ir/evaluate.h"
#include "ir/op_traits.h"
#include "ir/product.h"

#include "support/bug.h"

/* A tensor of images as strides: spatial axes lie dense, `place` apart. */
typedef struct {
  Scalar *values;
  int64_t channels; /* of a group */
  int64_t image, channel, place;
} Side;

typedef struct {
  int axes;
  int64_t batch, groups, kernel, positions; /* kernel: the product of its sizes */
  int64_t large_size[MOST_AXES], small_size[MOST_AXES], kernel_size[MOST_AXES];
  int64_t stride[MOST_AXES], dilation[MOST_AXES], pad[MOST_AXES][2];
  Side large, small;
  bool real;
} Conv;

/* What all have: attributes, and sizes from the two sides and the kernel. */
static bool get_conv(Evaluation *e, const RunTensor *large, const RunTensor *small, bool nhwc,
                     const int64_t *kernel, Conv *conv) {
  int count[3];
  conv->axes = large->rank - 2;
  if (!get_list(e, ATTRIBUTE_stride, conv->axes, conv->stride, &count[0]) ||
      !get_list(e, ATTRIBUTE_dilation, conv->axes, conv->dilation, &count[1]) ||
      !get_pairs(e, ATTRIBUTE_pad, conv->axes, conv->pad, &count[2]) ||
      !get_integer(e, ATTRIBUTE_groups, &conv->groups))
    return false;
  for (int i = 0; i < 3; i++)
    if (count[i] != conv->axes)
      bug("a convolution over %d axes with a list of %d", conv->axes, count[i]);
  int first = nhwc ? 1 : 2, channel = nhwc ? large->rank - 1 : 1;
  int64_t places = sizes_product(large->shape, first, first + conv->axes);
  conv->batch = large->shape[0];
  conv->positions = sizes_product(small->shape, first, first + conv->axes);
  conv->kernel = sizes_product(kernel, 0, conv->axes);
  for (int i = 0; i < conv->axes; i++) {
    conv->large_size[i] = large->shape[first + i];
    conv->small_size[i] = small->shape[first + i];
    conv->kernel_size[i] = kernel[i];
  }
  int64_t large_channels = large->shape[channel], small_channels = small->shape[channel];
  if (conv->groups < 1 || large_channels % conv->groups || small_channels % conv->groups)
    return evaluation_fail(e, "%lld groups of %lld and %lld channels", (long long)conv->groups,
                           (long long)large_channels, (long long)small_channels);
  conv->large = (Side){NULL, large_channels / conv->groups, large_channels * places,
                       nhwc ? 1 : places, nhwc ? large_channels : 1};
  conv->small = (Side){NULL, small_channels / conv->groups, small_channels * conv->positions,
                       nhwc ? 1 : conv->positions, nhwc ? small_channels : 1};
  conv->real = is_real(large);
  return true;
}

/* Where the axes before the last, at `position`, lead kernel element `k` on the large side: an
 * index of its last axis's rows, or -1 beyond an edge. */
static int64_t seen_row(const Conv *conv, int64_t position, int64_t k) {
  int64_t row = 0, stride = 1;
  for (int i = conv->axes - 2; i >= 0; i--) {
    int64_t at = position % conv->small_size[i] * conv->stride[i] +
                 k % conv->kernel_size[i] * conv->dilation[i] - conv->pad[i][0];
    if (at < 0 || at >= conv->large_size[i]) return -1;
    row += at * stride;
    stride *= conv->large_size[i];
    position /= conv->small_size[i];
    k /= conv->kernel_size[i];
  }
  return row;
}

/* The table of the places of the large side that kernel elements see from positions
 * [from, from + count): [kernel, count], -1 beyond an edge. */
static void see(const Conv *conv, int64_t from, int64_t count, int64_t *seen) {
  int last = conv->axes - 1;
  int64_t width = conv->small_size[last], size = conv->large_size[last];
  int64_t taps = conv->kernel_size[last], stride = conv->stride[last];
  for (int64_t k = 0; k < conv->kernel; k++)
    for (int64_t p = from, end; p < from + count; p = end) { /* the rest of a row of positions */
      end = p - p % width + width < from + count ? p - p % width + width : from + count;
      int64_t row = seen_row(conv, p / width, k / taps);
      int64_t at = p % width * stride + k % taps * conv->dilation[last] - conv->pad[last][0];
      for (int64_t i = p; i < end; i++, at += stride)
        *seen++ = row < 0 || at < 0 || at >= size ? -1 : row * size + at;
    }
}

static Scalar *side_group(const Side *side, int64_t image, int64_t group) {
  return side->values + image * side->image + group * side->channels * side->channel;
}

/* Element (c * kernel + k, p) of the columns goes to columns[.. * row + p * step]. */
static void fill_columns(const Conv *conv, int64_t image, int64_t group, const int64_t *seen,
                         int64_t count, Scalar *columns, int64_t row, int64_t step) {
  const Scalar *from = side_group(&conv->large, image, group);
  int64_t place = conv->large.place;
  for (int64_t c = 0; c < conv->large.channels; c++)
    for (int64_t k = 0; k < conv->kernel; k++) {
      Scalar *to = columns + (c * conv->kernel + k) * row;
      const int64_t *places = seen + k * count;
      const Scalar *channel = from + c * conv->large.channel;
      for (int64_t p = 0; p < count; p++, to += step)
        *to = places[p] < 0 ? (Scalar){0} : channel[places[p] * place];
    }
}

/* Columns are made for some positions at a time, so that they stay in the cache. */
static int64_t positions_at_once(const Conv *conv) {
  int64_t most = (1 << 18) / (conv->large.channels * conv->kernel + 1);
  most = most < 32 ? 32 : most > 256 ? 256 : most;
  return conv->positions < most ? conv->positions : most;
}

/* w: [groups * out, c * k] */
static bool run_conv(Evaluation *e, Conv *conv, const Scalar *w, RunTensor *y) {
  int64_t depth = conv->large.channels * conv->kernel, most = positions_at_once(conv);
  int64_t *seen = scratch_integers(e, conv->kernel * most);
  Scalar *columns = scratch_scalars(e, depth * most);
  Scalar *sums = scratch_scalars(e, conv->small.channels * most);
  conv->small.values = scratch_scalars(e, y->count);
  if (!seen || !columns || !sums || !conv->small.values) return false;
  for (int64_t from = 0; from < conv->positions; from += most) {
    int64_t count = conv->positions - from < most ? conv->positions - from : most;
    see(conv, from, count, seen);
    for (int64_t image = 0; image < conv->batch; image++)
      for (int64_t group = 0; group < conv->groups; group++) {
        fill_columns(conv, image, group, seen, count, columns, count, 1);
        for (int64_t i = 0; i < conv->small.channels * count; i++) sums[i] = (Scalar){0};
        product(conv->real, conv->small.channels, count, depth,
                w + group * conv->small.channels * depth, columns, sums);
        Scalar *to = side_group(&conv->small, image, group);
        for (int64_t o = 0; o < conv->small.channels; o++)
          for (int64_t p = 0; p < count; p++)
            to[o * conv->small.channel + (from + p) * conv->small.place] = sums[o * count + p];
      }
  }
  store_scalars(e, y, 0, y->count, conv->small.values);
  return true;
}

bool evaluate_conv(Evaluation *e) {
  const RunTensor *x = operand(e, 0), *w = operand(e, 1);
  RunTensor *y = result_new(e, 0);
  bool nhwc = op_is_channels_last(e->op);
  Conv conv;
  if (!y || !get_conv(e, x, y, nhwc, nhwc ? w->shape : w->shape + 2, &conv)) return false;
  Scalar *weights = all_scalars(e, w);
  if (!weights || !(conv.large.values = all_scalars(e, x))) return false;
  if (!nhwc) return run_conv(e, &conv, weights, y);
  int64_t out = w->shape[w->rank - 1];
  Scalar *turned = scratch_scalars(e, w->count);
  if (!turned) return false;
  for (int64_t k = 0; k < conv.kernel; k++)
    for (int64_t c = 0; c < conv.large.channels; c++)
      for (int64_t o = 0; o < out; o++)
        turned[(o * conv.large.channels + c) * conv.kernel + k] =
            weights[(k * conv.large.channels + c) * out + o];
  return run_conv(e, &conv, turned, y);
}

bool evaluate_conv_panel(Evaluation *e) {
  const RunTensor *x = operand(e, 0), *w = operand(e, 1);
  RunTensor *y = result_new(e, 0);
  Conv conv;
  if (!y || !get_conv(e, x, y, true, w->shape + 1, &conv)) return false;
  int64_t width = w->shape[w->rank - 1], panels = w->shape[0] / conv.groups;
  int64_t channels = conv.large.channels, group_out = conv.small.channels;
  if (panels * width < group_out || w->shape[w->rank - 2] != channels)
    return evaluation_fail(e, "the panels do not fit conv_panel's channels");
  Scalar *weights = all_weights(e, w, is_real(x));
  Scalar *turned = scratch_scalars(e, conv.groups * group_out * channels * conv.kernel);
  if (!weights || !turned || !(conv.large.values = all_scalars(e, x))) return false;
  int64_t turns = panel_turns(e->op);
  for (int64_t o = 0; o < conv.groups * group_out; o++)
    for (int64_t c = 0; c < channels; c++)
      for (int64_t k = 0; k < conv.kernel; k++) {
        int64_t n = o % group_out, panel = o / group_out * panels + n / width;
        turned[(o * channels + c) * conv.kernel + k] =
            weights[(panel * conv.kernel + k) * channels * width +
                    panel_place(turns, c, n % width, width)];
      }
  return run_conv(e, &conv, turned, y);
}

/* Where [kernel, channels of the large side / groups, channels of the small] has what [channel, d]
 * of the other form is. */
static int64_t turned_place(const Conv *conv, int64_t channel, int64_t d) {
  int64_t k = d % conv->kernel, c = d / conv->kernel;
  return (k * conv->large.channels + c) * conv->small.channels * conv->groups + channel;
}

/* w: [channels of the small side, channels of the large / groups, kernel], or back to front. */
bool evaluate_conv_transpose(Evaluation *e) {
  const RunTensor *x = operand(e, 0), *w = operand(e, 1);
  RunTensor *y = result_new(e, 0);
  bool nhwc = op_is_channels_last(e->op);
  Conv conv;
  if (!y || !get_conv(e, y, x, nhwc, nhwc ? w->shape : w->shape + 2, &conv)) return false;
  int64_t depth = conv.large.channels * conv.kernel, inner = conv.small.channels;
  int64_t most = positions_at_once(&conv);
  int64_t *seen = scratch_integers(e, conv.kernel * most);
  Scalar *columns = scratch_scalars(e, depth * most), *tile = scratch_scalars(e, inner * most);
  Scalar *weights = all_scalars(e, w), *turned = scratch_scalars(e, depth * inner);
  conv.small.values = all_scalars(e, x);
  conv.large.values = scratch_scalars(e, y->count);
  if (!seen || !columns || !tile || !weights || !turned || !conv.small.values || !conv.large.values)
    return false;
  for (int64_t group = 0; group < conv.groups; group++) {
    for (int64_t c = 0; c < inner; c++)
      for (int64_t d = 0; d < depth; d++)
        turned[d * inner + c] = weights[nhwc ? turned_place(&conv, group * inner + c, d)
                                             : (group * inner + c) * depth + d];
    for (int64_t from = 0; from < conv.positions; from += most) {
      int64_t count = conv.positions - from < most ? conv.positions - from : most;
      see(&conv, from, count, seen);
      for (int64_t image = 0; image < conv.batch; image++) {
        const Scalar *small = side_group(&conv.small, image, group);
        for (int64_t c = 0; c < inner; c++)
          for (int64_t p = 0; p < count; p++)
            tile[c * count + p] = small[c * conv.small.channel + (from + p) * conv.small.place];
        for (int64_t i = 0; i < depth * count; i++) columns[i] = (Scalar){0};
        product(conv.real, depth, count, inner, turned, tile, columns);
        Scalar *large = side_group(&conv.large, image, group);
        for (int64_t d = 0; d < depth; d++)
          for (int64_t p = 0; p < count; p++) {
            int64_t place = seen[d % conv.kernel * count + p];
            if (place >= 0)
              add_scalar(conv.real,
                         &large[d / conv.kernel * conv.large.channel + place * conv.large.place],
                         columns[d * count + p]);
          }
      }
    }
  }
  store_scalars(e, y, 0, y->count, conv.large.values);
  return true;
}

bool evaluate_conv_weight(Evaluation *e) {
  const RunTensor *x = operand(e, 0), *dy = operand(e, 1);
  RunTensor *y = result_new(e, 0);
  bool nhwc = op_is_channels_last(e->op);
  Conv conv;
  if (!y || !get_conv(e, x, dy, nhwc, y->shape + 2, &conv)) return false;
  int64_t depth = conv.large.channels * conv.kernel, out = conv.small.channels;
  int64_t most = positions_at_once(&conv);
  int64_t *seen = scratch_integers(e, conv.kernel * most);
  Scalar *columns = scratch_scalars(e, depth * most), *tile = scratch_scalars(e, out * most);
  Scalar *sums = scratch_scalars(e, y->count);
  conv.large.values = all_scalars(e, x);
  conv.small.values = all_scalars(e, dy);
  if (!seen || !columns || !tile || !sums || !conv.large.values || !conv.small.values) return false;
  for (int64_t image = 0; image < conv.batch; image++)
    for (int64_t from = 0; from < conv.positions; from += most) {
      int64_t count = conv.positions - from < most ? conv.positions - from : most;
      see(&conv, from, count, seen);
      for (int64_t group = 0; group < conv.groups; group++) {
        fill_columns(&conv, image, group, seen, count, columns, 1, depth);
        const Scalar *small = side_group(&conv.small, image, group);
        for (int64_t o = 0; o < out; o++)
          for (int64_t p = 0; p < count; p++)
            tile[o * count + p] = small[o * conv.small.channel + (from + p) * conv.small.place];
        product(conv.real, out, depth, count, tile, columns, sums + group * out * depth);
      }
    }
  store_scalars(e, y, 0, y->count, sums);
  return true;
}
