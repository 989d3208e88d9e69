/* quantise - stores constant weights in a smaller type, as --weights-type and --compute-type say.
 *
 *   before  %1 = read @fc.weight : f32[10,84]   %2 = dot %x, %1
 *   bf16    %3 = constant .. : bf16[10,84]   %4 = cast %3 {to=f32}   %2 = dot %x, %4
 *   int8    %3 = constant .. : i8[10,84]   %4 = cast %3 {to=f32}   %5 = dot %x, %4
 *           %6 = constant .. : f32[10]   %2 = mul %5, %6
 *
 * Taken are the constant second operands of dot, conv and conv_transpose, but for the kernels of
 * depthwise convolutions, which are few numbers; and parameters that `gather` takes rows of. Each
 * channel of a result, or row of a table, has its own scale, which is multiplied after the sum.
 * Arithmetic stays f32, unless --compute-type is bf16: then the other operand of a product whose
 * sum is of pairs (an even number of places; of a convolution, of channels in a group) is rounded
 * to bf16, too, so that `select` can take both as they are:
 *
 *   bf16    %7 = cast %x {to=bf16}   %8 = cast %7 {to=f32}   %2 = dot %8, %4
 *
 * `fuse` takes the cast into the product's kernel. The numbers are rounded
 * when they are written (ir/move.h). A body of a scan gets what it is given in every trip as a
 * constant of its own. Linear in the operations, and in the weights for the scales. */
#include "ir/move.h"
#include "ir/narrow.h"
#include "ir/op_traits.h"
#include "passes/constants.h"
#include "passes/dce.h"
#include "passes/rewrite.h"
#include "passes/scan_bodies.h"

/* A weight in its small type: made once, whoever uses it. */
typedef struct {
  const Data *from;
  unsigned axes;
  const Data *small, *scales;
} Small;

typedef struct {
  PassContext *context;
  Constants constants;
  Element to; /* of all weights; f32: of those alone that are computed with in bf16 */
  bool pairs; /* compute in bf16 */
  VEC(Small) made;
  SmallWeights sum;
  bool failed;
} Quantise;

/* A weight: its shape, with axes split where channels need it, and the axes of the channels. */
typedef struct {
  const Data *data;
  Type type;
  unsigned axes;
} Weight;

static const Data *known(const Quantise *q, const Value *value, bool is_parameter) {
  if (value->type.element != ELEMENT_f32 || !type_is_static(&value->type)) return NULL;
  const Op *op = scan_outer_value(value)->op;
  if (is_parameter && (!op || op->kind != OP_read)) return NULL;
  const Data *data = constant_data(&q->constants, value);
  return data && data->count > 0 ? data : NULL;
}

static int64_t scale_count(const Weight *w) {
  int64_t count = 1;
  for (int i = 0; i < w->type.rank; i++)
    if (w->axes & 1u << i) count *= dim_value(w->type.dims[i]);
  return count;
}

static const Small *small_of(Quantise *q, const Op *op, const Weight *w, Element to) {
  Arena *arena = q->context->module->arena;
  for (size_t i = 0; i < q->made.count; i++)
    if (q->made.items[i].from == w->data && q->made.items[i].axes == w->axes)
      return &q->made.items[i];
  Small small = {.from = w->data, .axes = w->axes};
  if (to == ELEMENT_i8) {
    small.scales = narrow_scales(arena, w->data, &w->type, w->axes);
    if (!small.scales) {
      Diagnostic *d =
          diag_report(q->context->diagnostics, E0612, op->at ? op->at->span : SPAN_NONE,
                      "the weight of this '%s' holds a number that is not finite, which int8 "
                      "cannot store",
                      operator_infos[op->kind].name);
      diag_help(d, "--weights-type bf16 keeps it");
      q->failed = true;
      return NULL;
    }
  }
  small.small = data_narrow(arena, w->data, &w->type, to, small.scales, w->axes);
  if (!small.small) return NULL;
  q->sum.tensors++;
  q->sum.bytes += data_bytes(small.small) + (small.scales ? data_bytes(small.scales) : 0);
  q->sum.was += data_bytes(w->data);
  vec_push(q->context->scratch, &q->made, small);
  return &vec_last(&q->made);
}

static Value *converted(Builder *b, Value *value, Element element) {
  Attribute to = {ATTRIBUTE_to, attribute_element(element)};
  return build(b, OP_cast, &value, 1, &to, 1);
}

static Value *small_constant(Op *op, Type type, const Small *small) {
  type.element = small->small->element;
  return constant_before(op, type, small->small);
}

/* ---- products ---- */

