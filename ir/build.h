/* build.h - making operations: defaults are filled in, attributes brought into their one form,
 * result types inferred, mistakes reported as data.
 *
 *   Builder b = {.function = f, .block = f->body, .at = location};
 *   Value *y = build(&b, OP_conv, (Value *[]){x, w}, 2, (Attribute[]){...}, 2);
 *   if (!y) report(b.failure);
 */
#ifndef IR_BUILD_H
#define IR_BUILD_H

#include "ir/graph.h"
#include "support/diag.h"

/* Why an operation cannot be: the front end makes a diagnostic of it, the parser of text another.
 * `operand` is the one to underline, -1 the whole. Texts are in the module's arena. */
typedef struct {
  DiagnosticCode code;
  int operand;
  const char *message; /* "the inner dimensions of '@' differ" */
  const char *label;   /* "f32[N,25088] @ f32[4096,4096]: 25088 is not 4096" */
  const char *help;
} Failure;

typedef struct {
  Function *function;
  Block *block;
  Op *before; /* insert before this one; NULL: append */
  const Location *at;
  const char *layer;
  bool again;      /* Op.again of what is made */
  Failure failure; /* of the last build that gave NULL */
  /* Relations that the bounds do not decide become checks of the function (Function.checks). */
} Builder;

/* Makes and inserts an operation; its first result, or NULL and `failure`. Attributes may come in
 * any order; those that are absent get their default. Per-axis lists may be given as one DIM. */
Value *build(Builder *builder, Operator kind, Value *const *operands, int operand_count,
             const Attribute *attributes, int attribute_count);
/* For operators whose type is declared: constant, full, iota, random, read, dim_value. */
Value *build_typed(Builder *builder, Operator kind, Type type, const char *symbol,
                   const Attribute *attributes, int attribute_count);
Op *build_write(Builder *builder, const char *symbol, Value *value);

/* Short forms for passes; bug() where they cannot be. */
Value *build_unary(Builder *builder, Operator kind, Value *x);
Value *build_binary(Builder *builder, Operator kind, Value *x, Value *y);
Value *build_number(Builder *builder, Element element, double value); /* a rank-0 constant */
Value *build_reshape(Builder *builder, Value *x, const Dim *const *dims, int rank);
Value *build_transpose(Builder *builder, Value *x, const int *perm);

/* Shape inference alone, as the verifier uses it: result types of an operation whose attributes are
 * complete. `results` has room for infer_room types. */
static inline int infer_room(int operand_count) {
  return operand_count > 2 ? operand_count : 2;
}
bool infer(Module *module, Operator kind, const Type *operands, int operand_count,
           const Attribute *attributes, Type *results, int *result_count, Failure *failure,
           CheckList *checks);

/* Attribute constructors (in the module's arena where they need memory). */
AttributeValue attribute_dim(const Dim *dim);
AttributeValue attribute_integer(Module *module, int64_t value);
AttributeValue attribute_number(Number number);
AttributeValue attribute_flag(bool flag);
AttributeValue attribute_word(const char *word);
AttributeValue attribute_element(Element element);
AttributeValue attribute_dims(Module *module, const Dim *const *dims, int count);
AttributeValue attribute_integers(Module *module, const int64_t *values, int count);
AttributeValue attribute_pairs(Module *module, const int64_t (*pairs)[2], int count);
/* [[first..],[second..]]: contract and batch of dot. */
AttributeValue attribute_two_lists(Module *module, const int64_t *first, const int64_t *second,
                                   int count);
AttributeValue attribute_data(const Data *data);

#endif
