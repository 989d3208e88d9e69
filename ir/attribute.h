/* attribute.h - the values of operators' attributes. Which operator has which, of what kind and
 * with what default, is in operators.def. */
#ifndef IR_ATTRIBUTE_H
#define IR_ATTRIBUTE_H

#include "ir/data.h"
#include "ir/type.h"

typedef enum {
  ATTRIBUTE_DIM,     /* a number or dim expression: groups=2, start=pos */
  ATTRIBUTE_NUMBER,  /* a scalar of the result's element type: value=0.25 */
  ATTRIBUTE_FLAG,    /* true or false */
  ATTRIBUTE_WORD,    /* one of a few words: layout=nhwc */
  ATTRIBUTE_ELEMENT, /* an element type: to=f32 */
  ATTRIBUTE_DIMS,    /* [6,1,N] */
  ATTRIBUTE_PAIRS,   /* [[2,2],[2,2]]: before and after, for each axis */
  ATTRIBUTE_LISTS,   /* [[1],[1]]: lists of axes */
  ATTRIBUTE_DATA,    /* a constant tensor */
} AttributeKind;

/* Exact for integers of 64 bits and for doubles. */
typedef struct {
  bool is_integer;
  int64_t integer;
  double real;
} Number;

static inline Number number_integer(int64_t v) {
  return (Number){true, v, (double)v};
}
static inline Number number_real(double v) {
  return (Number){false, 0, v};
}

typedef struct {
  const Dim *const *items;
  int count;
} DimList;

typedef struct {
  AttributeKind kind;
  union {
    const Dim *dim;
    Number number;
    bool flag;
    const char *word; /* interned or static */
    Element element;
    DimList dims;
    struct {
      const DimList *items; /* PAIRS: each of count 2 */
      int count;
    } lists;
    const Data *data;
  };
} AttributeValue;

typedef enum {
#define ATTRIBUTE_NAME(name) ATTRIBUTE_##name,
#include "ir/attributes.def"
#undef ATTRIBUTE_NAME
  ATTRIBUTE_NAMES
} AttributeName;
extern const char *const attribute_names[ATTRIBUTE_NAMES];

typedef struct {
  AttributeName name;
  AttributeValue value;
} Attribute;

bool attribute_equal(const AttributeValue *a, const AttributeValue *b);

#endif
