/* lower_row_group.c - row kernels: several rows a trip, and what is fetched ahead; lower_row.h says
 * how. */
#include "backend/lower_row.h"

/* ---- several rows a trip ---- */

enum {
  MOST_GROUP = 8,
  GROUP_BYTES = 8192,   /* of its rows, at most */
  FAR = 8,              /* second caches that a map fills */
  LEAST_ROWS = 64,      /* of which walks take a quarter each */
  LEAST_STRETCH = 8192, /* bytes of a row's quarter that is a walk */
};

/* Bytes of a row along the last axis alone; 0: it is none, or of no fixed size. */
static int64_t row_bytes(const Row *row) {
  const Type *shape = row->shape;
  int last = shape->rank - 1;
  int64_t bytes;
  if (row->first < 0 || row->first != last || !dim_is_constant(shape->dims[last])) return 0;
  return __builtin_mul_overflow(dim_value(shape->dims[last]), element_infos[shape->element].bytes,
                                &bytes)
             ? 0
             : bytes;
}

int row_group(const Row *row, const Dim *rows) {
  const Type *shape = row->shape;
  int last = shape->rank - 1;
  if (type_bytes_at_bound(shape) > FAR * row->l->target->l2) return 1; /* bound by memory */
  if (row->sum || row->first < 0 || row->first != last || !dim_is_constant(shape->dims[last]))
    return 1;
  int64_t length = dim_value(shape->dims[last]), bytes = element_infos[shape->element].bytes;
  int group = MOST_GROUP;
  while (group > 1 && (length > GROUP_BYTES / bytes / group || dim_max(rows) < 4 * group))
    group /= 2;
  return group;
}

bool row_walks(const Row *row, const Dim *rows) {
  int64_t l2 = row->l->target->l2, bytes = row_bytes(row);
  if (type_bytes_at_bound(row->shape) <= FAR * l2 || row->sum || dim_min(rows) < LEAST_ROWS)
    return false;
  return bytes > 0 && bytes < LEAST_STRETCH * WALKS;
}

bool row_stretches(const Row *row) {
  int64_t l2 = row->l->target->l2, bytes = row_bytes(row);
  if (bytes < LEAST_STRETCH * WALKS || type_bytes_at_bound(row->shape) <= FAR * l2) return false;
  return row->passes == 0 || bytes > l2;
}

void row_set(Row *row, LoopExpr *number) {
  LoopExpr *at[MOST_AXES];
  index_split(row->l->kernel, number, row->dims, row->kept, at);
  for (int i = 0; i < row->kept; i++) row->index[row->axes[i]] = index_scalar(at[i]);
}

LoopBuffer *row_keep(Row *row, LoopExpr *value) {
  LoopKernel *k = row->l->kernel;
  LoopBuffer *rows = loop_stack(k, "rows", loop_type(value).element, 1, loop_int(k, row->group));
  loop_store(k, loop_element(k, rows, row->member), value);
  return rows;
}

LoopBuffer *row_keep_all(Row *row, LoopExpr *const *results) {
  LoopKernel *k = row->l->kernel;
  LoopBuffer *rows = loop_stack(k, "rows", loop_type(results[0]).element, 1, loop_int(k, WALKS));
  for (int w = 0; w < WALKS; w++) loop_store(k, loop_element(k, rows, loop_int(k, w)), results[w]);
  return rows;
}

LoopExpr *row_kept(const Row *row, LoopBuffer *rows) {
  LoopKernel *k = row->l->kernel;
  return loop_let(k, "known", loop_element(k, rows, row->member));
}

