#include "ir/type.h"

#include "support/bug.h"

#include <string.h>

const ElementInfo element_infos[ELEMENTS] = {
#define ELEMENT(name, bytes, class, meaning) {#name, bytes, CLASS_##class, meaning},
#include "ir/elements.def"
#undef ELEMENT
};

bool element_find(const char *name, Element *element) {
  for (int i = 0; i < ELEMENTS; i++)
    if (strcmp(element_infos[i].name, name) == 0) {
      *element = (Element)i;
      return true;
    }
  return false;
}

Type type_scalar(Element element) {
  return (Type){.element = element};
}

bool type_same_dims(const Type *a, const Type *b) {
  if (a->rank != b->rank) return false;
  for (int i = 0; i < a->rank; i++)
    if (a->dims[i] != b->dims[i]) return false;
  return true;
}

bool type_equal(const Type *a, const Type *b) {
  return a->element == b->element && type_same_dims(a, b);
}

bool type_is_static(const Type *type) {
  for (int i = 0; i < type->rank; i++)
    if (!dim_is_constant(type->dims[i])) return false;
  return true;
}

const Dim *type_count(DimTable *table, const Type *type) {
  const Dim *count = dim_constant(table, 1);
  for (int i = 0; i < type->rank; i++) count = dim_mul(table, count, type->dims[i]);
  return count;
}

int64_t type_bytes_at_bound(const Type *type) {
  int64_t bytes = element_infos[type->element].bytes;
  bool empty = false, large = false;
  for (int i = 0; i < type->rank; i++) {
    int64_t most = dim_max(type->dims[i]);
    if (most <= 0)
      empty = true;
    else if (__builtin_mul_overflow(bytes, most, &bytes) || bytes > MOST_BYTES)
      large = true, bytes = MOST_BYTES;
  }
  return empty ? 0 : large ? -1 : bytes;
}

bool type_corner_is_dense(const Type *type) {
  int axis = 0;
  while (axis < type->rank && dim_is(type->dims[axis], 1)) axis++;
  for (int i = axis + 1; i < type->rank; i++)
    if (!dim_is_constant(type->dims[i])) return false;
  return true;
}

int64_t type_static_count(const Type *type) {
  int64_t count = 1;
  for (int i = 0; i < type->rank; i++)
    if (__builtin_mul_overflow(count, dim_value(type->dims[i]), &count))
      bug("a tensor larger than the limit");
  return count;
}

void type_print(Text *text, const Type *type) {
  text_string(text, element_infos[type->element].name);
  if (type->rank == 0) return;
  for (int i = 0; i < type->rank; i++) {
    text_char(text, i ? ',' : '[');
    dim_print(text, type->dims[i]);
  }
  text_char(text, ']');
}

const char *type_text(Arena *arena, const Type *type) {
  Text text = text_new(arena);
  type_print(&text, type);
  return text_get(&text);
}

bool type_broadcast(const Type *a, const Type *b, Type *result, int *axis) {
  const Type *longer = a->rank >= b->rank ? a : b, *shorter = longer == a ? b : a;
  Type type = *longer;
  type.element = a->element;
  int lead = longer->rank - shorter->rank;
  for (int i = lead; i < longer->rank; i++) {
    const Dim *x = longer->dims[i], *y = shorter->dims[i - lead];
    if (x == y || dim_is(y, 1)) continue;
    if (!dim_is(x, 1)) {
      *axis = i;
      return false;
    }
    type.dims[i] = y;
  }
  *result = type;
  return true;
}
