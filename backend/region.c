/* region.c - buffers, indices, and the value of an operation at an index; of views: region_view.c.
 */
#include "backend/region.h"

#include "ir/part.h"
#include "support/bug.h"

/* ---- dims and indices ---- */

LoopExpr *dim_expr(LoopKernel *k, const Dim *dim) {
  const DimTerm *terms;
  int count = dim_terms(dim, &terms);
  LoopExpr *sum = NULL;
  for (int t = 0; t < count; t++) {
    LoopExpr *product = NULL;
    for (int f = 0; f < terms[t].factor_count; f++) {
      const DimFactor *factor = &terms[t].factors[f];
      LoopExpr *one = factor->symbol
                          ? loop_dim(k, factor->symbol->name, factor->symbol->number)
                          : loop_div(k, dim_expr(k, factor->inner), loop_int(k, factor->divisor));
      product = product ? loop_mul(k, product, one) : one;
    }
    if (!product)
      product = loop_int(k, terms[t].coefficient);
    else if (terms[t].coefficient != 1)
      product = loop_mul(k, loop_int(k, terms[t].coefficient), product);
    sum = sum ? loop_add(k, sum, product) : product;
  }
  return sum ? sum : loop_int(k, 0);
}

LoopExpr *dims_product(LoopKernel *k, const Dim *const *dims, int count) {
  LoopExpr *product = loop_int(k, 1);
  for (int i = 0; i < count; i++) product = loop_mul(k, product, dim_expr(k, dims[i]));
  return product;
}

Index index_scalar(LoopExpr *at) {
  return (Index){at, 0};
}
Index index_lanes(LoopExpr *at) {
  return (Index){at, 1};
}
bool index_has_lanes(const Index *index) {
  return index->step != 0 || loop_type(index->at).lanes > 1;
}

void index_split(LoopKernel *k, LoopExpr *number, const Dim *const *dims, int count,
                 LoopExpr **indices) {
  for (int i = count - 1; i > 0; i--) {
    if (dim_is(dims[i], 1)) {
      indices[i] = loop_int(k, 0);
      continue;
    }
    bool more = false; /* leading axes of size 1 leave all to this one */
    for (int j = 0; j < i; j++) more = more || !dim_is(dims[j], 1);
    LoopExpr *size = dim_expr(k, dims[i]);
    indices[i] = more ? loop_let(k, "i", loop_mod(k, number, size)) : number;
    number = more ? loop_let(k, "rest", loop_div(k, number, size)) : loop_int(k, 0);
  }
  if (count > 0) indices[0] = dim_is(dims[0], 1) ? loop_int(k, 0) : number;
}

/* All lanes' places as a vector of i64. */
LoopExpr *index_vector(const Region *r, Index index) {
  LoopKernel *k = r->k;
  if (loop_type(index.at).lanes > 1) return index.at;
  if (index.step == 0) return loop_splat(k, index.at, r->lanes);
  if (index.step == 1) return loop_iota(k, index.at, r->lanes);
  LoopExpr *steps = loop_mul(k, loop_iota(k, loop_int(k, 0), r->lanes), loop_int(k, index.step));
  return loop_add(k, index.at, steps);
}

Index index_add(Region *r, Index a, Index b) {
  if (loop_type(a.at).lanes > 1 || loop_type(b.at).lanes > 1)
    return (Index){loop_add(r->k, index_vector(r, a), index_vector(r, b)), 0};
  return (Index){loop_add(r->k, a.at, b.at), a.step + b.step};
}

Index index_scale(Region *r, Index index, int64_t by) {
  if (by == 1) return index;
  return (Index){loop_mul(r->k, index.at, loop_int(r->k, by)), index.step * by};
}

/* Lanes that start at a multiple of a size which they divide stay side by side. */
static bool stays_together(const Region *r, Index a, int64_t by) {
  return loop_type(a.at).lanes == 1 && a.step == 1 && by % r->lanes == 0 && r->aligned;
}

Index index_divide(Region *r, Index a, int64_t by) {
  if (by == 1) return a;
  if (!index_has_lanes(&a) || stays_together(r, a, by))
    return index_scalar(loop_div(r->k, a.at, loop_int(r->k, by)));
  return (Index){loop_div(r->k, index_vector(r, a), loop_int(r->k, by)), 0};
}

Index index_mod(Region *r, Index a, int64_t by) {
  if (by == 1) return index_scalar(loop_int(r->k, 0));
  if (!index_has_lanes(&a) || stays_together(r, a, by))
    return (Index){loop_mod(r->k, a.at, loop_int(r->k, by)), a.step};
  return (Index){loop_mod(r->k, index_vector(r, a), loop_int(r->k, by)), 0};
}

/* ---- buffers ---- */

static LoopBuffer *declare(Region *r, const char *name, const Value *value) {
  LoopExpr *sizes[LOOP_RANK];
  for (int i = 0; i < value->type.rank; i++) sizes[i] = dim_expr(r->k, value->type.dims[i]);
  return loop_operand_of(r->k, name, loop_element_of_type(value->type.element), value->type.rank,
                         sizes);
}

