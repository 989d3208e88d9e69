/* gradient_scan.h - what of a scan's body its gradient keeps: for gradient_scan.c and
 * gradient_scan_kept.c alone.
 *
 * While the rules run, the new region holds a copy of the whole body, made from stand-ins of what
 * was carried into the trip. Afterwards scan_kept_choose decides by a minimum cut (recompute.h)
 * which values of the body the forward scan emits, and those take the place of their copies. */
#ifndef PASSES_GRADIENT_SCAN_H
#define PASSES_GRADIENT_SCAN_H

#include "passes/gradient.h"

typedef struct {
  Gradient *g;
  Gradient inner;                /* in the new region */
  Op *op;                        /* of the forward part */
  Block *body;                   /* its region */
  const Op *last;                /* the body's, before what is done here appends to it */
  int axis, yields, emits;       /* as the forward scan had them */
  Value **map;                   /* of the body's values, by mark, in the new region */
  bool *is_wanted;               /* operands */
  VEC(Value *) operands;         /* of the new scan; NULL: of a stand-in */
  Value *made;                   /* in the new region; NULL: every trip is */
  Value **slopes, **emit_slopes; /* of operands and emits, in the new region; NULL: 0 */
} ScanGradient;

/* The forward scan's sequence of a value of its body. A value of fewer axes than the one along
 * which sequences lie gets leading ones. */
Value *scan_emitted(ScanGradient *s, Value *value);

/* A new argument of the new region, and its operand (NULL: a stand-in). */
Value *scan_bind(ScanGradient *s, Value *operand, const Type *type, BindKind kind);

/* An element of the sequence that the forward scan emits of a value of its body, as an argument of
 * the new region; it stands in front of the region's operations. */
Value *scan_bind_emitted(ScanGradient *s, Value *value);

/* Lets the forward scan emit what is cheaper to keep than to make again of all that the operations
 * after `last_copy` use; it replaces the copies. */
void scan_kept_choose(ScanGradient *s, const Op *last_copy, const Dim *trips);

#endif
