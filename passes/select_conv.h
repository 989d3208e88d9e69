/* select_conv.h - what select_conv.c and select_conv_transpose.c share: 2-D convolutions in nhwc.
 */
#ifndef PASSES_SELECT_CONV_H
#define PASSES_SELECT_CONV_H

#include "passes/select.h"

/* What a 2-D convolution in nhwc is made of. */
typedef struct {
  int64_t stride[2], dilation[2], pad[2][2], groups;
  /* The weight is a conv_transpose's, [C, out/groups, kh, kw], of whose kernel the places first +
   * step * i are meant, back to front. */
  bool turned;
  int64_t first[2], step[2];
  int64_t tile[2]; /* of Winograd's algorithm, where that was chosen */
  int64_t merged;  /* groups that are done as one, where that was chosen */
} ConvWindow;

/* Ways to convolve: as it is, and in nhwc. Merged is direct, with fewer groups. */
typedef enum {
  CONV_LOOP,
  CONV_DIRECT,
  CONV_MERGED,
  CONV_DEPTHWISE,
  CONV_GROUPED,
  CONV_DOT,
  CONV_WINOGRAD
} ConvForm;

/* Whether a convolution of one or two axes is in f32 and of fixed weights' shape. */
bool select_conv_takes(const Op *op);
/* Attributes of one or two spatial axes; one becomes the second of two. */
ConvWindow select_conv_window(const Op *op, int axes);
/* Places of a weight's kernel along a spatial axis. */
int64_t select_conv_taps(const Value *w, const ConvWindow *window, int axis);
/* The form of a convolution with `out` channels, `taps` positions of the kernel and `channels` of
 * the input in all groups; `loop_flops` is the arithmetic of doing it as it is, `flops` in nhwc.
 * Winograd's tile is noted in the window. */
ConvForm select_conv_form(Select *s, const Op *op, ConvWindow *window, int64_t out,
                          int64_t channels, int64_t taps, double loop_flops, double flops);

/* [N, C, L] as [N, 1, L, C], [N, C, H, W] as [N, H, W, C]. */
Value *select_conv_image(Select *s, Builder *b, Value *x);
/* A weight with a unit axis before its only spatial one. */
Value *select_conv_weight_2d(Select *s, Builder *b, Value *w);
/* The operands, or what they were rounded to, if the form takes products of pairs and a group has
 * an even number of channels. */
void select_conv_operands(const Select *s, const Op *op, ConvForm form, int64_t channels,
                          Value *operands[2]);
/* The convolution of x in nhwc by w as it is given, with panels of `columns`; 0: as it fits
 * best. */
Value *select_conv_last(Select *s, Builder *b, Value *x, Value *w, const ConvWindow *window,
                        ConvForm form, int64_t columns);
/* Notes what a convolution in nhwc gave, for the original's result. */
void select_conv_set(Select *s, Builder *b, Op *op, Value *y);

#endif
