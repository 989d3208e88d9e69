/* operator.h - the table of operators (operators.def) as C. */
#ifndef IR_OPERATOR_H
#define IR_OPERATOR_H

#include "ir/attribute.h"

typedef enum {
#define OPERATOR(name, least, most, results, traits, attributes, shape, meaning) OP_##name,
#include "ir/operators.def"
#undef OPERATOR
  OPERATORS
} Operator;

typedef enum {
  TRAIT_ELEMENTWISE = 1, /* result element = f(operand elements), operands broadcast */
  TRAIT_COMMUTATIVE = 2, /* f(x, y) == f(y, x), up to the gradient at a tie */
  TRAIT_COMPARE = 4,     /* gives bool from equal element types */
  TRAIT_REDUCTION = 8,   /* over `axis`, with `keepdims` */
  TRAIT_VIEW = 16,       /* moves no element in principle */
  TRAIT_PRODUCT = 32,    /* multiply-adds: what FLOPs are counted of, 2 each */
  TRAIT_SYMBOL = 64,     /* has a @name */
  TRAIT_REGION = 128,    /* has a region */
  TRAIT_ORDERED = 256,   /* not pure: keeps its place among the others */
  TRAIT_DEAR = 512,      /* a polynomial, or more, for each element */
} Trait;

typedef struct {
  AttributeName name;
  AttributeKind kind;
  const char *standard; /* the default's text; "": must be given */
} AttributeRow;

enum { MOST_ATTRIBUTES = 9 };

typedef struct {
  const char *name;
  int least, most, results;
  unsigned traits;
  AttributeRow attributes[MOST_ATTRIBUTES]; /* up to the first whose `standard` is NULL */
  const char *shape, *meaning;
} OperatorInfo;
extern const OperatorInfo operator_infos[OPERATORS];

bool operator_find(const char *name, Operator *kind);
int operator_attribute_count(Operator kind);
static inline bool operator_has(Operator o, Trait t) {
  return (operator_infos[o].traits & t) != 0;
}

#endif
