/* random_generator.h - what the parts of random_graph.h share: values that were made so far, with
 * what is known of them, and one function a kind of operator that makes one more. */
#ifndef TESTS_RANDOM_GENERATOR_H
#define TESTS_RANDOM_GENERATOR_H

#include "ir/build.h"
#include "support/map.h"
#include "tests/tools/random_graph.h"

typedef struct {
  const RandomGraph *options;
  Module *module;
  Function *function;
  Builder builder;
  uint64_t state;
  VEC(Value *) values;
  Map facts; /* Fact by value */
  int inputs, params, writes;
  const Dim *n, *long_n; /* of the second, the size of a map or a length; NULL: they are fixed */
} Generator;

typedef struct {
  double bound; /* of |x|, but for what cannot be known */
  bool exact;   /* the same bits whichever way it is computed */
} Fact;

typedef enum { ANY, FLOAT, ARITHMETIC, INDEX, BOOLEAN } Wanted;

/* random_values.c: choices, facts, single operations, leaves, and picks of what there is. */
int below(Generator *g, int n);
bool chance(Generator *g, int percent);
Fact fact(const Generator *g, const Value *value);
Value *keep(Generator *g, Value *value, double bound, bool exact);
Value *must(Generator *g, Value *value);
AttributeValue integer(Generator *g, int64_t value);
Value *op(Generator *g, Operator kind, Value *const *operands, int count,
          const Attribute *attributes, int attribute_count);
Value *unary(Generator *g, Operator kind, Value *x);
Value *binary(Generator *g, Operator kind, Value *x, Value *y);
Value *number(Generator *g, Element element, double value);
Value *cast(Generator *g, Value *x, Element element);
Value *calm(Generator *g, Value *x, double bound, bool exact);
const Dim *size(Generator *g);
Value *constant(Generator *g, const Type *type);
Value *param(Generator *g, const Type *type);
Value *scaled(Generator *g, const Type *type, int64_t terms);
Value *fresh(Generator *g, const Type *type);
Element float_element(Generator *g);
bool fits(const Value *value, Wanted wanted);
bool is_handy(const Value *value);
Value *pick(Generator *g, Wanted wanted, int least, int most, bool exact);
Value *partner(Generator *g, const Value *x, Element element);
int axis_of(Generator *g, const Value *x);

/* random_elementwise.c: also reductions and rows. */
void make_unary(Generator *g, Operator kind);
void make_binary(Generator *g, Operator kind);
void make_compare(Generator *g, Operator kind);
void make_logic(Generator *g, Operator kind);
void make_where(Generator *g);
void make_cast(Generator *g);
void make_reduction(Generator *g, Operator kind);
void make_along_axis(Generator *g, Operator kind);

/* random_shape.c: also indices. */
void make_reshape(Generator *g);
void make_transpose(Generator *g);
void make_broadcast(Generator *g);
void make_slice(Generator *g);
AttributeValue few(Generator *g, int count, int least, int most);
void make_pad(Generator *g);
void make_concat(Generator *g);
void make_update(Generator *g);
int window_attributes(Generator *g, const Dim *const *sizes, int count, Attribute *to);
void make_windows(Generator *g, bool and_back);
void make_gather(Generator *g, bool scatter);

/* random_rows.c */
void make_rows(Generator *g);

/* random_maps.c */
void make_maps(Generator *g);

/* random_sequences.c */
void make_sequences(Generator *g);

/* random_products.c */
void make_dot(Generator *g);
void make_conv(Generator *g, Operator kind);
void make_conv_transpose(Generator *g);
void make_conv_weight(Generator *g);
void make_dot_panel(Generator *g);
void make_winograd(Generator *g, Operator kind);
void make_attention(Generator *g, Operator kind);

#endif
