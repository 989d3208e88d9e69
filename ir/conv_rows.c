#include "ir/conv_rows.h"

#include "ir/op_traits.h"

static int64_t places(const Op *conv) {
  return op_flag(conv, ATTRIBUTE_pairs) ? 2 : 1;
}

/* Tiles stay in lines where these are long, and a sum so short that finding each row's place costs
 * too much; or where they are of no known size, which would cost more. */
static bool by_lines(const Op *conv, int64_t depth) {
  enum { LONG_LINE = 24, SHORT_SUM = 256 };
  const Dim *height = op_result(conv)->type.dims[1], *width = op_result(conv)->type.dims[2];
  if (!dim_is_constant(height) || !dim_is_constant(width)) return true;
  return dim_value(width) >= LONG_LINE && depth <= SHORT_SUM;
}

ConvRows conv_rows_of(const Op *conv) {
  const Type *x = &conv->operands[0]->type, *w = &conv->operands[1]->type;
  int64_t kh = dim_value(w->dims[1]), kw = dim_value(w->dims[2]);
  ConvRows rows = {.channels = dim_value(x->dims[3]) / places(conv),
                   .in = dim_value(w->dims[3]) / places(conv)};
  bool near = op_list_integer(conv, ATTRIBUTE_dilation, 1) == 1 || kw == 1;
  bool joined = rows.in == rows.channels && near;
  rows.taps = joined ? 1 : kw;
  rows.segments = kh * rows.taps;
  rows.run = joined ? kw * rows.in : rows.in;
  rows.by_lines = by_lines(conv, kh * kw * rows.in);
  return rows;
}

bool conv_rows_product(const Op *conv, const BlockingMachine *m, BlockingProduct *p) {
  const Type *x = &conv->operands[0]->type, *w = &conv->operands[1]->type;
  const Type *y = &op_result(conv)->type;
  if (x->rank != 4 || !type_is_static(w) || !dim_is_constant(x->dims[3]) ||
      dim_value(w->dims[4]) % m->lanes)
    return false;
  double all = 1;
  for (int i = 0; i < 3; i++) all *= (double)dim_max(y->dims[i]);
  if (all < 1 || all > INT32_MAX) return false;
  ConvRows rows = conv_rows_of(conv);
  int64_t lines = dim_max(y->dims[0]) * dim_max(y->dims[1]), pixels = dim_max(y->dims[2]);
  *p = (BlockingProduct){.lines = rows.by_lines ? lines : 1,
                         .rows = rows.by_lines ? pixels : lines * pixels,
                         .groups = op_integer(conv, ATTRIBUTE_groups),
                         .segments = rows.segments,
                         .run = rows.run};
  p->size = op_integer(conv, ATTRIBUTE_size) / p->groups;
  p->columns = blocking_tile_columns(m->lanes, m->registers, dim_value(w->dims[4]), 2);
  p->step_bytes = p->columns * element_infos[w->element].bytes * places(conv);
  int most = blocking_tile_rows(m->lanes, m->registers, p->columns);
  if (!rows.by_lines && most > CONV_ROWS_APART) most = CONV_ROWS_APART;
  p->tile = p->rows < most ? p->rows : blocking_even_rows(most, p->rows);
  return p->run > 0;
}
