#include "backend/product_weight.h"

int weight_columns(const Target *target, int64_t out) {
  int most = target->registers >= 32 ? 4 : 2, best = 1;
  int64_t least = INT64_MAX;
  for (int vectors = 1; vectors <= most; vectors++) {
    int64_t padded =
        (out + vectors * target->lanes - 1) / (vectors * target->lanes) * vectors * target->lanes;
    if (padded <= least) least = padded, best = vectors;
  }
  return best * target->lanes;
}

int weight_tile_rows(const Target *target, int columns) {
  enum { MOST_ROWS = 14 };
  int vectors = columns / target->lanes, spare = target->registers / 8;
  int rows = (target->registers - vectors - spare) / vectors;
  return rows > MOST_ROWS ? MOST_ROWS : rows;
}

void weight_store(const WeightStore *s) {
  LoopKernel *k = s->l->kernel;
  int lanes = s->l->target->lanes;
  LoopExpr *zero = loop_int(k, 0), *size = loop_int(k, lanes);
  const Type *type = &s->op->results[0]->type;
  LoopBuffer *dw = loop_view(k, region_result_buffer(s->r, 0), "rows", LOOP_F32, 2,
                             dim_expr(k, type->dims[0]), loop_int(k, s->row));
  LoopExpr *j = loop_for_step(k, "o", zero, loop_int(k, s->columns), lanes);
  LoopExpr *left = loop_let(k, "left", loop_sub(k, loop_int(k, s->out), loop_add(k, s->within, j)));
  LoopExpr *i = loop_for_lanes(k, "i", zero, s->count, lanes);
  LoopExpr *block = loop_array(k, "block", LOOP_F32, lanes, lanes, loop_number(k, 0));
  /* In the last trip all rows are read, by a place that the mask does not see; what is past the end
   * is not stored. */
  LoopExpr *place = loop_var(k, "place", LOOP_I64, 1, i);
  loop_set(k, place, s->from ? loop_add(k, s->from, i) : i);
  LoopExpr *r = loop_each(k, "r", zero, size);
  LoopExpr *from = loop_lanes(k, s->sums, lanes, loop_add(k, place, r), j);
  loop_set(k, loop_row(k, block, r), from);
  loop_end(k);
  loop_transpose(k, block);
  r = loop_each(k, "r", zero, size);
  if (s->out % s->columns) loop_if(k, loop_lt(k, r, left));
  LoopExpr *to =
      loop_lanes(k, dw, lanes, loop_add(k, loop_add(k, s->column, j), r), loop_add(k, s->first, i));
  loop_store(k, to, loop_row(k, block, r));
  if (s->out % s->columns) loop_end(k);
  for (int n = 0; n < 3; n++) loop_end(k);
}
