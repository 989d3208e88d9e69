/* infer.h - the insides of build and infer: completing attributes, and a function infer_NAME for
 * each operator, which checks an operation and gives its result types.
 *
 * A failing rule reads: `infer_fail(i, E0203, 1, "message"); infer_label(i, ...); return false;`.
 */
#ifndef IR_INFER_H
#define IR_INFER_H

#include "ir/build.h"

typedef struct {
  Module *module;
  DimTable *dims;
  Operator kind;
  const Type *in;
  int in_count;
  const Attribute *attributes;
  Type *out; /* of operators with a declared type, this type at first; room: infer_room */
  int out_count;
  Failure *failure;
  CheckList *checks; /* may be NULL */
} Inference;

#define OPERATOR(name, least, most, results, traits, attributes, shape, meaning)                   \
  bool infer_##name(Inference *i);
#include "ir/operators.def"
#undef OPERATOR

/* Always false, so that a rule can return it. */
bool infer_fail(Inference *i, DiagnosticCode code, int operand, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void infer_label(Inference *i, const char *format, ...) __attribute__((format(printf, 2, 3)));
void infer_help(Inference *i, const char *format, ...) __attribute__((format(printf, 2, 3)));

const char *infer_type_text(Inference *i, const Type *type);
const char *infer_dim_text(Inference *i, const Dim *dim); /* NULL: "(too large)" */
/* How a user writes the operator: '+', '@', 'conv'. */
const char *operator_spelling(Operator kind);

/* Whether a relation can hold. If only the call can tell, it becomes a check. A NULL dim, from an
 * overflow, fails. */
bool infer_require(Inference *i, CheckKind kind, const Dim *left, const Dim *right);
/* The first result: ranks, sizes and bytes within limits. */
bool infer_result(Inference *i, const Type *type);
bool infer_another_result(Inference *i, const Type *type);

const AttributeValue *infer_attribute(const Inference *i, AttributeName name);
int64_t infer_integer(const Inference *i, AttributeName name); /* of a constant; see below */
int infer_list_count(const Inference *i, AttributeName name);
const Dim *infer_list(const Inference *i, AttributeName name, int n);
/* Fails unless a DIM, DIMS or PAIRS holds constants that are at least `least`. */
bool infer_constants(Inference *i, AttributeName name, int64_t least);

/* Operands' element types: a failing rule's message says what to do. */
bool infer_arithmetic(Inference *i, int operand); /* a float, i32 or i64 */
bool infer_float(Inference *i, int operand);
bool infer_index(Inference *i, int operand); /* i32 or i64 */
bool infer_bool(Inference *i, int operand);
bool infer_same_element(Inference *i, int first, int second);

/* (n + before + after - dilation * (kernel - 1) - 1) / stride + 1, which must leave an output.
 * `spatial` counts axes in the attributes, `axis` names it in messages. */
const Dim *infer_window(Inference *i, const Dim *n, const Dim *kernel, int spatial, int axis);

/* Attributes in the table's order, defaults filled in, lists of their full length, axes counted
 * from the front. `declared`: the type of operators that are made from nothing, else NULL. */
bool attributes_complete(Module *module, Operator kind, const Type *operands, int operand_count,
                         const Type *declared, const Attribute *given, int given_count,
                         Attribute *complete, Failure *failure);

#endif
