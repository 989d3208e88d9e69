/* lower_panel_sums.c - rows that are cut into panels, as a product reads them, and sums of blocks
 * of them (ir/block_sum.h): a layer's gradient goes into its weight's, and a bias's is its sum.
 *
 *   for each block of rows:                         a trip
 *     for each some rows of it, each panel:
 *       sum = sums[panel];  for each of those rows: panels[panel][row] = x;  sum += x
 *
 * Some rows go by at once, panel by panel, so that both sides are read and written in longer runs.
 */
#include "backend/families.h"

#include "ir/block_sum.h"

enum { SOME = 16, MOST_REGISTERS = 4 };

typedef struct {
  const Value *x; /* [rows, panels, lanes] */
  const Op *sum;
  int turned, summed; /* numbers of the results */
} Panels;

static bool is_panels(const Region *r, Panels *p) {
  if (!r->block || r->op->operand_count != 1 || region_result_count(r) != 2) return false;
  *p = (Panels){.x = r->block->arguments[0], .turned = -1, .summed = -1};
  for (int i = 0; i < 2; i++) {
    const Op *op = region_result(r, i)->op;
    if (!op) return false;
    if (block_sum_source(op) == p->x)
      p->sum = op, p->summed = i;
    else if (op->kind == OP_transpose && op->operands[0] == p->x)
      p->turned = i;
  }
  const Type *type = &p->x->type;
  if (p->turned < 0 || p->summed < 0 || type->rank != 3 || type->element != ELEMENT_f32)
    return false;
  const Op *turn = region_result(r, p->turned)->op;
  static const int panels_first[] = {1, 0, 2};
  for (int i = 0; i < 3; i++)
    if (op_list_integer(turn, ATTRIBUTE_perm, i) != panels_first[i]) return false;
  const Dim *lanes = type->dims[2], *panels = type->dims[1];
  return dim_is_constant(lanes) && dim_is_constant(panels) && dim_value(lanes) > 0 &&
         dim_is(p->sum->operands[0]->type.dims[2], dim_value(lanes) * dim_value(panels));
}

/* Lanes that go by together: a panel's, or as many as registers are for. */
static int lanes_of(const Region *r, int64_t panel) {
  int lanes = 1;
  while (lanes < MOST_REGISTERS * r->natural && panel % (2 * (int64_t)lanes) == 0) lanes *= 2;
  return lanes;
}

bool lower_panel_sums(Lowering *l, Region *r) {
  Panels p;
  if (!is_panels(r, &p)) return false;
  LoopKernel *k = l->kernel;
  const Dim *const *blocks = p.sum->operands[0]->type.dims; /* blocks, rows, a row's elements */
  int64_t width = dim_value(p.x->type.dims[2]);
  int lanes = lanes_of(r, width);
  int64_t most = dim_max(blocks[1]), row = dim_value(blocks[2]);
  l->algorithm = "turn";
  l->trips = blocks[0];
  l->grain = grain_for(most > INT64_MAX / row ? INT64_MAX : most * row, true);
  r->lanes = lanes;
  LoopBuffer *turned = region_result_buffer(r, p.turned), *sums = region_result_buffer(r, p.summed);
  const Value *sum_value = region_result(r, p.summed);
  LoopExpr *zero = loop_int(k, 0), *rows = dim_expr(k, blocks[1]);
  LoopExpr *panels = dim_expr(k, p.x->type.dims[1]);

  LoopExpr *block = loop_parallel(k, "i", dim_expr(k, blocks[0]));
  LoopExpr *first = loop_let(k, "first", loop_mul(k, block, rows));
  LoopExpr *some = loop_for(
      k, "some", zero, loop_div(k, loop_add(k, rows, loop_int(k, SOME - 1)), loop_int(k, SOME)));
  LoopExpr *begin = loop_let(k, "begin", loop_mul(k, some, loop_int(k, SOME)));
  LoopExpr *end = loop_let(k, "end", loop_min(k, loop_add(k, begin, loop_int(k, SOME)), rows));
  LoopExpr *panel = loop_for(k, "panel", zero, panels);
  bool parts = width > lanes;
  LoopExpr *part = parts ? loop_for_step(k, "part", zero, loop_int(k, width), lanes) : zero;
  LoopExpr *column = loop_add(k, loop_mul(k, panel, loop_int(k, width)), part);
  Index place[] = {index_scalar(block), index_lanes(column)};
  LoopExpr *none = loop_splat(k, loop_literal(k, LOOP_F32, 0), lanes);
  LoopExpr *so_far =
      loop_select(k, loop_eq(k, some, zero), none, region_load(r, sums, sum_value, 2, place));
  LoopExpr *sum = loop_var(k, "sum", LOOP_F32, lanes, so_far);
  LoopExpr *at = loop_let(k, "at", loop_add(k, first, loop_for(k, "row", begin, end)));
  Index from[] = {index_scalar(at), index_scalar(panel), index_lanes(part)};
  Index to[] = {from[1], from[0], from[2]};
  LoopExpr *x = loop_let(k, "x", region_value(r, p.x, from));
  region_store(r, turned, 3, to, x);
  loop_set(k, sum, loop_add(k, sum, x));
  loop_end(k);
  region_store(r, sums, 2, place, sum);
  for (int i = 0; i < 3 + parts; i++) loop_end(k);
  return true;
}
