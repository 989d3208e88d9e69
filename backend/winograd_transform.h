/* winograd_transform.h - one axis of Winograd's transforms as loop expressions, in as few
 * operations as its pairs of points allow (ir/winograd.h): of F(4, 3), 13 for the input's 6 numbers
 * and 10 for the result's 4. Each result is a name. */
#ifndef BACKEND_WINOGRAD_TRANSFORM_H
#define BACKEND_WINOGRAD_TRANSFORM_H

#include "backend/loop.h"
#include "ir/winograd.h"

/* Which of the weights along an axis a point takes. */
LoopExpr *winograd_weight_of(LoopKernel *k, const Winograd *w, LoopExpr *point);
/* B x: points from what is seen. */
void winograd_input(LoopKernel *k, const Winograd *w, LoopExpr *const *x, LoopExpr **y);
/* A x: the tile from points. */
void winograd_output(LoopKernel *k, const Winograd *w, LoopExpr *const *x, LoopExpr **y);
/* G x: points from the kernel. */
void winograd_kernel(LoopKernel *k, const Winograd *w, LoopExpr *const *x, LoopExpr **y);
/* transpose(A) x: points from the tile, and transpose(G) x: the kernel from points, for the
 * gradient of the weight. */
void winograd_tile(LoopKernel *k, const Winograd *w, LoopExpr *const *x, LoopExpr **y);
void winograd_taps(LoopKernel *k, const Winograd *w, LoopExpr *const *x, LoopExpr **y);

#endif
