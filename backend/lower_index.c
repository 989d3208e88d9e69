/* lower_index.c - kernels that search, or write where indices say. */
#include "backend/families.h"

#include "support/bug.h"

void index_open_rows(Lowering *l, const Type *type, int axis, Index *index) {
  LoopKernel *k = l->kernel;
  const Dim *dims[MOST_AXES];
  LoopExpr *at[MOST_AXES];
  int count = 0;
  l->trips = dim_constant(l->dims, 1);
  for (int i = 0; i < type->rank; i++)
    if (i != axis) {
      dims[count++] = type->dims[i];
      l->trips = dim_mul(l->dims, l->trips, type->dims[i]);
    }
  l->grain = grain_for(dim_max(type->dims[axis]), true);
  LoopExpr *trip = loop_parallel(k, "i", dim_expr(k, l->trips));
  index_split(k, trip, dims, count, at);
  for (int i = 0, from = 0; i < type->rank; i++)
    if (i != axis) index[i] = index_scalar(at[from++]);
}

/* Columns of the last axis are trips, so that repeated indices add in their order. */
typedef struct {
  Lowering *l;
  Region *r;
  const Value *x, *i, *u;
  int axis, batch, rank;
  bool by_lanes;          /* the last axis is the operand's own, not the indices' */
  LoopExpr *column, *end; /* of all of a thread's trips, so that it walks the rows once */
  LoopExpr *next;         /* the row that a later index names; NULL: none is fetched */
  LoopBuffer *y;
} Scatter;

/* A trip has SCATTER_BLOCK columns, and a thread of its own SCATTER_GRAIN trips; rows that come
 * SCATTER_AHEAD bytes later, at most SCATTER_ROWS of them, are on their way. */
enum {
  SCATTER_REGISTERS = 4,
  SCATTER_BLOCK = 64,
  SCATTER_GRAIN = 4,
  SCATTER_AHEAD = 4096,
  SCATTER_ROWS = 16,
  LINE_BYTES = 64
};

static void open_columns(Scatter *s) {
  Lowering *l = s->l;
  LoopKernel *k = l->kernel;
  l->trips = dim_constant(l->dims, 1);
  l->grain = 0;
  if (!s->by_lanes) {
    loop_parallel(k, "once", loop_int(k, 1));
    return;
  }
  s->r->lanes = SCATTER_REGISTERS * l->target->lanes;
  const Dim *columns = s->x->type.dims[s->rank - 1],
            *more = dim_constant(l->dims, SCATTER_BLOCK - 1);
  l->trips = dim_floor(l->dims, dim_add(l->dims, columns, more), SCATTER_BLOCK);
  l->grain = SCATTER_GRAIN;
  LoopExpr *block = loop_int(k, SCATTER_BLOCK), *past,
           *first = loop_parallel_range(k, "block", dim_expr(k, l->trips), &past);
  s->column = loop_let(k, "column", loop_mul(k, first, block));
  s->end = loop_let(k, "end", loop_min(k, loop_mul(k, past, block), dim_expr(k, columns)));
}

/* What is added to. */
static void copy_operand(Scatter *s) {
  LoopKernel *k = s->l->kernel;
  Index index[MOST_AXES];
  size_t scope = region_push(s->r);
  for (int a = 0; a < s->rank; a++) {
    LoopExpr *begin = loop_int(k, 0), *end = dim_expr(k, s->x->type.dims[a]);
    bool last = a == s->rank - 1;
    if (last && s->by_lanes) begin = s->column, end = s->end;
    index[a] = last ? index_lanes(loop_for_lanes(k, "j", begin, end, s->r->lanes))
                    : index_scalar(loop_for(k, "i", begin, end));
  }
  region_store(s->r, s->y, s->rank, index, region_value(s->r, s->x, index));
  for (int a = 0; a < s->rank; a++) loop_end(k);
  region_pop(s->r, scope);
}

/* What the indices say for an element of what is added; not checked. */
static LoopExpr *given_place(Scatter *s, const Index *index) {
  LoopKernel *k = s->l->kernel;
  Index which[MOST_AXES];
  for (int a = 0; a < s->batch; a++) which[a] = index[a];
  for (int a = s->batch; a < s->i->type.rank; a++) which[a] = index[s->axis + a - s->batch];
  return loop_cast(k, region_value(s->r, s->i, which), LOOP_I64);
}