static const char *name_of(const Region *r, const char *letter, int number) {
  return arena_format(r->arena, "%s%d", letter, number);
}

/* Of what lies in a slice of a concat's result. */
static void set_strides(const Region *r, LoopBuffer *buffer, const Value *value) {
  const Value *whole = value_whole(value);
  if (!whole) return;
  LoopExpr *stride = loop_int(r->k, 1);
  for (int i = value->type.rank - 1; i >= 0; i--) {
    buffer->strides[i] = stride;
    stride = loop_mul(r->k, stride, dim_expr(r->k, whole->type.dims[i]));
  }
}

Region region_open(LoopKernel *k, const Op *op, const Target *target, DimTable *dims) {
  Region r = {.arena = k->arena,
              .dims = dims,
              .k = k,
              .op = op,
              .block = op->kind == OP_fused ? op->region : NULL,
              .lanes = target->lanes,
              .natural = target->lanes,
              .aligned = true};
  for (int i = 0; i < op->operand_count; i++) {
    const Value *value = r.block ? r.block->arguments[i] : op->operands[i];
    const char *name = value->name ? value->name : name_of(&r, "x", i);
    LoopBuffer *buffer = declare(&r, name, value);
    set_strides(&r, buffer, op->operands[i]);
    vec_push(r.arena, &r.buffers, ((RegionBuffer){value, buffer}));
  }
  for (int i = 0; i < op->result_count; i++) {
    LoopBuffer *buffer =
        declare(&r, op->result_count > 1 ? name_of(&r, "y", i) : "y", op->results[i]);
    set_strides(&r, buffer, op->results[i]);
    vec_push(r.arena, &r.buffers, ((RegionBuffer){op->results[i], buffer}));
  }
  return r;
}

int region_result_count(const Region *r) {
  return r->op->result_count;
}

Value *region_result(const Region *r, int i) {
  return r->block ? r->block->yields[i] : r->op->results[i];
}

LoopBuffer *region_result_buffer(const Region *r, int i) {
  return r->buffers.items[r->op->operand_count + i].buffer;
}

LoopBuffer *region_buffer(const Region *r, const Value *value) {
  for (int i = 0; i < r->op->operand_count; i++)
    if (r->buffers.items[i].value == value) return r->buffers.items[i].buffer;
  return NULL;
}

Value *region_operand(const Region *r, int i) {
  return r->op->operands[i];
}

/* ---- memos ---- */

size_t region_push(const Region *r) {
  return r->memos.count;
}
void region_pop(Region *r, size_t scope) {
  r->memos.count = scope;
}

void region_remember(Region *r, const Value *value, LoopExpr *result) {
  RegionMemo memo = {.value = value, .everywhere = true, .result = result};
  vec_push(r->arena, &r->memos, memo);
}

static bool same_index(const Index *a, const Index *b, int rank) {
  for (int i = 0; i < rank; i++)
    if (a[i].at != b[i].at || a[i].step != b[i].step) return false;
  return true;
}

static LoopExpr *recall(const Region *r, const Value *value, const Index *index) {
  for (size_t i = r->memos.count; i > 0; i--) {
    const RegionMemo *memo = &r->memos.items[i - 1];
    if (memo->value != value) continue;
    if (memo->everywhere) return memo->result;
    if (memo->mask == r->mask && same_index(memo->index, index, value->type.rank))
      return memo->result;
  }
  return NULL;
}

static LoopExpr *keep(Region *r, const Value *value, const Index *index, LoopExpr *result) {
  RegionMemo memo = {.value = value, .mask = r->mask, .result = result};
  for (int i = 0; i < value->type.rank; i++) memo.index[i] = index[i];
  vec_push(r->arena, &r->memos, memo);
  return result;
}

/* ---- loads and stores ---- */

static LoopExpr *access(Region *r, LoopBuffer *buffer, int rank, const Index *index) {
  LoopExpr *at[LOOP_RANK];
  int axis = -1, with_lanes = 0;
  bool gathers = false;
  for (int i = 0; i < rank; i++) {
    at[i] = index[i].at;
    if (!index_has_lanes(&index[i])) continue;
    with_lanes++;
    axis = i;
    if (loop_type(index[i].at).lanes > 1) gathers = true;
  }
  if (!with_lanes) return loop_element_of(r->k, buffer, at);
  if (gathers || with_lanes > 1)
    for (int i = 0; i < rank; i++)
      if (index_has_lanes(&index[i])) at[i] = index_vector(r, index[i]);
  LoopExpr *a = loop_lanes_of(r->k, buffer, r->lanes, at);
  if (!gathers && with_lanes == 1 && (axis != rank - 1 || index[axis].step != 1))
    a = loop_along(a, axis, index[axis].step);
  if (r->mask) a = loop_where(a, r->mask);
  return a;
}

