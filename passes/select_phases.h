/* select_phases.h - convolutions with a dilation or a stride as ones without, of phases: the places
 * along an axis that are equal modulo it.
 *
 *   of a dilation d:  each phase of x makes one of y, and phases are images, d times as many along
 *                     each axis
 *
 *   of a stride s:    phases of x are channels, which meet each its own places of a kernel of a
 *                     multiple of s; so are those of conv_transpose's y
 *
 * So Winograd's algorithm takes them, for a copy of x or y. All values are in nhwc; weights are as
 * given, of two spatial axes. */
#ifndef PASSES_SELECT_PHASES_H
#define PASSES_SELECT_PHASES_H

#include "passes/select_conv.h"

typedef struct {
  bool images;                  /* phases are; else channels */
  int64_t by[2];                /* phases along each axis, */
  int64_t before[2], size[2];   /* of which the zeros in front of x, and lines of a phase of x, */
  int64_t made[2];              /* and of y */
  int64_t kernel[2], pad[2][2]; /* of the convolution of phases */
} Phases;

/* Of the convolution `window` by a kernel, of x to y; false: it has no phases, or too few numbers
 * in each. */
bool select_phases(const ConvWindow *window, const int64_t *kernel, const int64_t *x,
                   const int64_t *y, double each, Phases *phases);

/* The phases of x as images, or as channels. */
Value *select_phases_apart(Select *s, Builder *b, Value *x, const Phases *phases);
/* Those of dy of a dilation. */
Value *select_phases_of_y(Select *s, Builder *b, Value *y, const Phases *phases);
/* What phases made, in `images`, of so many lines from so many on. */
Value *select_phases_joined(Select *s, Builder *b, Value *y, const Phases *phases,
                            const Dim *images, const int64_t *from, const int64_t *size);
/* A stride's weight [out, C, k..] as [out, phases * C, k / s..], and back. */
Value *select_phases_weight(Select *s, Builder *b, Value *w, const Phases *phases);
Value *select_phases_kernel(Select *s, Builder *b, Value *w, const Phases *phases);

/* What the copies of maps of so many elements may take. */
double select_phases_time(const Select *s, double elements);
/* Adds Winograd's tiles for the phases of a conv or conv_transpose. */
void select_phases_consider(Select *s, Candidates *list, const Op *op, const ConvWindow *window,
                            int64_t out, int64_t channels, int form);

/* ---- select_weight.c ---- */

/* Winograd's tile for a conv_weight {stride, ..} in nchw; 1: none, along an axis and in all. True:
 * of phases. */
bool select_weight_tile(Select *s, const Op *op, const ConvWindow *window, int64_t tile[2],
                        Phases *phases);

#endif
