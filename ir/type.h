/* type.h - element types, and tensor types: an element and up to 8 dims. */
#ifndef IR_TYPE_H
#define IR_TYPE_H

#include "ir/dim.h"

typedef enum {
#define ELEMENT(name, bytes, class, meaning) ELEMENT_##name,
#include "ir/elements.def"
#undef ELEMENT
  ELEMENTS
} Element;

typedef enum { CLASS_FLOAT, CLASS_INTEGER, CLASS_BOOL } ElementClass;

typedef struct {
  const char *name;
  int bytes;
  ElementClass class;
  const char *meaning;
} ElementInfo;
extern const ElementInfo element_infos[ELEMENTS];

static inline bool element_is_float(Element e) {
  return element_infos[e].class == CLASS_FLOAT;
}
static inline bool element_is_integer(Element e) {
  return element_infos[e].class == CLASS_INTEGER;
}
bool element_find(const char *name, Element *element);

/* Limits of the language, in one table: beyond them is an error. */
enum { MOST_AXES = 8, MOST_NESTING = 1000, MOST_OPERATIONS = 1000000 };
#define MOST_BYTES ((int64_t)1 << 47) /* a tensor */

typedef struct {
  Element element;
  int rank;
  const Dim *dims[MOST_AXES];
} Type;

Type type_scalar(Element element);
bool type_equal(const Type *a, const Type *b);
bool type_same_dims(const Type *a, const Type *b); /* whatever the elements */
bool type_is_static(const Type *type);
/* Number of elements as a dim; NULL on overflow. */
const Dim *type_count(DimTable *table, const Type *type);
/* Bytes with every dim at its bound; -1 above MOST_BYTES. */
int64_t type_bytes_at_bound(const Type *type);
/* Whether the corner of a tensor that a call sees, which lies at its bound, is the first of its
 * memory in order: the dims after the first one longer than 1 are fixed. */
bool type_corner_is_dense(const Type *type);
/* Number of elements of a static type. */
int64_t type_static_count(const Type *type);
void type_print(Text *text, const Type *type); /* "f32[N,1,28,28]", "f32" for rank 0 */
const char *type_text(Arena *arena, const Type *type);

/* NumPy's rule, right-aligned; two dims go together if they are equal or one is the constant 1. On
 * failure false, and `axis` is the axis of the result at which they differ. */
bool type_broadcast(const Type *a, const Type *b, Type *result, int *axis);

#endif