void row_open_pass(Row *row) {
  if (row->group == 1 || row->member) return;
  LoopKernel *k = row->l->kernel;
  row->scope = region_push(&row->region);
  row->member = loop_for(k, "row", loop_int(k, 0), row->members);
  LoopExpr *from = row->apart ? loop_mul(k, row->member, row->apart) : row->member;
  row_set(row, loop_let(k, "at", loop_add(k, row->begin, from)));
  for (size_t i = 0; i < row->known.count; i++)
    region_remember(&row->region, row->known.items[i].value,
                    row_kept(row, row->known.items[i].rows));
  for (int i = 0; i < row->softmax_count; i++)
    row->softmax[i].sum = row_kept(row, row->softmax[i].sums);
}

void row_close_pass(Row *row) {
  if (!row->member) return;
  loop_end(row->l->kernel);
  region_pop(&row->region, row->scope);
  row->member = NULL;
}

void row_know_all(Row *row, const Value *value, LoopBuffer *rows) {
  vec_push(row->region.arena, &row->known, ((RowKnown){value, rows}));
  vec_push(row->region.arena, &row->row_values, value);
}

void row_know(Row *row, const Value *value, LoopExpr *result) {
  if (row->member)
    vec_push(row->region.arena, &row->known, ((RowKnown){value, row_keep(row, result)}));
  region_remember(&row->region, value, result);
  vec_push(row->region.arena, &row->row_values, value);
}

/* ---- the next row comes from far ---- */

enum {
  LINE = 64,
  AHEAD = 2048,              /* bytes, at least, if arithmetic takes its time */
  AHEAD_CHEAP = 4096 + LINE, /* else: two rows of a page */
  FEW = 8,                   /* rows that are in the second cache at once */
};

/* Does a trip go along one axis, of rows that lie behind each other, in a map beyond the second
 * cache? The next row is of use from the third one, too, if it is too long for the second. */
static bool comes_from_far(const Row *row) {
  int64_t l2 = row->l->target->l2, bytes = row_bytes(row);
  return row->shape->rank >= 2 && bytes > 0 && bytes <= 2 * l2 &&
         type_bytes_at_bound(row->shape) > l2;
}

static void fetch_row(const Row *row, LoopBuffer *buffer, int64_t rows) {
  LoopKernel *k = row->l->kernel;
  LoopExpr *at[MOST_AXES];
  int last = row->shape->rank - 1, line = LINE / (int)loop_element_bytes(buffer->element);
  for (int i = 0; i < last; i++) at[i] = row->index[i].at;
  at[last - 1] = loop_add(k, at[last - 1], loop_int(k, rows));
  for (int j = 0; j < row->region.lanes; j += line) {
    at[last] = loop_add(k, row->index[last].at, loop_int(k, j));
    loop_prefetch(k, loop_element_of(k, buffer, at));
  }
}

/* While memory would wait for arithmetic: in a row's second pass the lines at this place of the row
 * that comes next, or of one behind it if rows are short; of results that go past the caches not
 * theirs, and in the pass that stores them, which would else leave reading idle. Of rows that fill
 * the second cache, if arithmetic is cheap, only the results': those and the operands' would drive
 * the row out. */
void row_fetch_next(Row *row, bool stores) {
  const Region *r = &row->region;
  bool here = row->streams ? stores : row->passes == 1;
  row->passes++;
  if (!here || !comes_from_far(row)) return;
  int64_t bytes = row_bytes(row), ahead = row->is_costly ? AHEAD : AHEAD_CHEAP,
          rows = (ahead + bytes - 1) / bytes;
  if (rows < row->group && !row->apart) rows = row->group;
  bool fits = row->is_costly || bytes <= row->l->target->l2 / FEW;
  for (int i = 0; fits && i < r->op->operand_count; i++) {
    const Value *x = r->block ? r->op->region->arguments[i] : r->op->operands[i];
    if (type_equal(&x->type, row->shape) && region_buffer(r, x))
      fetch_row(row, region_buffer(r, x), rows);
  }
  for (int i = 0; i < region_result_count(r); i++)
    if (type_equal(&region_result(r, i)->type, row->shape) && !region_result_buffer(r, i)->streams)
      fetch_row(row, region_result_buffer(r, i), rows);
}
