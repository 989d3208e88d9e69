#include "ir/attention.h"

/* Keys and values together: rows of 64 queries and their sums stay in L2. */
enum { MOST_WIDTH = 2048 };

static int first_extra(const Op *op) {
  return op->kind == OP_attention ? 3 : 6;
}

int attention_factor(const Op *op) {
  return op_flag(op, ATTRIBUTE_factor) ? op->operand_count - 1 : -1;
}

int attention_mask(const Op *op) {
  int extras = op->operand_count - first_extra(op) - op_flag(op, ATTRIBUTE_factor);
  return extras > 0 ? first_extra(op) : -1;
}

double attention_scale(const Op *op) {
  Number given = op_attribute(op, ATTRIBUTE_scale)->number;
  return given.is_integer ? (double)given.integer : given.real;
}

bool attention_streams(const Op *op) {
  const Type *q = &op->operands[0]->type, *v = &op->operands[2]->type;
  return q->element == ELEMENT_f32 && dim_max(q->dims[q->rank - 1]) <= MOST_WIDTH &&
         dim_max(v->dims[v->rank - 1]) <= MOST_WIDTH;
}