LoopExpr *region_load(Region *r, LoopBuffer *buffer, const Value *value, int rank,
                      const Index *index) {
  LoopExpr *element = access(r, buffer, rank, index);
  if (r->fetches) {
    loop_prefetch(r->k, element);
    LoopExpr *none = loop_literal(r->k, compute_element(value->type.element), 0);
    int lanes = loop_type(element).lanes;
    return lanes > 1 ? loop_splat(r->k, none, lanes) : none;
  }
  return loop_let(r->k, buffer->name,
                  loop_cast(r->k, element, compute_element(value->type.element)));
}

void region_store(Region *r, LoopBuffer *buffer, int rank, const Index *index, LoopExpr *value) {
  bool lanes = false;
  for (int i = 0; i < rank; i++) lanes = lanes || index_has_lanes(&index[i]);
  value = loop_cast(r->k, value, buffer->element);
  if (lanes && loop_type(value).lanes == 1) value = loop_splat(r->k, value, r->lanes);
  loop_store(r->k, access(r, buffer, rank, index), value);
}

/* ---- values ---- */

static LoopExpr *elementwise_value(Region *r, const Op *op, const Index *index) {
  LoopExpr *operands[3];
  int rank = op->results[0]->type.rank;
  for (int i = 0; i < op->operand_count; i++) {
    const Value *x = op->operands[i];
    int more = rank - x->type.rank;
    Index inner[MOST_AXES];
    for (int a = 0; a < x->type.rank; a++)
      inner[a] = dim_is(x->type.dims[a], 1) && !dim_is(op->results[0]->type.dims[a + more], 1)
                     ? index_scalar(loop_int(r->k, 0))
                     : index[a + more];
    operands[i] = region_value(r, x, inner);
  }
  return scalar_op(r->k, op, operands);
}

static LoopExpr *constant_value(Region *r, const Op *op) {
  const Data *data = op_attribute(op, ATTRIBUTE_value)->data;
  if (data->count != 1 || !data->bytes)
    bug("a constant of %lld elements inside of a kernel", (long long)data->count);
  Element element = op->results[0]->type.element;
  Number number = element_is_float(element) ? number_real(data_get(data, 0))
                                            : number_integer(data_get_integer(data, 0));
  return scalar_number(r->k, element, number);
}

static LoopExpr *random_value(Region *r, const Op *op, const Index *index) {
  const Type *type = &op->results[0]->type;
  int last = type->rank - 1;
  Index four[MOST_AXES];
  bool fours = r->draw.at && last >= 0 && index[last].at == r->draw.at && index[last].step == 0 &&
               dim_is_constant(type->dims[last]) && dim_value(type->dims[last]) % 4 == 0;
  for (int i = 0; i <= last; i++) four[i] = index[i];
  if (fours) four[last].at = r->draw.from;
  LoopExpr *element = region_number(r, type, four);
  return region_random(r, op, loop_let(r->k, "element", element), fours ? r->draw.within : NULL);
}

static LoopExpr *compute(Region *r, const Op *op, const Index *index) {
  if (operator_has(op->kind, TRAIT_ELEMENTWISE)) return elementwise_value(r, op, index);
  switch (op->kind) {
  case OP_sum:
  case OP_max:
    return region_reduction(r, op, index);
  case OP_argmax:
    return region_argmax(r, op, index);
  case OP_random:
    return random_value(r, op, index);
  case OP_constant:
    return constant_value(r, op);
  case OP_full:
    return scalar_number(r->k, op->results[0]->type.element,
                         op_attribute(op, ATTRIBUTE_value)->number);
  case OP_dim_value:
    return loop_cast(r->k, dim_expr(r->k, op_attribute(op, ATTRIBUTE_value)->dim), LOOP_I64);
  case OP_stop_gradient:
  case OP_checkpoint:
    return region_value(r, op->operands[0], index);
  default: {
    LoopExpr *view = region_view(r, op, index);
    if (!view) bug("no value of '%s' inside of a kernel", operator_infos[op->kind].name);
    return view;
  }
  }
}

static bool only_changes_index(Operator kind) {
  return operator_has(kind, TRAIT_VIEW) || kind == OP_constant || kind == OP_full;
}

LoopExpr *region_value(Region *r, const Value *value, const Index *index) {
  static const Index none[1]; /* of a single number */
  if (!index) index = none;
  LoopExpr *known = recall(r, value, index);
  if (known) return known;
  LoopBuffer *buffer = region_buffer(r, value);
  if (buffer) return keep(r, value, index, region_load(r, buffer, value, value->type.rank, index));
  if (!value->op) bug("%%%d is not bound in its kernel", value->number);
  LoopExpr *result = compute(r, value->op, index);
  if (only_changes_index(value->op->kind)) return result;
  /* no number of the value's: kernels alike in all but it are one */
  return keep(r, value, index, loop_let(r->k, operator_infos[value->op->kind].name, result));
}

void region_fetch(Region *r, const Value *value, const Index *index) {
  size_t scope = region_push(r);
  r->fetches = true;
  region_value(r, value, index);
  r->fetches = false;
  region_pop(r, scope);
}

LoopExpr *region_scalar(Region *r, const Value *value) {
  return region_value(r, value, NULL);
}