/* The weight of a product and the shape of its scales, which meet the result's channels. */
static bool product_weight_of(const Quantise *q, const Op *op, Weight *w, Type *scales) {
  const Value *value = op->operands[1];
  const Type *type = &value->type;
  if (op_result(op)->type.element != ELEMENT_f32) return false;
  *w = (Weight){.data = known(q, value, false), .type = *type};
  *scales = type_scalar(ELEMENT_f32);
  if (!w->data) return false;
  if (op->kind == OP_dot) {
    const DimList *batch = op_attribute(op, ATTRIBUTE_batch)->lists.items;
    const DimList *contract = op_attribute(op, ATTRIBUTE_contract)->lists.items;
    if (batch[1].count > 0 || contract[1].count == 0) return false;
    w->axes = (1u << type->rank) - 1;
    for (int i = 0; i < contract[1].count; i++) w->axes &= ~(1u << dim_value(contract[1].items[i]));
    for (int i = 0; i < type->rank; i++)
      if (w->axes & 1u << i) scales->dims[scales->rank++] = type->dims[i];
    return true;
  }
  int64_t groups = op_integer(op, ATTRIBUTE_groups);
  DimTable *dims = q->context->module->dims;
  if (op_is_channels_last(op)) return false;
  if (op->kind == OP_conv) {
    if ((groups > 1 && dim_is(type->dims[1], 1))) return false;
    w->axes = 1;
  } else { /* [C, out/groups, k..] as [groups, C/groups, out/groups, k..] */
    if (type->rank == MOST_AXES || (groups > 1 && dim_is(type->dims[1], 1))) return false;
    for (int i = type->rank; i > 0; i--) w->type.dims[i] = type->dims[i - 1];
    w->type.rank++;
    w->type.dims[0] = dim_constant(dims, groups);
    w->type.dims[1] = dim_constant(dims, dim_value(type->dims[0]) / groups);
    w->axes = 1u | 1u << 2;
  }
  scales->rank = type->rank - 1;
  scales->dims[0] = dim_constant(dims, scale_count(w));
  for (int i = 1; i < scales->rank; i++) scales->dims[i] = dim_constant(dims, 1);
  return true;
}

/* Whether the places that a product sums over come in pairs: of a convolution side by side in a
 * pixel. */
static bool has_pairs(const Op *op) {
  const Type *type = &op->operands[1]->type;
  int64_t places = 1;
  if (op->kind == OP_conv) {
    places = dim_value(type->dims[1]);
  } else if (op->kind == OP_dot) {
    const DimList *contract = op_attribute(op, ATTRIBUTE_contract)->lists.items;
    for (int i = 0; i < contract[1].count; i++)
      places *= dim_value(type->dims[dim_value(contract[1].items[i])]) % 2;
  } else {
    places = dim_value(type->dims[0]) / op_integer(op, ATTRIBUTE_groups);
  }
  return places % 2 == 0;
}

static void quantise_product(Quantise *q, Op *op) {
  Weight w;
  Type scales;
  if (!product_weight_of(q, op, &w, &scales)) return;
  bool pairs = q->pairs && has_pairs(op);
  Element to = pairs ? ELEMENT_bf16 : q->to;
  if (to == ELEMENT_f32) return;
  const Small *small = small_of(q, op, &w, to);
  if (!small) return;
  Builder b = builder_before(op);
  Value *x = op->operands[0];
  if (pairs) x = converted(&b, converted(&b, x, ELEMENT_bf16), ELEMENT_f32);
  Value *weight = small_constant(op, op->operands[1]->type, small);
  Value *operands[] = {x, converted(&b, weight, ELEMENT_f32)};
  q->sum.products += pairs;
  Value *result = build_like(&b, op, operands);
  if (small->scales)
    result = build_binary(&b, OP_mul, result, constant_before(op, scales, small->scales));
  op_replace(op, result, true);
}

/* ---- tables ---- */

static void quantise_gather(Quantise *q, Op *op) {
  const Type *type = &op->operands[0]->type;
  if (q->to == ELEMENT_f32 || op_integer(op, ATTRIBUTE_axis) != 0 ||
      op_integer(op, ATTRIBUTE_batch) != 0 || type->rank < 2)
    return;
  Weight w = {known(q, op->operands[0], true), *type, 1};
  const Small *small = w.data ? small_of(q, op, &w, q->to) : NULL;
  if (!small) return;
  Builder b = builder_before(op);
  Value *operands[] = {small_constant(op, *type, small), op->operands[1]};
  Value *result = converted(&b, build_like(&b, op, operands), ELEMENT_f32);
  if (small->scales) {
    Type one = {.element = ELEMENT_f32, .rank = 1, .dims = {type->dims[0]}};
    operands[0] = constant_before(op, one, small->scales);
    Value *scale = build_like(&b, op, operands);
    const Dim *dims[MOST_AXES];
    const Type *made = &op_result(op)->type;
    for (int i = 0; i < made->rank; i++)
      dims[i] = i < scale->type.rank ? made->dims[i] : dim_constant(q->context->module->dims, 1);
    result = build_binary(&b, OP_mul, result, build_reshape(&b, scale, dims, made->rank));
  }
  op_replace(op, result, true);
}

static void quantise_block(Block *block, void *user) {
  Quantise *q = user;
  for (Op *op = block->first, *next; op; op = next) {
    next = op->next;
    op_follow(op);
    if (op->kind == OP_dot || op->kind == OP_conv || op->kind == OP_conv_transpose)
      quantise_product(q, op);
    else if (op->kind == OP_gather)
      quantise_gather(q, op);
  }
}

bool pass_quantise(PassContext *context) {
  Module *module = context->module;
  Quantise q = {.context = context,
                .to = context->options->weights_type,
                .pairs = context->options->compute_type == ELEMENT_bf16};
  if (q.to == ELEMENT_f32 && !q.pairs) return true;
  q.constants = constants_of(context);
  q.sum.element = q.to == ELEMENT_f32 ? ELEMENT_bf16 : q.to;
  for (size_t i = 0; i < module->functions.count; i++) {
    Function *function = module->functions.items[i];
    function_blocks(function, quantise_block, &q);
    graph_resolve(function);
    dce_function(function);
  }
  module->small = q.sum;
  context->effect = arena_format(module->arena, "%lld weight%s, %.1f KiB of %.1f",
                                 (long long)q.sum.tensors, q.sum.tensors == 1 ? "" : "s",
                                 (double)q.sum.bytes / 1024, (double)q.sum.was / 1024);
  return !q.failed;
}
