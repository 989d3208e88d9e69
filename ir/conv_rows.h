/* conv_rows.h - a conv_panel as a product of rows: windows of x, which overlap.
 *
 *   [lines, rows, segments, run] by [groups, segments, run, size]
 *
 * Its sum goes over segments of numbers that are neighbours in x: a kernel row's pixels, or one
 * pixel's channels. `select` cuts its loops (passes/select_blocking.c), backend/product_conv.c
 * makes them.
 */
#ifndef IR_CONV_ROWS_H
#define IR_CONV_ROWS_H

#include "ir/blocking.h"
#include "ir/graph.h"

enum { CONV_ROWS_APART = 8 }; /* of a tile, whose places in x have an address each */

typedef struct {
  int64_t channels, in; /* of x; of a group: of pairs, pairs */
  int64_t taps;         /* segments of a kernel row */
  int64_t segments, run;
  bool by_lines; /* rows are pixels of a line of the result; else of all its lines */
} ConvRows;

ConvRows conv_rows_of(const Op *conv);
/* As its loops are cut; false: its size is not known, or panels are of no whole vectors. */
bool conv_rows_product(const Op *conv, const BlockingMachine *machine, BlockingProduct *product);

#endif