static LoopExpr *place_of(Scatter *s, const Index *index) {
  LoopKernel *k = s->l->kernel;
  LoopExpr *place = given_place(s, index);
  place = loop_checked(k, place, dim_expr(k, s->x->type.dims[s->axis]), s->l->first_fault);
  return loop_let(k, "place", place);
}

/* Rows of a table beyond the caches are told of before they are needed: no processor guesses where
 * the next one lies. */
static LoopExpr *next_place(Scatter *s, const Index *index) {
  LoopKernel *k = s->l->kernel;
  int inner = s->u->type.rank - 2;
  int64_t row = dim_max(s->x->type.dims[s->rank - 1]) * loop_element_bytes(s->y->element);
  bool follows = s->by_lanes && s->axis == s->rank - 2 && s->i->type.rank > s->batch;
  if (!follows || type_bytes_at_bound(&s->x->type) <= s->l->target->l2) return NULL;
  int64_t rows = row < SCATTER_AHEAD ? (SCATTER_AHEAD + row - 1) / row : 1;
  if (rows > SCATTER_ROWS) rows = SCATTER_ROWS;
  Index later[MOST_AXES];
  for (int a = 0; a <= inner; a++) later[a] = index[a];
  LoopExpr *one = loop_int(k, 1), *last = loop_sub(k, dim_expr(k, s->u->type.dims[inner]), one);
  LoopExpr *at = loop_min(k, loop_add(k, index[inner].at, loop_int(k, rows)), last);
  later[inner] = index_scalar(loop_let(k, "later", at));
  LoopExpr *place = loop_max(k, given_place(s, later), loop_int(k, 0));
  last = loop_sub(k, dim_expr(k, s->x->type.dims[s->axis]), one);
  return loop_let(k, "next", loop_min(k, place, last));
}

/* The same columns of the row that comes later. */
static void fetch_next(Scatter *s, const Index *to, LoopExpr *column) {
  LoopKernel *k = s->l->kernel;
  LoopExpr *at[MOST_AXES];
  for (int a = 0; a < s->rank; a++) at[a] = to[a].at;
  at[s->axis] = s->next;
  for (int i = 0; i < s->r->lanes; i += (int)(LINE_BYTES / loop_element_bytes(s->y->element))) {
    at[s->rank - 1] = loop_add(k, column, loop_int(k, i));
    loop_prefetch(k, loop_element_of(k, s->y, at));
  }
}

static void lower_scatter_add(Lowering *l) {
  LoopKernel *k = l->kernel;
  Region r = region_open(k, l->op, l->target, l->dims);
  Scatter s = {.l = l, .r = &r, .x = l->op->operands[0], .i = l->op->operands[1]};
  s.u = l->op->operands[2], s.y = region_result_buffer(&r, 0);
  s.axis = (int)op_integer(l->op, ATTRIBUTE_axis);
  s.batch = (int)op_integer(l->op, ATTRIBUTE_batch);
  s.rank = s.x->type.rank;
  s.by_lanes = s.axis < s.rank - 1;
  int middle = s.i->type.rank - s.batch, last = s.u->type.rank - 1;
  l->algorithm = "scatter";
  open_columns(&s);
  if (!l->in_place) copy_operand(&s);
  Index index[MOST_AXES], to[MOST_AXES];
  for (int a = 0; a <= last; a++)
    if (a < last || !s.by_lanes)
      index[a] = index_scalar(loop_for(k, "i", loop_int(k, 0), dim_expr(k, s.u->type.dims[a])));
  LoopExpr *place = place_of(&s, index);
  s.next = next_place(&s, index);
  if (s.by_lanes) index[last] = index_lanes(loop_for_lanes(k, "j", s.column, s.end, r.lanes));
  for (int a = 0; a < s.rank; a++)
    if (a != s.axis) to[a] = index[a < s.axis ? a : a + middle - 1];
  to[s.axis] = index_scalar(place);
  if (s.next) fetch_next(&s, to, index[last].at);
  LoopExpr *old = region_load(&r, s.y, s.x, s.rank, to);
  region_store(&r, s.y, s.rank, to, loop_add(k, old, region_value(&r, s.u, index)));
  for (int a = 0; a <= last; a++) loop_end(k);
  loop_end(k);
}

void lower_index(Lowering *l) {
  switch (l->op->kind) {
  case OP_argmax:
    lower_argmax(l);
    return;
  case OP_top_k:
    lower_top_k(l);
    return;
  case OP_scatter_add:
    lower_scatter_add(l);
    return;
  default:
    bug("no kernel for '%s'", operator_infos[l->op->kind].name);
  }
}
